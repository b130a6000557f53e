//! Predictions as files: CSV, JSON lines, NPY.

use crate::circuit::{Dtype, Numbers};
use crate::data::npy;
use crate::runtime::once::Tensor;
use serde_json::{Map, Value, json};

/// How predictions are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Format {
    /// Comma-separated, the names in the first line.
    Csv,
    /// An object a line.
    Jsonl,
    /// One array, as NumPy reads it.
    Npy,
}

/// A value for all rows, and what its numbers stand for.
pub struct Predicted {
    /// The first axis is the rows.
    pub tensor: Tensor,
    /// If it is a class: its cases.
    pub cases: Option<Vec<String>>,
    /// If its elements are one a case of a class: the cases.
    pub elements: Option<Vec<String>>,
}

impl Predicted {
    /// The numbers of a row.
    fn row(&self, row: usize) -> &[f64] {
        let width: usize = self.tensor.dims[1..].iter().product();
        &self.tensor.data[row * width..][..width]
    }

    /// `p`, or for each element `p.setosa`, `p_0`, `p_0_1`.
    fn heads(&self) -> Vec<String> {
        let name = &self.tensor.name;
        if let Some(elements) = &self.elements {
            return elements.iter().map(|element| format!("{name}.{element}")).collect();
        }
        self.tensor.dims[1..].iter().fold(vec![name.clone()], |heads, &extent| {
            heads.iter().flat_map(|head| (0..extent).map(move |k| format!("{head}_{k}"))).collect()
        })
    }

    /// The case that a number stands for.
    fn case(&self, number: f64) -> Option<&str> {
        self.cases.as_ref()?.get(number as usize).map(String::as_str)
    }
}

/// A number as short as it reads back.
fn shown(number: f64, dtype: Dtype) -> String {
    match dtype {
        Dtype::F32 => (number as f32).to_string(),
        Dtype::F64 => number.to_string(),
    }
}

/// A number for JSON, which has no NaN and no infinity.
fn number(number: f64, dtype: Dtype) -> Value {
    let text = shown(number, dtype);
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// Predictions as the bytes of a file.
///
/// # Panics
/// If there is not exactly one for [`Format::Npy`].
pub fn written(predicted: &[Predicted], rows: usize, format: Format, dtype: Dtype) -> Vec<u8> {
    match format {
        Format::Csv => csv(predicted, rows, dtype),
        Format::Jsonl => {
            let line = |row| format!("{}\n", object(predicted, row, dtype));
            (0..rows).map(line).collect::<String>().into_bytes()
        }
        Format::Npy => {
            let [Predicted { tensor, .. }] = predicted else { panic!("one array a file") };
            npy::written(&tensor.dims, &Numbers::rounded(dtype, tensor.data.iter().copied()))
        }
    }
}

fn csv(predicted: &[Predicted], rows: usize, dtype: Dtype) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(vec![]);
    let mut write = |record: Vec<String>| writer.write_record(record).expect("memory takes what is written");
    write(predicted.iter().flat_map(Predicted::heads).collect());
    for row in 0..rows {
        let cell = |of: &Predicted, x: f64| of.case(x).map_or_else(|| shown(x, dtype), str::to_string);
        write(predicted.iter().flat_map(|of| of.row(row).iter().map(|&x| cell(of, x))).collect());
    }
    writer.into_inner().expect("memory takes what is written")
}

/// One row: a name for a class, an object for what has an element a case, nested lists for other arrays.
fn object(predicted: &[Predicted], row: usize, dtype: Dtype) -> Value {
    let value = |of: &Predicted| {
        let numbers = of.row(row);
        let one = |&x: &f64| of.case(x).map_or_else(|| number(x, dtype), |case| json!(case));
        match &of.elements {
            Some(elements) => {
                Value::Object(elements.iter().cloned().zip(numbers.iter().map(one)).collect::<Map<_, _>>())
            }
            None => nested(&of.tensor.dims[1..], &numbers.iter().map(one).collect::<Vec<_>>()),
        }
    };
    Value::Object(predicted.iter().map(|of| (of.tensor.name.clone(), value(of))).collect())
}

/// A row-major array as nested lists.
fn nested(dims: &[usize], values: &[Value]) -> Value {
    match dims {
        [] => values[0].clone(),
        [0, ..] => Value::Array(vec![]),
        [first, rest @ ..] => values.chunks(values.len() / first).map(|part| nested(rest, part)).collect(),
    }
}
