//! Programs to circuits: what is built, what it computes, and what a user is told of mistakes.

use nnc::circuit::verify::verify;
use nnc::circuit::{Circuit, Leaf, Node, SlotRole, ValueId};
use nnc::data::{self, Dataset};
use nnc::diagnostic::{Diagnostics, Sources, render};
use nnc::elaborate::{Choices, Model, Program, check_sweeps, from_text, model, training, update};
use nnc::interpret::{Bindings, evaluate};
use std::fmt::Write;
use std::path::Path;

/// A program, the data of its first data item, and its models for training and inference.
struct Case {
    program: Program,
    data: Option<Dataset>,
}

impl Case {
    fn read(path: &Path) -> Case {
        let text = std::fs::read_to_string(path).expect("a case");
        let name = path.file_name().expect("a file").to_string_lossy();
        let program = from_text(&name, &text);
        let program = program.unwrap_or_else(|(sources, found)| panic!("{}", told(&found, &sources)));
        let data = nnc::elaborate::data_item(&program, None).ok().map(|item| {
            let data = data::load(item, &program.sources, path.parent().expect("a folder"));
            data.unwrap_or_else(|found| panic!("{}", told(&found, &program.sources)))
        });
        Case { program, data }
    }

    fn model(&self, training: bool) -> (Model, Diagnostics) {
        let choices = Choices { training, ..Choices::default() };
        let found = model(&self.program, self.data.as_ref(), &choices);
        let (model, warnings) =
            found.unwrap_or_else(|found| panic!("{}", told(&found, &self.program.sources)));
        verify(&model.circuit).expect("the circuit is well formed");
        verify(&model.initial).expect("the circuit of initial values is well formed");
        (model, warnings)
    }
}

fn told(found: &Diagnostics, sources: &Sources) -> String {
    found.iter().map(|diagnostic| render(diagnostic, sources, false) + "\n").collect()
}

/// The circuit, one line a value.
fn dump(circuit: &Circuit) -> String {
    let mut out = String::new();
    for value in circuit.values() {
        let node = match circuit.node(value) {
            Node::Leaf(Leaf::Slot(slot)) => {
                let slot = circuit.slot(*slot);
                format!("{:?} {}", slot.role, slot.name).to_lowercase()
            }
            Node::Leaf(Leaf::Number(number)) => format!("{:?}", number.get()),
            Node::Leaf(Leaf::Iota(extent)) => format!("0..{extent}"),
            Node::Leaf(Leaf::Step(step)) => format!("{step:?}").to_lowercase(),
            Node::Leaf(Leaf::Draw { site, .. }) => format!("draw {site:016x}"),
            Node::Gate { gate, args } => format!("{gate:?}({})", list(args)),
            Node::Reduce { reducer, arg, axes, batch } => {
                let axes: Vec<String> = axes.iter().map(|axis| axis.to_string()).collect();
                let batch = if *batch { " and the batch" } else { "" };
                format!("{reducer:?} of {} over [{}]{batch}", list(&[*arg]), axes.join(", ")).to_lowercase()
            }
            Node::View { arg, view } => {
                let coords: Vec<String> = view.coords.iter().map(|e| form(&e.c, e.b, e.d)).collect();
                let guards: Vec<String> = view
                    .guards
                    .iter()
                    .map(|g| format!(" if {} <= {} < {}", g.lo, form(&g.e.c, g.e.b, g.e.d), g.hi))
                    .collect();
                let fill = if view.fill.get() == 0.0 {
                    String::new()
                } else {
                    format!(" else {:?}", view.fill.get())
                };
                format!("{}[{}]{}{fill}", list(&[*arg]), coords.join(", "), guards.concat())
            }
            Node::Merge { arg, axis } => format!("merge {axis} of {}", list(&[*arg])),
            Node::Gather { table, index } => format!("gather {}", list(&[*table, *index])),
            node => format!("{node:?}"),
        };
        let names: Vec<String> = circuit
            .names()
            .iter()
            .filter(|named| named.value == value)
            .map(|named| {
                let (mapped, own) = named.indices.split_at(named.mapped);
                format!("{}[{}; {}]", named.path, mapped.join(", "), own.join(", "))
            })
            .collect();
        let names = if names.is_empty() { String::new() } else { format!("   # {}", names.join(", ")) };
        writeln!(out, "%{} {} = {node}{names}", value.0, circuit.shape(value)).unwrap();
    }
    out
}

