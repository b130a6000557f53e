//! `sweep` blocks: which settings are tried, in which values, and by which figure they are judged.

mod values;

use super::Choices;
use super::chosen::path_of;
use super::context::Elaborator;
use super::model::{Best, Part, Search, Sweep, Training, Values, Varied};
use super::program::{self, Definitions, Net, Program, defined_twice};
use super::scope::{BodyKind, Frame};
use super::training::{TRAIN_KEYS, call_of, training};
use super::values::{Failed, Tried};
use super::walk::ungrouped;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Span, codes, nearest};
use crate::syntax::ast::{Expr, ExprKind, How, Name, SweepStmtKind, TrainSetting};
use values::is_written_whole;

/// What a sweep may say beside what is tried.
const KEYS: &[&str] = &["search", "seeds", "best"];

/// Most values of one setting, and most points of a sweep.
const MOST: usize = 100_000;

const SEARCHES: &str = "write `grid`, `random(20, seed = 1)` or `halving(27, factor = 3, seed = 1)`";

/// Checks the `sweep` block of the chosen net.
///
/// # Errors
/// What is wrong with it or with the `train` block behind it, or that there is none.
pub fn sweep(program: &Program, choices: &Choices) -> Result<Sweep, Diagnostics> {
    let trained = training(program, choices)?;
    let mut elaborator = Elaborator::new(program, true);
    elaborator.diagnostics.retain(|d| d.severity == Severity::Error);
    let found = elaborator.sweep_block(choices);
    let result = found.and_then(|(net, block)| elaborator.sweep(net, block, &trained, choices));
    match result {
        Ok(sweep) if elaborator.diagnostics.is_empty() => Ok(sweep),
        _ => Err(elaborator.diagnostics),
    }
}

/// Checks every `sweep` block of a program, each with the settings of the command line that are its net's.
///
/// # Errors
/// What is wrong with them, or that one is of no net.
pub fn check_sweeps(program: &Program, choices: &Choices) -> Result<(), Diagnostics> {
    let definitions = Definitions::of(program, &mut vec![]);
    let chosen = definitions.net(choices.net.as_deref()).map_err(|wrong| vec![*wrong])?;
    for block in &definitions.user.sweeps {
        let name = &block.net.text;
        let own =
            definitions.net(Some(name)).map_err(|wrong| vec![wrong.at(block.net.span, "a sweep of it")])?;
        let settings = if own.name == chosen.name { choices.settings.clone() } else { vec![] };
        sweep(program, &Choices { net: Some(name.clone()), settings, ..choices.clone() })?;
    }
    Ok(())
}

/// Whether a setting is a whole number where it is written: `hidden = 16`, `batch`.
fn is_whole(net: Net, key: &str) -> bool {
    let setting = net.settings.iter().find(|setting| setting.name.text == key);
    match setting.and_then(|setting| setting.default.as_ref()) {
        Some(value) => is_written_whole(value),
        None => ["batch", "epochs"].contains(&key),
    }
}

impl<'p> Elaborator<'p> {
    fn sweep_block(&mut self, choices: &Choices) -> Tried<(Net<'p>, program::Sweep<'p>)> {
        let net = match self.definitions.net(choices.net.as_deref()) {
            Ok(net) => net,
            Err(diagnostic) => return self.report(*diagnostic),
        };
        match self.definitions.user.sweeps.iter().find(|sweep| sweep.net.text == net.name.text) {
            Some(sweep) => Ok((net, *sweep)),
            None => {
                let name = &net.name.text;
                let message = format!("nothing says which settings of `{name}` to try");
                let diagnostic = Diagnostic::error(codes::MISSING_PART, message)
                    .at(net.name.span, "has no `sweep` block")
                    .help(format!("write `sweep {name} {{ over batch = [16, 32] ... }}`"));
                self.report(diagnostic)
            }
        }
    }

