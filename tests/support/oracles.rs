//! The oracles: what must hold of every program that runs.
//!
//! Each row of [`ORACLES`] is one promise. They go from the text inwards, so that the first that fails names the room
//! to look into.

use super::rounding::{Bounded, DOUBLE, Precision, SINGLE, bounded};
use nnc::circuit::verify::verify;
use nnc::circuit::{Circuit, Dtype, Kind, Numbers, SlotId, ValueId, graph};
use nnc::codegen::{Instructions, Options, Width, compile};
use nnc::data;
use nnc::diagnostic::{Diagnostics, FileId, Sources, render_all};
use nnc::differentiate::differences::{AMPLIFIED, compare, interpreted};
use nnc::differentiate::differentiate;
use nnc::elaborate::{self, Choices, Model, Program, Update};
use nnc::interpret::{Bindings, Element, evaluate};
use nnc::listing::gradient_program;
use nnc::plan::interpret::{Record, run};
use nnc::plan::memory::Memory;
use nnc::plan::schedule::{Hint, Region, Step, Stmt};
use nnc::runtime::build::{
    Built, Setup, Stage, Wanted, build, homes, simplify_stage, slot_leaf, step_stages,
};
use nnc::runtime::layout::Layout;
use nnc::runtime::once::{By, Evaluation, differentiable_slots};
use nnc::runtime::records::Moment;
use nnc::runtime::store::Store;
use nnc::syntax;
use nnc::syntax::ast::ItemKind;
use std::cell::{Cell, OnceCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Once, OnceLock};

/// A promise that did not hold.
#[derive(Clone, PartialEq, Debug)]
pub struct Failure {
    /// Which.
    pub oracle: &'static str,
    /// How it was broken.
    pub what: String,
}

/// What holding gives.
type Held = Result<(), String>;

/// How much was compared: an oracle that compares nothing proves nothing.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Tally {
    /// Elements held against a finite bound.
    pub compared: usize,
    /// Elements of which rounding lets nothing be said.
    pub doubtful: usize,
    /// Elements of gradients held against differences.
    pub measured: usize,
    /// Those left out, where there is no derivative nearby.
    pub skipped: usize,
    /// Gradients printed and read back.
    pub printed: usize,
    /// Those that came back rounded otherwise.
    pub rounded: usize,
}

impl Tally {
    /// Both together.
    pub fn plus(self, other: Tally) -> Tally {
        Tally {
            compared: self.compared + other.compared,
            doubtful: self.doubtful + other.doubtful,
            measured: self.measured + other.measured,
            skipped: self.skipped + other.skipped,
            printed: self.printed + other.printed,
            rounded: self.rounded + other.rounded,
        }
    }
}

