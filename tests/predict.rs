//! `nnc predict` and `nnc test`: a trained net on new examples, read as the training run read its own.

use nnc::data::{self, Dataset};
use nnc::diagnostic::Sources;
use nnc::syntax::{ast::ItemKind, parse};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn nnc(args: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nnc"));
    let command = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn().expect("nnc starts");
    let mut pipe = running.stdin.take().expect("a pipe");
    // A command that fails early does not read its input.
    _ = pipe.write_all(input);
    drop(pipe);
    running.wait_with_output().expect("it ends")
}

fn printed(args: &[&str], input: &[u8]) -> String {
    let output = nnc(args, input);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn refused(args: &[&str], input: &[u8]) -> String {
    let output = nnc(args, input);
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder with a program alone and its trained parameters, far from any data; and the figures of the run.
struct Trained {
    folder: tempfile::TempDir,
    figures: Value,
}

impl Trained {
    fn example(name: &str, more: &[&str]) -> Trained {
        let folder = tempfile::tempdir().expect("a folder");
        let (model, weights) = (format!("examples/{name}.nn"), folder.path().join("weights"));
        fs::copy(&model, folder.path().join("model.nn")).expect("an example");
        let save = ["run", &model, "--json", "--save", weights.to_str().expect("text")];
        let text = printed(&[&save, more].concat(), b"");
        let last: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
        Trained { folder, figures: last["figures"].clone() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.folder.path().join(name), bytes).expect("written");
        self.path(name)
    }

    /// What a command prints with these parameters, given `input`.
    fn go(&self, command: &str, more: &[&str], input: &[u8]) -> String {
        let (model, weights) = (self.path("model.nn"), self.path("weights"));
        printed(&[&[command, &model, "--load", &weights], more].concat(), input)
    }

    fn fails(&self, command: &str, more: &[&str], input: &[u8]) -> String {
        let (model, weights) = (self.path("model.nn"), self.path("weights"));
        refused(&[&[command, &model, "--load", &weights], more].concat(), input)
    }
}

/// The data of an example.
fn data_of(name: &str) -> Dataset {
    let path = PathBuf::from(format!("examples/{name}.nn"));
    let text = fs::read_to_string(&path).expect("the example");
    let mut sources = Sources::default();
    let id = sources.add(name, text.as_str());
    let file = parse(id, &text).0;
    let item = file.items.iter().find(|item| matches!(item.kind, ItemKind::Data { .. })).expect("data");
    data::load(item, &sources, Path::new("examples")).expect("it loads")
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

const FLOWERS: &str = "examples/data/iris.csv";

#[test]
fn predictions_are_the_run_s_own_evaluation() {
    let trained = Trained::example("iris", &[]);
    let (model, weights) = ("examples/iris.nn", trained.path("weights"));
    let data = data_of("iris");
    let kinds = data.column("y").expect("y");
    let names = kinds.vocabulary.as_ref().expect("classes");
    for (part, rows) in [("train", &data.train), ("test", &data.test)] {
        let args = ["predict", model, "--load", &weights, "--part", part, "--json"];
        let predicted = lines(&printed(&args, b""));
        assert_eq!(predicted.len(), rows.len());
        let mut right = 0.0;
        let mut loss = 0.0;
        for (row, &number) in predicted.iter().zip(rows) {
            let kind = &names[kinds.data.get(number as usize) as usize];
            right += f64::from(u8::from(row["y"] == kind.as_str()));
            loss -= row["p"][kind].as_f64().expect("a probability").ln();
        }
        let (count, figures) = (rows.len() as f64, &trained.figures[part]);
        assert_eq!(right / count, figures["accuracy"].as_f64().expect("accuracy"));
        assert!((loss / count - figures["loss"].as_f64().expect("loss")).abs() < 1e-5);
    }
    // The same by `nnc test`.
    let tested = lines(&printed(&["test", model, "--load", &weights, "--json"], b""));
    for part in tested {
        assert_eq!(part["figures"], trained.figures[part["part"].as_str().expect("a name")]);
    }
}

/// Columns of the flowers' file in another order, by names; all rows or one.
fn columns_of_flowers(names: &[&str]) -> String {
    let mut reader = csv::Reader::from_path(FLOWERS).expect("the flowers");
    let header = reader.headers().expect("a header").clone();
    let places: Vec<usize> =
        names.iter().map(|name| header.iter().position(|h| h == *name).expect("a column")).collect();
    let row =
        |cells: &csv::StringRecord| places.iter().map(|&k| &cells[k]).collect::<Vec<_>>().join(",") + "\n";
    let mut text = names.join(",") + "\n";
    reader.records().for_each(|record| text += &row(&record.expect("a row")));
    text
}

#[test]
fn new_examples_are_read_as_those_of_the_training_run() {
    let trained = Trained::example("iris", &[]);
    let all = ["predict", "examples/iris.nn", "--load", &trained.path("weights"), "--part", "all"];
    let expected = printed(&all, b"");
    assert!(expected.starts_with("y,p.setosa,p.versicolor,p.virginica\nsetosa,0.9"), "{expected}");
    let text = columns_of_flowers(&["petal_width", "petal_length", "sepal_width", "sepal_length"]);
    let file = trained.write("new.csv", text.as_bytes());
    assert_eq!(trained.go("predict", &[&file], b""), expected);
    assert_eq!(trained.go("predict", &[], text.as_bytes()), expected);
    assert_eq!(trained.go("predict", &["-"], text.as_bytes()), expected);
    let out = trained.path("out.csv");
    trained.go("predict", &[&file, "--out", &out], b"");
    assert_eq!(fs::read_to_string(&out).expect("a file"), expected);
    // As objects, one a line.
    let header: Vec<&str> = text.lines().next().expect("a header").split(',').collect();
    let object = |line: &str| {
        let pairs = header.iter().zip(line.split(',')).map(|(name, cell)| format!("\"{name}\": {cell}"));
        format!("{{{}}}\n", pairs.collect::<Vec<_>>().join(", "))
    };
    let objects: String = text.lines().skip(1).map(object).collect();
    assert_eq!(trained.go("predict", &[], objects.as_bytes()), expected);
    // The figures of a file with the kinds are those of all rows.
    let whole = fs::read(FLOWERS).expect("the flowers");
    let figures = &lines(&trained.go("test", &["-", "--json"], &whole))[0]["figures"];
    let right = |part: &str, rows: f64| trained.figures[part]["accuracy"].as_f64().expect("a share") * rows;
    let share = (right("train", 120.0) + right("test", 30.0)) / 150.0;
    assert!((figures["accuracy"].as_f64().expect("a share") - share).abs() < 1e-12);
}

#[test]
fn a_bad_cell_is_told_with_file_row_and_column() {
    let trained = Trained::example("iris", &["--epochs", "1"]);
    let head = "sepal_length,sepal_width,petal_length,petal_width,species\n";
    let wrong =
        |row: &str| trained.fails("test", &["-"], format!("{head}5,3,1,0.2,setosa\n{row}\n").as_bytes());
    let told = wrong("5,3,1,0.2,rose");
    assert!(told.contains("`rose` in line 3 of `standard input`") && told.contains("`virginica`"), "{told}");
    let told = wrong("5,3,much,0.2,setosa");
    assert!(
        told.contains("`standard input`, line 3, column `petal_length`: `much` is not a number"),
        "{told}"
    );
    let told = wrong("5,3,,0.2,setosa");
    assert!(told.contains("line 3, column `petal_length`: the cell is empty"), "{told}");
    let told = trained.fails("predict", &[], b"sepal_length,sepal_width\n1,2\n");
    assert!(told.contains("`standard input` has no column `petal_length`"), "{told}");
    let told = trained.fails("predict", &[], b"{\"sepal_length\": 1}\nnothing\n");
    assert!(told.contains("line 2: not an object in JSON"), "{told}");
    let told = trained.fails("predict", &[], b"");
    assert!(told.contains("is empty"), "{told}");
    let told = trained.fails("predict", &["--value", "logit"], b"");
    assert!(told.contains("did you mean `logits`?"), "{told}");
    let told = trained.fails("predict", &["--value", "accuracy"], b"");
    assert!(!told.contains("bug"), "{told}");
    let told = trained.fails("predict", &["--format", "npy"], b"");
    assert!(told.contains("holds one array"), "{told}");
}

/// A file in NPY format.
fn npy(descr: &str, fortran: bool, shape: &str, numbers: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let len = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &len[..], header.as_bytes(), numbers].concat()
}

#[test]
fn arrays_go_in_and_out() {
    let trained = Trained::example("xor", &[]);
    let rows = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0f64]];
    let expected = trained.go("predict", &["--value", "p"], b"x_0,x_1\n0,0\n0,1\n1,0\n1,1\n");
    assert_eq!(expected.lines().next(), Some("p_0"));
    let objects: String = rows.iter().map(|row| format!("{{\"x\": {row:?}}}\n")).collect();
    assert_eq!(trained.go("predict", &["--value", "p"], objects.as_bytes()), expected);
    let flat = || rows.iter().flatten();
    let turned = || (0..2).flat_map(|k| rows.iter().map(move |row| row[k]));
    let files = [
        npy("<f8", false, "(4, 2)", &flat().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()),
        npy(">f4", false, "(4, 2)", &flat().flat_map(|&x| (x as f32).to_be_bytes()).collect::<Vec<u8>>()),
        npy("|u1", false, "(4, 2)", &flat().map(|&x| x as u8).collect::<Vec<u8>>()),
        npy("<i8", true, "(4, 2)", &turned().flat_map(|x| (x as i64).to_le_bytes()).collect::<Vec<u8>>()),
    ];
    for file in &files {
        assert_eq!(trained.go("predict", &["--value", "p"], file), expected);
    }
    let out = trained.path("p.npy");
    trained.go("predict", &["--value", "p", "--out", &out], &files[0]);
    let bytes = fs::read(&out).expect("a file");
    assert!(bytes.starts_with(b"\x93NUMPY") && bytes.len() % 64 == 16, "{}", bytes.len());
    assert!(String::from_utf8_lossy(&bytes).contains("'shape': (4,1,)"));
    let numbers =
        bytes[bytes.len() - 16..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four")));
    let texts: Vec<String> = numbers.map(|x| x.to_string()).collect();
    assert_eq!(expected.lines().skip(1).collect::<Vec<_>>(), texts);
    // Of another shape, cut off, of a type that is none.
    for (wrong, what) in [
        (npy("<f8", false, "(2, 4)", &[0; 64]), "has shape [4]"),
        (npy("<f8", false, "(4, 2)", &[0; 63]), "it is cut off"),
        (npy("<c8", false, "(4, 2)", &[0; 64]), "none that is read"),
    ] {
        let told = trained.fails("predict", &["--value", "p"], &wrong);
        assert!(told.contains(what), "{told}");
    }
}

const TWO: &str = "
data d {
  x[2] = standardize(npy(\"x.npy\"))
  rows = csv(\"rows.csv\")
  z    = class(rows[kind])
  y    = npy(\"y.npy\") / 2
}
net n {
  input x[2], z: class(2), y
  param t[2] ~ normal(0, 1)
  p    = sum[i] x[i] + t[z]
  loss = (p - y)^2
  output p
}
train n on d {
  optimizer = sgd(lr = 0.1)
  epochs = 3
  batch = 2
}
";

#[test]
fn examples_from_several_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).expect("written");
        folder.path().join(name).display().to_string()
    };
    let floats = |numbers: &[f64]| numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let model = write("two.nn", TWO.as_bytes());
    write("y.npy", &npy("<f8", false, "(4,)", &floats(&[1.0, 2.0, 3.0, 4.0])));
    let x = write("x.npy", &npy("<f8", false, "(4, 2)", &floats(&[0.0, 1.0, 2.0, 5.0, -1.0, 0.5, 3.0, 3.0])));
    let rows = write("rows.csv", b"kind\nred\nblue\nred\nred\n");
    let weights = folder.path().join("w").display().to_string();
    printed(&["run", &model, "--save", &weights], b"");
    let load = ["predict", &model, "--load", &weights, "--value", "p"];
    let of_part = printed(&[&load[..], &["--part", "all"]].concat(), b"");
    assert_eq!(of_part.lines().count(), 5);
    let by = |name: &str, file: &str| format!("{name}={file}");
    for given in [
        vec![x.clone(), rows.clone()],
        vec![by("x", &x), by("z", &rows)],
        vec![by("rows", &rows), x.clone()],
        vec![by("z", &rows), by("x", &x)],
    ] {
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        assert_eq!(printed(&[&load[..], &given[..]].concat(), b""), of_part, "{given:?}");
    }
    // One of them from standard input.
    let text = fs::read(&rows).expect("rows");
    assert_eq!(printed(&[&load[..], &[&by("x", &x), "z=-"]].concat(), &text), of_part);
    let told = |given: &[&str]| refused(&[&load[..], given].concat(), b"");
    let short = write("short.csv", b"kind\nred\n");
    let message = told(&[&x, &short]);
    assert!(message.contains("x.npy` has 4 examples") && message.contains("short.csv` has 1"), "{message}");
    let message = told(&[&x]);
    assert!(
        message.contains("read from 2 files, and 1 is given") && message.contains("nothing is given for it"),
        "{message}"
    );
    let message = told(&[&x, &rows, &rows]);
    assert!(message.contains("read from 2 files, and 3 are given"), "{message}");
    let message = told(&[&by("row", &rows), &x]);
    assert!(
        message.contains("nothing called `row`") && message.contains("did you mean `rows`?"),
        "{message}"
    );
    let message = told(&[&by("z", &rows), &by("rows", &rows)]);
    assert!(message.contains("are both given for `rows.csv`"), "{message}");
}

#[test]
fn arrays_one_for_each_input_of_a_net_whose_data_stands_in_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).expect("written");
        folder.path().join(name).display().to_string()
    };
    let floats = |numbers: &[f64]| numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let model = write(
        "sums.nn",
        b"data d = table {\n  x[2]  z  y\n  0 1   1  2\n  1 0   2  3\n}\nnet n {\n  input x[2], z, y\n  param w ~ normal(0, 1)\n  p = x[0] + 2 * x[1] + 4 * z + 0 * w\n  loss = (p - y)^2\n  output p\n}\ntrain n on d {\n  optimizer = sgd(lr = 0.1)\n}\n",
    );
    let weights = folder.path().join("w").display().to_string();
    printed(&["run", &model, "--save", &weights, "--epochs", "0"], b"");
    let x = write("x.npy", &npy("<f8", false, "(3, 2)", &floats(&[1.0, 0.0, 0.0, 1.0, 1.0, 1.0])));
    let z = write("z.npy", &npy("<f8", false, "(3,)", &floats(&[1.0, 2.0, 0.0])));
    let load = ["predict", &model, "--load", &weights];
    for given in [[x.clone(), z.clone()], [format!("z={z}"), x.clone()], [format!("z={z}"), format!("x={x}")]]
    {
        let predicted = printed(&[&load[..], &[&given[0], &given[1]]].concat(), b"");
        assert_eq!(predicted.lines().collect::<Vec<_>>(), ["p", "5", "10", "3"], "{given:?}");
    }
    let short = write("short.npy", &npy("<f8", false, "(2,)", &floats(&[1.0, 2.0])));
    let message = refused(&[&load[..], &[&x, &short]].concat(), b"");
    assert!(
        message.contains("x.npy` has 3 examples, and `") && message.contains("short.npy` has 2"),
        "{message}"
    );
    let message = refused(&[&load[..], &[&format!("x={x}")]].concat(), b"");
    assert!(message.contains("no file is given for `z`"), "{message}");
}

#[test]
fn settings_of_the_training_run_are_those_of_its_parameters() {
    let trained = Trained::example("lenet", &["--epochs", "0", "--set", "batch=50"]);
    let images = fs::read("examples/data/t10k-images-idx3-ubyte.gz").expect("images");
    let predicted = trained.go("predict", &[], &images);
    assert_eq!((predicted.lines().count(), predicted.lines().next()), (2001, Some("digit")));
    let told = trained.fails("test", &["-"], &images);
    assert!(
        told.contains("is read from 2 files, and 1 is given") && told.contains("nothing is given for it"),
        "{told}"
    );
    let small = Trained::example("iris", &["--epochs", "1", "--set", "hidden=3"]);
    assert_eq!(small.go("predict", &["-"], &fs::read(FLOWERS).expect("the flowers")).lines().count(), 151);
}