fn list(values: &[ValueId]) -> String {
    values.iter().map(|value| format!("%{}", value.0)).collect::<Vec<_>>().join(", ")
}

/// `(2*o1 + 3)/2`
fn form(c: &[i64], b: i64, d: i64) -> String {
    let terms = c.iter().enumerate().filter(|(_, c)| **c != 0);
    let mut terms: Vec<String> =
        terms.map(|(k, c)| if *c == 1 { format!("o{k}") } else { format!("{c}*o{k}") }).collect();
    if b != 0 || terms.is_empty() {
        terms.push(b.to_string());
    }
    let sum = terms.join(" + ");
    if d == 1 { sum } else { format!("({sum})/{d}") }
}

/// What a model computes for the first rows of its data, from its initial parameters.
fn values(model: &Model, data: Option<&Dataset>) -> Vec<(String, Vec<f64>)> {
    let rows = data.map_or(1, |data| data.rows.min(4));
    let initial: Vec<ValueId> = model.initial_values.iter().map(|&(_, value)| value).collect();
    let initial = evaluate::<f64>(&model.initial, &initial, &Bindings::new(1));
    let mut bindings = Bindings::<f64>::new(rows);
    for ((slot, _), array) in model.initial_values.iter().zip(initial) {
        bindings.bind(&model.circuit, *slot, array.data);
    }
    for &slot in &model.inputs {
        let column = data.and_then(|data| data.column(&model.circuit.slot(slot).name)).expect("a column");
        let cells = column.data.iter().take(rows * column.row_len()).collect();
        bindings.bind(&model.circuit, slot, cells);
    }
    let loss = model.loss.map(|loss| ("loss".to_string(), loss));
    let results =
        model.outputs.iter().chain(&model.metrics).map(|output| (output.name.clone(), output.value));
    let next = model
        .next_states
        .iter()
        .map(|(slot, value)| (format!("{}'", model.circuit.slot(*slot).name), *value));
    let named: Vec<(String, ValueId)> = loss.into_iter().chain(results).chain(next).collect();
    let roots: Vec<ValueId> = named.iter().map(|(_, value)| *value).collect();
    let arrays = evaluate(&model.circuit, &roots, &bindings);
    named.into_iter().zip(arrays).map(|((name, _), array)| (name, array.data)).collect()
}

fn describe(case: &Case, training: bool) -> String {
    let (model, warnings) = case.model(training);
    let mut out = format!("== {}\n", if training { "training" } else { "inference" });
    out.push_str(&told(&warnings, &case.program.sources));
    out.push_str(&dump(&model.circuit));
    if training && !model.initial.is_empty() {
        write!(out, "-- initial values\n{}", dump(&model.initial)).unwrap();
    }
    for layer in &model.layers {
        writeln!(
            out,
            "layer {}: {} gives {:?}, {} parameters",
            layer.path, layer.call, layer.dims, layer.parameters
        )
        .unwrap();
    }
    for (name, values) in values(&model, case.data.as_ref()) {
        let values: Vec<String> =
            values.iter().map(|value| format!("{:?}", (value * 1e6).round() / 1e6)).collect();
        writeln!(out, "{name} = {}", values.join(", ")).unwrap();
    }
    out
}

#[test]
fn circuits() {
    insta::glob!("cases/elaborate/*.nn", |path| {
        let case = Case::read(path);
        let mut out = describe(&case, true);
        if case.model(true).0.asks_training {
            out.push_str(&describe(&case, false));
        }
        insta::assert_snapshot!(out);
    });
}

#[test]
fn derivatives_within_a_net_are_those_of_their_formulas() {
    let case = Case::read(Path::new("tests/cases/elaborate/gradients.nn"));
    let (model, _) = case.model(false);
    for (name, values) in values(&model, case.data.as_ref()).into_iter().filter(|(name, _)| name != "loss") {
        assert!(values.iter().all(|value| value.abs() < 1e-10), "{name}: {values:?}");
    }
}

