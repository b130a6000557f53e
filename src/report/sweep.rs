//! The page of a sweep: which points are best, and what mattered.

use super::chart::{Chart, Curve, short};
use super::page::{document, drawn, escaped, row, section};
use crate::elaborate::model::{Best, Sweep};
use crate::tune::{Effect, Level, Record, Standing, deciding, part_name};

/// What there is to tell of a sweep.
#[derive(Clone, Debug)]
pub struct SweepReport<'a> {
    /// What was tried.
    pub sweep: &'a Sweep,
    /// Every point, best first.
    pub standings: &'a [Standing],
    /// What each setting did.
    pub effects: &'a [Effect],
    /// The trials that the effects are of.
    pub trials: &'a [Record],
    /// How the best point is run again.
    pub command: &'a str,
}

/// The whole page.
pub fn page(report: &SweepReport) -> String {
    let best = decided_by(&report.sweep.best);
    let (points, seeds) = (report.standings.len(), report.sweep.seeds.len());
    let mut out = format!("<p class=\"settings\">{points} points, {seeds} seeds each, by {best}</p>\n");
    out += &winner(report);
    out += &mattered(report);
    out += &table(report);
    document(&report.sweep.net, "a sweep", &out)
}

/// `highest(validation.accuracy)`
pub fn decided_by(best: &Best) -> String {
    let which = if best.highest { "highest" } else { "lowest" };
    format!("{which}({}.{})", part_name(best.part), best.figure)
}

fn winner(report: &SweepReport) -> String {
    let Some(first) = report.standings.first().filter(|first| first.mean.is_some()) else {
        return section("The best", "<p>No point gave a figure.</p>\n");
    };
    let settings: Vec<String> = first.point.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let inside = format!(
        "<p>{}: {}</p>\n<pre>{}</pre>\n",
        escaped(&settings.join(", ")),
        figure(first),
        escaped(report.command)
    );
    section("The best", &inside)
}

/// Mean and deviation of the figure that decides.
fn figure(standing: &Standing) -> String {
    match (standing.mean, standing.deviation) {
        (Some(mean), Some(deviation)) => format!("{} ± {}", short(mean), short(deviation)),
        (Some(mean), None) => short(mean),
        (None, _) => standing
            .runs
            .iter()
            .find(|run| run.figures.is_empty())
            .map_or("none", |run| run.state.name())
            .into(),
    }
}

fn mattered(report: &SweepReport) -> String {
    let one = |effect: &Effect| {
        let share = effect.share.map_or(String::new(), |share| {
            format!(": {:.0} % of the differences between trials go with it", 100.0 * share)
        });
        let head = row("th", &["value", "median", "best", "trials", "without a figure"].map(String::from));
        let lines: String = effect.levels.iter().map(level).collect();
        format!(
            "<h3>{}{share}</h3>\n<table class=\"levels\">\n{head}{lines}</table>\n{}",
            escaped(&effect.name),
            chart(report, effect)
        )
    };
    section("What mattered", &report.effects.iter().map(one).collect::<String>())
}

fn level(level: &Level) -> String {
    let number = |value: Option<f64>| value.map_or(String::new(), short);
    let failed = if level.failed == 0 { String::new() } else { level.failed.to_string() };
    let cells =
        [escaped(&level.name), number(level.median), number(level.best), level.trials.to_string(), failed];
    row("td", &cells)
}

/// The trials over a setting whose values are numbers.
fn chart(report: &SweepReport, effect: &Effect) -> String {
    let value = |record: &Record| -> Option<f64> {
        let (_, value) = record.point.iter().find(|(name, _)| *name == effect.name)?;
        value.trim_end_matches('%').parse().ok()
    };
    let mut points = vec![];
    for record in report.trials {
        let Some(along) = value(record) else { return String::new() };
        points.extend(deciding(record, &report.sweep.best).map(|figure| (along, figure)));
    }
    let spread = |f: fn(f64, f64) -> f64, from| points.iter().map(|point| point.0).fold(from, f);
    let (low, high) = (spread(f64::min, f64::INFINITY), spread(f64::max, f64::NEG_INFINITY));
    let title = format!("{} over {}", decided_by(&report.sweep.best), effect.name);
    let curves = vec![Curve { name: "a trial".into(), points, apart: true }];
    drawn(&Chart { title: &title, along: &effect.name, log_along: low > 0.0 && high / low > 30.0, curves })
}

/// Every point, best first.
fn table(report: &SweepReport) -> String {
    let Some(first) = report.standings.first() else { return String::new() };
    let mut head: Vec<String> = first.point.iter().map(|(name, _)| escaped(name)).collect();
    head.extend([decided_by(&report.sweep.best), "epochs".into(), "seconds".into()]);
    let line = |standing: &Standing| {
        let mut cells: Vec<String> = standing.point.iter().map(|(_, value)| escaped(value)).collect();
        let epochs = standing.runs.iter().map(|run| run.epochs).max().unwrap_or(0);
        let seconds: f64 = standing.runs.iter().map(|run| run.seconds).sum();
        cells.extend([figure(standing), epochs.to_string(), format!("{seconds:.2}")]);
        row("td", &cells)
    };
    let lines: String = report.standings.iter().map(line).collect();
    section("All points", &format!("<table>\n{}{lines}</table>\n", row("th", &head)))
}
