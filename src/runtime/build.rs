//! From a model to native programs: the whole pipeline, stage by stage, as a list.

use super::layout::Layout;
use super::records::Records;
use crate::circuit::{Circuit, Dtype, SlotId, SlotRole, ValueId};
use crate::codegen::{self, Module, Options};
use crate::differentiate::differentiate;
use crate::elaborate::model::{Model, Turn, Update};
use crate::plan::schedule::{Region, Schedule};
use crate::plan::share::Long;
use crate::plan::{Home, Phase, Root, plan};
use crate::simplify::simplify;
use std::time::{Duration, Instant};

/// A native program with all that it was made from.
pub struct Built {
    /// The circuits, one a phase, as they were planned.
    pub circuits: Vec<Circuit>,
    /// What runs.
    pub schedule: Schedule,
    /// It, as machine code.
    pub module: Module,
    /// What fills its records.
    pub records: Records,
    /// How long each stage took.
    pub times: Vec<(&'static str, Duration)>,
}

/// Values of a circuit to be computed, and where each goes.
pub type Wanted = Vec<(ValueId, Region, u32, String)>;

/// A circuit with what is wanted of it and where its slots live.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The circuit.
    pub circuit: Circuit,
    /// Parallel to its slots.
    pub homes: Vec<Home>,
    /// What is computed.
    pub wanted: Wanted,
}

/// The circuit of a training step before simplification: forward, backward, next states.
///
/// Gradients of all parameters go to [`Region::Gradients`], the batch's mean loss to [`Region::Log`].
///
/// # Panics
/// If the model has no loss: elaboration asks for one before training.
pub fn training_stage(model: &Model, layout: &Layout, states: &Layout) -> Stage {
    let loss = model.loss.expect("a net that is trained has a loss");
    let mut stage = gradient_stage(model, layout, states, loss, &model.params);
    first_of_step(&mut stage, model, states);
    stage
}

/// All stages of a training step: for each turn its gradients, then its update. The first also logs the net's loss
/// and moves its states.
pub fn step_stages(model: &Model, layout: &Layout, states: &Layout, update: &Update) -> Vec<Stage> {
    let mut stages = vec![];
    let mut moments = 0;
    for turn in &update.turns {
        let mut gradients = gradient_stage(model, layout, states, turn.loss, &turn.params);
        if stages.is_empty() {
            first_of_step(&mut gradients, model, states);
        }
        stages.push(gradients);
        stages.push(update_stage(turn, &mut moments));
    }
    stages
}

/// The gradients of a loss by some parameters.
fn gradient_stage(
    model: &Model,
    layout: &Layout,
    states: &Layout,
    loss: ValueId,
    params: &[SlotId],
) -> Stage {
    let mut circuit = model.circuit.clone();
    let leaves: Vec<ValueId> = params.iter().map(|&slot| slot_leaf(&mut circuit, slot)).collect();
    let gradients = differentiate(&mut circuit, loss, &leaves);
    let mut wanted: Wanted = vec![];
    for (&slot, gradient) in params.iter().zip(gradients) {
        let piece = layout.piece(slot).expect("every parameter has its place");
        if let Some(gradient) = gradient {
            wanted.push((gradient, Region::Gradients, piece.offset, format!("{}_bar", piece.name)));
        }
    }
    Stage { homes: homes(&circuit, layout, states), circuit, wanted }
}

/// What a step computes once: the batch's mean loss, and the next states.
fn first_of_step(stage: &mut Stage, model: &Model, states: &Layout) {
    if let Some(loss) = model.loss {
        let mean_loss = stage.circuit.mean_batch(loss);
        stage.wanted.insert(0, (mean_loss, Region::Log, 0, "loss".into()));
    }
    for &(slot, next) in &model.next_states {
        let piece = states.piece(slot).expect("every state has its place");
        stage.wanted.push((next, Region::States, piece.offset, format!("{}'", piece.name)));
    }
}

