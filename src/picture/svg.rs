//! As a drawing that any browser shows: the forward circuit at the left, downwards; the backward one at the right, upwards.

use super::layout::{HEIGHT, Layout, Place, layout};
use super::{Box, Picture};

/// Room around the picture, and between its halves.
const MARGIN: f64 = 24.0;
const BETWEEN: f64 = 72.0;
/// Where the boxes begin, below the headings.
const TOP: f64 = 52.0;

const STYLE: &str = "
  svg { font: 12px ui-monospace, monospace; background: #fff; color: #1d2733; }
  text { fill: currentColor; text-anchor: middle; }
  .small { font-size: 10px; opacity: .7; }
  .head { font-size: 14px; font-weight: 600; }
  rect { fill: #f4f6f9; stroke: #8a97a8; rx: 6px; }
  .input rect, .target rect { fill: #e3f1ff; stroke: #3b82c4; }
  .param rect, .state rect { fill: #fff3dc; stroke: #c78a1b; }
  .loss rect { fill: #ffe4e4; stroke: #c43b3b; }
  .bar rect { stroke-dasharray: 4 3; }
  path { fill: none; stroke: #8a97a8; }
  .back path { stroke: #b0574f; }
  .lag { stroke-dasharray: 2 4; }
  @media (prefers-color-scheme: dark) {
    svg { background: #14181d; color: #e4e9f0; }
    rect { fill: #222a33; stroke: #66758a; }
    .input rect, .target rect { fill: #17324a; }
    .param rect, .state rect { fill: #3d2f12; }
    .loss rect { fill: #451f1f; }
  }
";

/// The whole drawing.
pub fn svg(picture: &Picture) -> String {
    let at = layout(picture);
    let (width, height) = (2.0 * at.width + BETWEEN + 2.0 * MARGIN, at.height + TOP + MARGIN);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerUnits=\"userSpaceOnUse\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto\"><path d=\"M0 0 L8 4 L0 8\"/></marker></defs>\n",
        escaped(&picture.title)
    );
    for (centre, heading) in [(0.5, "forward"), (1.5, "backward")] {
        let x = MARGIN + centre * at.width + if centre > 1.0 { BETWEEN } else { 0.0 };
        text.push_str(&format!("<text class=\"head\" x=\"{x:.1}\" y=\"28\">{heading}</text>\n"));
    }
    text.push_str(&half(picture, &at, false));
    text.push_str(&half(picture, &at, true));
    text.push_str("</svg>\n");
    text
}

/// The forward half, or the backward one.
fn half(picture: &Picture, at: &Layout, back: bool) -> String {
    let left = MARGIN + if back { at.width + BETWEEN } else { 0.0 };
    let place = |k: usize| Place { x: at.places[k].x + left, y: at.places[k].y + TOP, ..at.places[k] };
    let is_there = |k: usize| !back || picture.boxes[k].cotangent.is_some();
    let mut text = format!("<g class=\"{}\">\n", if back { "back" } else { "forth" });
    for edge in if back { &picture.back } else { &picture.edges } {
        let (from, to) = (place(edge.from), place(edge.to));
        let (start, end) = if back { (to, from) } else { (from, to) };
        text.push_str(&arrow(start, end, edge.lag));
    }
    for k in (0..picture.boxes.len()).filter(|&k| is_there(k)) {
        text.push_str(&drawn(&picture.boxes[k], place(k), back));
    }
    text + "</g>\n"
}

fn arrow(start: Place, end: Place, lag: bool) -> String {
    let centre = |place: Place| place.x + place.width / 2.0;
    let down = start.y < end.y;
    let (y0, y1) = if down { (start.y + HEIGHT, end.y) } else { (start.y, end.y + HEIGHT) };
    let bend = (y1 - y0) * 0.4;
    let class = if lag { " class=\"lag\"" } else { "" };
    let (x0, x1) = (centre(start), centre(end));
    format!(
        "<path{class} marker-end=\"url(#tip)\" d=\"M{x0:.1} {y0:.1} C{x0:.1} {:.1} {x1:.1} {:.1} {x1:.1} {y1:.1}\"/>\n",
        y0 + bend,
        y1 - bend
    )
}

fn drawn(shown: &Box, place: Place, back: bool) -> String {
    let (name, formula) = match (&shown.cotangent, back) {
        (Some(cotangent), true) => (&cotangent.name, cotangent.formula.clone()),
        _ => (&shown.path, format!("line {}: {}", shown.line, shown.formula)),
    };
    let x = place.x + place.width / 2.0;
    let label = if back { shortened(name, place.width) } else { name.clone() };
    format!(
        "<g class=\"{}{}\"><title>{}</title><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{HEIGHT}\"/>\
         <text x=\"{x:.1}\" y=\"{:.1}\">{}</text><text class=\"small\" x=\"{x:.1}\" y=\"{:.1}\">{}</text></g>\n",
        shown.kind,
        if back { " bar" } else { "" },
        escaped(&format!("{name}\n{formula}")),
        place.x,
        place.y,
        place.width,
        place.y + 15.0,
        escaped(&label),
        place.y + 29.0,
        escaped(&shown.shape),
    )
}

/// As much of a name as a box has room for.
fn shortened(name: &str, width: f64) -> String {
    let room = ((width - 8.0) / 7.2) as usize;
    if name.chars().count() <= room {
        return name.to_string();
    }
    let end: String = name.chars().skip(name.chars().count() + 1 - room.max(2)).collect();
    format!("…{end}")
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
