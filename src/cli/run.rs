//! `nnc run`

use super::common::{Failed, Session, Source, as_trained, fail_in, missing, say};
use super::folder::{CHECKPOINT, RunFolder};
use super::progress::{Display, figures_json, part_name};
use super::saver::Saver;
use super::summary::{figures, grouped, summary, table};
use crate::data::Dataset;
use crate::diagnostic::{Diagnostic, Severity, Sources, codes};
use crate::elaborate;
use crate::elaborate::model::{Model, Training};
use crate::report::page;
use crate::runtime::checkpoint::{Loaded, Metadata};
use crate::runtime::health::{Health, LayerHealth, Reading};
use crate::runtime::train::{Epoch, Observer, Outcome, Progress, RunState, Trainer};
use crate::runtime::weights::Weights;
use crate::runtime::{checkpoint, provenance, saved};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Train a network.
///
/// Reads the data, compiles forward, backward and update to native code, and runs the `train` block. Any setting of
/// the net or of its training can be changed here: --set width=64 --set batch=16 --set 'optimizer=sgd(lr = 0.1)'.
/// At the end stand the figures on each part of the data, the held-out part last.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    threads: Threads,
    /// Passes over the training data, instead of the program's.
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// Write the trained parameters there (safetensors), with all that the run needs to go on; also while it goes on.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Save after every so many epochs; by default twice a minute.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    every: Option<u32>,
    /// Make a folder for this run in the one named: program, settings, history as CSV, checkpoint, figures. See `nnc runs`.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Write a page about the run: curves, confusion, the worst examples, gradients.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Begin a new run from the parameters in this file (safetensors).
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    load: Option<PathBuf>,
    /// Go on with the run in this file, which --save wrote, to the bits of the unbroken run; saves there again.
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let mut source = args.source;
    source.settings.extend(args.epochs.map(|epochs| ("epochs".to_string(), epochs.to_string())));
    let began = Instant::now();
    let resumed = args.resume.as_deref().map(checkpoint::load).transpose();
    let resumed = resumed.map_err(|wrong| fail_in(&[wrong], &Sources::default(), source.json))?;
    let session = match &resumed {
        Some(loaded) => resuming(&source, loaded)?,
        None => source.open()?,
    };
    let (Some(training), Some(data)) = (&session.training, &session.data) else {
        let help = "add `train NET on DATA { optimizer = adam(lr = 1e-3) ... }`";
        return Err(session.fail(&missing("the program has no `train` block: there is nothing to run", help)));
    };
    let reading = began.elapsed();
    let (model, inference) = (session.model(true)?, session.model(false)?);
    session.lint(&model);
    let parameters = model.params.iter().map(|&slot| model.circuit.slot(slot).shape.size()).sum::<usize>();
    let update = elaborate::update(&session.program, &session.choices, &model)
        .map_err(|wrong| session.fail(&wrong))?;
    let options = Options { threads: args.threads.count(), ..Options::default() };
    let mut trainer = Trainer::with(&model, &inference, &update, training, data, options)
        .expect("Cranelift compiles what the planner makes");
    let compiling = began.elapsed() - reading;
    let told = |wrong: Diagnostic| session.fail(&[wrong]);
    if let Some(path) = &args.load {
        load(&session, &mut trainer, path).map_err(told)?;
    }
    if let Some(loaded) = &resumed {
        let state = saved::resumed(loaded, &trainer, session.precision()).map_err(told)?;
        check_run(&session, loaded, data)?;
        trainer.go_on(state);
    }
    if session.json {
        say!(
            "{}",
            json!({ "event": "start", "net": model.name, "parameters": parameters,
            "compile_ms": compiling.as_secs_f64() * 1e3, "read_ms": reading.as_secs_f64() * 1e3 })
        );
    } else {
        super::common::write_out(format_args!("{}", summary(&model, parameters, trainer.built(), compiling)));
    }
    super::interrupt::watch();
    let display =
        Display::new(trainer.steps_per_epoch() * u64::from(training.epochs), training.epochs, session.json);
    let path = args.save.or(args.resume);
    let folder = args
        .out
        .as_deref()
        .map(|base| run_folder(base, &session, &model, training))
        .transpose()
        .map_err(told)?;
    let mut paths: Vec<PathBuf> = path.iter().cloned().collect();
    paths.iter().try_for_each(|path| checkpoint::probe(path)).map_err(told)?;
    paths.extend(folder.iter().map(|folder| folder.path().join(CHECKPOINT)));
    let saver = Saver::new(paths, args.every, metadata(&session, &model, data));
    let mut watcher = Watcher { display, saver, folder, epochs: vec![], session: &session };
    let outcome = trainer.run(&mut watcher);
    let Watcher { display, mut saver, folder, epochs, .. } = watcher;
    display.finish();
    let outcome = outcome.map_err(told)?;
    if !outcome.interrupted {
        health(&session, &outcome.health);
        report(&session, &outcome);
    } else if saver.paths.is_empty() {
        saver.paths.push(PathBuf::from(format!("{}.interrupted.safetensors", model.name)));
    }
    saver.save(&trainer, &outcome.state).map_err(told)?;
    folder.iter().try_for_each(|folder| folder.end(&outcome)).map_err(told)?;
    if let Some(path) = &args.report {
        let layouts = (&trainer.params, &trainer.states);
        let report = super::report::report(&session, &inference, layouts, data, &outcome, epochs);
        checkpoint::write_whole(path, page(&report).as_bytes()).map_err(told)?;
    }
    if outcome.interrupted {
        interrupted(&session, &outcome, &saver.paths[0]);
    }
    if let (Some(path), false) = (&path, session.json) {
        say!("parameters written to {}", path.display());
    }
    if let (Some(folder), false) = (&folder, session.json) {
        say!("the run is in {}", folder.path().display());
    }
    Ok(())
}