/// The update of a turn's parameters; `moments` counts the regions of optimizers' states.
fn update_stage(turn: &Turn, moments: &mut u16) -> Stage {
    let mut weights = turn.groups.iter().map(|group| Home { region: Region::Params, offset: group.offset });
    let mut next_moment = *moments;
    let mut home_of = |role| match role {
        SlotRole::Param => weights.next().expect("a slot of weights a group"),
        SlotRole::Gradient => Home { region: Region::Gradients, offset: turn.offset },
        _ => {
            next_moment += 1;
            Home { region: Region::Moments(next_moment - 1), offset: 0 }
        }
    };
    let homes = turn.circuit.slots().iter().map(|slot| home_of(slot.role)).collect();
    let mut wanted: Wanted = vec![];
    for group in &turn.groups {
        wanted.push((group.next_weights, Region::Params, group.offset, "w'".into()));
        for moment in &group.moments {
            wanted.push((moment.next, Region::Moments(*moments), 0, format!("{}'", moment.name)));
            *moments += 1;
        }
    }
    Stage { circuit: turn.circuit.clone(), homes, wanted }
}

/// Where the slots of a model live: parameters and states in their flat regions, data columns in theirs.
pub fn homes(circuit: &Circuit, layout: &Layout, states: &Layout) -> Vec<Home> {
    let mut input = 0;
    let slots = circuit.slots().iter().enumerate();
    let home = |(k, _)| {
        let slot = SlotId(k as u32);
        if let Some(piece) = layout.piece(slot) {
            return Home { region: Region::Params, offset: piece.offset };
        }
        if let Some(piece) = states.piece(slot) {
            return Home { region: Region::States, offset: piece.offset };
        }
        input += 1;
        Home { region: Region::Input(input - 1), offset: 0 }
    };
    slots.map(home).collect()
}

/// The leaf of a slot: declared before, so this finds it again.
pub fn slot_leaf(circuit: &mut Circuit, slot: SlotId) -> ValueId {
    circuit.leaf(crate::circuit::Leaf::Slot(slot))
}

/// What the code of some stages is for.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Most examples of a batch.
    pub capacity: u32,
    /// Of draws.
    pub seed: u64,
    /// The type of all numbers.
    pub dtype: Dtype,
    /// Whether the backward pass computes again what recurrences compute on their way, rather than keeping it.
    pub recompute: bool,
}

/// What is long enough for threads: some steps of a few microseconds, or one of some twenty.
const LONG: Long = Long { some: 200_000, one: 2_000_000 };

/// Simplifies, plans and compiles stages that make up one step.
///
/// # Errors
/// What Cranelift says, which is a bug of ours.
pub fn build(stages: Vec<Stage>, setup: Setup) -> Result<Built, String> {
    build_with(stages, setup, Options::default())
}

/// As [`build`], with code made as `options` say.
///
/// # Errors
/// As there.
pub fn build_with(stages: Vec<Stage>, setup: Setup, options: Options) -> Result<Built, String> {
    let mut times = vec![];
    let mut clock = Instant::now();
    let mut lap = |name| {
        times.push((name, clock.elapsed()));
        clock = Instant::now();
    };
    let simplified: Vec<Stage> = stages.into_iter().map(simplify_stage).collect();
    lap("simplify");
    let phases: Vec<Phase> = simplified.iter().map(|stage| phase(stage, setup.recompute)).collect();
    // Only nests in wide vectors can be called for some examples.
    let long = (options.threads > 1 && options.wide(setup.dtype).is_some()).then_some(LONG);
    let schedule = Schedule { dtype: setup.dtype, ..plan(&phases, setup.capacity, long) };
    lap("plan");
    let module = codegen::compile(&schedule, options)?;
    lap("codegen");
    let circuits: Vec<Circuit> = simplified.into_iter().map(|stage| stage.circuit).collect();
    let records = Records::new(&schedule, &circuits.iter().collect::<Vec<_>>(), setup.seed);
    Ok(Built { circuits, schedule, module, records, times })
}

/// A stage with its circuit simplified.
pub fn simplify_stage(stage: Stage) -> Stage {
    let roots: Vec<ValueId> = stage.wanted.iter().map(|wanted| wanted.0).collect();
    let (circuit, roots) = simplify(&stage.circuit, &roots);
    let wanted = stage.wanted.into_iter().zip(roots);
    Stage { circuit, homes: stage.homes, wanted: wanted.map(|(w, root)| (root, w.1, w.2, w.3)).collect() }
}

/// What the planner is told of a stage.
fn phase(stage: &Stage, recompute: bool) -> Phase<'_> {
    let root = |(value, region, offset, name): &(ValueId, Region, u32, String)| Root {
        value: *value,
        home: Home { region: *region, offset: *offset },
        name: name.clone(),
    };
    Phase {
        circuit: &stage.circuit,
        homes: stage.homes.clone(),
        roots: stage.wanted.iter().map(root).collect(),
        recompute,
    }
}
