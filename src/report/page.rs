//! The page.

use super::chart::{Chart, Curve, legend, short, svg};
use super::image::{address, base64};
use super::{Confusion, Report, Worst};
use crate::elaborate::model::Part;
use crate::runtime::evaluate::Figures;
use std::fmt::Write;

const STYLE: &str = include_str!("style.css");

/// Text where markup stands.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The whole page.
pub fn page(report: &Report) -> String {
    let mut out = settings(report);
    out += &figures(report);
    out += &curves(report);
    report.confusions.iter().for_each(|confusion| out += &confused(confusion, &report.part));
    out += &estimates(report);
    out += &worst(report);
    out += &health(report);
    out += &layers(report);
    out += &circuit(report);
    document(&report.title, "a run", &out)
}

/// A page that needs nothing beside it.
pub(super) fn document(title: &str, of: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{title}: {of}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<h1>{title}</h1>\n{body}</body>\n</html>\n"
    )
}

/// A section, if it holds anything.
pub(super) fn section(title: &str, inside: &str) -> String {
    if inside.is_empty() {
        String::new()
    } else {
        format!("<section>\n<h2>{title}</h2>\n{inside}</section>\n")
    }
}

pub(super) fn row(cell: &str, cells: &[String]) -> String {
    format!("<tr>{}</tr>\n", cells.iter().map(|text| format!("<{cell}>{text}</{cell}>")).collect::<String>())
}

fn settings(report: &Report) -> String {
    let pair = |(name, value): &(String, String)| format!("{} = {}", escaped(name), escaped(value));
    format!("<p class=\"settings\">{}</p>\n", report.settings.iter().map(pair).collect::<Vec<_>>().join(", "))
}

fn part_name(part: Part) -> &'static str {
    match part {
        Part::Train => "train",
        Part::Validation => "validation",
        Part::Test => "test",
    }
}

/// Loss and metrics, a line a part.
fn figures(report: &Report) -> String {
    let Some(first) = report.figures.first() else { return String::new() };
    let mut head = vec!["part".to_string(), "examples".to_string()];
    head.extend(first.values.iter().map(|(name, _)| escaped(name)));
    let line = |part: &Figures| {
        let mut cells = vec![part_name(part.part).to_string(), part.rows.to_string()];
        cells.extend(part.values.iter().map(|(_, value)| short(*value)));
        row("td", &cells)
    };
    let lines: String = report.figures.iter().map(line).collect();
    let kept = format!(
        "<p>with the parameters of epoch {} of {}</p>\n",
        report.kept,
        report.epochs.last().map_or(0, |e| e.number)
    );
    section("Figures", &format!("<table>\n{}{lines}</table>\n{kept}", row("th", &head)))
}

/// The loss over the epochs, then each metric that is watched.
fn curves(report: &Report) -> String {
    let over = |value: &dyn Fn(&crate::runtime::train::Epoch) -> Option<f64>| -> Vec<(f64, f64)> {
        report.epochs.iter().filter_map(|epoch| Some((f64::from(epoch.number), value(epoch)?))).collect()
    };
    let validation = |name: &str| over(&|epoch| epoch.validation.as_ref()?.named(name));
    let names: Vec<String> = report
        .epochs
        .iter()
        .find_map(|epoch| epoch.validation.as_ref())
        .map_or(vec![], |figures| figures.values.iter().map(|(name, _)| name.clone()).collect());
    let chart = |title: &str, curves: Vec<Curve>| {
        let curves: Vec<Curve> = curves.into_iter().filter(|curve| !curve.points.is_empty()).collect();
        drawn(&Chart { title, along: "epoch", log_along: false, curves })
    };
    let curve = |name: &str, points| Curve { name: name.into(), points, apart: false };
    let mut inside = chart(
        "loss",
        vec![curve("train", over(&|epoch| Some(epoch.loss))), curve("validation", validation("loss"))],
    );
    for name in names.iter().filter(|name| *name != "loss") {
        inside += &chart(name, vec![curve("validation", validation(name))]);
    }
    section("Curves", &inside)
}

/// Rows are what is right, columns what it is taken for; the darker, the more of its row.
fn confused(confusion: &Confusion, part: &str) -> String {
    let mut head = vec![String::new()];
    head.extend(confusion.cases.iter().map(|case| escaped(case)));
    let mut lines = row("th", &head);
    for (right, counts) in confusion.counts.iter().enumerate() {
        let whole = counts.iter().sum::<u32>().max(1);
        let cell = |(taken, &count): (usize, &u32)| {
            let share = f64::from(count) / f64::from(whole);
            let kind = if taken == right { "hit" } else { "miss" };
            let text = if count == 0 { String::new() } else { count.to_string() };
            format!("<td class=\"{kind}\" style=\"--share: {share:.3}\">{text}</td>")
        };
        let cells: String = counts.iter().enumerate().map(cell).collect();
        _ = writeln!(lines, "<tr><th>{}</th>{cells}</tr>", escaped(&confusion.cases[right]));
    }
    let what = format!("<p>{part} part: rows are what is right, columns what it was taken for.</p>\n");
    section(
        &format!("What is taken for what: {}", escaped(&confusion.name)),
        &format!("{what}<table class=\"confusion\">\n{lines}</table>\n"),
    )
}