    fn sweep(
        &mut self,
        net: Net<'p>,
        block: program::Sweep<'p>,
        trained: &Training,
        choices: &Choices,
    ) -> Tried<Sweep> {
        self.frames.push(Frame::new(BodyKind::Schedule, false));
        let (mut keys, mut varied): (Vec<&'p TrainSetting>, Vec<Varied>) = (vec![], vec![]);
        for statement in block.statements {
            match &statement.kind {
                SweepStmtKind::Key(key) => self.sweep_key(key, &mut keys),
                SweepStmtKind::Over { path, how, value } => {
                    let own = self.varied(net, path, *how, value, statement.span);
                    let is_fixed = |own: &Varied| {
                        choices.settings.iter().any(|(name, _)| path_of(name, &net.name.text).0 == own.name)
                    };
                    match own {
                        Ok(own) if is_fixed(&own) => {}
                        Ok(own) => self.add_varied(own, &mut varied),
                        Err(Failed) => {}
                    }
                }
            }
        }
        let key = |name: &str| keys.iter().find(|key| key.name.text == name).map(|key| &key.value);
        let search = key("search").map_or(Ok(Search::Grid), |expr| self.search(expr));
        let seeds = key("seeds").map_or(Ok(vec![trained.seed]), |expr| self.seeds(expr, trained.seed));
        let best = match key("best") {
            Some(expr) => self.deciding(expr, net),
            None => Ok(trained.keep.clone().unwrap_or(Best {
                highest: false,
                part: Part::Validation,
                figure: "loss".into(),
            })),
        };
        self.frames.pop();
        let (search, seeds, best) = (search?, seeds?, best?);
        if varied.is_empty() && !self.has_errors() {
            let wrong = Diagnostic::error(codes::BAD_SWEEP, "a sweep over nothing");
            return self
                .report(wrong.at(block.span, "no setting is tried").help("write `over batch = [16, 32]`"));
        }
        self.check_search(&search, &varied, block.span)?;
        if self.has_errors() {
            return Err(Failed);
        }
        Ok(Sweep { net: net.name.text.clone(), varied, search, seeds, best, span: block.span })
    }

    /// Takes a key, if there is such a one, and once.
    fn sweep_key(&mut self, key: &'p TrainSetting, keys: &mut Vec<&'p TrainSetting>) {
        let name = &key.name;
        if let Some(first) = keys.iter().find(|known| known.name == *name) {
            let _ = self.report::<()>(defined_twice(name, first.name.span));
        } else if KEYS.contains(&name.text.as_str()) {
            keys.push(key);
        } else {
            let wrong = Diagnostic::error(codes::UNKNOWN_SETTING, format!("a sweep has no `{}`", name.text));
            let wrong = wrong.at(name.span, "not known");
            let _ = self.report::<()>(match nearest(&name.text, KEYS.iter().copied()) {
                Some(near) => wrong.help(format!("did you mean `{near}`?")),
                None => wrong.help(format!(
                    "it says {}; what is tried follows `over`: `over {} = ...`",
                    KEYS.join(", "),
                    name.text
                )),
            });
        }
    }

    fn add_varied(&mut self, own: Varied, varied: &mut Vec<Varied>) {
        if let Some(first) = varied.iter().find(|known| known.name == own.name) {
            let wrong = Diagnostic::error(codes::DEFINED_TWICE, format!("`{}` is tried twice", own.name))
                .at(own.span, "again here")
                .at(first.span, "first here")
                .help("put all its values into one list");
            let _ = self.report::<()>(wrong);
        } else {
            varied.push(own);
        }
    }

    /// `over optimizer.lr ~ log_uniform(1e-4, 1e-1)`
    fn varied(
        &mut self,
        net: Net<'p>,
        path: &'p [Name],
        how: How,
        value: &'p Expr,
        span: Span,
    ) -> Tried<Varied> {
        let written = path.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join(".");
        let (key, within) = path_of(&written, &net.name.text);
        let is_setting = net.settings.iter().any(|setting| setting.name.text == key);
        let at = path[0].span.to(path[path.len() - 1].span);
        if key == "seed" {
            let wrong = Diagnostic::error(codes::BAD_SWEEP, "a seed is no setting to find the best of");
            let help = "every point is run with each of the sweep's seeds: write `seeds = 3`, or `seeds = [1, 2, 3]`";
            return self.report(wrong.at(at, "tried as a setting").help(help));
        }
        if !is_setting && !TRAIN_KEYS.contains(&key) {
            return self.no_such_varied(net, key, at);
        }
        let values = match how {
            How::Equals => self.listed_values(value).map(Values::Listed)?,
            How::Draws => self.drawn_values(value, within.is_empty() && is_whole(net, key))?,
        };
        let name = std::iter::once(key).chain(within).collect::<Vec<_>>().join(".");
        Ok(Varied { name, values, span })
    }

    fn no_such_varied<T>(&mut self, net: Net<'p>, key: &str, at: Span) -> Tried<T> {
        let own = net.settings.iter().map(|setting| setting.name.text.as_str());
        let names: Vec<&str> = own.chain(TRAIN_KEYS.iter().copied()).collect();
        let message = format!("neither the net `{}` nor its training has a setting `{key}`", net.name.text);
        let wrong = Diagnostic::error(codes::UNKNOWN_SETTING, message)
            .at(at, "not known")
            .at(net.name.span, "this net's settings");
        self.report(match nearest(key, names.iter().copied()) {
            Some(near) => wrong.help(format!("did you mean `{near}`?")),
            None => wrong.help(format!("there are: {}", names.join(", "))),
        })
    }

    /// `grid`, `random(20, seed = 1)`, `halving(27, factor = 3, seed = 1)`
    fn search(&mut self, expr: &'p Expr) -> Tried<Search> {
        let (name, args) = match (&ungrouped(expr).kind, call_of(expr)) {
            (_, Some(call)) => call,
            (ExprKind::Name { name, primed: false }, _) => (name.text.as_str(), &[][..]),
            _ => ("", &[][..]),
        };
        let allowed: &[&str] = match name {
            "grid" => &[],
            "random" => &["count", "seed"],
            "halving" => &["count", "factor", "seed"],
            _ => return self.bad_sweep("`search` says how points are chosen", expr.span, SEARCHES),
        };
        let mut given = vec![None; allowed.len()];
        for (k, arg) in args.iter().enumerate() {
            let named = |name: &Name| allowed.iter().position(|known| *known == name.text);
            let place = arg.name.as_ref().map_or((k == 0).then_some(0), named);
            let Some(place) = place.filter(|&place| given.get(place).is_some_and(Option::is_none)) else {
                return self.bad_sweep(&format!("`{name}` takes something else"), arg.value.span, SEARCHES);
            };
            let number = self.static_number(&arg.value, &format!("`{}`", allowed[place]))?;
            let least = [1, 0, 0][place].max(if allowed[place] == "factor" { 2 } else { 0 });
            let Some(number) = number.as_integer().filter(|&n| (least..=MOST as i64).contains(&n)) else {
                let message = format!("`{}` is a whole number from {least} to {MOST}", allowed[place]);
                return self.bad_sweep(&message, arg.value.span, SEARCHES);
            };
            given[place] = Some(number);
        }
        let count = given.first().copied().flatten().map(|count| count as usize);
        Ok(match (name, count) {
            ("grid", _) => Search::Grid,
            ("random", Some(count)) => Search::Random { count, seed: given[1].unwrap_or(0) as u64 },
            ("random", None) => {
                return self.bad_sweep("`random` says how many points it draws", expr.span, SEARCHES);
            }
            _ => Search::Halving {
                count,
                factor: given[1].unwrap_or(3) as u32,
                seed: given[2].unwrap_or(0) as u64,
            },
        })
    }

    /// `seeds = 3` counts from the seed of the training; `seeds = [1, 2, 3]` names them.
    fn seeds(&mut self, expr: &'p Expr, first: u64) -> Tried<Vec<u64>> {
        let help = "write `seeds = 3`, or name them: `seeds = [1, 2, 3]`";
        let number = |this: &mut Self, expr: &'p Expr, least: i64| {
            let number = this.static_number(expr, "a seed")?.as_integer();
            match number.filter(|&n| (least..=i64::from(u32::MAX)).contains(&n)) {
                Some(number) => Ok(number as u64),
                None => {
                    this.bad_sweep(&format!("this is a whole number of at least {least}"), expr.span, help)
                }
            }
        };
        let ExprKind::Array(parts) = &ungrouped(expr).kind else {
            let count = number(self, expr, 1)?;
            if count > 1000 {
                return self.bad_sweep("more than a thousand seeds", expr.span, help);
            }
            return Ok((first..first + count).collect());
        };
        let mut seeds = vec![];
        for part in parts {
            let seed = number(self, part, 0)?;
            if seeds.contains(&seed) {
                return self.bad_sweep(&format!("the seed {seed} is named twice"), part.span, help);
            }
            seeds.push(seed);
        }
        if seeds.is_empty() { self.bad_sweep("there is no seed", expr.span, help) } else { Ok(seeds) }
    }

