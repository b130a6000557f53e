//! What commands share: reading a program with its data, and telling what is wrong.

use crate::circuit::Dtype;
use crate::data::buffer::Buffer;
use crate::data::given::{Asked, Given};
use crate::data::room::{self, Room};
use crate::data::{self, Dataset};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Sources, codes, is_allowed, render_all, to_json};
use crate::elaborate::model::{Model, Training};
use crate::elaborate::{self, Choices, Program};
use crate::lint;
use crate::runtime::checkpoint::Loaded;
use crate::runtime::layout::{Layout, Piece};
use crate::runtime::once::Evaluation;
use crate::runtime::weights::Weights;
use crate::runtime::{checkpoint, provenance, saved};
use crate::syntax::ast::{Item, ItemKind};
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

/// The program or its data is wrong, and the user has been told.
#[derive(Clone, Copy, Debug)]
pub struct Failed;

/// Which program, and what the command line changes in it.
#[derive(clap::Args, Clone)]
pub struct Source {
    /// The program.
    #[arg(value_name = "MODEL.nn")]
    pub file: PathBuf,
    /// Give a setting of the net or of its training another value; may be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub settings: Vec<(String, String)>,
    /// Which net, where the file holds several.
    #[arg(long, value_name = "NAME")]
    pub net: Option<String>,
    /// Seed of initial values, order and draws, instead of the program's.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Memory that data may take, as in 2GB; what does not fit goes to a temporary file. Half of what is free by default.
    /// Never changes a result.
    #[arg(long, value_name = "SIZE", value_parser = room::bytes)]
    pub memory: Option<u64>,
    /// Print JSON, for programs.
    #[arg(long)]
    pub json: bool,
}

/// How many threads work.
#[derive(clap::Args, Clone, Copy)]
pub struct Threads {
    /// Threads that share the work, up to as many as there are processors, which is the default. Never changes a
    /// result.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

impl Threads {
    /// As many as are asked for and have a processor each.
    pub fn count(self) -> usize {
        let here = std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or(here, |threads| here.min(usize::from(threads)))
    }
}

/// A program whose parameters are trained.
#[derive(clap::Args, Clone)]
pub struct Trained {
    /// The program.
    #[command(flatten)]
    pub source: Source,
    /// The trained parameters (safetensors), as `nnc run --save` wrote them.
    #[arg(long, value_name = "FILE")]
    load: PathBuf,
}

impl Trained {
    /// Reads the parameters, and the program for them: the net, and the settings, that they were trained with, and the
    /// sizes and vocabularies of their data.
    pub fn open(&self) -> Result<(Loaded, Session), Failed> {
        let told = |wrong| fail_in(&[wrong], &Sources::default(), self.source.json);
        let loaded = checkpoint::load(&self.load).map_err(told)?;
        let mut session = as_trained(&self.source, &loaded)?;
        session.take_data_of(&loaded)?;
        Ok((loaded, session))
    }
}

/// `name=value`
fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
            Ok((name.trim().to_string(), value.trim().to_string()))
        }
        _ => Err("expected NAME=VALUE, as in width=64 or optimizer='sgd(lr = 0.1)'".into()),
    }
}

/// A program read, with its data and how it is to be trained.
pub struct Session {
    /// The program.
    pub program: Program,
    /// The data that its `train` block names.
    pub data: Option<Dataset>,
    /// Its `train` block.
    pub training: Option<Training>,
    /// What the command line changes.
    pub choices: Choices,
    /// How much of the data may stay in memory.
    pub room: Room,
    /// Whether messages are JSON.
    pub json: bool,
    /// The type of all numbers, and the seed of the run.
    numbers: (Dtype, u64),
}

impl Source {
    /// With so many epochs, if any are said.
    pub fn for_epochs(&self, epochs: Option<u32>) -> Source {
        let mut source = self.clone();
        source.settings.extend(epochs.map(|epochs| ("epochs".to_string(), epochs.to_string())));
        source
    }

    /// Reads the program and, if it has a `train` block, the data.
    pub fn open(&self) -> Result<Session, Failed> {
        let mut session = self.open_without_data()?;
        session.read_data()?;
        Ok(session)
    }

    /// Reads the program alone.
    fn open_without_data(&self) -> Result<Session, Failed> {
        self.open_net(None)
    }

