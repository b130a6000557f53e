//! The settings of `train` blocks, by what they do to parameters.

use nnc::runtime::checkpoint;
use std::fs;
use std::process::Command;

/// The parameters after a run of a program: path and values.
fn trained(program: &str, args: &[&str]) -> Vec<(String, Vec<f64>)> {
    trained_and_told(program, args).0
}

/// The same, and what the run printed.
fn trained_and_told(program: &str, args: &[&str]) -> (Vec<(String, Vec<f64>)>, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (model, out) = (folder.path().join("net.nn"), folder.path().join("out.safetensors"));
    fs::write(&model, program).expect("it can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_nnc"));
    let output =
        command.arg("run").arg(&model).arg("--save").arg(&out).args(args).output().expect("nnc starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let loaded = checkpoint::load(&out).expect("a checkpoint");
    let parameters = loaded.tensors.into_iter().map(|tensor| (tensor.name, tensor.data)).collect();
    (parameters, String::from_utf8(output.stdout).expect("text"))
}

/// The values of one parameter.
fn of<'a>(parameters: &'a [(String, Vec<f64>)], path: &str) -> &'a [f64] {
    let found = parameters.iter().find(|(name, _)| name == path);
    &found.unwrap_or_else(|| panic!("no `{path}` in {parameters:?}")).1
}

/// A net of two layers with some `train` settings.
fn two_layers(settings: &str) -> String {
    format!(
        "data d = table {{\n x[2] y\n 0 1 1\n 1 0 0\n 1 1 0.5\n}}\n\
         net a {{\n input x[2]\n target y\n h = x |> first: dense(3) |> tanh |> last: dense(1)\n loss = (h[0] - y)^2\n}}\n\
         train a on d {{\n{settings}\n batch = 2\n}}\n"
    )
}

const PATHS: [&str; 4] = ["first.W", "first.b", "last.W", "last.b"];

/// Which of the parameters of [`two_layers`] move in three epochs.
fn moved(settings: &str) -> Vec<&'static str> {
    let program = two_layers(settings);
    let [before, after] = ["0", "3"].map(|epochs| trained(&program, &["--epochs", epochs]));
    PATHS.into_iter().filter(|path| of(&before, path) != of(&after, path)).collect()
}

#[test]
fn what_is_frozen_stays() {
    assert_eq!(moved("optimizer = adam()"), PATHS);
    assert_eq!(moved("optimizer = adam()\nfreeze = \"first\""), ["last.W", "last.b"]);
    assert_eq!(moved("optimizer = adam()\nfreeze = [\"*.b\", \"first.W\"]"), ["last.W"]);
    assert_eq!(
        moved("optimizer = adam()\nclip = norm(1)\nfreeze = \"l*.b\""),
        ["first.W", "first.b", "last.W"]
    );
}

#[test]
fn an_optimizer_takes_what_its_pattern_matches() {
    assert_eq!(moved("optimizer = [adam(), at(\"last\", sgd(lr = 0))]"), ["first.W", "first.b"]);
    // The first that matches takes a parameter.
    let first = "optimizer = [at(\"*.W\", sgd(lr = 0)), at(\"first\", adam()), sgd(lr = 0)]";
    assert_eq!(moved(first), ["first.b"]);
}

/// Apart or in one group: what a parameter becomes is the same, whatever stands beside it. The clip is by the length
/// of the whole gradient.
#[test]
fn groups_of_equal_optimizers_are_one_optimizer() {
    let clip = "clip = norm(0.1)\nepochs = 5";
    let whole = trained(&two_layers(&format!("optimizer = adam(lr = 0.1)\n{clip}")), &[]);
    let split = "optimizer = [at(\"*.b\", adam(lr = 0.1)), adam(lr = 0.1)]";
    let split = trained(&two_layers(&format!("{split}\n{clip}")), &[]);
    for path in PATHS {
        for (a, b) in of(&whole, path).iter().zip(of(&split, path)) {
            assert!((a - b).abs() < 1e-5, "{path}: {a} and {b}");
        }
    }
}