/// The folder of a run, with what it begins with.
fn run_folder(
    base: &Path,
    session: &Session,
    model: &Model,
    training: &Training,
) -> Result<RunFolder, Diagnostic> {
    // What has an entry of its own is no setting.
    let given =
        session.choices.settings.iter().filter(|(name, _)| !["seed", "epochs"].contains(&name.as_str()));
    let settings: Map<String, Value> = given.map(|(name, value)| (name.clone(), json!(value))).collect();
    let run = json!({
        "net": model.name,
        "program": session.program.path,
        "settings": settings,
        "seed": training.seed,
        "batch": training.batch,
        "epochs": training.epochs,
        "precision": training.precision.name(),
        "nnc": env!("CARGO_PKG_VERSION"),
        "began": std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs()),
    });
    RunFolder::make(base, &model.name, session.program.text(), &run)
}

/// Tells how an interrupted run goes on, and ends the program.
fn interrupted(session: &Session, outcome: &Outcome, path: &Path) -> ! {
    let model = session.program.path.display();
    let command = format!("nnc run {model} --resume {}", path.display());
    if session.json {
        say!(
            "{}",
            json!({ "event": "interrupted", "step": outcome.steps, "saved": path, "resume": command })
        );
    } else {
        say!("interrupted after step {}; it goes on with\n  {command}", grouped(outcome.steps));
    }
    std::process::exit(super::interrupt::INTERRUPTED);
}

/// Shows a run and saves it.
struct Watcher<'a> {
    display: Display,
    saver: Saver,
    folder: Option<RunFolder>,
    /// What was told of each epoch.
    epochs: Vec<Epoch>,
    session: &'a Session,
}

impl Observer for Watcher<'_> {
    fn progress(&mut self, progress: &Progress) {
        self.display.progress(progress);
    }

    fn epoch(&mut self, report: &Epoch) {
        self.display.epoch(report);
        self.saver.epoch(report.number);
        self.epochs.push(report.clone());
        let written = self.folder.as_mut().map_or(Ok(()), |folder| folder.epoch(report));
        if let Err(wrong) = written {
            self.session.warn(&[Diagnostic { severity: Severity::Warning, ..wrong }]);
        }
    }

    fn interrupted(&self) -> bool {
        super::interrupt::is_asked()
    }

    fn wants_state(&self) -> bool {
        self.saver.is_due()
    }

    fn state(&mut self, trainer: &Trainer, state: &RunState) {
        let known = self.saver.failed.is_some();
        if let (Err(wrong), false) = (self.saver.save(trainer, state), known) {
            let severity = Severity::Warning;
            let note = "the run goes on; what was saved before is still there";
            self.session.warn(&[Diagnostic { severity, ..wrong }.note(note)]);
        }
    }

    fn epochs_until_state(&self, done: u32) -> u32 {
        self.saver.epochs_until(done)
    }
}

/// The program of a run that goes on, with the settings, the seed and the net that it began with.
fn resuming(source: &Source, loaded: &Loaded) -> Result<Session, Failed> {
    let mut source = source.clone();
    source.seed = source.seed.or(provenance::seed(loaded));
    let mut session = as_trained(&source, loaded)?;
    session.read_data()?;
    Ok(session)
}

