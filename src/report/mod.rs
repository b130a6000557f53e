//! What came of a run, as one page that needs nothing beside it: curves, confusion, estimates against
//! the truth, the worst examples, the health of the layers, the summary, the circuit.
//!
//! [`Report`] is what there is to tell; `chart` and `image` draw; [`page`] writes it. [`sweep`]: the page of a sweep.

mod chart;
mod image;
mod page;
pub mod sweep;
#[cfg(test)]
mod tests;

pub use page::page;

use crate::elaborate::model::LayerSummary;
use crate::runtime::evaluate::Figures;
use crate::runtime::health::LayerHealth;
use crate::runtime::train::Epoch;

/// What there is to tell of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Name of the net.
    pub title: String,
    /// What was set, by name.
    pub settings: Vec<(String, String)>,
    /// Every epoch.
    pub epochs: Vec<Epoch>,
    /// The epoch whose parameters are kept.
    pub kept: u32,
    /// Loss and metrics of the kept parameters, part by part.
    pub figures: Vec<Figures>,
    /// Gradients and steps of each layer.
    pub health: Vec<LayerHealth>,
    /// What is sick, in words.
    pub findings: Vec<String>,
    /// For each class that is predicted, what is taken for what.
    pub confusions: Vec<Confusion>,
    /// For each number that is estimated, how near it comes.
    pub estimates: Vec<Estimates>,
    /// The examples with the largest losses, worst first.
    pub worst: Vec<Worst>,
    /// The part that confusion, estimates and worst examples are of.
    pub part: String,
    /// The layers.
    pub layers: Vec<LayerSummary>,
    /// The forward and the backward circuit, drawn as SVG; empty for none.
    pub circuit: String,
}

/// Numbers that are estimated, and what they should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimates {
    /// What estimates.
    pub name: String,
    /// The column that it should be equal to.
    pub truth: String,
    /// What it should be, and what was estimated.
    pub points: Vec<(f64, f64)>,
}

/// What is taken for what.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    /// The target.
    pub name: String,
    /// The cases of its class.
    pub cases: Vec<String>,
    /// `counts[right][taken]`
    pub counts: Vec<Vec<u32>>,
}

/// An example with a large loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Worst {
    /// Its number among all rows of the data, from 0.
    pub row: u32,
    /// Its loss.
    pub loss: f64,
    /// What it is and what it was taken for: the target, right and taken.
    pub taken: Vec<(String, String, String)>,
    /// An input as a picture, if one can be seen as such.
    pub picture: Option<Picture>,
    /// The inputs in numbers, where there is no picture.
    pub inputs: Vec<(String, Vec<f64>)>,
}

/// An image: gray or of colours, row by row, a plane a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// 1 or 3.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Brightness, of any range.
    pub pixels: Vec<f64>,
}

/// The least side of what is shown as a picture: smaller arrays are numbers.
const LEAST: usize = 6;

impl Picture {
    /// An array as a picture, if it looks like one: two axes, or three with 1 or 3 channels first, or a flat square.
    pub fn of(dims: &[u32], data: &[f64]) -> Option<Picture> {
        let dims: Vec<usize> = dims.iter().map(|&extent| extent as usize).collect();
        let (channels, height, width) = match dims[..] {
            [height, width] => (1, height, width),
            [channels @ (1 | 3), height, width] => (channels, height, width),
            [count] => {
                let side = count.isqrt();
                if side * side != count {
                    return None;
                }
                (1, side, side)
            }
            _ => return None,
        };
        let fits = height.min(width) >= LEAST && height.max(width) <= 512;
        fits.then(|| Picture { channels, height, width, pixels: data.to_vec() })
    }
}
