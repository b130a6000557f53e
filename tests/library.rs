//! The library: its values at the extremes, ten steps of its optimizers and schedules, its metrics and initialisers.
//! Values and derivatives in between are held against PyTorch by `tests/torch.rs`.

use nnc::circuit::{Dtype, SlotId, SlotRole, ValueId};
use nnc::diagnostic::render_all;
use nnc::elaborate::prelude::entries;
use nnc::elaborate::{self, Choices, Model, Program, Update, from_text};
use nnc::interpret::{Bindings, evaluate};
use nnc::runtime::checkpoint::{self, Loaded};
use nnc::runtime::initial::initial_values;
use nnc::runtime::layout::Layout;
use nnc::runtime::once::{By, Evaluation};
use nnc::syntax::ast::ItemKind;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "tests/cases/torch";

/// A file of numbers.
struct Numbers(Loaded);

impl Numbers {
    fn read(file: &str) -> Numbers {
        Numbers(checkpoint::load(&Path::new(FOLDER).join(file)).expect("the fixtures"))
    }

    fn get(&self, of: &str, what: &str) -> &[f64] {
        let name = format!("{of}/{what}");
        let found = self.0.tensors.iter().find(|tensor| tensor.name == name);
        &found.unwrap_or_else(|| panic!("no {name}")).data
    }

    /// What has an array of this name.
    fn all(&self, what: &str) -> Vec<&str> {
        let end = format!("/{what}");
        self.0.tensors.iter().filter_map(|tensor| tensor.name.strip_suffix(&end)).collect()
    }
}

fn read(name: &str, text: &str) -> Program {
    from_text(name, text).unwrap_or_else(|(sources, wrong)| panic!("{}", render_all(&wrong, &sources, false)))
}

fn model_of(program: &Program, net: Option<&str>) -> Model {
    let choices = Choices { net: net.map(String::from), training: true, ..Choices::default() };
    let made = elaborate::model(program, None, &choices);
    made.unwrap_or_else(|wrong| panic!("{}", render_all(&wrong, &program.sources, false))).0
}

/// The value and its derivatives are right in proportion to their size, or to 1 where they are small.
fn near(found: f64, expected: f64, tolerance: f64) -> bool {
    found == expected || (found - expected).abs() <= tolerance * expected.abs().max(1.0)
}

