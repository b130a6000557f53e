//! What a run came to, gathered for its page.

use super::common::Session;
use crate::data::Dataset;
use crate::elaborate::model::{Model, Training};
use crate::picture::{self, svg};
use crate::report::{Confusion, Estimates, Picture, Report, Worst};
use crate::runtime::build::Setup;
use crate::runtime::layout::Layout;
use crate::runtime::once::Tensor;
use crate::runtime::predict::{Asked, Predictor, add_predictions, estimates};
use crate::runtime::train::{Epoch, Outcome};

/// Examples that are shown.
const WORST: usize = 12;
/// Most cases of a class whose confusion is shown.
const CASES: usize = 40;
/// Most estimates that are drawn.
const DOTS: usize = 1000;

/// Gathers what a page tells of a run, of the net as it was trained and as it was evaluated.
pub fn report(
    session: &Session,
    [trained, inference]: [&Model; 2],
    (params, states): (&Layout, &Layout),
    data: &Dataset,
    outcome: &Outcome,
    epochs: Vec<Epoch>,
) -> Report {
    let training = session.training.as_ref().expect("what has run has a `train` block");
    let mut report = Report {
        title: inference.name.clone(),
        settings: settings(inference, training),
        epochs,
        kept: outcome.kept,
        figures: outcome.figures.clone(),
        health: outcome.health.layers.clone(),
        findings: outcome.health.findings.iter().map(|finding| finding.message.clone()).collect(),
        layers: inference.layers.clone(),
        circuit: svg::svg(&picture::Picture::of(&session.program, trained, None)),
        ..Report::default()
    };
    let parts = [("test", &data.test), ("validation", &data.validation), ("train", &data.train)];
    let Some((part, rows)) = parts.into_iter().find(|(_, rows)| !rows.is_empty()) else { return report };
    report.part = part.to_string();
    let mut model = inference.clone();
    let mut asked = add_predictions(&mut model);
    let classes = asked.len();
    // A loss that looks across the examples is none of each.
    let loss = model.loss.filter(|&loss| model.circuit.shape(loss).batch);
    asked.extend(loss.map(|value| Asked { name: "loss".into(), value, cases: None }));
    let with_loss = asked.len();
    asked.extend(estimates(&model).into_iter().flatten());
    let setup = Setup { capacity: 1, seed: training.seed, dtype: training.precision, recompute: false };
    if asked.is_empty() {
        return report;
    }
    let Ok(predictor) = Predictor::new(&model, asked, (params, states), setup) else { return report };
    let computed = predictor.run(&outcome.weights, data, rows);
    let taken: Vec<(&str, &[f64])> =
        computed[..classes].iter().map(|t| (t.name.as_str(), &t.data[..])).collect();
    report.confusions =
        taken.iter().filter_map(|&(name, taken)| confusion(data, rows, name, taken)).collect();
    if let Some(losses) = computed[classes..with_loss].first() {
        report.worst = worst(inference, data, rows, &losses.data, &taken);
    }
    report.estimates = computed[with_loss..].chunks_exact(2).map(|pair| facing(&pair[0], &pair[1])).collect();
    report
}

/// What is estimated against what it should be; of many evenly some.
fn facing(estimate: &Tensor, truth: &Tensor) -> Estimates {
    let every = estimate.data.len().div_ceil(DOTS).max(1);
    let points = truth.data.iter().copied().zip(estimate.data.iter().copied());
    Estimates {
        name: estimate.name.clone(),
        truth: truth.name.clone(),
        points: points.step_by(every).collect(),
    }
}

fn settings(model: &Model, training: &Training) -> Vec<(String, String)> {
    let of_run = [
        ("batch", training.batch.to_string()),
        ("epochs", training.epochs.to_string()),
        ("seed", training.seed.to_string()),
    ];
    let of_run = of_run.into_iter().map(|(name, value)| (name.to_string(), value));
    model.settings.iter().cloned().chain(of_run).collect()
}

/// A case of a column's class in words.
fn case(data: &Dataset, column: &str, number: f64) -> String {
    let word = data.column(column).and_then(|column| column.vocabulary.as_ref()?.get(number as usize));
    word.map_or_else(|| number.to_string(), Clone::clone)
}

fn confusion(data: &Dataset, rows: &[u32], name: &str, taken: &[f64]) -> Option<Confusion> {
    let column = data.column(name)?;
    let right = |row: u32| column.data.get(row as usize) as usize;
    let largest = rows.iter().map(|&row| right(row)).chain(taken.iter().map(|&x| x as usize)).max()?;
    let count = column.vocabulary.as_ref().map_or(largest + 1, Vec::len);
    if count > CASES {
        return None;
    }
    let mut counts = vec![vec![0; count]; count];
    rows.iter().zip(taken).for_each(|(&row, &taken)| counts[right(row)][taken as usize] += 1);
    let cases = (0..count).map(|number| case(data, name, number as f64)).collect();
    Some(Confusion { name: name.to_string(), cases, counts })
}

/// The examples with the largest losses.
fn worst(
    model: &Model,
    data: &Dataset,
    rows: &[u32],
    losses: &[f64],
    taken: &[(&str, &[f64])],
) -> Vec<Worst> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|&a, &b| losses[b].total_cmp(&losses[a]).then(a.cmp(&b)));
    order.truncate(WORST);
    let shown = |k: usize| {
        let row = rows[k];
        let right = |name: &str| data.column(name).map_or(0.0, |column| column.data.get(row as usize));
        let said = |&(name, taken): &(&str, &[f64])| {
            (name.to_string(), case(data, name, right(name)), case(data, name, taken[k]))
        };
        let mut worst = Worst {
            row,
            loss: losses[k],
            taken: taken.iter().map(said).collect(),
            picture: None,
            inputs: vec![],
        };
        for slot in model.inputs.iter().map(|&slot| model.circuit.slot(slot)) {
            let Some(column) = data.column(&slot.name) else { continue };
            if taken.iter().any(|(name, _)| *name == slot.name) {
                continue;
            }
            let len = column.row_len();
            let numbers: Vec<f64> =
                column.data.part(row as usize * len..(row as usize + 1) * len).iter().collect();
            match Picture::of(&column.dims, &numbers) {
                Some(picture) if worst.picture.is_none() && slot.classes.is_none() => {
                    worst.picture = Some(picture)
                }
                _ => worst.inputs.push((slot.name.clone(), numbers)),
            }
        }
        worst
    };
    order.into_iter().map(shown).collect()
}