    /// Reads the program alone; where the command line does not say which net, this one is meant if there is such a net.
    fn open_net(&self, otherwise: Option<&str>) -> Result<Session, Failed> {
        let program =
            elaborate::read(&self.file).map_err(|(sources, wrong)| fail_in(&wrong, &sources, self.json))?;
        let mut settings = self.settings.clone();
        settings.extend(self.seed.map(|seed| ("seed".to_string(), seed.to_string())));
        let has = |name: &&str| {
            program
                .file
                .items
                .iter()
                .any(|item| matches!(&item.kind, ItemKind::Net { name: own, .. } if own.text == *name))
        };
        let net = self.net.clone().or_else(|| otherwise.filter(has).map(String::from));
        let choices = Choices { net, training: true, settings };
        let mut session = Session {
            program,
            data: None,
            training: None,
            choices,
            room: self.memory.map_or_else(Room::here, Room::of),
            json: self.json,
            numbers: (Dtype::default(), 0),
        };
        if session.is_trained() {
            let training = elaborate::training(&session.program, &session.choices);
            session.training = Some(training.map_err(|wrong| session.fail(&wrong))?);
        }
        let numbers = elaborate::precision_and_seed(&session.program, &session.choices);
        session.numbers = numbers.map_err(|wrong| session.fail(&wrong))?;
        Ok(session)
    }
}

impl Session {
    /// Reads the data that the `train` block names; of a program that trains nothing its only data, if it has one.
    pub fn read_data(&mut self) -> Result<(), Failed> {
        let (name, precision) = match &self.training {
            Some(training) => (Some(training.data.as_str()), training.precision),
            None if self.has_one_data() => (None, self.precision()),
            None => return Ok(()),
        };
        let item = elaborate::data_item(&self.program, name);
        let base = self.program.path.parent().unwrap_or(Path::new("."));
        let data =
            item.and_then(|item| data::load_as(item, &self.program.sources, base, precision, &self.room));
        self.data = Some(data.map_err(|wrong| self.fail(&wrong))?);
        Ok(())
    }

    /// Whether the program has data but nothing that is trained on it, and no other data that could be meant.
    fn has_one_data(&self) -> bool {
        let count =
            |is: fn(&ItemKind) -> bool| self.program.file.items.iter().filter(|item| is(&item.kind)).count();
        let data = count(|item| matches!(item, ItemKind::Data { .. } | ItemKind::Table { .. }));
        data == 1 && count(|item| matches!(item, ItemKind::Train { .. })) == 0
    }

    /// Reads the data that the `train` block names, and holds it against what a checkpoint tells of its own.
    pub fn read_data_for(&mut self, loaded: &Loaded) -> Result<(), Failed> {
        self.read_data()?;
        let Some(data) = &self.data else { return Ok(()) };
        self.warn(&provenance::check(loaded, data).map_err(|wrong| self.fail(&[wrong]))?);
        Ok(())
    }

    /// That every class of a net's columns is one of its cases.
    pub fn check_classes(&self, model: &Model, data: &Dataset) -> Result<(), Failed> {
        for slot in model.inputs.iter().map(|&slot| model.circuit.slot(slot)) {
            let (Some(cases), Some(column)) = (slot.classes, data.column(&slot.name)) else { continue };
            let fits = |x: f64| x >= 0.0 && x.fract() == 0.0 && x < f64::from(cases);
            if let Some(at) = column.data.iter().position(|x| !fits(x)) {
                let (found, row) = (column.data.get(at), at / column.row_len().max(1) + 1);
                let message = format!(
                    "`{}` is {found} in example {row} of `{}`, and a class of {cases} cases goes from 0 to {}",
                    slot.name,
                    data.name,
                    cases.saturating_sub(1)
                );
                return Err(self.fail(&[Diagnostic::error(codes::CLASS_RANGE, message)]));
            }
        }
        Ok(())
    }

    /// Takes sizes and vocabularies from a checkpoint; the data itself is read only where the checkpoint does not tell
    /// them.
    pub fn take_data_of(&mut self, loaded: &Loaded) -> Result<(), Failed> {
        self.data = provenance::described(loaded);
        if self.data.is_none() { self.read_data_for(loaded) } else { Ok(()) }
    }

    /// The net, for training or for inference; tells its warnings.
    pub fn model(&self, training: bool) -> Result<Model, Failed> {
        let choices = Choices { training, ..self.choices.clone() };
        let made = elaborate::model(&self.program, self.data.as_ref(), &choices);
        let (model, warnings) = made.map_err(|wrong| self.fail(&wrong))?;
        if training {
            self.warn(&warnings);
        }
        Ok(model)
    }