/// Each file of `cases/errors` holds several programs, separated by lines that begin with `#---`.
#[test]
fn mistakes() {
    insta::glob!("cases/errors/*.nn", |path| {
        let text = std::fs::read_to_string(path).expect("a case");
        let mut out = String::new();
        for program in text.split("#---").skip(1) {
            let (title, program) = program.split_once('\n').expect("a title, then a program");
            writeln!(out, "#---{title}\n{}", mistakes_of(program, path)).unwrap();
        }
        insta::assert_snapshot!(out);
    });
}

fn mistakes_of(text: &str, path: &Path) -> String {
    let program = match from_text("example.nn", text) {
        Ok(program) => program,
        Err((sources, found)) => return told(&found, &sources),
    };
    let sources = &program.sources;
    let folder = path.parent().expect("a folder");
    let data = match nnc::elaborate::data_item(&program, None) {
        Ok(item) => data::load(item, sources, folder).map(Some),
        Err(found) if text.contains("train ") => return told(&found, sources),
        Err(_) => Ok(None),
    };
    let choices = Choices { training: true, ..Choices::default() };
    let elaborated = data.and_then(|data| model(&program, data.as_ref(), &choices));
    let (model, warnings) = match elaborated {
        Ok(found) => found,
        Err(found) => return told(&found, sources),
    };
    let trained = if text.contains("train ") {
        training(&program, &choices).and_then(|_| update(&program, &choices, &model).map(drop))
    } else {
        Ok(())
    };
    let trained = trained.and_then(|()| check_sweeps(&program, &choices));
    let found = trained.err().unwrap_or(warnings);
    if found.is_empty() { "nothing was found\n".into() } else { told(&found, sources) }
}

fn example(name: &str) -> Case {
    Case::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name))
}

#[test]
fn examples_elaborate_for_training_and_inference() {
    for (name, parameters, layers) in [("xor.nn", 33, 2), ("iris.nn", 131, 2), ("digits.nn", 9610, 3)] {
        let case = example(name);
        for training in [true, false] {
            let (model, warnings) = case.model(training);
            assert_eq!(warnings, [], "{name}");
            let size = |&slot| model.circuit.slot(slot).shape.size();
            assert_eq!(model.params.iter().map(size).sum::<usize>(), parameters, "{name}");
            assert_eq!(model.layers.len(), layers, "{name}: {:?}", model.layers);
            let finite = |(figure, values): (String, Vec<f64>)| {
                assert!(values.iter().all(|value| value.is_finite()), "{name}: {figure} = {values:?}");
            };
            values(&model, case.data.as_ref()).into_iter().for_each(finite);
        }
        let choices = Choices::default();
        let checked = training(&case.program, &choices)
            .unwrap_or_else(|found| panic!("{}", told(&found, &case.program.sources)));
        assert_eq!(checked.seed, 1, "{name}");
        let update = update(&case.program, &choices, &case.model(true).0);
        let update = update.unwrap_or_else(|found| panic!("{}", told(&found, &case.program.sources)));
        assert_eq!(update.turns[0].groups.len(), 1);
        verify(&update.turns[0].circuit).expect("the update is well formed");
    }
}

#[test]
fn the_optimizer_of_an_example_moves_weights_as_written() {
    let case = example("iris.nn"); // adam(lr = 1e-2)
    let update = update(&case.program, &Choices::default(), &case.model(true).0).expect("an optimizer");
    let (turn, group) = (&update.turns[0], &update.turns[0].groups[0]);
    assert_eq!(
        group.moments.iter().map(|m| (m.name.as_str(), m.initial)).collect::<Vec<_>>(),
        [("m", 0.0), ("v", 0.0)]
    );
    let mut bindings = Bindings::<f64>::new(1);
    for (k, slot) in turn.circuit.slots().iter().enumerate() {
        let mut data = match slot.role {
            SlotRole::Param => vec![1.0, -2.0],
            SlotRole::Gradient => vec![0.5, -3.0],
            _ => vec![0.0, 0.0],
        };
        data.resize(group.len as usize, 0.0);
        bindings.bind(&turn.circuit, nnc::circuit::SlotId(k as u32), data);
    }
    bindings.step = 1;
    let next = evaluate(&turn.circuit, &[group.next_weights], &bindings).remove(0).data;
    // The first step of Adam is `lr` against the sign of the gradient, but for eps.
    for (got, expected) in next.iter().zip([1.0 - 1e-2, -2.0 + 1e-2]) {
        assert!((got - expected).abs() < 1e-8, "{next:?}");
    }
}