/// A promise in words, and what holds a program to it.
type Oracle = (&'static str, fn(&Subject) -> Held);

/// The promises in order.
const ORACLES: &[Oracle] = &[
    ("the printed tree reads as the same tree", prints),
    ("formatting twice is formatting once", formats),
    ("what was elaborated is a circuit", |s| s.both(|p| verify(&p.raw.circuit))),
    ("what was simplified is a circuit", |s| s.both(|p| verify(&p.simple.circuit))),
    ("simplified, in f64, it is what it was", |s| s.both(simplified)),
    ("the circuit in f32 is that in f64, within rounding", |s| s.both(single)),
    ("what was planned is a schedule", |s| s.both(scheduled)),
    ("the schedule is the circuit, within rounding", |s| s.both(|p| p.steps::<f32>(Compare::Circuit))),
    ("native code is the schedule, bit for bit", |s| s.both(|p| p.steps::<f32>(Compare::Native))),
    ("other native code is the schedule, bit for bit", |s| s.both(|p| p.steps::<f32>(Compare::OtherNative))),
    ("in f64 the schedule is the circuit, within rounding", |s| s.both(|p| p.steps::<f64>(Compare::Circuit))),
    ("in f64 native code is the schedule, bit for bit", |s| s.both(|p| p.steps::<f64>(Compare::Native))),
    ("steps of training in native code are those of the schedule, bit for bit", trains::<f32>),
    ("steps of training in f64 are those of the schedule, bit for bit", trains::<f64>),
    ("gradients are central differences", |s| s.both(differences)),
    ("the printed gradient reads back as the gradient, within rounding", printed),
];

/// Bounds of rounding are of first order.
const SLACK: f64 = 8.0;

/// Derived and measured derivatives differ by no more, relatively.
const DIFFERENCE: f64 = 1e-4;

/// Examples of the data.
const ROWS: usize = 5;

/// Holds a program against every oracle. Paths of data are relative to `base`; parameters, and what the oracles run
/// on, are drawn from the seed.
///
/// # Errors
/// The first that fails.
pub fn hold(text: &str, base: &Path, seed: u64) -> Result<Tally, Failure> {
    let failed = |oracle| move |what| Failure { oracle, what };
    let models = guarded(|| Models::new(text, base)).map_err(failed("it elaborates"))?;
    let raw = guarded(|| Ok([&models.training, &models.inference].map(Raw::new)))
        .map_err(failed("it has a gradient"))?;
    let subject = guarded(|| Ok(Subject::new(models, raw, seed))).map_err(failed("it can be simplified"))?;
    for (oracle, holds) in ORACLES.iter().filter(|(oracle, _)| is_asked(oracle)) {
        guarded(|| holds(&subject)).map_err(failed(oracle))?;
    }
    Ok(subject.training.tally.get().plus(subject.inference.tally.get()))
}

/// Whether an oracle is asked: all are, unless `NNC_ORACLE` has words of those that are.
fn is_asked(oracle: &str) -> bool {
    static WORDS: OnceLock<Option<String>> = OnceLock::new();
    let words = WORDS.get_or_init(|| std::env::var("NNC_ORACLE").ok());
    words.as_ref().is_none_or(|words| oracle.contains(words))
}

thread_local! {
    /// Whether a panic of this thread is a failure that will be told.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// A panic is a failure like others, and not printed.
fn guarded<T>(f: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                before(panic);
            }
        }));
    });
    GUARDED.set(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    GUARDED.set(false);
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        Err(format!("panic: {}", text.or_else(|| panic.downcast_ref().cloned()).unwrap_or_default()))
    })
}

/// A program and its two models.
struct Models {
    text: String,
    base: PathBuf,
    program: Program,
    training: Model,
    inference: Model,
    /// How the parameters are updated, if the program says so.
    update: Option<Update>,
}

impl Models {
    /// Paths of data are relative to `base`.
    fn new(text: &str, base: &Path) -> Result<Models, String> {
        let told = |(sources, wrong): (Sources, Diagnostics)| render_all(&wrong, &sources, false);
        let name = base.join("program.nn").display().to_string();
        let program = elaborate::from_text(&name, text).map_err(told)?;
        let told = |wrong: Diagnostics| render_all(&wrong, &program.sources, false);
        let has = |kind: fn(&ItemKind) -> bool| program.file.items.iter().any(|item| kind(&item.kind));
        let trains = has(|kind| matches!(kind, ItemKind::Train { .. }));
        let has_data = has(|kind| matches!(kind, ItemKind::Data { .. } | ItemKind::Table { .. }));
        let load = || data::load(elaborate::data_item(&program, None)?, &program.sources, base);
        let data = has_data.then(load).transpose().map_err(told)?;
        let model = |training| {
            let choices = Choices { training, ..Choices::default() };
            elaborate::model(&program, data.as_ref(), &choices).map(|(model, _)| model).map_err(told)
        };
        let (training, inference) = (model(true)?, model(false)?);
        let choices = Choices { training: true, ..Choices::default() };
        let update = || elaborate::update(&program, &choices, &training);
        let update = trains.then(update).transpose().map_err(told)?;
        Ok(Models { text: text.to_string(), base: base.to_path_buf(), program, training, inference, update })
    }
}

/// A program with all that is made of it once.
struct Subject {
    models: Models,
    training: Case,
    inference: Case,
    seed: u64,
}