    /// Looks for what is likely not meant, and tells it.
    pub fn lint(&self, model: &Model) {
        let batch = self.training.as_ref().map_or(1, |training| training.batch as usize);
        self.warn(&lint::lints(model, self.data.as_ref(), batch));
    }

    /// How the net is to be trained, and on what.
    pub fn to_train(&self) -> Result<(&Training, &Dataset), Failed> {
        self.training.as_ref().zip(self.data.as_ref()).ok_or_else(|| {
            let help = "add `train NET on DATA { optimizer = adam(lr = 1e-3) ... }`";
            self.fail(&missing("the program has no `train` block: there is nothing to run", help))
        })
    }

    /// What the command line changes but for the seed, which each of several runs has of its own.
    pub fn choices_of_any_seed(&self) -> Choices {
        let mut choices = self.choices.clone();
        choices.settings.retain(|(name, _)| name != "seed");
        choices
    }

    /// The parameters and states of a model from a file, and where each lies.
    pub fn weights(&self, model: &Model, loaded: &Loaded) -> Result<((Layout, Layout), Weights), Failed> {
        let layouts = (Layout::of(&model.circuit, &model.params), Layout::of(&model.circuit, &model.states));
        let weights = Weights::from_file(loaded, &layouts.0, &layouts.1, self.precision());
        Ok((layouts, weights.map_err(|wrong| self.fail(&[wrong]))?))
    }

    /// Whether the program says how to train the chosen net, or any.
    fn is_trained(&self) -> bool {
        let wanted = |name: &str| self.choices.net.as_deref().is_none_or(|net| net == name);
        let trains = |item: &Item| matches!(&item.kind, ItemKind::Train { net, .. } if wanted(&net.text));
        self.program.file.items.iter().any(trains)
    }

    /// Tells what is wrong.
    pub fn fail(&self, wrong: &[Diagnostic]) -> Failed {
        fail_in(wrong, &self.program.sources, self.json)
    }

    /// Tells what may be wrong.
    pub fn warn(&self, warnings: &[Diagnostic]) {
        let sources = &self.program.sources;
        let meant = |warning: &&Diagnostic| !is_allowed(warning, sources);
        let warnings: Vec<Diagnostic> = warnings.iter().filter(meant).cloned().collect();
        tell_in(&warnings, sources, self.json);
    }

    /// The type of all numbers.
    pub fn precision(&self) -> Dtype {
        self.numbers.0
    }

    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.numbers.1
    }
}

/// Tells what is wrong, and that the command failed.
pub fn fail_in(wrong: &[Diagnostic], sources: &Sources, json: bool) -> Failed {
    tell_in(wrong, sources, json);
    Failed
}

/// Writes messages to standard error: for people, or one JSON object a line.
pub fn tell_in(messages: &[Diagnostic], sources: &Sources, json: bool) {
    if messages.is_empty() {
        return;
    }
    if json {
        messages.iter().for_each(|message| eprintln!("{}", to_json(message, sources)));
        return;
    }
    let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let errors = messages.iter().any(|message| message.severity == Severity::Error);
    let text = render_all(messages, sources, color);
    if errors { eprint!("{text}") } else { eprintln!("{}", text.trim_end()) }
}

/// Reads a program alone, with the net and the settings that parameters were trained with.
pub fn as_trained(source: &Source, loaded: &Loaded) -> Result<Session, Failed> {
    let told = |wrong| fail_in(&[wrong], &Sources::default(), source.json);
    saved::check_version(loaded).map_err(told)?;
    let mut source = source.clone();
    let mut settings = provenance::settings(loaded);
    settings.append(&mut source.settings);
    source.settings = settings;
    source.open_net(provenance::net(loaded))
}

/// New examples from files, or from standard input (`-`, or no path): some columns, as the training run read them.
pub fn given(session: &Session, examples: &[String], columns: &[String]) -> Result<Dataset, Failed> {
    let told = |wrong: &[Diagnostic]| session.fail(wrong);
    if examples.is_empty() && std::io::stdin().is_terminal() {
        let help =
            "name a file, pipe the examples into it, or ask for a part of the program's data by `--part`";
        return Err(told(&missing("there are no examples", help)));
    }
    let input = ["-".to_string()];
    let examples = if examples.is_empty() { &input } else { examples };
    let opened: Result<Vec<Given>, Diagnostic> =
        examples.iter().map(|text| opened(text, &session.room)).collect();
    let opened = opened.map_err(|wrong| told(&[wrong]))?;
    let data_name = session.training.as_ref().map(|training| training.data.as_str());
    let item = elaborate::data_item(&session.program, data_name).map_err(|wrong| told(&wrong))?;
    let Some(known) = &session.data else {
        return Err(told(&missing(
            "the parameters do not tell which columns they were trained on",
            "train them anew",
        )));
    };
    let asked = Asked { known, columns, dtype: session.precision(), room: &session.room };
    let base = session.program.path.parent().unwrap_or(Path::new("."));
    data::given::load(item, &session.program.sources, base, &opened, asked).map_err(|wrong| told(&wrong))
}

