//! The time of a step, credited to the lines of its program.

use nnc::elaborate::{self, Choices, Program};
use nnc::plan::cost::step_cost;
use nnc::runtime::build::Built;
use nnc::runtime::profile::{Credits, Line, credits};
use nnc::runtime::train::Trainer;
use std::fs;
use std::path::Path;

/// A program's step of training, compiled, and the program.
fn built<T>(path: &Path, settings: &[(&str, &str)], f: impl FnOnce(&Program, &Built) -> T) -> T {
    let program = elaborate::read(path).unwrap_or_else(|_| panic!("{} reads", path.display()));
    let settings = settings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let choices = Choices { training: true, settings, ..Choices::default() };
    let training = elaborate::training(&program, &choices).expect("it trains");
    let item = elaborate::data_item(&program, Some(&training.data)).expect("it has data");
    let folder = path.parent().expect("a folder");
    let data = nnc::data::load(item, &program.sources, folder).expect("its data is there");
    let model = |training| {
        let choices = Choices { training, ..choices.clone() };
        elaborate::model(&program, Some(&data), &choices).expect("it is a net").0
    };
    let (model, inference) = (model(true), model(false));
    let update = elaborate::update(&program, &choices, &model).expect("it has an optimizer");
    let trainer = Trainer::new(&model, &inference, &update, &training, &data).expect("it compiles");
    f(&program, trainer.built())
}

/// What is credited where each step of the plan takes as long as `time` says; the lines with their texts.
fn credited(
    path: &Path,
    settings: &[(&str, &str)],
    time: impl Fn(&Built, usize) -> f64,
) -> (Credits, Vec<(String, Line)>) {
    built(path, settings, |program, built| {
        let each: Vec<f64> = (0..built.schedule.steps.len()).map(|step| time(built, step)).collect();
        let credits = credits(&built.schedule, &built.circuits, &each, &program.sources);
        let all: f64 = credits.lines.iter().map(Line::time).sum::<f64>() + credits.settings + credits.nowhere;
        let whole: f64 = each.iter().sum();
        assert!((all - whole).abs() < 1e-9 * whole, "{}: {all} of {whole}", path.display());
        let text = |line: &Line| {
            let text = &program.sources.get(line.file).text;
            text.lines().nth(line.number - 1).expect("a line of the text").trim().to_string()
        };
        let lines = credits.lines.iter().map(|line| (text(line), line.clone())).collect();
        (credits, lines)
    })
}

/// As long as its operations say.
fn by_operations(built: &Built, step: usize) -> f64 {
    let schedule = &built.schedule;
    step_cost(schedule, &schedule.steps[step], schedule.capacity as usize).operations as f64
}

/// The line that begins with these words.
fn line<'l>(lines: &'l [(String, Line)], begins: &str) -> &'l Line {
    let found = lines.iter().find(|(text, _)| text.starts_with(begins));
    &found.unwrap_or_else(|| panic!("no line begins with `{begins}`: {lines:?}")).1
}

/// A program in a folder of its own.
fn written(net: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("net.nn");
    let text = format!(
        "data d = table {{\n x[2] y\n 0 1 1\n 1 0 0\n}}\nnet n {{\n input x[2]\n target y\n{net}}}\n\
         train n on d {{\n optimizer = adam()\n}}\n"
    );
    fs::write(&path, text).expect("it can be written");
    (folder, path)
}

#[test]
fn what_is_credited_adds_up() {
    for name in ["xor", "digits", "convnet", "heat", "gan", "char_gru", "recommender", "michaelis_menten"] {
        let path = Path::new("examples").join(format!("{name}.nn"));
        // Any times: those of later steps are longer.
        let (credits, lines) = credited(&path, &[], |_, step| 1.0 + step as f64);
        let place = |line: &Line| (line.file, line.number);
        assert!(lines.windows(2).all(|pair| place(&pair[0].1) < place(&pair[1].1)), "{name}: as they stand");
        for (text, line) in &lines {
            assert_eq!(line.file.0, 0, "{name}: what the library does is the user's line's");
            let library: f64 = line.library.iter().map(Line::time).sum();
            assert!(library <= line.time() * (1.0 + 1e-9), "{name}: `{text}`");
        }
        let updates = lines.iter().filter(|(_, line)| line.passes[2] > 0.0);
        let alone = |(_, line): &&(String, Line)| line.passes[0] == 0.0 && line.passes[1] == 0.0;
        assert!(updates.clone().count() > 0 && updates.clone().all(|line| alone(&line)), "{name}");
        let whole: f64 = lines.iter().map(|(_, line)| line.time()).sum();
        assert!(credits.nowhere < 0.2 * whole, "{name}: {} of {whole} is of no line", credits.nowhere);
    }
}

#[test]
fn the_line_with_the_largest_product_took_most() {
    let net = " small = x |> dense(8)\n large = small |> dense(400)\n z = large |> dense(1)\n loss = mse(z[0], y)\n";
    let (_folder, path) = written(net);
    let (_, lines) = credited(&path, &[], by_operations);
    let most = lines.iter().max_by(|a, b| a.1.time().total_cmp(&b.1.time())).expect("lines");
    // The optimizer goes over all parameters, some twenty operations each; of the net's lines:
    let net: Vec<&(String, Line)> = lines.iter().filter(|(_, line)| line.passes[2] == 0.0).collect();
    let largest = net.iter().max_by(|a, b| a.1.time().total_cmp(&b.1.time())).expect("lines");
    assert_eq!(largest.0, "large = small |> dense(400)", "{lines:?}");
    assert!(most.0 == largest.0 || most.0.starts_with("optimizer"), "{lines:?}");
    let [forward, backward, update] = largest.1.passes;
    assert!(forward < backward && update == 0.0, "one product forward, two back: {:?}", largest.1);
    assert_eq!(largest.1.library[0].path, "large.dense");
}

#[test]
fn a_fused_loop_is_divided_by_operations() {
    let net = " param w[2] = 1\n a[i] = w[i] * x[i]\n b[i] = exp(a[i])\n loss = (sum[i] b[i] - y)^2\n";
    let (_folder, path) = written(net);
    let (_, lines) = credited(&path, &[], |_, _| 1.0);
    let [product, exponential] = ["a[i]", "b[i]"].map(|begins| line(&lines, begins).passes[0]);
    assert!(product > 0.0 && exponential > 2.0 * product, "an exponential is many operations: {lines:?}");
}

#[test]
fn a_derivative_that_the_net_asks_for_is_forward() {
    let (_, lines) = credited(Path::new("examples/heat.nn"), &[], by_operations);
    let [forward, backward, _] = line(&lines, "u_xx").passes;
    assert!(forward > 0.0 && forward > backward, "{lines:?}");
    let [forward, backward, _] = line(&lines, "initial").passes;
    assert!(forward > 0.0 && backward > 0.0, "{lines:?}");
}

#[test]
fn what_the_command_line_gives_is_no_line() {
    let path = Path::new("examples/xor.nn");
    let (credits, lines) = credited(path, &[("optimizer", "adam()")], |_, _| 1.0);
    assert!(credits.settings > 0.0, "{credits:?}");
    assert!(lines.iter().all(|(text, _)| !text.starts_with("optimizer")), "{lines:?}");
}