#[test]
fn the_command_line_sets_what_the_program_has() {
    let case = example("digits.nn");
    let set = |name: &str, value: &str| Choices {
        settings: vec![(name.into(), value.into())],
        ..Choices::default()
    };
    for name in ["width", "mlp.width"] {
        let (model, _) = model(&case.program, case.data.as_ref(), &set(name, "4 * 8")).expect("it fits");
        assert_eq!(model.settings, [("width".to_string(), "32".to_string())]);
    }
    assert_eq!(training(&case.program, &set("epochs", "7")).expect("it fits").epochs, 7);
    for (name, value) in [("widht", "32"), ("width", "1 +"), ("width", "true"), ("width", "nothing")] {
        let found = model(&case.program, case.data.as_ref(), &set(name, value)).expect_err("a mistake");
        assert!(!told(&found, &case.program.sources).is_empty(), "{name}={value}");
    }
    assert!(training(&case.program, &set("batch", "0.5")).is_err());
}

#[test]
fn both_programs_have_the_same_parameters() {
    for name in ["xor.nn", "iris.nn", "digits.nn"] {
        let case = example(name);
        let slots = |training| {
            let (model, _) = case.model(training);
            model.params.iter().map(|&slot| model.circuit.slot(slot).clone()).collect::<Vec<_>>()
        };
        assert_eq!(slots(true), slots(false), "{name}");
    }
}

/// The next weights of `sgd(lr = 1)` from 0, or of another optimizer.
fn step(train: &str, gradients: &[f64], at: impl Fn(&mut Bindings<f64>)) -> Vec<f64> {
    let text = format!(
        "data d = table {{\n x\n 1\n}}\nnet a {{\n input x\n param w[{}] = 1\n loss = x * sum[i] w[i]\n}}\ntrain a on d {{\n{train}\n}}\n",
        gradients.len()
    );
    let program =
        from_text("step.nn", &text).unwrap_or_else(|(sources, found)| panic!("{}", told(&found, &sources)));
    let choices = Choices { training: true, ..Choices::default() };
    let (model, _) = model(&program, None, &choices).expect("a net");
    let update = update(&program, &choices, &model);
    let update = update.unwrap_or_else(|found| panic!("{}", told(&found, &program.sources)));
    let (turn, group) = (&update.turns[0], &update.turns[0].groups[0]);
    verify(&turn.circuit).expect("the update is well formed");
    let mut bindings = Bindings::<f64>::new(1);
    for (k, slot) in turn.circuit.slots().iter().enumerate() {
        let moment = group.moments.iter().find(|m| m.name == slot.name && slot.role == SlotRole::Moment);
        let data = match slot.role {
            SlotRole::Gradient => gradients.to_vec(),
            _ => vec![moment.map_or(0.0, |moment| moment.initial); gradients.len()],
        };
        bindings.bind(&turn.circuit, nnc::circuit::SlotId(k as u32), data);
    }
    at(&mut bindings);
    let mut roots = vec![group.next_weights];
    roots.extend(group.moments.iter().map(|moment| moment.next));
    let next = evaluate(&turn.circuit, &roots, &bindings);
    assert!(next.iter().all(|array| array.data.iter().all(|value| value.is_finite())), "{train}: {next:?}");
    next[0].data.clone()
}

#[test]
fn every_optimizer_of_the_library_goes_against_the_gradient() {
    let optimizers = nnc::elaborate::prelude::entries();
    let optimizers: Vec<_> = optimizers.iter().filter(|entry| entry.keyword == "optimizer").collect();
    assert!(optimizers.len() >= 5);
    for entry in optimizers {
        let next = step(&format!("optimizer = {}()", entry.name), &[2.0, -3.0], |_| {});
        assert!(next[0] < 0.0 && next[1] > 0.0, "{}: {next:?}", entry.name);
    }
}

