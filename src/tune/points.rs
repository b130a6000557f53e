//! Which points of a sweep are tried, and for how many epochs.

use crate::circuit::draw::{SplitMix64, site};
use crate::elaborate::model::{Search, Sweep, Values};

/// What is set, as `--set` takes it, in the order of the sweep.
pub type Point = Vec<(String, String)>;

/// How many draws in a row may come to points that are there already, before it is taken that there are no others.
const IN_VAIN: usize = 1000;

/// The points of a sweep, in the order in which they are tried: of a grid the last setting changes fastest.
///
/// A point that is drawn depends on the seed and its number alone, so that a sweep with a larger count has the points
/// of the smaller one.
pub fn points(sweep: &Sweep) -> Vec<Point> {
    match sweep.search {
        Search::Grid | Search::Halving { count: None, .. } => grid(sweep),
        Search::Random { count, seed } | Search::Halving { count: Some(count), seed, .. } => {
            drawn(sweep, count, seed)
        }
    }
}

fn grid(sweep: &Sweep) -> Vec<Point> {
    sweep.varied.iter().fold(vec![vec![]], |points: Vec<Point>, varied| {
        let values: &[String] = match &varied.values {
            Values::Listed(values) => values,
            _ => &[],
        };
        let with = |point: &Point| -> Vec<Point> {
            let more = |value: &String| [&point[..], &[(varied.name.clone(), value.clone())]].concat();
            values.iter().map(more).collect()
        };
        points.iter().flat_map(with).collect()
    })
}

fn drawn(sweep: &Sweep, count: usize, seed: u64) -> Vec<Point> {
    let share = |name: &str, number: usize| {
        let mixed = SplitMix64::new(seed ^ site(name)).draw() ^ number as u64;
        SplitMix64::new(mixed).uniform()
    };
    let point = |number: usize| -> Point {
        let value = |varied: &crate::elaborate::model::Varied| {
            (varied.name.clone(), varied.values.at(share(&varied.name, number)))
        };
        sweep.varied.iter().map(value).collect()
    };
    let mut points: Vec<Point> = vec![];
    let mut in_vain = 0;
    for number in 0.. {
        if points.len() == count || in_vain == IN_VAIN {
            break;
        }
        let next = point(number);
        if points.contains(&next) {
            in_vain += 1;
        } else {
            in_vain = 0;
            points.push(next);
        }
    }
    points
}

/// A round of a search: so many of the points that are left are run until so many epochs are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Points that take part: the best of the round before.
    pub points: usize,
    /// Epochs from the beginning of a run; none: to its end.
    pub epochs: Option<u32>,
}

/// The rounds of a search over so many points, with runs of so many epochs: one, but for successive halving (Jamieson and
/// Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", 2016), in which each round has
/// `factor` times the epochs of the one before and the best of its points, one in `factor`.
pub fn rounds(search: Search, points: usize, epochs: u32) -> Vec<Round> {
    let Search::Halving { factor, .. } = search else { return vec![Round { points, epochs: None }] };
    let mut rounds = vec![];
    let (mut left, mut share) = (points, 1u64);
    loop {
        rounds.push((left, share));
        if left <= 1 {
            break;
        }
        left = (left / factor as usize).max(1);
        share = share.saturating_mul(factor.into());
    }
    let whole = rounds.last().map_or(1, |&(_, share)| share);
    let round = |(points, share): (usize, u64)| {
        let part = (u64::from(epochs) * share).div_ceil(whole);
        Round { points, epochs: Some(part as u32) }
    };
    rounds.into_iter().map(round).collect()
}
