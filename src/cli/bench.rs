//! `nnc bench`

use super::common::{Failed, Source, Threads, say};
use super::run::load;
use super::summary::{grouped, microseconds, percent, scaled};
use crate::circuit::Dtype;
use crate::codegen::Options;
use crate::elaborate;
use crate::kernels::peak;
use crate::plan::cost::cost;
use crate::runtime::bench::{Rate, Share, rate, shares};
use crate::runtime::train::Trainer;
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Measure how fast a program trains.
///
/// Steps a second (the median over stretches of a run), the operations that they do against what the processor can
/// do at most, the time of each stage of compilation, and the share of each step of the plan.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    threads: Threads,
    /// How long to measure.
    #[arg(long, value_name = "S", default_value_t = 3.0)]
    seconds: f64,
    /// Begin from the parameters in this file (safetensors).
    #[arg(long, value_name = "FILE")]
    load: Option<PathBuf>,
    /// How many steps of the plan are told, those that take longest first.
    #[arg(long, value_name = "N", default_value_t = 12)]
    top: usize,
}

/// Epochs that no measurement comes to the end of.
const ENDLESS: u32 = 1 << 24;

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let session = args.source.open()?;
    let (training, data) = session.to_train()?;
    let began = Instant::now();
    let (model, inference) = (session.model(true)?, session.model(false)?);
    let update = elaborate::update(&session.program, &session.choices, &model)
        .map_err(|wrong| session.fail(&wrong))?;
    let elaborating = began.elapsed();
    let endless = elaborate::model::Training { epochs: ENDLESS, stop: None, keep: None, ..training.clone() };
    let threads = args.threads.count();
    let trainer = |profile: bool| {
        let options = Options { profile, threads, ..Options::default() };
        Trainer::with(&model, &inference, &update, &endless, data, options)
            .expect("Cranelift compiles what the planner makes")
    };
    let mut plain = trainer(false);
    if let Some(path) = &args.load {
        load(&session, &mut plain, path)?;
    }
    let start = plain.weights();
    let time = Duration::from_secs_f64(args.seconds.clamp(0.1, 3600.0));
    let speed = rate(&mut plain, time).map_err(|wrong| session.fail(&[wrong]))?;
    let mut profiled = trainer(true);
    profiled.set_weights(&start);
    let mut parts = shares(&mut profiled, time / 3).map_err(|wrong| session.fail(&[wrong]))?;
    let most = match session.precision() {
        Dtype::F32 => threads as f64 * peak::<f32>(PEAK),
        Dtype::F64 => threads as f64 * peak::<f64>(PEAK),
    };
    parts.sort_by_key(|part| std::cmp::Reverse(part.time));
    let built = plain.built();
    let operations = cost(&built.schedule, built.schedule.capacity as usize).operations as f64;
    let mut stages = vec![("elaborate", elaborating)];
    stages.extend(built.times.iter().copied());
    if session.json {
        let in_one_piece = built.module.is_in_one_piece();
        print_json(&model.name, speed, operations, most, &stages, &parts, in_one_piece);
        return Ok(());
    }
    let Rate { median, least, most: fastest } = speed;
    let number = |rate: f64| if rate < 100.0 { format!("{rate:.2}") } else { grouped(rate as u64) };
    say!("{}, batches of {}", model.name, built.schedule.capacity);
    say!(
        "{} steps a second ({} to {}): {}operations a second, {:.0} % of the {} that {} can do",
        number(median),
        number(least),
        number(fastest),
        scaled(operations * median),
        100.0 * operations * median / most,
        scaled(most).trim_end(),
        if threads == 1 { "one thread".to_string() } else { format!("{threads} threads") },
    );
    let stages: Vec<String> =
        stages.iter().map(|(name, time)| format!("{name} {:.1}", time.as_secs_f64() * 1e3)).collect();
    say!("compiled in ms: {}", stages.join(", "));
    if built.module.is_in_one_piece() {
        say!("whole batches run in one piece, without loops; told apart, its parts take longer:");
    }
    say!("\n share    time a step  operations a second");
    for part in parts.iter().take(args.top) {
        let rate = part.cost.operations as f64 / part.time.as_secs_f64().max(1e-12);
        let (share, time) = (percent(part.part), microseconds(part.time.as_secs_f64()));
        say!("{share:>7}  {time:>10} µs  {:>19}  {}", scaled(rate), part.what);
    }
    let rest: f64 = parts.iter().skip(args.top).map(|part| part.part).sum();
    if parts.len() > args.top {
        say!("{:>7}  in {} others", percent(rest), parts.len() - args.top);
    }
    Ok(())
}

/// How long the processor is tried.
const PEAK: Duration = Duration::from_millis(50);

fn print_json(
    net: &str,
    speed: Rate,
    operations: f64,
    peak: f64,
    stages: &[(&str, Duration)],
    parts: &[Share],
    in_one_piece: bool,
) {
    let stages: serde_json::Map<_, _> =
        stages.iter().map(|(name, time)| ((*name).to_string(), json!(time.as_secs_f64() * 1e3))).collect();
    let part = |part: &Share| {
        json!({ "what": part.what, "share": part.part, "microseconds": part.time.as_secs_f64() * 1e6,
        "operations": part.cost.operations })
    };
    say!(
        "{}",
        json!({ "net": net, "steps_per_second": speed.median, "least": speed.least, "most": speed.most,
        "operations_per_step": operations, "peak_operations_per_second": peak, "compile_ms": stages,
        "in_one_piece": in_one_piece,
        "steps": parts.iter().map(part).collect::<Vec<_>>() })
    );
}
