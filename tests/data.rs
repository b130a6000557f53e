//! Data blocks and tables, from text to data sets; their mistakes as the user reads them.

use nnc::data::{self, Column, Dataset};
use nnc::diagnostic::{Diagnostics, Sources, render};
use nnc::interpret::Element;
use nnc::syntax::{ast::ItemKind, parse};
use std::fmt::Write;
use std::path::Path;

/// Loads every data block of a program.
fn load_all(name: &str, text: &str, base: &Path) -> (Sources, Vec<Result<Dataset, Diagnostics>>) {
    let mut sources = Sources::default();
    let id = sources.add(name, text);
    let (file, diagnostics) = parse(id, text);
    assert!(diagnostics.is_empty(), "{name}: {diagnostics:#?}");
    let is_data = |kind: &ItemKind| matches!(kind, ItemKind::Data { .. } | ItemKind::Table { .. });
    let items = file.items.iter().filter(|item| is_data(&item.kind));
    let loaded = items.map(|item| data::load(item, &sources, base)).collect();
    (sources, loaded)
}

/// The one data block of an example.
fn example(name: &str) -> Dataset {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let text = std::fs::read_to_string(&path).expect("the example");
    let (_, mut loaded) = load_all(name, &text, path.parent().expect("a directory"));
    loaded.remove(0).expect("the example loads")
}

/// What a column holds, loaded in f32.
fn cells(column: &Column) -> &[f32] {
    f32::slice(column.data.slice())
}

/// A data set in words: its parts, its columns, every row.
fn describe(data: &Dataset) -> String {
    let mut out = format!("{}: {} rows\n", data.name, data.rows);
    for (part, rows) in [("train", &data.train), ("validation", &data.validation), ("test", &data.test)] {
        writeln!(out, "  {part} {rows:?}").unwrap();
    }
    for column in &data.columns {
        writeln!(out, "  {}{:?} {:?}", column.name, column.dims, column.kind).unwrap();
        if let Some(vocabulary) = &column.vocabulary {
            writeln!(out, "    vocabulary {vocabulary:?}").unwrap();
        }
        if let Some(learned) = &column.standardized {
            writeln!(out, "    mean {:?}, deviation {:?}", learned.mean, learned.deviation).unwrap();
        }
        for row in cells(column).chunks(column.row_len()) {
            writeln!(out, "    {row:?}").unwrap();
        }
    }
    out
}

#[test]
fn cases() {
    insta::glob!("cases/data/*.nn", |path| {
        let text = std::fs::read_to_string(path).expect("a case");
        let name = path.file_name().expect("a file").to_string_lossy();
        let (sources, loaded) = load_all(&name, &text, path.parent().expect("a directory"));
        let mut out = String::new();
        for result in loaded {
            match result {
                Ok(data) => out.push_str(&describe(&data)),
                Err(diagnostics) => {
                    assert!(!diagnostics.is_empty(), "{name}: an error that says nothing");
                    diagnostics.iter().for_each(|d| out.push_str(&render(d, &sources, false)));
                }
            }
            out.push('\n');
        }
        insta::assert_snapshot!(out);
    });
}

#[test]
fn iris() {
    let data = example("iris.nn");
    assert_eq!((data.rows, data.train.len(), data.validation.len(), data.test.len()), (150, 120, 0, 30));
    let y = data.column("y").expect("y");
    assert_eq!(y.vocabulary.as_deref(), Some(&["setosa", "versicolor", "virginica"].map(String::from)[..]));
    assert!((0..3).all(|class| cells(y).iter().filter(|&&cell| cell == class as f32).count() == 50));
    let x = data.column("x").expect("x");
    assert_eq!((&x.dims[..], cells(x).len()), (&[4][..], 600));
    for k in 0..4 {
        let values = data.train.iter().map(|&row| f64::from(cells(x)[row as usize * 4 + k]));
        let mean = values.clone().sum::<f64>() / 120.0;
        let deviation = (values.map(|v| (v - mean).powi(2)).sum::<f64>() / 120.0).sqrt();
        assert!(mean.abs() < 1e-6 && (deviation - 1.0).abs() < 1e-6, "{k}: {mean} {deviation}");
    }
    let learned = x.standardized.as_ref().expect("what was taken off");
    let back = f64::from(cells(x)[0]) * learned.deviation[0] + learned.mean[0];
    assert!((back - 5.1).abs() < 1e-6, "the first sepal is 5.1 long, not {back}");
    assert_eq!(data, example("iris.nn"), "loading twice gives the same");
}

#[test]
fn digits() {
    let data = example("digits.nn");
    assert_eq!((data.rows, data.validation.len(), data.test.len()), (1797, 179, 359));
    let (x, y) = (data.column("x").expect("x"), data.column("y").expect("y"));
    assert_eq!((&x.dims[..], x.row_len()), (&[64][..], 64));
    assert_eq!(cells(x)[..6], [0.0, 0.0, 5.0 / 16.0, 13.0 / 16.0, 9.0 / 16.0, 1.0 / 16.0]);
    let digits: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    assert_eq!(y.vocabulary.as_deref(), Some(&digits[..]));
    assert_eq!(cells(y)[..11], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 0.0]);
}

#[test]
fn xor() {
    let data = example("xor.nn");
    assert_eq!(data.train, [0, 1, 2, 3]);
    assert_eq!(cells(data.column("x").expect("x")), [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    assert_eq!(cells(data.column("y").expect("y")), [0.0, 1.0, 1.0, 0.0]);
}

#[test]
fn lenet() {
    let data = example("lenet.nn");
    assert_eq!((data.rows, data.train.len(), data.test.len()), (10_000, 8_000, 2_000));
    assert_eq!(data.test[0], 8_000);
    let (image, digit) = (data.column("image").expect("image"), data.column("digit").expect("digit"));
    assert_eq!((&image.dims[..], digit.dims.len()), (&[28, 28][..], 0));
    assert!(cells(image).iter().all(|x| (0.0..=1.0).contains(x)) && cells(digit).iter().all(|&d| d < 10.0));
    // MNIST's own mean over all pixels is 0.1307.
    let mean = cells(image).iter().map(|&x| f64::from(x)).sum::<f64>() / cells(image).len() as f64;
    assert!((mean - 0.1307).abs() < 0.003, "{mean}");
}
