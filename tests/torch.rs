//! Fragments of networks, and the library, against PyTorch: values and gradients in f64 by the reference interpreter,
//! and in f32 by native code. The fixtures are made by `tools/torch_fixtures.py` and `tools/library_fixtures.py`.

use nnc::circuit::{Dtype, SlotId};
use nnc::elaborate::{self, Choices};
use nnc::runtime::checkpoint::{self, Loaded};
use nnc::runtime::once::{By, Evaluation, Tensor};
use nnc::syntax::ast::ItemKind;
use std::path::Path;

const FOLDER: &str = "tests/cases/torch";

/// Examples in a batch.
const BATCH: usize = 2;

/// The numbers of one fragment.
struct Fixture<'a> {
    net: &'a str,
    loaded: &'a Loaded,
}

impl Fixture<'_> {
    fn get(&self, what: &str) -> Option<&[f64]> {
        let name = format!("{}/{what}", self.net);
        let tensor = self.loaded.tensors.iter().find(|tensor| tensor.name == name);
        tensor.map(|tensor| tensor.data.as_slice())
    }

    /// The names of all its arrays.
    fn names(&self) -> impl Iterator<Item = &str> {
        let begin = format!("{}/", self.net);
        self.loaded.tensors.iter().filter_map(move |tensor| tensor.name.strip_prefix(&begin))
    }

    /// What PyTorch says of a result of `nnc eval`: an output, or the gradient `w_bar`.
    fn expected(&self, result: &str) -> Option<&[f64]> {
        match result.strip_suffix("_bar") {
            Some(of) => self.get(&format!("bar/{of}")),
            None => self.get(result),
        }
    }
}

/// Compares results with PyTorch's; the tolerance is in proportion to the largest number of an array.
fn compare(fixture: &Fixture, results: &[Tensor], tolerance: f64) -> Result<usize, String> {
    let mut compared = 0;
    for result in results {
        let Some(expected) = fixture.expected(&result.name) else { continue };
        let scale = expected.iter().fold(1.0f64, |scale, x| scale.max(x.abs()));
        let close = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance * scale;
        if result.data.len() != expected.len() || !result.data.iter().zip(expected).all(close) {
            return Err(format!(
                "{}: {} is {:?}, by PyTorch {expected:?}",
                fixture.net, result.name, result.data
            ));
        }
        compared += 1;
    }
    Ok(compared)
}

/// Evaluates a fragment both ways.
fn hold(program: &elaborate::Program, fixture: &Fixture) -> Result<(), String> {
    let choices = Choices { net: Some(fixture.net.into()), training: true, ..Choices::default() };
    let (model, _) = elaborate::model(program, None, &choices).map_err(|wrong| {
        format!("{}: {}", fixture.net, nnc::diagnostic::render_all(&wrong, &program.sources, false))
    })?;
    let mut evaluation = Evaluation::new(&model, true, BATCH, 1);
    for (k, slot) in model.circuit.slots().iter().enumerate() {
        let given =
            fixture.get(&slot.name).ok_or_else(|| format!("{}: nothing for {}", fixture.net, slot.name))?;
        evaluation.values[SlotId(k as u32).0 as usize] = given.to_vec();
    }
    let is_slot = |name: &str| model.circuit.slots().iter().any(|slot| slot.name == name);
    let wanted = fixture.names().filter(|name| !is_slot(name)).count();
    let ways = [
        (By::InterpreterF64, Dtype::F64, 1e-9),
        (By::Native, Dtype::F64, 1e-9),
        (By::Native, Dtype::F32, 2e-5),
    ];
    for (by, dtype, tolerance) in ways {
        evaluation.dtype = dtype;
        let compared = compare(fixture, &evaluation.run(by)?, tolerance)
            .map_err(|what| format!("{by:?} in {dtype}: {what}"))?;
        if compared != wanted {
            return Err(format!("{}: {compared} of {wanted} arrays were compared", fixture.net));
        }
    }
    Ok(())
}

/// Holds every net of a file against the numbers beside it.
fn agree(file: &str, least: usize) {
    let folder = Path::new(FOLDER);
    let text = std::fs::read_to_string(folder.join(file).with_extension("nn")).expect("the fixtures");
    let loaded = checkpoint::load(&folder.join(file).with_extension("safetensors")).expect("the fixtures");
    let program = elaborate::from_text(file, &text).unwrap_or_else(|(_, wrong)| panic!("{wrong:?}"));
    let nets = program.file.items.iter().filter_map(|item| match &item.kind {
        ItemKind::Net { name, .. } => Some(name.text.as_str()),
        _ => None,
    });
    let nets: Vec<&str> = nets.collect();
    assert!(nets.len() >= least, "{} fragments", nets.len());
    let wrong: Vec<String> =
        nets.iter().filter_map(|net| hold(&program, &Fixture { net, loaded: &loaded }).err()).collect();
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), nets.len(), wrong.join("\n"));
}

#[test]
fn fragments_agree_with_pytorch() {
    agree("fragments", 150);
}

/// Values, gradients and second derivatives.
#[test]
fn the_library_agrees_with_pytorch() {
    agree("library", 150);
}
