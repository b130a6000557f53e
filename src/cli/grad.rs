//! `nnc grad`

use super::common::{Failed, Source, missing};
use crate::listing;

/// Print the gradient of a network as a program.
///
/// The model's own text, followed by the backward circuit that nnc derives from it and runs: one line for the
/// cotangent of each value (x_bar is the derivative of the loss by x), each with the forward line and the rule that
/// it comes from. What is printed is legal .nn: nnc check and nnc eval read it back.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let session = args.source.open()?;
    let (training, inference) = (session.model(true)?, session.model(false)?);
    if training.loss.is_none() {
        let help = "add `loss = ...` to the net";
        return Err(
            session.fail(&missing("the net has no loss: there is nothing to take a gradient of", help))
        );
    }
    let text =
        listing::gradient_program(&session.program.sources, &session.program.file, &training, &inference);
    super::common::write_out(format_args!("{text}"));
    Ok(())
}