#[test]
fn decay_spares_what_has_one_axis() {
    let program = "data d = table {\n x\n 1\n}\n\
        net a {\n input x\n param W[1, 2] = 4\n param b[2] = 4\n param c = 4\n loss = 0 * x * (W[0, 0] + W[0, 1] + b[0] + b[1] + c)\n}\n\
        train a on d {\n optimizer = adamw(lr = 1, decay = 0.5)\n batch = 1\n epochs = 1\n}\n";
    let after = trained(program, &[]);
    assert_eq!(
        (of(&after, "W"), of(&after, "b"), of(&after, "c")),
        (&[2.0, 2.0][..], &[4.0, 4.0][..], &[4.0][..])
    );
}

/// `a` goes to where `b` is, then `b` to twice where `a` is now: each turn sees what the one before it did.
#[test]
fn turns_follow_one_another_in_a_step() {
    let program = |turns: &str| {
        format!(
            "data d = table {{\n x\n 1\n}}\n\
             net chase {{\n input x\n param a = 1\n param b = 3\n near = x * (a - b)^2\n far = x * (b - 2 * a)^2\n loss = near + far\n}}\n\
             train chase on d {{\n optimizer = [{turns}]\n batch = 1\n epochs = 1\n}}\n"
        )
    };
    let (a, b) = ("at(\"a\", sgd(lr = 0.5), loss = near)", "at(\"b\", sgd(lr = 0.5), loss = far)");
    let after = trained(&program(&format!("{a}, {b}")), &[]);
    assert_eq!((of(&after, "a"), of(&after, "b")), (&[3.0][..], &[6.0][..]));
    let after = trained(&program(&format!("{b}, {a}")), &[]);
    assert_eq!((of(&after, "b"), of(&after, "a")), (&[2.0][..], &[2.0][..]));
}

/// The bytes that a run says the backward pass keeps.
fn kept(told: &str) -> f64 {
    let (before, _) = told.split_once("B kept for the backward pass").expect("a run says what is kept");
    let figure = before.rsplit(", ").next().expect("a figure");
    let (number, unit) = figure.split_once(' ').expect("a number and a unit");
    number.parse::<f64>().expect("a number") * if unit == "k" { 1e3 } else { 1.0 }
}

#[test]
fn what_is_computed_again_is_the_same_and_needs_less_room() {
    let program = |layer: &str| {
        format!(
            "data d = table {{\n x[24] y\n {}\n {}\n {}\n}}\n\
             net a {{\n input x[24]\n target y\n e[t: 12, n: 2] = x[2 * t + n]\n h = e |> {layer}\n p = h[11] |> dense(1)\n loss = (p[0] - y)^2\n}}\n\
             train a on d {{\n optimizer = adam(lr = 0.1)\n batch = 2\n epochs = 3\n}}\n",
            "1 ".repeat(25),
            "0.5 -0.25 ".repeat(12) + "0.3",
            "-1 ".repeat(24) + "0.8",
        )
    };
    // Arrays of 12 elements of 8 numbers, for 2 examples.
    let array = 2.0 * 12.0 * 8.0 * 4.0;
    for (layer, fewer) in [("gru(8)", 4.0), ("lstm(8)", 5.0), ("rnn(8)", 0.0)] {
        let [(kept_all, told), (again, told_again)] = ["recompute=false", "recompute=true"]
            .map(|setting| trained_and_told(&program(layer), &["--set", setting]));
        assert_eq!(kept_all, again, "{layer}");
        assert_eq!((kept(&told) - kept(&told_again)).round(), fewer * array, "{layer}: {told}{told_again}");
    }
}

/// Where examples are seen as they stand, a number that is not finite is looked for in that order too.
#[test]
fn a_bad_number_is_found_where_nothing_is_shuffled() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = folder.path().join("net.nn");
    let rows: String = (0..16).map(|row| if row == 9 { " -1 1\n" } else { " 1 1\n" }).collect();
    let program = format!(
        "data d = table {{\n x y\n{rows}}}\n\
         net a {{\n input x\n target y\n param w = 0.5\n loss = (w * log(x) - y)^2\n}}\n\
         train a on d {{\n optimizer = sgd(lr = 0.1)\n batch = 2\n shuffle = false\n}}\n"
    );
    fs::write(&model, program).expect("it can be written");
    let output = Command::new(env!("CARGO_BIN_EXE_nnc")).arg("run").arg(&model).output().expect("nnc starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("log(-1) is NaN") && told.contains("step 5 "), "{told}");
}
