//! The derived program: what `nnc grad` prints reads back as a program whose gradients have the same bits.

use nnc::circuit::{Circuit, Kind, Node, ValueId, Variable, graph};
use nnc::diagnostic::{FileId, render_all};
use nnc::elaborate::{self, Choices, Model, Program};
use nnc::interpret::{Bindings, Element, evaluate};
use nnc::listing::{Derived, derived, gradient_program};
use nnc::simplify::simplify;
use rustc_hash::{FxHashMap, FxHashSet};
use std::path::Path;

/// A program and its data, from a text that stands in a folder.
struct Case {
    program: Program,
    data: Option<nnc::data::Dataset>,
}

fn read(name: &str, text: &str, folder: &Path) -> Case {
    let program = elaborate::from_text(name, text)
        .unwrap_or_else(|(sources, wrong)| panic!("{}\n{text}", render_all(&wrong, &sources, false)));
    let item = elaborate::data_item(&program, None).ok();
    let data = item.map(|item| nnc::data::load(item, &program.sources, folder).expect("the data is there"));
    Case { program, data }
}

impl Case {
    fn model(&self, training: bool) -> Model {
        let choices = Choices { training, ..Choices::default() };
        match elaborate::model(&self.program, self.data.as_ref(), &choices) {
            Ok((model, _)) => model,
            Err(wrong) => panic!(
                "{}\n{}",
                render_all(&wrong, &self.program.sources, false),
                self.program.sources.get(FileId(0)).text
            ),
        }
    }

    fn gradient(&self) -> String {
        let Program { sources, file, .. } = &self.program;
        gradient_program(sources, file, &self.model(true), &self.model(false))
    }
}

/// Values for the slots of a circuit, the same for the same names: reals, classes within their range.
fn bindings<T: Element>(circuit: &Circuit) -> Bindings<T> {
    const BATCH: usize = 3;
    let mut bindings = Bindings::new(BATCH);
    for (k, slot) in circuit.slots().iter().enumerate() {
        let mut state: u64 =
            slot.name.bytes().fold(17, |hash: u64, byte| hash.wrapping_mul(31) + u64::from(byte));
        let element = |_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let uniform = (state >> 11) as f64 / (1u64 << 53) as f64;
            match slot.classes {
                Some(classes) => T::of((uniform * f64::from(classes)).floor()),
                None if slot.kind == Kind::Integer => T::of((uniform * 4.0).floor()),
                None if slot.name == "var_" => T::of(0.5 + uniform),
                None => T::of(uniform * 3.0 - 1.0),
            }
        };
        let data = (0..slot.shape.size_for(BATCH)).map(element).collect();
        bindings.bind(circuit, nnc::circuit::SlotId(k as u32), data);
    }
    bindings
}

/// The gradients as a program read back gives them, in the order of the originals.
fn read_back(model: &Model, gradients: usize) -> (Circuit, Vec<ValueId>) {
    let outputs = &model.outputs[model.outputs.len() - gradients..];
    let values: Vec<ValueId> = outputs.iter().map(|output| output.value).collect();
    simplify(&model.circuit, &values)
}

fn same_bits<T: Element>(ours: (&Circuit, &[ValueId]), theirs: (&Circuit, &[ValueId]), what: &str) {
    let a = evaluate(ours.0, ours.1, &bindings::<T>(ours.0));
    let b = evaluate(theirs.0, theirs.1, &bindings::<T>(theirs.0));
    for (k, (a, b)) in a.iter().zip(&b).enumerate() {
        assert_eq!(a.shape, b.shape, "{what}: gradient {k}");
        for (x, y) in a.data.iter().zip(&b.data) {
            assert!(
                x.get().to_bits() == y.get().to_bits() || (x.is_nan() && y.is_nan()),
                "{what}: gradient {k} is {x:?}, read back {y:?}"
            );
        }
    }
}

/// Whether two circuits compute their roots by the very same gates. What recurs is told apart as far as what it
/// recurs by is: variables are alike at first, and from round to round as far as their sources are.
fn isomorphic(ours: (&Circuit, &[ValueId]), theirs: (&Circuit, &[ValueId])) -> bool {
    let both = [ours, theirs];
    let mut classes = both.map(|(circuit, _)| vec![0; circuit.variables().count()]);
    let mut count = 0;
    loop {
        let mut known: FxHashMap<Node, u32> = FxHashMap::default();
        let ids = [0, 1].map(|k| identities(both[k].0, both[k].1, &classes[k], &mut known));
        let of = |k: usize, root: &ValueId| ids[k][root.index()];
        for k in [0, 1] {
            for (variable, class) in both[k].0.variables().zip(&mut classes[k]) {
                *class = both[k].0.source(variable).map_or(0, |source| of(k, &source));
            }
        }
        let distinct: FxHashSet<u32> = classes.iter().flatten().copied().collect();
        if distinct.len() == count {
            return ours.1.iter().map(|root| of(0, root)).eq(theirs.1.iter().map(|root| of(1, root)));
        }
        count = distinct.len();
    }
}