#[test]
fn schedules_take_the_values_of_their_formulas() {
    let rate = |schedule: &str, number: u64| {
        let train = format!("optimizer = sgd(lr = {schedule})");
        step(&train, &[-1.0], |bindings| {
            (bindings.step, bindings.steps, bindings.epoch) = (number, 110, 1 + number / 10);
        })[0]
    };
    let cases = [
        ("cosine(1, warmup = 10)", 5, 0.5),
        ("cosine(1, warmup = 10)", 10, 1.0),
        ("cosine(1, warmup = 10)", 60, 0.5),
        ("cosine(1, warmup = 10)", 110, 0.0),
        ("linear(2, warmup = 10)", 60, 1.0),
        ("constant(0.25)", 60, 0.25),
        ("constant(0.25, warmup = 100)", 60, 0.15),
        ("exponential(1, half = 20)", 60, 0.125),
        ("step(1, every = 3, factor = 0.5)", 60, 0.25),
        ("0.5 * 0.5^step", 2, 0.125),
    ];
    for (schedule, number, expected) in cases {
        let got = rate(schedule, number);
        assert!((got - expected).abs() < 1e-12, "{schedule} at {number}: {got}, not {expected}");
    }
}

#[test]
fn clips_limit_the_gradient() {
    let clipped = |clip: &str, gradients: &[f64]| -> Vec<f64> {
        let next = step(&format!("optimizer = sgd(lr = 1)\nclip = {clip}"), gradients, |_| {});
        next.iter().map(|weight| (-weight * 1e6).round() / 1e6).collect()
    };
    assert_eq!(clipped("norm(1)", &[3.0, -4.0]), [0.6, -0.8]);
    assert_eq!(clipped("norm(10)", &[3.0, -4.0]), [3.0, -4.0]);
    assert_eq!(clipped("value(0.5)", &[3.0, -4.0, 0.25]), [0.5, -0.5, 0.25]);
}

#[test]
fn every_entry_of_the_library_says_what_it_is() {
    for entry in nnc::elaborate::prelude::entries() {
        assert!(
            entry.text.starts_with("# "),
            "{} {} of {} has no comment",
            entry.keyword,
            entry.name,
            entry.file
        );
        let summary = entry.summary();
        let is_sentence = summary.ends_with('.') && summary.len() <= 120;
        assert!(is_sentence, "{}: {summary}", entry.name);
        assert!(nnc::elaborate::prelude_source(entry.name).contains(&entry));
        let (_, found) = nnc::syntax::parse(nnc::diagnostic::FileId(0), entry.text);
        assert_eq!(found, [], "{}", entry.name);
    }
}

#[test]
fn nesting_without_end_is_told_not_suffered() {
    let mut text = String::new();
    for k in 0..60 {
        let (open, close) = ("(".repeat(90), ")".repeat(90));
        let body = if k == 59 { "x".to_string() } else { format!("inner{}(x)", k + 1) };
        writeln!(text, "fn inner{k}(x) = {open}{body}{close}").unwrap();
    }
    text.push_str("net a {\n input x\n loss = inner0(x)\n}\n");
    let program = from_text("deep.nn", &text).expect("it reads");
    let found = model(&program, None, &Choices::default()).expect_err("too deep");
    assert_eq!(found[0].code, nnc::diagnostic::codes::TOO_LARGE);
}

#[test]
fn no_program_of_the_corpus_is_taken_wrongly() {
    // Without their data the larger programs cannot be elaborated whole; none may panic, each must say why.
    for entry in std::fs::read_dir("tests/cases/programs").expect("the corpus") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a program");
        let program = from_text("corpus.nn", &text).expect("it reads");
        for training in [true, false] {
            let choices = Choices { training, ..Choices::default() };
            match model(&program, None, &choices) {
                Ok((model, _)) => verify(&model.circuit).expect("well formed"),
                Err(found) => assert!(!found.is_empty(), "{}", path.display()),
            }
        }
    }
}