impl Subject {
    fn new(models: Models, [training, inference]: [Raw; 2], seed: u64) -> Subject {
        let training = Case::new(&models.training, training, seed);
        let inference = Case::new(&models.inference, inference, seed);
        Subject { models, training, inference, seed }
    }

    /// Holds of the training and of the inference program.
    fn both(&self, holds: impl Fn(&Case) -> Held) -> Held {
        holds(&self.training).map_err(|what| format!("training: {what}"))?;
        holds(&self.inference).map_err(|what| format!("inference: {what}"))
    }
}

fn prints(subject: &Subject) -> Held {
    let printed = syntax::print(&subject.models.program.file);
    let (again, wrong) = syntax::parse(FileId(0), &printed);
    if !wrong.is_empty() {
        return Err(format!("{wrong:?}\n{printed}"));
    }
    equal(&syntax::print(&again), &printed)
}

fn formats(subject: &Subject) -> Held {
    let format = |text: &str| syntax::format(FileId(0), text).map_err(|wrong| format!("{wrong:?}"));
    let once = format(&subject.models.text)?;
    equal(&format(&once)?, &once)?;
    let (before, _) = syntax::parse(FileId(0), &subject.models.text);
    let (after, _) = syntax::parse(FileId(0), &once);
    equal(&syntax::print(&after), &syntax::print(&before))
}

fn equal(found: &str, expected: &str) -> Held {
    if found == expected { Ok(()) } else { Err(format!("found:\n{found}\nexpected:\n{expected}")) }
}

/// Everything that a model computes: results, loss, gradients, next states.
struct Raw {
    stage: Stage,
    params: Layout,
    states: Layout,
}

impl Raw {
    fn new(model: &Model) -> Raw {
        let mut circuit = model.circuit.clone();
        let (params, states) = (Layout::of(&circuit, &model.params), Layout::of(&circuit, &model.states));
        let wanted = wanted(model, &mut circuit, &params, &states);
        Raw { stage: Stage { homes: homes(&circuit, &params, &states), circuit, wanted }, params, states }
    }
}

/// One of the two programs of a net, with data to run it on.
struct Case {
    raw: Stage,
    simple: Stage,
    params: Layout,
    states: Layout,
    evaluation: Evaluation,
    model: Model,
    capacity: u32,
    seed: u64,
    /// In each precision.
    built: [OnceCell<Result<Built, String>>; 2],
    tally: Cell<Tally>,
}

impl Case {
    fn new(model: &Model, raw: Raw, seed: u64) -> Case {
        let Raw { stage: raw, params, states } = raw;
        let evaluation = Evaluation::new(model, false, ROWS, seed);
        let simple = simplify_stage(raw.clone());
        let capacity = [1, 2, 3, 5][(seed % 4) as usize];
        let (built, tally) = Default::default();
        Case { raw, simple, params, states, evaluation, model: model.clone(), capacity, seed, built, tally }
    }

    /// Holds results against values with their bounds.
    fn close(&self, name: &str, found: &[f64], expected: &Bounded) -> Held {
        let doubtful = expected.errors.iter().filter(|error| error.is_infinite()).count();
        let compared = expected.errors.len() - doubtful;
        self.count(Tally { compared, doubtful, ..Tally::default() });
        close(name, found, expected)
    }

    fn count(&self, more: Tally) {
        self.tally.set(self.tally.get().plus(more));
    }

    fn planned(&self, dtype: Dtype) -> Result<&Built, String> {
        let make = || build(vec![self.raw.clone()], self.setup(dtype));
        self.built[dtype as usize].get_or_init(make).as_ref().map_err(Clone::clone)
    }

    fn setup(&self, dtype: Dtype) -> Setup {
        Setup { capacity: self.capacity, seed: self.seed, dtype, recompute: self.seed % 3 == 1 }
    }