/// A dot an example: those on the line are estimated rightly.
fn estimates(report: &Report) -> String {
    let mut inside = String::new();
    for estimates in &report.estimates {
        let ends = estimates
            .points
            .iter()
            .flat_map(|&(truth, estimate)| [truth, estimate])
            .filter(|x| x.is_finite());
        let (low, high) =
            ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        let dots = Curve { name: estimates.name.clone(), points: estimates.points.clone(), apart: true };
        let line =
            Curve { name: "as it should be".into(), points: vec![(low, low), (high, high)], apart: false };
        let title = format!("{} against {}", estimates.name, estimates.truth);
        let chart = Chart {
            title: &title,
            along: &estimates.truth,
            log_along: low > 0.0 && high / low > 30.0,
            curves: vec![dots, line],
        };
        inside += &drawn(&chart);
    }
    let part = format!("<p>{} part</p>\n", report.part);
    section("Estimated and true", &if inside.is_empty() { inside } else { part + &inside })
}

/// A chart with its title and its legend; nothing where there is no point.
pub(super) fn drawn(chart: &Chart) -> String {
    let curves = svg(chart);
    if curves.is_empty() {
        return curves;
    }
    format!(
        "<figure>\n<figcaption>{}</figcaption>\n{curves}{}</figure>\n",
        escaped(chart.title),
        legend(chart)
    )
}

/// The circuit as a picture by itself, so that its style is its own.
fn circuit(report: &Report) -> String {
    if report.circuit.is_empty() {
        return String::new();
    }
    let address = format!("data:image/svg+xml;base64,{}", base64(report.circuit.as_bytes()));
    section(
        "Circuit",
        &format!("<img class=\"circuit\" src=\"{address}\" alt=\"the forward and the backward circuit\">\n"),
    )
}

fn worst(report: &Report) -> String {
    let card = |worst: &Worst| {
        let picture = worst.picture.as_ref().map_or(String::new(), |picture| {
            format!("<img src=\"{}\" alt=\"example {}\">\n", address(picture), worst.row)
        });
        let said = |(name, right, taken): &(String, String, String)| {
            let wrong = if right == taken { "right" } else { "wrong" };
            format!(
                "<div class=\"{wrong}\">{}: {}, taken for {}</div>",
                escaped(name),
                escaped(right),
                escaped(taken)
            )
        };
        let taken: String = worst.taken.iter().map(said).collect();
        let numbers = |(name, data): &(String, Vec<f64>)| {
            let shown: Vec<String> = data.iter().take(8).map(|x| short(*x)).collect();
            let more = if data.len() > 8 { ", ..." } else { "" };
            format!("<div>{} {}{more}</div>", escaped(name), shown.join(", "))
        };
        let inputs: String = worst.inputs.iter().map(numbers).collect();
        format!(
            "<li>{picture}{taken}{inputs}<small>example {}, loss {}</small></li>\n",
            worst.row,
            short(worst.loss)
        )
    };
    let cards: String = report.worst.iter().map(card).collect();
    let inside = if cards.is_empty() {
        cards
    } else {
        format!("<p>of the {} part, by their loss</p>\n<ul class=\"worst\">\n{cards}</ul>\n", report.part)
    };
    section("The worst examples", &inside)
}

fn health(report: &Report) -> String {
    let curves = report.health.iter().map(|layer| Curve {
        name: layer.path.clone(),
        points: layer
            .readings
            .iter()
            .map(|(step, reading)| (*step as f64, reading.gradient))
            .filter(|(_, y)| *y > 0.0)
            .collect(),
        apart: false,
    });
    let chart = Chart {
        title: "norm of each layer's gradient",
        along: "step",
        log_along: true,
        curves: curves.collect(),
    };
    let mut inside = drawn(&chart);
    for finding in &report.findings {
        _ = writeln!(inside, "<p class=\"finding\">{}</p>", escaped(finding));
    }
    section("Gradients", &inside)
}

fn layers(report: &Report) -> String {
    if report.layers.is_empty() {
        return String::new();
    }
    let mut lines = row("th", &["layer", "call", "shape", "parameters"].map(String::from));
    for layer in &report.layers {
        let dims: Vec<String> = layer.dims.iter().map(u32::to_string).collect();
        let parameters = if layer.parameters == 0 { String::new() } else { layer.parameters.to_string() };
        lines += &row("td", &[escaped(&layer.path), escaped(&layer.call), dims.join(" x "), parameters]);
    }
    section("Layers", &format!("<table class=\"layers\">\n{lines}</table>\n"))
}
