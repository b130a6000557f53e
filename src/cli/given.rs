//! With which examples and parameters a net is looked at: what `nnc trace` and `nnc draw` share.

use super::common::{Session, give_params};
use crate::diagnostic::{Diagnostic, codes};
use crate::elaborate;
use crate::elaborate::model::Model;
use crate::picture::board::Board;
use crate::runtime::once::Evaluation;
use crate::runtime::trace::give_rows;
use crate::runtime::train::Trainer;
use std::path::PathBuf;

/// Gates up to which a net is shown gate by gate.
const GATES: usize = 1000;

/// Which examples, and which parameters.
#[derive(clap::Args, Clone)]
pub struct Given {
    /// Every single add, multiply and function of the example, its value and its gradient, as backpropagation is drawn on a
    /// whiteboard: for nets of up to 1000 gates.
    #[arg(long)]
    pub scalar: bool,
    /// Which example: its number among all rows of the data, from 0.
    #[arg(long, value_name = "K")]
    pub example: Option<usize>,
    /// With --scalar: the first N examples at once, and the mean of their losses.
    #[arg(long, value_name = "N", requires = "scalar", conflicts_with = "example")]
    batch: Option<usize>,
    /// Parameters and states (safetensors), instead of the initial ones.
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// The parameters as they are after N updates of the program's own training.
    #[arg(long, value_name = "N", conflicts_with = "params")]
    step: Option<u64>,
}

impl Given {
    /// Whether anything is said that only an example can show.
    pub fn asks_for_an_example(&self) -> bool {
        self.example.is_some() || self.params.is_some() || self.step.is_some()
    }

    /// The number of the (first) example.
    pub fn first(&self) -> usize {
        self.example.unwrap_or(0)
    }

    /// Parameters, states and examples, without gradients.
    pub fn evaluation(&self, session: &Session, model: &Model) -> Result<Evaluation, Diagnostic> {
        let rows: Vec<usize> = match self.batch {
            Some(count) => (0..count.max(1)).collect(),
            None => vec![self.first()],
        };
        let mut evaluation =
            Evaluation::of_type(model, false, rows.len(), session.seed(), session.precision());
        if let Some(data) = &session.data {
            if let Some(row) = rows.iter().find(|&&row| row >= data.rows) {
                let message = format!("there is no example {row}: the data has {}", data.rows);
                return Err(Diagnostic::error(codes::DATA_MISMATCH, message).at(data.span, "this data"));
            }
            give_rows(&mut evaluation, data, &rows);
        }
        if let Some(path) = &self.params {
            give_params(&mut evaluation, session, path)?;
        }
        if let Some(step) = self.step {
            give_trained(&mut evaluation, session, step)?;
        }
        Ok(evaluation)
    }

    /// The net gate by gate.
    pub fn board(&self, session: &Session, model: &Model) -> Result<Board, Diagnostic> {
        let Some(loss) = model.loss else {
            let wrong =
                Diagnostic::error(codes::MISSING_PART, "the net has no loss: there is no gradient to show");
            return Err(wrong.help("add `loss = ...` to the net"));
        };
        let evaluation = self.evaluation(session, model)?;
        let unrolled = evaluation.unrolled(loss, self.first(), GATES).map_err(|many| {
            let message = format!("gate by gate `{}` is about {} gates", model.name, many.gates);
            Diagnostic::error(codes::TOO_LARGE, message).help(format!(
                "up to {GATES} are shown: make it smaller (`--set hidden=4`), or leave out `--scalar` to see it array by array"
            ))
        })?;
        Ok(Board::of(&model.name, &session.program.sources, &unrolled))
    }
}

/// Puts the parameters and states after so many steps of training in place of the initial ones.
fn give_trained(evaluation: &mut Evaluation, session: &Session, step: u64) -> Result<(), Diagnostic> {
    let (Some(training), Some(data)) = (&session.training, &session.data) else {
        let wrong =
            Diagnostic::error(codes::MISSING_PART, "the program has no `train` block: it makes no steps");
        return Err(
            wrong.help("add `train NET on DATA { optimizer = sgd(lr = 0.1) ... }`, or give `--params`")
        );
    };
    let first = |mut wrong: Vec<Diagnostic>| wrong.swap_remove(0);
    let model = |training| {
        let choices = elaborate::Choices { training, ..session.choices.clone() };
        elaborate::model(&session.program, Some(data), &choices).map(|(model, _)| model).map_err(first)
    };
    let (model, inference) = (model(true)?, model(false)?);
    let update = elaborate::update(&session.program, &session.choices, &model).map_err(first)?;
    let mut trainer = Trainer::new(&model, &inference, &update, training, data)
        .expect("Cranelift compiles what the planner makes");
    let all = trainer.steps_per_epoch() * u64::from(training.epochs);
    if step > all {
        let wrong = Diagnostic::error(codes::BAD_SETTING_VALUE, format!("there is no step {step}"));
        return Err(wrong.at(training.span, format!("{all} steps in all")));
    }
    trainer.advance(step);
    let weights = trainer.weights();
    let trained = [(&trainer.params, &weights.params), (&trainer.states, &weights.states)];
    for (layout, numbers) in trained {
        for piece in &layout.pieces {
            let own = evaluation.params.pieces.iter().chain(&evaluation.states.pieces);
            let own = own
                .clone()
                .find(|own| own.name == piece.name)
                .expect("both programs have the same parameters");
            evaluation.values[own.slot.0 as usize] = numbers.part(piece.range()).iter().collect();
        }
    }
    Ok(())
}