    /// The same schedule as other code: without fused multiply-adds of the machine, optimised, without vectors,
    /// with wide ones wherever that is possible, or by threads that share these.
    fn otherwise(&self) -> Result<Built, String> {
        let choose = |number: u64| self.seed / 4 % 5 == number;
        let width = if choose(3) || choose(4) { Width::Wide } else { Width::Chosen };
        let threads = if choose(4) { 2 } else { 1 };
        let sets = Instructions::here();
        let instructions = sets.get(self.seed as usize / 20 % sets.len().max(1)).copied();
        let (without_fma, optimise) = (choose(0), choose(1));
        let options = Options { without_fma, optimise, width, threads, instructions, ..Options::default() };
        let mut built = build(vec![self.raw.clone()], self.setup(Dtype::F32))?;
        let mut schedule = built.schedule.clone();
        if choose(2) {
            schedule.steps.iter_mut().for_each(without_vectors);
        }
        built.module = compile(&schedule, options)?;
        Ok(built)
    }

    /// All slots bound for some examples, the states to what they are now.
    fn bindings<T: Element>(
        &self,
        circuit: &Circuit,
        examples: &[u32],
        states: &[T],
        step: u64,
    ) -> Bindings<T> {
        let mut bindings = Bindings::<T> {
            seed: self.seed,
            examples: examples.to_vec(),
            step,
            ..Bindings::new(examples.len())
        };
        for (k, values) in self.evaluation.values.iter().enumerate() {
            let slot = SlotId(k as u32);
            let data: Vec<T> = match self.states.piece(slot) {
                Some(piece) => states[piece.range()].to_vec(),
                None if circuit.slot(slot).shape.batch => rows(values, examples).map(|&x| T::of(x)).collect(),
                None => values.iter().map(|&x| T::of(x)).collect(),
            };
            bindings.bind(circuit, slot, data);
        }
        bindings
    }

    /// The data, a column for each input and target.
    fn columns<T: Element>(&self) -> Vec<Vec<T>> {
        self.evaluation.inputs().map(|slot| rounded(&self.evaluation.values[slot.0 as usize])).collect()
    }

    /// A flat region.
    fn flat<T: Element>(&self, layout: &Layout) -> Vec<T> {
        layout
            .pieces
            .iter()
            .flat_map(|piece| rounded(&self.evaluation.values[piece.slot.0 as usize]))
            .collect()
    }

    /// Runs the schedule batch by batch, the last one short if the capacity does not divide the examples, and
    /// compares.
    fn steps<T: Element>(&self, what: Compare) -> Held {
        let other = matches!(what, Compare::OtherNative).then(|| self.otherwise()).transpose()?;
        let built = other.as_ref().map_or_else(|| self.planned(T::DTYPE), Ok)?;
        let mut store = Store::new(built, 1, self.capacity as usize);
        let inputs = self.columns::<T>();
        let columns: Vec<Numbers> = inputs.iter().cloned().map(T::numbers).collect();
        let mut states = self.flat(&self.states);
        let order: Vec<u32> = (0..ROWS as u32).map(|k| (k * 3 + 1) % ROWS as u32).collect();
        for (k, batch) in order.chunks(self.capacity as usize).enumerate() {
            let mut words = vec![];
            built.records.push(
                Moment { step: k as u64 + 1, steps: 1, epoch: 1, examples: batch.len() as u32 },
                &mut words,
            );
            let mut memory = Memory::new(&built.schedule);
            put(&mut memory, Region::Params, &self.flat(&self.params));
            put(&mut memory, Region::States, &states);
            interpret_step(built, &mut memory, batch, &inputs, &words);
            match what {
                Compare::Circuit => self.against_circuit(&memory, batch, &states, k as u64 + 1)?,
                Compare::Native | Compare::OtherNative => {
                    store.put(Region::Params, &T::numbers(self.flat(&self.params)));
                    store.put(Region::States, &T::numbers(states.clone()));
                    store.run(built, &columns.iter().map(Numbers::slice).collect::<Vec<_>>(), batch, &words);
                    self.bits(built, &memory, &store, batch.len())?;
                }
            }
            if !states.is_empty() {
                states = memory.region(Region::States).to_vec();
                states.resize(self.states.len, T::of(0.0));
            }
        }
        Ok(())
    }

