//! Curves as SVG.

use super::page::escaped;
use std::fmt::Write;

/// One curve.
pub struct Curve {
    /// As the legend calls it.
    pub name: String,
    /// Points from left to right; those that are not finite are left out.
    pub points: Vec<(f64, f64)>,
    /// Whether they stand by themselves, rather than on a line.
    pub apart: bool,
}

/// Curves over one another.
pub struct Chart<'a> {
    /// What it shows.
    pub title: &'a str,
    /// What the horizontal axis is.
    pub along: &'a str,
    /// Whether the horizontal axis is logarithmic.
    pub log_along: bool,
    /// The curves.
    pub curves: Vec<Curve>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 40.0;

/// A range of one axis with a scale.
struct Axis {
    low: f64,
    high: f64,
    log: bool,
}

impl Axis {
    /// Around some values; logarithmic if asked for and they allow it.
    fn of(values: &[f64], log: bool) -> Axis {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log = log && low > 0.0;
        let (low, high) = if low < high {
            (low, high)
        } else {
            (low - 0.5 * low.abs().max(1.0), low + 0.5 * low.abs().max(1.0))
        };
        Axis { low: if log { low.max(f64::MIN_POSITIVE) } else { low }, high, log: log && low > 0.0 }
    }

    /// From 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let scale = |x: f64| if self.log { x.log10() } else { x };
        (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
    }

    /// Round values within, about five.
    fn ticks(&self) -> Vec<f64> {
        if self.log {
            let powers: Vec<f64> = (self.low.log10().ceil() as i32..=self.high.log10().floor() as i32)
                .map(|k| 10f64.powi(k))
                .collect();
            if powers.len() >= 2 {
                let every = powers.len().div_ceil(6);
                return powers.into_iter().step_by(every).collect();
            }
        }
        let rough = (self.high - self.low) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].into_iter().map(|k| k * power).find(|step| *step >= rough).unwrap_or(rough);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).map(|k| k as f64 * step).collect()
    }
}

/// A number beside an axis.
pub fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if (1e-3..1e6).contains(&size) => {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_string()
        }
        _ => format!("{value:.0e}"),
    }
}

/// The chart; nothing where there is no point.
pub fn svg(chart: &Chart) -> String {
    let finite = |(x, y): &&(f64, f64)| x.is_finite() && y.is_finite();
    let points = || chart.curves.iter().flat_map(|curve| curve.points.iter().filter(finite));
    let (xs, ys): (Vec<f64>, Vec<f64>) = points().copied().unzip();
    if xs.is_empty() {
        return String::new();
    }
    let spread = ys.iter().copied().fold(0.0, f64::max) / ys.iter().copied().fold(f64::INFINITY, f64::min);
    let (along, up) = (Axis::of(&xs, chart.log_along), Axis::of(&ys, spread > 30.0));
    let x = |value: f64| LEFT + along.place(value) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - up.place(value) * (HEIGHT - TOP - BOTTOM);
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
        escaped(chart.title)
    );
    for tick in up.ticks() {
        let at = y(tick);
        _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>",
            WIDTH - RIGHT
        );
        _ = writeln!(
            out,
            "<text class=\"end\" x=\"{}\" y=\"{:.1}\">{}</text>",
            LEFT - 6.0,
            at + 4.0,
            short(tick)
        );
    }
    for tick in along.ticks() {
        _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{}\">{}</text>",
            x(tick),
            HEIGHT - BOTTOM + 16.0,
            short(tick)
        );
    }
    _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\">{}</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 6.0,
        escaped(chart.along)
    );
    for (k, curve) in chart.curves.iter().enumerate() {
        let place = |&(a, b): &(f64, f64)| format!("{:.1},{:.1}", x(a), y(b));
        let name = escaped(&curve.name);
        if curve.apart {
            for &(a, b) in curve.points.iter().filter(finite) {
                let told = format!("{name}: {} at {}", short(b), short(a));
                _ = writeln!(
                    out,
                    "<circle class=\"dot c{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{told}</title></circle>",
                    k % 8,
                    x(a),
                    y(b)
                );
            }
            continue;
        }
        let line: Vec<String> = curve.points.iter().filter(finite).map(place).collect();
        _ = writeln!(
            out,
            "<polyline class=\"curve c{}\" points=\"{}\"><title>{name}</title></polyline>",
            k % 8,
            line.join(" ")
        );
        if let ([one], Some(&(a, b))) = (&line[..], curve.points.iter().find(finite)) {
            _ = writeln!(
                out,
                "<circle class=\"c{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{name} {one}</title></circle>",
                k % 8,
                x(a),
                y(b)
            );
        }
    }
    out + "</svg>\n"
}

/// The names of the curves with their colours.
pub fn legend(chart: &Chart) -> String {
    let entry = |(k, curve): (usize, &Curve)| {
        format!("<span class=\"key c{}\">{}</span>", k % 8, escaped(&curve.name))
    };
    format!(
        "<p class=\"legend\">{}</p>\n",
        chart.curves.iter().enumerate().map(entry).collect::<Vec<_>>().join(" ")
    )
}