    /// `best = highest(validation.accuracy)`: not by what is held out to the end.
    fn deciding(&mut self, expr: &'p Expr, net: Net<'p>) -> Tried<Best> {
        let best = self.best(expr, net)?;
        if best.part != Part::Test {
            return Ok(best);
        }
        let help = "decide by `validation`, and read the figures of `test` once, of the winner";
        self.bad_sweep("what picks the settings cannot tell how good they are", expr.span, help)
    }

    /// That the search finds points: a grid has lists only, and halving decides by itself how long a run is.
    fn check_search(&mut self, search: &Search, varied: &[Varied], span: Span) -> Tried<()> {
        let drawn = varied.iter().find(|varied| !matches!(varied.values, Values::Listed(_)));
        let needs_lists = matches!(search, Search::Grid | Search::Halving { count: None, .. });
        if let (Some(drawn), true) = (drawn, needs_lists) {
            let wrong = Diagnostic::error(
                codes::BAD_SWEEP,
                format!("`{}` is drawn, and nothing says how often", drawn.name),
            )
            .at(drawn.span, "drawn by `~`");
            return self.report(
                wrong.help("write `search = random(20)` or `search = halving(27)`, or a range by `=`"),
            );
        }
        let epochs = varied.iter().find(|varied| varied.name == "epochs");
        if let (Some(epochs), Search::Halving { .. }) = (epochs, search) {
            let wrong = Diagnostic::error(codes::BAD_SWEEP, "halving decides itself how long a run goes on")
                .at(epochs.span, "tried as a setting");
            return self.report(wrong.help("take it out, or search otherwise: `search = grid`"));
        }
        let counts = varied.iter().map(|varied| match &varied.values {
            Values::Listed(values) => values.len() as f64,
            _ => 1.0,
        });
        let points = counts.product::<f64>();
        if needs_lists && points > MOST as f64 {
            let wrong = Diagnostic::error(codes::TOO_LARGE, format!("a grid of {points} points"))
                .at(span, format!("at most {MOST} are tried"));
            return self.report(wrong.help("draw some of them: `search = random(100)`"));
        }
        Ok(())
    }

    pub fn bad_sweep<T>(&mut self, message: &str, span: Span, help: &str) -> Tried<T> {
        self.report(Diagnostic::error(codes::BAD_SWEEP, message).at(span, "here").help(help))
    }
}