    fn against_circuit<T: Element>(
        &self,
        memory: &Memory<T>,
        batch: &[u32],
        states: &[T],
        step: u64,
    ) -> Held {
        let states: Vec<f64> = states.iter().map(|x| x.get()).collect();
        let bindings = self.bindings::<f64>(&self.simple.circuit, batch, &states, step);
        let precision = if T::DTYPE == Dtype::F64 { DOUBLE } else { SINGLE };
        let expected = bounded(&self.simple.circuit, &roots(&self.simple), &bindings, precision);
        for ((value, region, offset, name), expected) in self.simple.wanted.iter().zip(&expected) {
            let len = self.simple.circuit.shape(*value).size_for(batch.len());
            let found = &memory.region(*region)[*offset as usize..][..len];
            let found: Vec<f64> = found.iter().map(|x| x.get()).collect();
            self.close(name, &found, expected).map_err(|what| format!("batch of {}: {what}", batch.len()))?;
        }
        Ok(())
    }

    fn bits<T: Element>(&self, built: &Built, memory: &Memory<T>, store: &Store, n: usize) -> Held {
        for (value, region, offset, name) in &self.simple.wanted {
            let len = built.circuits[0].shape(*value).size_for(n);
            let range = *offset as usize..*offset as usize + len;
            same_bits(name, &memory.region(*region)[range.clone()], &store.region(*region)[range])
                .map_err(|what| format!("batch of {n}: {what}"))?;
        }
        Ok(())
    }
}

/// Steps of training: forward, backward and update in one schedule, the last batch short where the capacity does not
/// divide the examples. Native code runs all in one call.
fn trains<T: Element>(subject: &Subject) -> Held {
    let (case, Some(update)) = (&subject.training, &subject.models.update) else { return Ok(()) };
    if case.model.loss.is_none() {
        return Ok(());
    }
    let params = Layout::of(&case.model.circuit, &update.order);
    let stages = step_stages(&case.model, &params, &case.states, update);
    let built = build(stages, case.setup(T::DTYPE))?;
    nnc::plan::verify::verify(&built.schedule).map_err(|wrong| wrong.join("; "))?;
    let inputs = case.columns::<T>();
    let order: Vec<u32> = (0..ROWS as u32).rev().collect();
    let batches = order.chunks(case.capacity as usize);
    let mut store = Store::new(&built, batches.len(), ROWS);
    let mut memory = Memory::new(&built.schedule);
    let mut begin = |region, values: Vec<T>| {
        put(&mut memory, region, &values);
        store.put(region, &T::numbers(values));
    };
    begin(Region::Params, case.flat(&params));
    begin(Region::States, case.flat(&case.states));
    for (k, moment) in update.moments().enumerate() {
        begin(Region::Moments(k as u16), vec![T::of(moment.initial); case.params.len]);
    }
    let (mut words, mut log) = (vec![], vec![]);
    for (k, batch) in batches.clone().enumerate() {
        let known = words.len();
        let (steps, examples) = (batches.len() as u64, batch.len() as u32);
        let at = Moment { step: k as u64 + 1, steps, epoch: 1, examples };
        built.records.push(at, &mut words);
        interpret_step(&built, &mut memory, batch, &inputs, &words[known..]);
        log.extend_from_slice(memory.region(Region::Log));
    }
    let columns: Vec<Numbers> = inputs.into_iter().map(T::numbers).collect();
    store.run(&built, &columns.iter().map(Numbers::slice).collect::<Vec<_>>(), &order, &words);
    same_bits("the log", &log, store.region(Region::Log))?;
    let lasting = |region: &Region| !matches!(region, Region::Log | Region::Arena | Region::Input(_));
    for region in built.schedule.regions().into_iter().filter(lasting) {
        same_bits(&format!("{region:?}"), memory.region(region), store.region(region))?;
    }
    Ok(())
}