#[test]
fn delicate_entries_are_right_at_the_extremes() {
    let text = fs::read_to_string(Path::new(FOLDER).join("extremes.nn")).expect("the fixtures");
    let (program, numbers) = (read("extremes.nn", &text), Numbers::read("extremes.safetensors"));
    let nets = program.file.items.iter().filter_map(|item| match &item.kind {
        ItemKind::Net { name, .. } => Some(name.text.as_str()),
        _ => None,
    });
    let mut wrong = vec![];
    for net in nets {
        let (model, x) = (model_of(&program, Some(net)), numbers.get(net, "x"));
        let mut evaluation = Evaluation::new(&model, false, x.len(), 1);
        // Gains begin as 1 and shifts as 0: those stay.
        evaluation.values[model.inputs[0].0 as usize] = x.to_vec();
        let ways = [
            (By::InterpreterF64, Dtype::F64, 1e-13),
            (By::Native, Dtype::F64, 1e-13),
            (By::Interpreter, Dtype::F32, 2e-6),
            (By::Native, Dtype::F32, 2e-6),
        ];
        for (by, dtype, tolerance) in ways {
            evaluation.dtype = dtype;
            for result in evaluation.run(by).expect("it runs").iter().filter(|r| r.name != "loss") {
                for ((&found, &expected), x) in result.data.iter().zip(numbers.get(net, &result.name)).zip(x)
                {
                    if !near(found, expected, tolerance) {
                        wrong.push(format!(
                            "{net}: {} at {x} is {found}, not {expected} ({by:?} in {dtype})",
                            result.name
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{} wrong", wrong.join("\n"), wrong.len());
}

/// A net of two parameters that is trained as said.
fn training(train: &str, weights: &[f64], wanted: &[f64]) -> String {
    let list = |numbers: &[f64]| numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
    let matrix = |numbers: &[f64]| format!("[[{}], [{}]]", list(&numbers[..3]), list(&numbers[3..6]));
    format!(
        "data d = table {{\n x\n 1\n}}\n\
         net n {{\n input x\n param a[2, 3] = {}\n param b[4] = [{}]\n c = {}\n d = [{}]\n\
         loss = x * (sum[i, j] (a[i, j]^4 / 4 - c[i, j] * a[i, j]) + sum[k] (b[k]^4 / 4 - d[k] * b[k]))\n}}\n\
         train n on d {{\n optimizer = {train}\n batch = 1\n epochs = 10\n}}\n",
        matrix(weights),
        list(&weights[6..]),
        matrix(wanted),
        list(&wanted[6..])
    )
}

/// The flat parameters of [`training`] and the states of its optimizer, which the update moves.
struct Steps {
    update: Update,
    weights: Vec<f64>,
    moments: Vec<Vec<f64>>,
}

impl Steps {
    fn new(text: &str, weights: &[f64]) -> Steps {
        let program = read("steps.nn", text);
        let model = model_of(&program, None);
        let choices = Choices { training: true, ..Choices::default() };
        let update = elaborate::update(&program, &choices, &model);
        let update = update.unwrap_or_else(|wrong| panic!("{}", render_all(&wrong, &program.sources, false)));
        assert_eq!(update.order, model.params, "a before b");
        let groups = update.turns[0].groups.iter();
        let begin =
            groups.flat_map(|group| group.moments.iter().map(|m| vec![m.initial; group.len as usize]));
        Steps { moments: begin.collect(), weights: weights.to_vec(), update }
    }

    /// One step by the interpreter in f64.
    fn step(&mut self, number: u64, gradients: &[f64]) {
        let turn = &self.update.turns[0];
        let mut bindings =
            Bindings::<f64> { step: number, steps: 10, epoch: number, ..Bindings::<f64>::new(1) };
        let (mut groups, mut moments) = (turn.groups.iter(), self.moments.iter());
        for (k, slot) in turn.circuit.slots().iter().enumerate() {
            let data = match slot.role {
                SlotRole::Gradient => gradients.to_vec(),
                SlotRole::Param => {
                    let group = groups.next().expect("a slot of weights a group");
                    self.weights[group.offset as usize..][..group.len as usize].to_vec()
                }
                _ => moments.next().expect("a slot a state").clone(),
            };
            bindings.bind(&turn.circuit, SlotId(k as u32), data);
        }
        let roots: Vec<ValueId> = turn
            .groups
            .iter()
            .flat_map(|g| g.moments.iter().map(|m| m.next).chain([g.next_weights]))
            .collect();
        let mut next = evaluate(&turn.circuit, &roots, &bindings).into_iter().map(|array| array.data);
        let mut moment = 0;
        for group in &turn.groups {
            for _ in &group.moments {
                self.moments[moment] = next.next().expect("one a root");
                moment += 1;
            }
            let weights = next.next().expect("one a root");
            self.weights[group.offset as usize..][..group.len as usize].copy_from_slice(&weights);
        }
    }
}

#[test]
fn ten_steps_of_every_optimizer_are_those_of_pytorch() {
    let numbers = Numbers::read("training.safetensors");
    for call in numbers.all("w") {
        let (weights, gradients) = (numbers.get(call, "w"), numbers.get(call, "g"));
        let text = training(call, &weights[..10], numbers.get(call, "c"));
        let mut steps = Steps::new(&text, &weights[..10]);
        for (k, gradient) in gradients.chunks(10).enumerate() {
            steps.step(k as u64 + 1, gradient);
            for (found, expected) in steps.weights.iter().zip(&weights[10 * (k + 1)..]) {
                assert!(
                    (found - expected).abs() < 1e-9,
                    "{call}: {found}, not {expected}, after {} steps",
                    k + 1
                );
            }
        }
    }
}

/// The parameters after a run of a program, in the order of their names.
fn trained(text: &str, precision: &str) -> Vec<f64> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, out) = (folder.path().join("net.nn"), folder.path().join("out.safetensors"));
    fs::write(&file, text).expect("it can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_nnc"));
    let precision = format!("precision={precision}");
    let output = command.arg("run").arg(&file).args(["--set", &precision]).arg("--save").arg(&out).output();
    let output = output.expect("nnc starts");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let mut loaded = checkpoint::load(&out).expect("a checkpoint").tensors;
    loaded.retain(|tensor| ["a", "b"].contains(&tensor.name.as_str()));
    loaded.sort_by(|a, b| a.name.cmp(&b.name));
    loaded.into_iter().flat_map(|tensor| tensor.data).collect()
}

#[test]
fn trained_natively_they_are_the_same_within_rounding() {
    let numbers = Numbers::read("training.safetensors");
    for call in numbers.all("w") {
        let weights = numbers.get(call, "w");
        let text = training(call, &weights[..10], numbers.get(call, "c"));
        for (precision, tolerance) in [("f32", 2e-5), ("f64", 1e-9)] {
            for (found, expected) in trained(&text, precision).iter().zip(&weights[100..]) {
                assert!(
                    (found - expected).abs() < tolerance,
                    "{call}: {found}, not {expected} in {precision}"
                );
            }
        }
    }
}

#[test]
fn ten_steps_of_every_schedule_are_those_of_pytorch() {
    let numbers = Numbers::read("training.safetensors");
    for call in numbers.all("rate") {
        let text = training(&format!("sgd(lr = {call})"), &[0.0; 10], &[0.0; 10]);
        for (k, expected) in numbers.get(call, "rate").iter().enumerate() {
            let mut steps = Steps::new(&text, &[0.0; 10]);
            steps.step(k as u64 + 1, &[-1.0; 10]);
            let found = steps.weights[0];
            assert!((found - expected).abs() < 1e-12, "{call}: {found}, not {expected}, at step {}", k + 1);
        }
    }
}

/// Scores of three classes, the class, a probability and a number.
type Example = ([f64; 3], usize, f64, f64);

/// 150 examples without a pattern.
fn examples() -> Vec<Example> {
    let unit = |k: usize| ((k * 7919 + 13) % 1009) as f64 / 1009.0;
    (0..150)
        .map(|k| ([unit(k), unit(k + 200), unit(k + 400)], (k * k + k / 3) % 3, unit(k + 600), unit(k + 800)))
        .collect()
}

const METRICS: &str = "
fn share(z[K], y: class(K)) -> part[K] {
  part[k] = y == k
}
net n {
  input  z[3]
  target y: class(3)
  input  p
  input  v
  param  w = 0
  loss = w * v + 0.5 + p

  metric accuracy  = accuracy(z, y)
  metric second    = top_k(2)(z, y)
  metric precision = precision(p > 0.5, y == 1)
  metric recall    = recall(p > 0.5, y == 1)
  metric f1        = f1(p > 0.5, y == 1)
  metric nothing   = precision(p > 2, y == 1)
  metric confused  = confusion(z, y)
  metric share     = share(z, y)
  metric auc       = auc(p, y == 1)
  metric coarse    = auc(T = 11)(p, y == 1)
  metric rmse      = rmse(p, v)
  metric distance  = rmse(z, [p, p, v])
  metric mae       = mae(p, v)
  metric r2        = r2(p, v)
  metric perplexity = perplexity(loss)
  metric bits      = bits(loss)
  metric count     = sum[batch] 1
  metric positives = sum[batch] (p > 0.5)
}
train n on d {
  optimizer = sgd()
  epochs    = 0
}
";

/// The metrics of a net over all examples, by the command.
fn figures(text: &str) -> serde_json::Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("net.nn");
    fs::write(&file, text).expect("it can be written");
    let output = Command::new(env!("CARGO_BIN_EXE_nnc")).args(["run", "--json"]).arg(&file).output();
    let output = output.expect("nnc starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("JSON is text");
    let last: serde_json::Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    last["figures"]["train"].clone()
}

#[test]
fn metrics_are_taken_over_all_examples() {
    let examples = examples();
    let rows = examples.iter().map(|(z, y, p, v)| format!(" {} {} {} {y} {p} {v}\n", z[0], z[1], z[2]));
    let table: String = rows.collect();
    let found = figures(&format!("data d = table {{\n z[3] y p v\n{table}}}\n{METRICS}"));
    let count = |what: &dyn Fn(&Example) -> bool| examples.iter().filter(|e| what(e)).count() as f64;
    let mean = |what: &dyn Fn(&Example) -> f64| examples.iter().map(what).sum::<f64>() / 150.0;
    let best = |z: &[f64; 3]| (0..3).max_by(|&a, &b| z[a].total_cmp(&z[b])).expect("three");
    let above = |z: &[f64; 3], y: usize| z.iter().filter(|&&other| other > z[y]).count();
    let (hits, flagged, right) =
        (count(&|e| e.2 > 0.5 && e.1 == 1), count(&|e| e.2 > 0.5), count(&|e| e.1 == 1));
    let centre = mean(&|e| e.3);
    let area = |thresholds: usize| {
        let at = |t: usize| {
            if t == 0 {
                -1e-7
            } else if t + 1 == thresholds {
                1.0 + 1e-7
            } else {
                t as f64 / (thresholds - 1) as f64
            }
        };
        let point = |t: usize| {
            (
                count(&|e| e.2 > at(t) && e.1 != 1) / (150.0 - right),
                count(&|e| e.2 > at(t) && e.1 == 1) / right,
            )
        };
        let slices = (0..thresholds - 1).map(|t| (point(t), point(t + 1)));
        slices.map(|(a, b)| (a.0 - b.0) * (a.1 + b.1) / 2.0).sum::<f64>()
    };
    let pairs: Vec<(f64, f64)> = examples
        .iter()
        .filter(|e| e.1 == 1)
        .flat_map(|e| examples.iter().filter(|o| o.1 != 1).map(|o| (e.2, o.2)))
        .collect();
    let exact = pairs.iter().filter(|(a, b)| a > b).count() as f64 / pairs.len() as f64;
    assert!((area(200) - exact).abs() < 0.01, "{} and {exact}", area(200));
    let expected = [
        ("accuracy", mean(&|e| f64::from(best(&e.0) == e.1))),
        ("second", mean(&|e| f64::from(above(&e.0, e.1) < 2))),
        ("precision", hits / flagged),
        ("recall", hits / right),
        ("f1", 2.0 * hits / (flagged + right)),
        ("nothing", 0.0),
        ("auc", area(200)),
        ("coarse", area(11)),
        ("rmse", mean(&|e| (e.2 - e.3).powi(2)).sqrt()),
        (
            "distance",
            mean(&|e| ((e.0[0] - e.2).powi(2) + (e.0[1] - e.2).powi(2) + (e.0[2] - e.3).powi(2)) / 3.0)
                .sqrt(),
        ),
        ("mae", mean(&|e| (e.2 - e.3).abs())),
        ("r2", 1.0 - mean(&|e| (e.2 - e.3).powi(2)) / mean(&|e| (e.3 - centre).powi(2))),
        ("perplexity", (0.5 + mean(&|e| e.2)).exp()),
        ("bits", (0.5 + mean(&|e| e.2)) / 2f64.ln()),
        ("count", 150.0),
        ("positives", flagged),
    ];
    for (name, expected) in expected {
        let found = found[name].as_f64().unwrap_or_else(|| panic!("no {name}"));
        assert!((found - expected).abs() < 1e-5 * expected.abs().max(1.0), "{name}: {found}, not {expected}");
    }
    for right in 0..3 {
        for taken in 0..3 {
            let expected = count(&|e| e.1 == right && best(&e.0) == taken);
            assert_eq!(found["confused"][right][taken].as_f64(), Some(expected), "{right} taken for {taken}");
        }
        let share = found["share"][right].as_f64().expect("an array of three");
        assert!((share - count(&|e| e.1 == right) / 150.0).abs() < 1e-6, "{share}");
    }
}

/// Parameters by every initialiser, with the deviation that each is to have and the largest size of an element.
const INITIALISERS: &[(&str, f64, f64)] = &[
    ("~ glorot(60, 40)", 0.141_421, 0.244_949),
    ("~ glorot_normal(60, 40)", 0.141_421, f64::INFINITY),
    ("~ he(60)", 0.182_574, f64::INFINITY),
    ("~ he_uniform(60)", 0.182_574, 0.316_228),
    ("~ lecun(60)", 0.129_099, f64::INFINITY),
    ("~ lecun_uniform(60)", 0.129_099, 0.223_607),
    ("~ normal(0, 0.3)", 0.3, f64::INFINITY),
    ("~ uniform(-0.6, 0.6)", 0.346_41, 0.6),
    // The deviation of a normal number no further than 2 from its mean is 0.8796 of what it is without.
    ("~ truncated_normal(0, 0.5)", 0.439_8, 1.0),
    ("~ orthogonal(60)", 0.129_099, 1.0),
    ("= zeros()", 0.0, 0.0),
    ("= ones()", 0.0, 1.0),
    ("= constant(0.25)", 0.0, 0.25),
    ("= identity(40, 60)", 0.128_0, 1.0),
];

#[test]
fn initialisers_have_their_spread() {
    let declared =
        INITIALISERS.iter().enumerate().map(|(k, (init, ..))| format!(" param w{k}[40, 60] {init}\n"));
    let text = format!("net n {{\n input x\n{} loss = x\n}}\n", declared.collect::<String>());
    let model = model_of(&read("initial.nn", &text), None);
    let layout = Layout::of(&model.circuit, &model.params);
    let weights = initial_values(&model, &layout, &Layout::default(), 7, Dtype::F64).params;
    for (piece, (init, deviation, largest)) in layout.pieces.iter().zip(INITIALISERS) {
        let own: Vec<f64> = weights.part(piece.range()).iter().collect();
        let mean = own.iter().sum::<f64>() / own.len() as f64;
        let found = (own.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / own.len() as f64).sqrt();
        // The mean of 2400 numbers is off by a fiftieth of their deviation, their deviation by a seventieth.
        assert!((found - deviation).abs() <= 0.05 * deviation, "{init}: {found}, not {deviation}");
        assert!(own.iter().all(|x| x.abs() <= largest + 1e-6), "{init}: {own:?}");
        let unshifted = init.contains('~');
        assert!(!unshifted || mean.abs() <= 0.07 * deviation, "{init}: mean {mean}");
    }
}

/// Every word of a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
}

#[test]
fn every_entry_is_at_work_in_a_case_or_an_example() {
    let mut seen: BTreeSet<String> = Numbers::read("training.safetensors")
        .0
        .tensors
        .iter()
        .flat_map(|tensor| words(&tensor.name).map(String::from).collect::<Vec<_>>())
        .collect();
    let initialisers: String = INITIALISERS.iter().map(|(init, ..)| *init).collect();
    let mut texts = vec![METRICS.to_string(), initialisers];
    for folder in [FOLDER, "examples", "tests/cases/oracles"] {
        for file in fs::read_dir(folder).expect("a folder") {
            let path = file.expect("a file").path();
            if path.extension().is_some_and(|extension| extension == "nn") {
                texts.push(fs::read_to_string(path).expect("a program"));
            }
        }
    }
    for text in &texts {
        // What stands behind `#` is not at work.
        let code = text.lines().map(|line| line.split('#').next().expect("the part before"));
        seen.extend(code.flat_map(words).map(String::from));
    }
    // `clip = norm(1)` calls `clip_norm`.
    let name = |name: &str| name.strip_prefix("clip_").unwrap_or(name).to_string();
    let unused: Vec<_> =
        entries().iter().map(|entry| name(entry.name)).filter(|n| !seen.contains(n)).collect();
    assert_eq!(unused, Vec::<String>::new());
}

/// A file with entries of the library under other names.
fn renamed(entries: &[(&str, &str)]) -> String {
    let own = |(name, own): &(&str, &str)| {
        let keyword_of_kind =
            |entry: &&nnc::elaborate::prelude::Entry| *name != "cosine" || entry.keyword == "schedule";
        let source = nnc::elaborate::prelude_source(name);
        let text = source.iter().find(keyword_of_kind).unwrap_or_else(|| panic!("no {name}")).text;
        text.replace(&format!(" {name}("), &format!(" {own}("))
    };
    entries.iter().map(own).collect::<Vec<_>>().join("\n\n")
}

/// A program in which every kind of entry is at work, by the names given.
fn program_of(entries: &[(&str, &str)], own: bool) -> String {
    let name = |name: &str| {
        let renamed = entries.iter().find(|(known, _)| *known == name).expect("one of them").1;
        if own { renamed.to_string() } else { name.to_string() }
    };
    let [dense, gelu, huber, glorot, adam, cosine, accuracy] =
        ["dense", "gelu", "huber", "glorot", "adam", "cosine", "accuracy"].map(name);
    let head = if own { "use \"own.nn\"\n\n" } else { "" };
    format!(
        "{head}data d = table {{\n x[2] y\n 0 1 1\n 1 0 0.5\n 1 1 -2\n 0.5 -1 3\n}}\n\n\
         net n {{\n input x[2]\n target y\n param s[2, 2] ~ {glorot}(2, 2)\n\
         t[i] = sum[j] s[i, j] * x[j]\n h = t |> a: {dense}(4) |> {gelu} |> b: {dense}(1)\n\
         loss = {huber}(h[0], y)\n metric right = {accuracy}(t, 1)\n}}\n\n\
         train n on d {{\n optimizer = {adam}(lr = {cosine}(0.1, warmup = 2))\n batch = 2\n epochs = 4\n seed = 3\n}}\n"
    )
}

#[test]
fn entries_of_a_user_s_own_file_work_the_same() {
    let entries = ["dense", "gelu", "huber", "glorot", "adam", "cosine", "accuracy"].map(|name| (name, name));
    let own = entries.map(|(name, _)| format!("my_{name}"));
    let entries: Vec<(&str, &str)> =
        entries.iter().zip(&own).map(|(&(name, _), own)| (name, own.as_str())).collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write =
        |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("it can be written");
    write("own.nn", &renamed(&entries));
    let run = |file: &str| {
        let (program, out) = (folder.path().join(file), folder.path().join("out.safetensors"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_nnc"));
        let output = command
            .args(["run", "--json"])
            .arg(program)
            .arg("--save")
            .arg(&out)
            .output()
            .expect("nnc starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.is_empty(), "{told}");
        let last = String::from_utf8(output.stdout)
            .expect("JSON is text")
            .lines()
            .last()
            .expect("a line")
            .to_string();
        let last: serde_json::Value = serde_json::from_str(&last).expect("JSON");
        let tensors = checkpoint::load(&out).expect("a checkpoint").tensors;
        let bits: Vec<_> = tensors
            .into_iter()
            .map(|tensor| (tensor.name, tensor.data.into_iter().map(f64::to_bits).collect::<Vec<_>>()))
            .collect();
        (bits, last["figures"].clone())
    };
    write("library.nn", &program_of(&entries, false));
    write("user.nn", &program_of(&entries, true));
    assert_eq!(run("user.nn"), run("library.nn"));
}

/// The values of some results of a net in f64, on given inputs.
fn results(model: &Model, inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let count = inputs[0].len() / model.circuit.slot(model.inputs[0]).shape.size();
    let mut evaluation = Evaluation::new(model, false, count, 3);
    for (slot, data) in model.inputs.iter().zip(inputs) {
        evaluation.values[slot.0 as usize] = data.clone();
    }
    evaluation.run(By::InterpreterF64).expect("it runs").into_iter().map(|result| result.data).collect()
}

#[test]
fn dropout_leaves_out_its_share_and_scales_the_rest() {
    let text =
        "net n {\n input x[40, 50]\n output a = dropout(0.3)(x)\n output b = spatial_dropout(0.25)(x)\n}\n";
    let program = read("dropout.nn", text);
    let model = |training| {
        let choices = Choices { training, ..Choices::default() };
        elaborate::model(&program, None, &choices).expect("a net").0
    };
    let x = vec![1.0; 4 * 40 * 50];
    let found = results(&model(true), std::slice::from_ref(&x));
    for (found, rate, together) in [(&found[0], 0.3, 1), (&found[1], 0.25, 50)] {
        let scale = 1.0 / (1.0 - rate);
        assert!(found.iter().all(|&y| y == 0.0 || (y - scale).abs() < 1e-12), "{found:?}");
        assert!(found.chunks(together).all(|channel| channel.iter().all(|y| *y == channel[0])));
        let share = found.iter().filter(|y| **y == 0.0).count() as f64 / found.len() as f64;
        // Four deviations of the share among so many draws.
        let draws = (found.len() / together) as f64;
        assert!((share - rate).abs() < 4.0 * (rate * (1.0 - rate) / draws).sqrt(), "{share}, not {rate}");
    }
    assert_eq!(results(&model(false), std::slice::from_ref(&x)), [x.clone(), x]);
}

#[test]
fn batchnorm_keeps_running_statistics_and_uses_them() {
    let text = "net n {\n input x[2]\n y = x |> l: batchnorm(momentum = 0.75)\n output y\n loss = y[0]\n}\n";
    let program = read("batchnorm.nn", text);
    let training = model_of(&program, None);
    let x = [1.0, 10.0, 3.0, 10.0, 5.0, 40.0];
    let evaluation = {
        let mut evaluation = Evaluation::new(&training, false, 3, 3);
        evaluation.values[training.inputs[0].0 as usize] = x.to_vec();
        evaluation
    };
    let roots: Vec<ValueId> = training.next_states.iter().map(|&(_, value)| value).collect();
    let next = evaluate(&training.circuit, &roots, &evaluation.bindings::<f64>());
    // Means 3 and 20, variances 8 / 3 and 200, after 0 and 1.
    let expected = [[0.25 * 3.0, 0.25 * 20.0], [0.75 + 0.25 * 8.0 / 3.0, 0.75 + 0.25 * 200.0]];
    for (found, expected) in next.iter().zip(expected) {
        assert!(
            found.data.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12),
            "{found:?}, not {expected:?}"
        );
    }
    let inference = elaborate::model(&program, None, &Choices::default()).expect("a net").0;
    let found = &results(&inference, &[x.to_vec()])[0];
    let scale = (1.0f64 + 1e-5).sqrt();
    assert!(found.iter().zip(x).all(|(y, x)| (y - x / scale).abs() < 1e-12), "{found:?}");
}
