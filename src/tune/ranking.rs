//! Which points are best, and which settings mattered.

use super::points::Point;
use super::record::Record;
use super::trial::part_name;
use crate::elaborate::model::{Best, Sweep, Values};

/// A point with what its runs came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What was set.
    pub point: Point,
    /// The mean over its seeds of the figure that decides; none where a run has no such figure: it diverged.
    pub mean: Option<f64>,
    /// The standard deviation over its seeds; none with one seed.
    pub deviation: Option<f64>,
    /// The epoch up to which it was run; none: to its end.
    pub until: Option<u32>,
    /// Its runs, a seed each.
    pub runs: Vec<Record>,
}

/// The figure that decides, as a trial gave it.
pub fn deciding(record: &Record, best: &Best) -> Option<f64> {
    record.figure(part_name(best.part), &best.figure)
}

/// Points best first; those of which a run diverged last, those that have not been run to the end of the round left out.
/// What is equal stays in order.
pub fn standings(points: &[Point], records: &[Record], sweep: &Sweep, until: Option<u32>) -> Vec<Standing> {
    let standing = |point: &Point| -> Option<Standing> {
        let runs: Vec<Record> = records.iter().filter(|record| record.point == *point).cloned().collect();
        let values: Option<Vec<f64>> = runs.iter().map(|run| deciding(run, &sweep.best)).collect();
        let mean = values.as_ref().map(|values| mean(values));
        let deviation = values.as_ref().and_then(|values| deviation(values));
        (runs.len() == sweep.seeds.len()).then(|| Standing {
            point: point.clone(),
            mean,
            deviation,
            until,
            runs,
        })
    };
    let mut found: Vec<Standing> = points.iter().filter_map(standing).collect();
    found.sort_by(|a, b| worse(a.mean, sweep.best.highest).total_cmp(&worse(b.mean, sweep.best.highest)));
    found
}

/// A number that is the larger the worse a figure is.
fn worse(figure: Option<f64>, highest: bool) -> f64 {
    figure.map_or(f64::INFINITY, |figure| if highest { -figure } else { figure })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of a sample.
fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// What a setting did.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// The setting.
    pub name: String,
    /// The share of the differences between trials that goes with it, from 0 to 1; none where each of its values was run
    /// once only.
    pub share: Option<f64>,
    /// Its values, or parts of its range.
    pub levels: Vec<Level>,
}

/// A value of a setting, or a part of its range.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// How it is written.
    pub name: String,
    /// Trials.
    pub trials: usize,
    /// Those of them that gave no figure.
    pub failed: usize,
    /// The median of the figure that decides, if more than half of the trials gave one.
    pub median: Option<f64>,
    /// The best.
    pub best: Option<f64>,
}

/// Parts in which the range of a setting that is drawn is looked at.
const PARTS: usize = 4;

/// What each setting did in trials that were run alike, the one that mattered most first.
pub fn effects(sweep: &Sweep, records: &[Record]) -> Vec<Effect> {
    let figures: Vec<f64> =
        records.iter().map(|r| worse(deciding(r, &sweep.best), sweep.best.highest)).collect();
    let ranks = ranks(&figures);
    let effect = |varied: &crate::elaborate::model::Varied| {
        let groups = groups(&varied.name, &varied.values, records);
        let level = |(name, members): &(String, Vec<usize>)| level(name, members, records, sweep);
        let members: Vec<&[usize]> = groups.iter().map(|(_, members)| &members[..]).collect();
        Effect {
            name: varied.name.clone(),
            share: share(&ranks, &members),
            levels: groups.iter().map(level).collect(),
        }
    };
    let mut effects: Vec<Effect> = sweep.varied.iter().map(effect).collect();
    effects.sort_by(|a, b| b.share.unwrap_or(-1.0).total_cmp(&a.share.unwrap_or(-1.0)));
    effects
}

/// Which trials had which value; of a range that was drawn from, which part of it, as many in each.
fn groups(name: &str, values: &Values, records: &[Record]) -> Vec<(String, Vec<usize>)> {
    let value = |record: &Record| -> String {
        let found = record.point.iter().find(|(known, _)| known == name);
        found.map_or(String::new(), |(_, value)| value.clone())
    };
    let of_value = |wanted: &String| -> Vec<usize> {
        (0..records.len()).filter(|&k| value(&records[k]) == *wanted).collect()
    };
    if let Values::Listed(values) = values {
        let groups = values.iter().map(|value| (value.clone(), of_value(value)));
        return groups.filter(|(_, members)| !members.is_empty()).collect();
    }
    let mut drawn: Vec<String> = records.iter().map(value).collect();
    let number = |text: &String| text.parse::<f64>().unwrap_or(f64::NAN);
    drawn.sort_by(|a, b| number(a).total_cmp(&number(b)));
    drawn.dedup();
    let parts = PARTS.min(drawn.len().div_ceil(2)).max(1);
    let part = |k: usize| {
        let own = &drawn[k * drawn.len() / parts..(k + 1) * drawn.len() / parts];
        let members = own.iter().flat_map(of_value).collect();
        let text = match own {
            [] => String::new(),
            [one] => one.clone(),
            [first, .., last] => format!("{first} .. {last}"),
        };
        (text, members)
    };
    (0..parts).map(part).collect()
}

fn level(name: &str, members: &[usize], records: &[Record], sweep: &Sweep) -> Level {
    let mut figures: Vec<f64> = members.iter().filter_map(|&k| deciding(&records[k], &sweep.best)).collect();
    figures
        .sort_by(|&a, &b| worse(Some(a), sweep.best.highest).total_cmp(&worse(Some(b), sweep.best.highest)));
    // Trials without a figure are worse than all others.
    let at = |k: usize| figures.get(k).copied();
    let middle = members.len() / 2;
    let median = match members.len() % 2 {
        1 => at(middle),
        _ => middle.checked_sub(1).and_then(|low| Some((at(low)? + at(middle)?) / 2.0)),
    };
    Level {
        name: name.to_string(),
        trials: members.len(),
        failed: members.len() - figures.len(),
        median,
        best: at(0),
    }
}

/// The place of each number in their order, from 1; equal ones share the mean of their places.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let place = |&number: &f64| {
        let before = numbers.iter().filter(|&&other| other < number).count();
        let equal = numbers.iter().filter(|&&other| other == number).count();
        before as f64 + (equal as f64 + 1.0) / 2.0
    };
    numbers.iter().map(place).collect()
}

/// Eta squared of Kruskal and Wallis' test, adjusted for what chance alone would give ("Use of ranks in one-criterion
/// variance analysis", 1952; Tomczak and Tomczak, 2014): `(H - k + 1) / (n - k)` for n trials in k groups. By ranks, as a
/// trial that diverged has a place, but no figure.
fn share(ranks: &[f64], groups: &[&[usize]]) -> Option<f64> {
    let (n, k) = (ranks.len() as f64, groups.len() as f64);
    if groups.len() < 2 || n <= k {
        return None;
    }
    let whole = mean(ranks);
    let spread: f64 = ranks.iter().map(|rank| (rank - whole).powi(2)).sum();
    if spread == 0.0 {
        return Some(0.0);
    }
    let between = |group: &&[usize]| {
        let own: Vec<f64> = group.iter().map(|&k| ranks[k]).collect();
        own.len() as f64 * (mean(&own) - whole).powi(2)
    };
    let between: f64 = groups.iter().filter(|group| !group.is_empty()).map(between).sum();
    let h = (n - 1.0) * between / spread;
    Some(((h - k + 1.0) / (n - k)).clamp(0.0, 1.0))
}