/// Copies values to the beginning of a region, as many as it holds.
fn put<T: Element>(memory: &mut Memory<T>, region: Region, values: &[T]) {
    let held = memory.region_mut(region);
    let len = held.len().min(values.len());
    held[..len].copy_from_slice(&values[..len]);
}

/// Runs a step by the schedule's interpreter.
fn interpret_step<T: Element>(
    built: &Built,
    memory: &mut Memory<T>,
    batch: &[u32],
    inputs: &[Vec<T>],
    words: &[u32],
) {
    for (k, column) in inputs.iter().enumerate() {
        put(memory, Region::Input(k as u16), &rows(column, batch).copied().collect::<Vec<_>>());
    }
    let each = T::DTYPE.size() / 4;
    let (scalars, keys) = words.split_at(built.schedule.scalars.len() * each);
    let scalar = |words: &[u32]| match *words {
        [low, high] => f64::from_bits(u64::from(low) | u64::from(high) << 32),
        _ => f32::from_bits(words[0]).into(),
    };
    let record = Record {
        scalars: scalars.chunks(each).map(|words| T::of(scalar(words))).collect(),
        keys: keys.chunks(2).map(|pair| [pair[0], pair[1]]).collect(),
        examples: batch,
    };
    run(&built.schedule, memory, batch.len(), &record);
}

/// All NaNs are one.
fn same_bits<T: Element>(name: &str, schedule: &[T], native: &[T]) -> Held {
    for (k, (a, b)) in schedule.iter().zip(native).enumerate() {
        let (a, b) = (a.get(), b.get());
        if a.to_bits() != b.to_bits() && !(a.is_nan() && b.is_nan()) {
            return Err(format!("{name}[{k}]: schedule {a:e}, native {b:e}"));
        }
    }
    Ok(())
}

/// With what the schedule's interpreter is compared.
#[derive(Clone, Copy)]
enum Compare {
    Circuit,
    Native,
    OtherNative,
}

/// The step with no loop in the lanes of a vector.
fn without_vectors(step: &mut Step) {
    fn plain(body: &mut [Stmt]) {
        for stmt in body {
            if let Stmt::For { hint, body, .. } | Stmt::Fold { hint, body, .. } = stmt {
                *hint = Hint::Plain;
                plain(body);
            }
        }
    }
    if let Step::Nest(nest) = step {
        plain(&mut nest.body);
    }
}

/// Everything that a model computes, each with its place.
fn wanted(model: &Model, circuit: &mut Circuit, params: &Layout, states: &Layout) -> Wanted {
    let mut wanted: Wanted = vec![];
    let mut outputs = 0;
    let mut output = |value: ValueId, name: String| {
        outputs += 1;
        (value, Region::Output(outputs - 1), 0, name)
    };
    for result in model.outputs.iter().chain(&model.metrics) {
        wanted.push(output(result.value, result.name.clone()));
    }
    if let Some(loss) = model.loss {
        wanted.push((circuit.mean_batch(loss), Region::Log, 0, "loss".into()));
        let slots = differentiable_slots(model);
        let leaves: Vec<ValueId> = slots.iter().map(|&slot| slot_leaf(circuit, slot)).collect();
        for (slot, gradient) in slots.iter().zip(differentiate(circuit, loss, &leaves)) {
            let Some(gradient) = gradient else { continue };
            let name = format!("gradient of {}", circuit.slot(*slot).name);
            wanted.push(match params.piece(*slot) {
                Some(piece) => (gradient, Region::Gradients, piece.offset, name),
                None => output(gradient, name),
            });
        }
    }
    for &(slot, next) in &model.next_states {
        let piece = states.piece(slot).expect("every state has its place");
        wanted.push((next, Region::States, piece.offset, format!("{}'", piece.name)));
    }
    wanted
}

fn roots(stage: &Stage) -> Vec<ValueId> {
    stage.wanted.iter().map(|wanted| wanted.0).collect()
}

/// The rows of a column that some examples have.
fn rows<'a, T>(column: &'a [T], examples: &'a [u32]) -> impl Iterator<Item = &'a T> {
    let row = column.len() / ROWS;
    examples.iter().flat_map(move |&example| &column[example as usize * row..][..row])
}