/// That a run goes on with the data that it began with; warns where its program was changed.
fn check_run(session: &Session, loaded: &Loaded, data: &Dataset) -> Result<(), Failed> {
    let print = checkpoint::entry(loaded, FINGERPRINT);
    if print.is_some_and(|print| print != saved::fingerprint(data)) {
        let message = format!("the run in `{}` began with other data", loaded.path);
        let wrong =
            Diagnostic::error(codes::CHECKPOINT_MISMATCH, message).at(data.span, "has other rows or numbers");
        return Err(session.fail(&[wrong.help("`--load` begins a new run from its parameters")]));
    }
    if provenance::is_other_source(loaded, session.program.text()) {
        let message = format!("the program was changed since the run in `{}` began", loaded.path);
        session.warn(&[Diagnostic::warning(codes::CHANGED_PROGRAM, message)]);
    }
    Ok(())
}

/// The key of the data's fingerprint.
const FINGERPRINT: &str = "data";

/// What a checkpoint tells beside the run.
fn metadata(session: &Session, model: &Model, data: &Dataset) -> Metadata {
    let mut metadata = saved::version_metadata();
    metadata.push(("net".to_string(), model.name.clone()));
    metadata.push(("seed".to_string(), session.seed().to_string()));
    metadata.push((FINGERPRINT.to_string(), saved::fingerprint(data)));
    metadata.extend(provenance::source_metadata(session.program.text()));
    metadata.extend(provenance::settings_metadata(&session.choices.settings));
    metadata.extend(provenance::metadata(model, data));
    metadata
}

/// What the run gave.
fn report(session: &Session, outcome: &Outcome) {
    let rate = outcome.steps as f64 / outcome.training_time.as_secs_f64().max(1e-9);
    if session.json {
        let parts = outcome.figures.iter().map(|f| (part_name(f.part).to_string(), figures_json(f)));
        say!(
            "{}",
            json!({ "event": "end", "epochs": outcome.epochs, "steps": outcome.steps,
            "seconds": outcome.elapsed.as_secs_f64(), "steps_per_second": rate, "stopped_early": outcome.stopped,
            "kept_epoch": outcome.kept, "figures": Value::Object(parts.collect::<Map<_, _>>()) })
        );
        return;
    }
    if outcome.stopped {
        say!("stopped after epoch {}: no better for as many epochs as `stop` says", outcome.epochs);
    }
    if outcome.kept != outcome.epochs {
        say!("kept the parameters of epoch {}", outcome.kept);
    }
    for part in &outcome.figures {
        say!("{:10}  {}  ({} examples)", part_name(part.part), figures(part), grouped(part.rows as u64));
        part.arrays.iter().for_each(|array| say!("{}", table(array)));
    }
    say!(
        "{} steps in {:.2} s, {} steps a second",
        grouped(outcome.steps),
        outcome.elapsed.as_secs_f64(),
        grouped(rate as u64),
    );
}

/// How large gradients and steps were, a layer a line, and what is sick.
fn health(session: &Session, health: &Health) {
    if session.json {
        let reading = |(step, reading): &(u64, Reading)| json!({ "step": step, "gradient": reading.gradient, "update": reading.update, "weight": reading.weight });
        let layer = |layer: &LayerHealth| {
            json!({ "path": layer.path, "parameters": layer.parameters,
            "readings": layer.readings.iter().map(reading).collect::<Vec<_>>() })
        };
        say!(
            "{}",
            json!({ "event": "health", "layers": health.layers.iter().map(layer).collect::<Vec<_>>() })
        );
    } else if let Some((first, last)) =
        health.layers.first().and_then(|layer| layer.readings.first().zip(layer.readings.last()))
    {
        let width = health.layers.iter().map(|layer| layer.path.chars().count()).max().unwrap_or(0).max(5);
        let (first, last) = (format!("step {}", grouped(first.0)), format!("step {}", grouped(last.0)));
        say!("{:width$}  gradient at {first:>9}  {last:>13}  a step moves the weights by", "layer");
        for layer in &health.layers {
            let at = |reading: Option<&(u64, Reading)>| reading.map_or(0.0, |(_, reading)| reading.gradient);
            let moved = layer.readings.last().and_then(|(_, reading)| reading.relative());
            let moved = moved.map_or("from 0".to_string(), |part| format!("{part:.1e} of themselves"));
            let (first, last) = (at(layer.readings.first()), at(layer.readings.last()));
            say!("{:width$}  {first:>21.2e}  {last:>13.2e}  {moved}", layer.path);
        }
    }
    session.warn(&health.findings);
}

/// Reads parameters (and states) into a run.
fn load(session: &Session, trainer: &mut Trainer, path: &Path) -> Result<(), Diagnostic> {
    let loaded = checkpoint::load(path)?;
    if let Some(data) = &session.data {
        session.warn(&provenance::check(&loaded, data)?);
    }
    let weights = Weights::from_file(&loaded, &trainer.params, &trainer.states, session.precision())?;
    trainer.set_weights(&weights);
    Ok(())
}
