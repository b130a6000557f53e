//! `nnc run`

use super::common::{Failed, Session, Source, Threads, as_trained, fail_in, say, write_out};
use super::ended;
use super::profile::{self, Detail};
use super::summary::summary;
use super::watcher::{Watcher, metadata};
use crate::codegen::Options;
use crate::data::Dataset;
use crate::diagnostic::{Diagnostic, Sources, codes};
use crate::elaborate;
use crate::elaborate::model::{Model, Training};
use crate::report::page;
use crate::runtime::checkpoint::Loaded;
use crate::runtime::train::{Outcome, Trainer};
use crate::runtime::weights::Weights;
use crate::runtime::{checkpoint, provenance, saved};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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
    /// Make a folder for this run in the one named: program, settings, history (CSV, and events for TensorBoard), checkpoint, figures. See `nnc runs`.
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
    /// At the end tell what each line of the program took of the time; `--profile=library` also what each line of the
    /// library took that it calls. Never changes a result.
    #[arg(long, value_enum, value_name = "OF", num_args = 0..=1, require_equals = true, default_missing_value = "lines")]
    profile: Option<Detail>,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let began = Instant::now();
    let resumed = args.resume.as_deref().map(checkpoint::load).transpose();
    let resumed = resumed.map_err(|wrong| fail_in(&[wrong], &Sources::default(), args.source.json))?;
    let session = open(&args, resumed.as_ref())?;
    let (training, data) = session.to_train()?;
    let reading = began.elapsed();
    let (model, inference) = (session.model(true)?, session.model(false)?);
    session.lint(&model);
    let options =
        Options { threads: args.threads.count(), profile: args.profile.is_some(), ..Options::default() };
    let mut trainer = trainer(&session, (&model, &inference), training, (data, options))?;
    let compiling = began.elapsed() - reading;
    match (&args.load, &resumed) {
        (Some(path), _) => load(&session, &mut trainer, path)?,
        (None, Some(loaded)) => go_on(&session, &mut trainer, loaded, data)?,
        (None, None) => {}
    }
    tell_beginning(&session, &model, &trainer, (reading, compiling));
    super::interrupt::watch();
    let told = |wrong: Diagnostic| session.fail(&[wrong]);
    let (file, keeps_epochs) = (args.save.or(args.resume), args.report.is_some());
    let places = Places { file, folder: args.out, every: args.every, keeps_epochs };
    let mut watcher = Watcher::new(&session, &model, &trainer, training, places).map_err(told)?;
    let outcome = trainer.run(&mut watcher);
    watcher.display.finish();
    let outcome = outcome.map_err(|broken| {
        ended::health(&session, &broken.health);
        session.fail(&[*broken.wrong])
    })?;
    if !outcome.interrupted {
        ended::health(&session, &outcome.health);
        ended::figures_of(&session, &outcome);
    }
    if let Some(detail) = args.profile {
        profile::tell(&session, &trainer, detail);
    }
    if let Some(path) = &args.report {
        let layouts = (&trainer.params, &trainer.states);
        let epochs = watcher.epochs.take().unwrap_or_default();
        let report = super::report::report(&session, [&model, &inference], layouts, data, &outcome, epochs);
        checkpoint::write_whole(path, page(&report).as_bytes()).map_err(told)?;
    }
    end(&session, &model, &trainer, &outcome, watcher)
}

/// Where a run is saved, and what is kept of it.
pub struct Places {
    /// A file, as the command line names it.
    pub file: Option<PathBuf>,
    /// The folder for the run's own.
    pub folder: Option<PathBuf>,
    /// Epochs between two times.
    pub every: Option<u32>,
    /// Whether what is told of each epoch is kept for the end.
    pub keeps_epochs: bool,
}

/// Reads the program and its data: as the command line says, or as the run began that goes on.
fn open(args: &Args, resumed: Option<&Loaded>) -> Result<Session, Failed> {
    let mut source = args.source.for_epochs(args.epochs);
    let Some(loaded) = resumed else { return source.open() };
    source.seed = source.seed.or(provenance::seed(loaded));
    let mut session = as_trained(&source, loaded)?;
    session.read_data()?;
    Ok(session)
}

/// Native code for a run.
fn trainer<'a>(
    session: &Session,
    (model, inference): (&Model, &Model),
    training: &Training,
    (data, options): (&'a Dataset, Options),
) -> Result<Trainer<'a>, Failed> {
    let update = elaborate::update(&session.program, &session.choices, model);
    let update = update.map_err(|wrong| session.fail(&wrong))?;
    let made = Trainer::with(model, inference, &update, training, data, options);
    Ok(made.expect("Cranelift compiles what the planner makes"))
}

/// Tells what is going to run.
fn tell_beginning(session: &Session, model: &Model, trainer: &Trainer, times: (Duration, Duration)) {
    let (reading, compiling) = times;
    let parameters = model.params.iter().map(|&slot| model.circuit.slot(slot).shape.size()).sum::<usize>();
    if session.json {
        let [compiling, reading] = [compiling, reading].map(|time| time.as_secs_f64() * 1e3);
        let start = json!({ "event": "start", "net": model.name, "parameters": parameters,
            "compile_ms": compiling, "read_ms": reading });
        say!("{start}");
    } else {
        write_out(format_args!("{}", summary(model, parameters, trainer.built(), compiling)));
    }
}

/// Saves what the run came to, and tells where.
fn end(
    session: &Session,
    model: &Model,
    trainer: &Trainer,
    outcome: &Outcome,
    watcher: Watcher,
) -> Result<(), Failed> {
    let told = |wrong: Diagnostic| session.fail(&[wrong]);
    let Watcher { mut saver, mut folder, .. } = watcher;
    if outcome.interrupted && saver.paths.is_empty() {
        saver.paths.push(PathBuf::from(format!("{}.interrupted.safetensors", model.name)));
        saver.metadata = session.data.as_ref().map_or(vec![], |data| metadata(session, model, data));
    }
    saver.save(trainer, &outcome.state).map_err(told)?;
    folder.iter_mut().try_for_each(|folder| folder.end(outcome)).map_err(told)?;
    if outcome.interrupted {
        ended::interrupted(session, outcome, &saver.paths[0]);
    }
    if session.json {
        return Ok(());
    }
    match &folder {
        Some(folder) => say!("the run is in {}", folder.path().display()),
        None => saver.paths.iter().for_each(|path| say!("parameters written to {}", path.display())),
    }
    Ok(())
}

/// Goes on with the run in a file: with the data that it began with, and a warning where its program was changed.
fn go_on(session: &Session, trainer: &mut Trainer, loaded: &Loaded, data: &Dataset) -> Result<(), Failed> {
    let state =
        saved::resumed(loaded, trainer, session.precision()).map_err(|wrong| session.fail(&[wrong]))?;
    let print = checkpoint::entry(loaded, saved::FINGERPRINT);
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
    trainer.go_on(state);
    Ok(())
}

/// Begins with the parameters (and states) of a file.
pub fn load(session: &Session, trainer: &mut Trainer, path: &Path) -> Result<(), Failed> {
    let told = |wrong: Diagnostic| session.fail(&[wrong]);
    let loaded = checkpoint::load(path).map_err(told)?;
    saved::check_version(&loaded).map_err(told)?;
    if let Some(data) = &session.data {
        session.warn(&provenance::check(&loaded, data).map_err(told)?);
    }
    let weights = Weights::from_file(&loaded, &trainer.params, &trainer.states, session.precision());
    trainer.set_weights(&weights.map_err(told)?);
    Ok(())
}
