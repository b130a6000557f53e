//! The lines that begin a run, and how figures are written.

use crate::elaborate::model::Model;
use crate::plan::cost::cost;
use crate::runtime::build::Built;
use crate::runtime::evaluate::Figures;
use crate::runtime::once::Tensor;
use std::fmt::Write;
use std::time::Duration;

/// Layers, shapes, parameters, cost of a step, time spent compiling.
pub fn summary(model: &Model, parameters: usize, built: &Built, compiling: Duration) -> String {
    let mut text = String::new();
    let settings: Vec<String> =
        model.settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let settings = if settings.is_empty() { String::new() } else { format!("({})", settings.join(", ")) };
    let _ = writeln!(text, "net {}{settings}", model.name);
    let width = |f: fn(&crate::elaborate::model::LayerSummary) -> usize| model.layers.iter().map(f).max();
    let path_width = width(|layer| layer.path.len()).unwrap_or(0);
    let call_width = width(|layer| layer.call.len()).unwrap_or(0);
    for layer in &model.layers {
        let dims: Vec<String> = layer.dims.iter().map(u32::to_string).collect();
        let parameters = match layer.parameters {
            0 => String::new(),
            count => format!("{} parameters", grouped(count as u64)),
        };
        let line = format!(
            "  {:path_width$}  {:call_width$}  [{}]  {parameters}",
            layer.path,
            layer.call,
            dims.join(", ")
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let batch = built.schedule.capacity;
    let cost = cost(&built.schedule, batch as usize);
    let _ = writeln!(
        text,
        "{} parameters; a step of {batch} {}: {} operations, {}B of memory traffic, {}B kept for the backward pass; \
         compiled in {:.1} ms",
        grouped(parameters as u64),
        if batch == 1 { "example" } else { "examples" },
        scaled(cost.operations as f64).trim_end(),
        scaled(cost.bytes as f64),
        scaled(cost.kept as f64),
        compiling.as_secs_f64() * 1e3,
    );
    text
}

/// `9610` as `9,610`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1294336` as `1.29 M`.
pub fn scaled(number: f64) -> String {
    let (unit, scale) = match number {
        n if n >= 1e9 => ("G", 1e9),
        n if n >= 1e6 => ("M", 1e6),
        n if n >= 1e3 => ("k", 1e3),
        _ => return format!("{number} "),
    };
    format!("{:.3} {unit}", number / scale).replace(".000", "")
}

/// A part of a whole, from 0 to 1: `61.2 %`.
pub fn percent(part: f64) -> String {
    format!("{:.1} %", 100.0 * part)
}

/// Seconds as microseconds, without the unit.
pub fn microseconds(seconds: f64) -> String {
    format!("{:.2}", seconds * 1e6)
}

/// A loss or metric with as many digits as one reads.
pub fn figure(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if (1e-3..1e5).contains(&size) => format!("{value:.4}"),
        _ => format!("{value:.3e}"),
    }
}

/// `loss 0.1234  accuracy 0.9612`
pub fn figures(figures: &Figures) -> String {
    let pairs: Vec<String> =
        figures.values.iter().map(|(name, value)| format!("{name} {}", figure(*value))).collect();
    pairs.join("  ")
}

/// Most columns of a table that is printed.
const COLUMNS: usize = 24;

/// An array as a small table, a line a row of its last axis; one that is too wide only by its shape.
pub fn table(array: &Tensor) -> String {
    let whole = |x: &f64| x.fract() == 0.0 && x.abs() < 1e9;
    let all_whole = array.data.iter().all(whole);
    let cell = |x: &f64| if all_whole { format!("{x}") } else { figure(*x) };
    let columns = array.dims.last().copied().unwrap_or(1);
    let head = format!("{} {:?}", array.name, array.dims);
    if columns == 0 || columns > COLUMNS || array.data.len() > COLUMNS * COLUMNS {
        return head;
    }
    let cells: Vec<String> = array.data.iter().map(cell).collect();
    let width = cells.iter().map(String::len).max().unwrap_or(0);
    let row = |row: &[String]| row.iter().map(|cell| format!("  {cell:>width$}")).collect::<String>();
    let rows: Vec<String> = cells.chunks(columns).map(row).collect();
    format!("{head}\n{}", rows.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 9610, 1234567].map(grouped), ["0", "999", "1,000", "9,610", "1,234,567"]);
    }
}