fn rounded<T: Element>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&x| T::of(x)).collect()
}

/// Holds results against values with their bounds.
fn close(name: &str, found: &[f64], expected: &Bounded) -> Held {
    for (k, &found) in found.iter().enumerate() {
        let (value, error) = (expected.values[k], expected.errors[k]);
        let alike = match () {
            () if error.is_infinite() => true,
            () if value.is_nan() => found.is_nan(),
            () if value.is_infinite() => found == value,
            () => (found - value).abs() <= SLACK * error,
        };
        if !alike {
            return Err(format!("{name}[{k}]: found {found:e}, expected {value:e} within {error:e}"));
        }
    }
    Ok(())
}

/// The raw circuit and the simplified one in f64.
fn simplified(case: &Case) -> Held {
    let examples: Vec<u32> = (0..ROWS as u32).collect();
    let states = case.flat(&case.states);
    let evaluated = |stage: &Stage, precision: Precision| {
        bounded(
            &stage.circuit,
            &roots(stage),
            &case.bindings(&stage.circuit, &examples, &states, 1),
            precision,
        )
    };
    let (raw, simple) = (evaluated(&case.raw, DOUBLE), evaluated(&case.simple, DOUBLE));
    for ((raw, simple), wanted) in raw.iter().zip(&simple).zip(&case.raw.wanted) {
        let sum = |(a, b): (&f64, &f64)| a + b;
        let errors = raw.errors.iter().zip(&simple.errors).map(sum).collect();
        case.close(&wanted.3, &simple.values, &Bounded { values: raw.values.clone(), errors })?;
    }
    Ok(())
}

/// Both circuits in f32.
fn single(case: &Case) -> Held {
    let examples: Vec<u32> = (0..ROWS as u32).collect();
    let states = case.flat(&case.states);
    for stage in [&case.raw, &case.simple] {
        let exact = case.bindings::<f64>(&stage.circuit, &examples, &states, 1);
        let expected = bounded(&stage.circuit, &roots(stage), &exact, SINGLE);
        let found = evaluate(
            &stage.circuit,
            &roots(stage),
            &case.bindings::<f32>(&stage.circuit, &examples, &case.flat(&case.states), 1),
        );
        for ((found, expected), wanted) in found.iter().zip(&expected).zip(&stage.wanted) {
            let found: Vec<f64> = found.data.iter().map(|&x| x.into()).collect();
            case.close(&wanted.3, &found, expected)?;
        }
    }
    Ok(())
}

/// Entries of each gradient that are compared with differences.
const ENTRIES: usize = 6;

/// Derivatives that are larger cannot be measured.
const STEEP: f64 = 1e4;

fn differences(case: &Case) -> Held {
    let Some(loss) = case.model.loss else { return Ok(()) };
    let mut circuit = case.model.circuit.clone();
    let slots = differentiable_slots(&case.model);
    let leaves: Vec<ValueId> = slots.iter().map(|&slot| slot_leaf(&mut circuit, slot)).collect();
    let gradients: Vec<_> = slots.iter().copied().zip(differentiate(&mut circuit, loss, &leaves)).collect();
    let bindings = case.bindings::<f64>(&circuit, &[0, 1, 2], &case.flat(&case.states), 1);
    for comparison in compare(&circuit, loss, &gradients, &bindings, ENTRIES, &interpreted) {
        let (measured, skipped) = (comparison.compared, comparison.skipped);
        case.count(Tally { measured, skipped, ..Tally::default() });
        let Some(worst) = comparison.worst else { continue };
        let can_be_measured = worst.difference.abs() < STEEP && worst.uncertainty.is_finite();
        // The chain rule meets 0 times infinity where a value or a slope on the way is infinite, and 0 times NaN where a
        // value is NaN: a term that is absent becomes the number 0 where a sum absorbs it, as that over the batch.
        let derived = gradients.iter().find(|one| one.0 == comparison.slot).and_then(|one| one.1);
        let way: Vec<ValueId> = derived.into_iter().chain([loss]).collect();
        let excused = worst.derived.is_nan()
            && (meets(&circuit, &way, &bindings, f64::is_infinite)
                || meets(&circuit, &[loss], &bindings, f64::is_nan));
        let wrong = can_be_measured && !excused && (worst.error > DIFFERENCE || worst.error.is_nan());
        if wrong && !within_noise(&circuit, loss, &bindings, (worst.derived - worst.difference).abs()) {
            return Err(format!("{}: {worst:?}", circuit.slot(comparison.slot).name));
        }
    }
    Ok(())
}

