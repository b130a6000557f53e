//! From a model to native programs: the whole pipeline, stage by stage, as a list.

use super::layout::Layout;
use super::records::Records;
use crate::circuit::{Circuit, SlotId, SlotRole, ValueId};
use crate::codegen::{self, Module, Options};
use crate::differentiate::differentiate;
use crate::elaborate::model::{Model, Update};
use crate::plan::schedule::{Region, Schedule};
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
/// Gradients go to [`Region::Gradients`], the batch's mean loss to [`Region::Log`].
///
/// # Panics
/// If the model has no loss: elaboration asks for one before training.
pub fn training_stage(model: &Model, layout: &Layout, states: &Layout) -> Stage {
    let mut circuit = model.circuit.clone();
    let loss = model.loss.expect("a net that is trained has a loss");
    let leaves: Vec<ValueId> = model.params.iter().map(|&slot| slot_leaf(&mut circuit, slot)).collect();
    let gradients = differentiate(&mut circuit, loss, &leaves);
    let mean_loss = circuit.mean_batch(loss);
    let mut wanted: Wanted = vec![(mean_loss, Region::Log, 0, "loss".into())];
    for (piece, gradient) in layout.pieces.iter().zip(gradients) {
        if let Some(gradient) = gradient {
            wanted.push((gradient, Region::Gradients, piece.offset, format!("{}_bar", piece.name)));
        }
    }
    for &(slot, next) in &model.next_states {
        let piece = states.piece(slot).expect("every state has its place");
        wanted.push((next, Region::States, piece.offset, format!("{}'", piece.name)));
    }
    Stage { homes: homes(&circuit, layout, states), circuit, wanted }
}

/// The update of all parameters.
pub fn update_stage(update: &Update) -> Stage {
    let home = |region| Home { region, offset: 0 };
    let mut moments = 0;
    let mut home_of = |role| match role {
        SlotRole::Param => home(Region::Params),
        SlotRole::Gradient => home(Region::Gradients),
        _ => {
            moments += 1;
            home(Region::Moments(moments - 1))
        }
    };
    let homes = update.circuit.slots().iter().map(|slot| home_of(slot.role)).collect();
    let mut wanted: Wanted = vec![(update.next_weights, Region::Params, 0, "w'".into())];
    for (k, moment) in update.moments.iter().enumerate() {
        wanted.push((moment.next, Region::Moments(k as u16), 0, format!("{}'", moment.name)));
    }
    Stage { circuit: update.circuit.clone(), homes, wanted }
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

/// Simplifies, plans and compiles stages that make up one step.
pub fn build(stages: Vec<Stage>, capacity: u32, seed: u64) -> Result<Built, String> {
    build_with(stages, capacity, seed, Options::default())
}

/// As [`build`], with code made as `options` say.
pub fn build_with(stages: Vec<Stage>, capacity: u32, seed: u64, options: Options) -> Result<Built, String> {
    let mut times = vec![];
    let mut clock = Instant::now();
    let mut lap = |name| {
        times.push((name, clock.elapsed()));
        clock = Instant::now();
    };
    let simplified: Vec<Stage> = stages.into_iter().map(simplify_stage).collect();
    lap("simplify");
    let phases: Vec<Phase> = simplified.iter().map(phase).collect();
    let schedule = plan(&phases, capacity);
    lap("plan");
    let module = codegen::compile(&schedule, options)?;
    lap("codegen");
    let circuits: Vec<Circuit> = simplified.into_iter().map(|stage| stage.circuit).collect();
    let records = Records::new(&schedule, &circuits.iter().collect::<Vec<_>>(), seed);
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
fn phase(stage: &Stage) -> Phase<'_> {
    let root = |(value, region, offset, name): &(ValueId, Region, u32, String)| Root {
        value: *value,
        home: Home { region: *region, offset: *offset },
        name: name.clone(),
    };
    Phase {
        circuit: &stage.circuit,
        homes: stage.homes.clone(),
        roots: stage.wanted.iter().map(root).collect(),
    }
}