/// `new.csv`, `-`, or `x=new.npy`: a file, and the name of what reads it.
fn opened(text: &str, room: &Room) -> Result<Given, Diagnostic> {
    let is_name = |name: &str| name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.is_empty();
    let named = text.split_once('=').filter(|(name, _)| is_name(name) && !Path::new(text).exists());
    let (reader, path) = named.map_or((None, text), |(name, path)| (Some(name.to_string()), path));
    let bytes = match path {
        "-" => {
            let mut bytes = vec![];
            std::io::stdin().lock().read_to_end(&mut bytes).map(|_| Buffer::new(bytes))
        }
        path => File::open(path).and_then(|mut file| Buffer::of_file(&mut file, room)),
    };
    let name = if path == "-" { "standard input" } else { path }.to_string();
    match bytes {
        Ok(bytes) => Ok(Given { name, reader, bytes }),
        Err(error) => {
            let message = format!("`{name}` cannot be read: {error}");
            Err(Diagnostic::error(codes::FILE_UNREADABLE, message))
        }
    }
}

/// The rows of a part: `train`, `validation`, `test` or `all`.
pub fn part_rows(data: &Dataset, part: &str) -> Vec<u32> {
    match part {
        "train" => data.train.clone(),
        "validation" => data.validation.clone(),
        "test" => data.test.clone(),
        _ => (0..data.rows as u32).collect(),
    }
}

/// The text of a file.
pub fn read_text(path: &Path) -> Result<String, Failed> {
    std::fs::read_to_string(path).map_err(|error| {
        let message = format!("`{}` cannot be read: {error}", path.display());
        fail_in(&[Diagnostic::error(codes::FILE_UNREADABLE, message)], &Sources::default(), false)
    })
}

/// Writes a file whole, or leaves it as it was.
pub fn write_text(path: &Path, text: &str) -> Result<(), Failed> {
    checkpoint::write_whole(path, text.as_bytes())
        .map_err(|wrong| fail_in(&[wrong], &Sources::default(), false))
}

/// Puts the parameters and states of a file in place of those that an evaluation holds.
pub fn give_params(evaluation: &mut Evaluation, session: &Session, path: &Path) -> Result<(), Diagnostic> {
    let loaded = checkpoint::load(path)?;
    if let Some(data) = &session.data {
        session.warn(&provenance::check(&loaded, data)?);
    }
    let pieces: Vec<Piece> =
        evaluation.params.pieces.iter().chain(&evaluation.states.pieces).cloned().collect();
    let expected: Vec<(&str, &[u32])> = pieces.iter().map(|p| (p.name.as_str(), p.dims.as_slice())).collect();
    for (piece, tensor) in pieces.iter().zip(checkpoint::matching(&loaded, &expected)?) {
        evaluation.values[piece.slot.0 as usize] = tensor.data.clone();
    }
    Ok(())
}

/// What is asked of a program that lacks it.
pub fn missing(what: &str, help: &str) -> Diagnostics {
    vec![Diagnostic::error(codes::MISSING_PART, what.to_string()).help(help.to_string())]
}

/// Writes rows in columns as wide as they need; those at `left` begin at the left, others end at the right.
pub fn columns(rows: &[Vec<String>], left: &[usize]) {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |k: usize| rows.iter().filter_map(|row| row.get(k)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|k| width(k).unwrap_or(0)).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(k, (cell, &width))| {
            if left.contains(&k) { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        write_out(format_args!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end()));
    }
}

/// Writes to standard output. Whoever reads it may stop before the end (`nnc show | head`): that ends the command,
/// and is no error.
pub fn write_out(text: std::fmt::Arguments<'_>) {
    use std::io::Write;
    if let Err(error) = std::io::stdout().lock().write_fmt(text) {
        let closed = error.kind() == std::io::ErrorKind::BrokenPipe;
        std::process::exit(if closed { 0 } else { 1 });
    }
}

/// `println!` by [`write_out`].
macro_rules! say {
    ($($arg:tt)*) => {
        $crate::cli::common::write_out(format_args!("{}\n", format_args!($($arg)*)))
    };
}
pub(super) use say;