/// Whether rounding alone may move a difference so far.
fn within_noise(circuit: &Circuit, loss: ValueId, bindings: &Bindings<f64>, distance: f64) -> bool {
    let errors = &bounded(circuit, &[loss], bindings, DOUBLE)[0].errors;
    distance <= AMPLIFIED * errors.iter().copied().fold(0.0, f64::max)
}

/// Whether something that these depend on is such a number.
fn meets(circuit: &Circuit, of: &[ValueId], bindings: &Bindings<f64>, such: fn(f64) -> bool) -> bool {
    let needed: Vec<ValueId> = graph::reachable(circuit, of.iter().copied()).iter().collect();
    evaluate(circuit, &needed, bindings).iter().any(|array| array.data.iter().any(|&x| such(x)))
}

fn scheduled(case: &Case) -> Held {
    nnc::plan::verify::verify(&case.planned(Dtype::F32)?.schedule).map_err(|wrong| wrong.join("; "))
}

/// A gradient by the model's own backward circuit and by the printed one, both in native code.
struct Reread {
    name: String,
    exact: Bounded,
    own: Vec<f64>,
    printed: Vec<f64>,
}

/// The gradients of the derived program, read back.
fn reread(subject: &Subject) -> Result<Vec<Reread>, String> {
    let Models { training, inference, base, program, .. } = &subject.models;
    let mut gradients = vec![];
    // A loss of whole numbers has no gradient to print.
    if training.loss.is_none_or(|loss| training.circuit.kind(loss) != Kind::Real) {
        return Ok(gradients);
    }
    let text = gradient_program(&program.sources, &program.file, training, inference);
    let told = |what: String| format!("{what}\nthe printed gradient:\n{text}");
    let derived = Models::new(&text, base).map_err(told)?;
    for (model, derived) in [(training, &derived.training), (inference, &derived.inference)] {
        let own = Evaluation::new(model, true, ROWS, subject.seed);
        let values: Vec<ValueId> = own.wanted.iter().map(|wanted| wanted.1).collect();
        let exact = bounded(&own.circuit, &values, &own.bindings(), SINGLE);
        let printed = Evaluation::new(derived, false, ROWS, subject.seed).run(By::Native)?;
        for (own, exact) in own.run(By::Native)?.into_iter().zip(exact) {
            let Some(found) = printed.iter().find(|found| found.name == own.name) else { continue };
            if !own.dims.ends_with(&found.dims) {
                let (name, dims) = (&own.name, &own.dims);
                return Err(told(format!("{name} has the shape {dims:?}, as printed {:?}", found.dims)));
            }
            // A gradient that no longer reads anything of an example is the same for all of them.
            let printed = found.data.iter().copied().cycle().take(own.data.len()).collect();
            gradients.push(Reread { name: own.name, exact, own: own.data, printed });
        }
    }
    Ok(gradients)
}

fn printed(subject: &Subject) -> Held {
    // The sign of a zero is kept by nothing: `x + 0` is `x`.
    let same = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
    for Reread { name, own, printed, exact } in reread(subject)? {
        close(&name, &own, &exact)?;
        close(&name, &printed, &exact).map_err(|what| format!("as printed: {what}"))?;
        let rounded = usize::from(!own.iter().zip(&printed).all(same));
        subject.training.count(Tally { printed: 1, rounded, ..Tally::default() });
    }
    Ok(())
}