/// A number for each value that the roots need, the same for the same gate of the same operands.
fn identities(
    circuit: &Circuit,
    roots: &[ValueId],
    classes: &[u32],
    known: &mut FxHashMap<Node, u32>,
) -> Vec<u32> {
    let mut ids = vec![0; circuit.len()];
    for value in graph::reachable(circuit, roots.iter().copied()).iter() {
        let mut node = circuit.node(value).with_operands(|operand| ValueId(ids[operand.index()]));
        match &mut node {
            Node::Lag { variable, .. } => *variable = Variable(classes[variable.0 as usize]),
            Node::Gate { gate, args } if ["add", "mul", "eq"].contains(&gate.row().name) => args.sort(),
            _ => {}
        }
        let next = known.len() as u32;
        ids[value.index()] = *known.entry(node).or_insert(next);
    }
    ids
}

/// Prints, reads back, compares; gives the printed lines.
fn check(name: &str, text: &str, folder: &Path, alike: bool) -> String {
    let case = read(name, text, folder);
    let printed = case.gradient();
    let again = read(name, &printed, folder);
    for training in [true, false] {
        let Derived { circuit, gradients } = derived(&case.model(training)).expect("a loss");
        let reached: Vec<ValueId> = gradients.iter().filter_map(|gradient| gradient.value).collect();
        let (theirs, roots) = read_back(&again.model(training), gradients.len());
        let roots: Vec<ValueId> = gradients
            .iter()
            .zip(roots)
            .filter(|(gradient, _)| gradient.value.is_some())
            .map(|(_, root)| root)
            .collect();
        if alike {
            let same = isomorphic((&circuit, &reached), (&theirs, &roots));
            assert!(
                same,
                "{name}, training {training}: the circuit read back has another form:\n{}\nread back:\n{}",
                nnc::listing::circuit_listing(&circuit, &reached),
                nnc::listing::circuit_listing(&theirs, &roots),
            );
        }
        same_bits::<f64>((&circuit, &reached), (&theirs, &roots), name);
        same_bits::<f32>((&circuit, &reached), (&theirs, &roots), name);
    }
    let (source, _) = text.rsplit_once('}').expect("the net ends somewhere");
    let begin = printed.find("  # The gradient of the loss").expect("the lines are there");
    assert!(printed.starts_with(&text[..source.len().min(begin).min(text.len())]) || begin < source.len());
    let end = begin + printed[begin..].find("\n}").expect("the net ends");
    printed[begin..end].to_string()
}

#[test]
fn examples() {
    for name in ["xor", "iris", "digits"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(format!("{name}.nn"));
        let text = std::fs::read_to_string(&path).expect("the example is there");
        let printed = check(name, &text, path.parent().expect("a folder"), true);
        insta::assert_snapshot!(format!("grad_{name}"), printed);
    }
}

/// Cases whose gradients have a condition on positions that is a mask as derived and a comparison as written, or that
/// read by a lag outside of its recurrence what is there an ordinary read: the same bits, but not the same nodes.
const OTHER_FORM: [&str; 3] = ["conv", "embedding", "recurrences"];

#[test]
fn cases() {
    insta::glob!("cases/grad/*.nn", |path| {
        let text = std::fs::read_to_string(path).expect("the case is there");
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let alike = !OTHER_FORM.contains(&name.as_str());
        let printed = check(&name, &text, path.parent().expect("a folder"), alike);
        insta::assert_snapshot!(printed);
    });
}

/// The branch of a choice that is not taken, as numbers alone decide, tells no range, though it has the only read by an
/// index: the range is printed.
#[test]
fn decided_by_numbers() {
    let text = "net decided {
  input x[1]
  v[i: 1, j: 1, k: 1] = tanh(if 0 != i then x[k] else i)
  loss = v[0, 0, 0]
}
";
    let printed = read("decided", text, Path::new(".")).gradient();
    assert!(printed.contains("x_bar[k: 1] = if 0 != 0 then"), "{printed}");
    read("decided", &printed, Path::new("."));
}

/// What copies of a repeated layer share is printed once; what is different in one of them, by itself.
#[test]
fn folded() {
    insta::glob!("cases/folded/*.nn", |path| {
        let text = std::fs::read_to_string(path).expect("the case is there");
        let case = read("folded", &text, path.parent().expect("a folder"));
        let models = (&case.model(true), &case.model(false));
        let request = nnc::listing::Request::default();
        let program = &case.program;
        let printed =
            nnc::listing::requested_program(&program.sources, &program.file, models, &request, true);
        let printed = printed.expect("the net has a loss");
        let begin = printed.find("  # The gradient of the loss").expect("the lines are there");
        insta::assert_snapshot!(&printed[begin..]);
    });
}
