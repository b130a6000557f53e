//! As a drawing that any browser shows.

use super::layout::{GAP, HALF, Layout, Place, WIRE, layout, users};
use super::{Board, Node, short};
use crate::picture::svg::escaped;

/// Room around the drawing.
const MARGIN: f64 = 22.0;
/// Width of a character in a gate.
pub(super) const SYMBOL_WIDTH: f64 = 7.8;

/// How it looks, also inside of the page.
pub(super) const STYLE: &str = "
  .board { font: 12px ui-monospace, monospace; --ink: #1d2733; --faint: #66758a; --gate: #f4f6f9; --edge: #8a97a8;
    --value: #147a3d; --gradient: #c0342b; --input: #1d6fb8; --param: #9a6408; --paper: #fff; background: var(--paper); color: var(--ink); }
  .board text { fill: var(--ink); }
  .board .name { font-size: 10px; fill: var(--faint); text-anchor: middle; }
  .board .given { text-anchor: end; }
  .board .input .given, .board .target .given { fill: var(--input); }
  .board .param .given, .board .state .given, .board .draw .given { fill: var(--param); }
  .board .symbol { text-anchor: middle; font-size: 13px; }
  .board .value { fill: var(--value); text-anchor: middle; }
  .board .gradient { fill: var(--gradient); text-anchor: middle; }
  .board .share { fill: var(--gradient); text-anchor: end; font-size: 10px; opacity: .85; }
  .board rect { fill: var(--gate); stroke: var(--edge); }
  .board .loss rect { stroke: var(--gradient); stroke-width: 2; }
  .board path { fill: none; stroke: var(--edge); }
  @media (prefers-color-scheme: dark) {
    .board { --ink: #e4e9f0; --faint: #93a1b3; --gate: #222a33; --edge: #66758a; --value: #5fd08a; --gradient: #ff8a80;
      --input: #7cc0ff; --param: #e8b75c; --paper: #14181d; }
  }
";

/// The whole drawing.
pub fn svg(board: &Board) -> String {
    let at = layout(board);
    let (width, height) = (at.width + 2.0 * MARGIN, at.height + 2.0 * MARGIN);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"board\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"group\" aria-label=\"gates, with values and gradients\">\n<title>{}</title>\n\
         <style>{STYLE}</style>\n<g transform=\"translate({MARGIN} {MARGIN})\">\n",
        escaped(&board.title)
    );
    text.push_str(&wires(board, &at));
    for (k, node) in board.nodes.iter().enumerate() {
        text.push_str(&drawn(k, node, at.places[k]));
    }
    text.push_str("</g>\n</svg>\n");
    text
}

/// Where the part of a wire begins that carries its numbers, and where it ends.
fn ends(node: &Node, place: Place) -> (f64, f64) {
    let start = if node.symbol.is_empty() { place.x } else { place.x + place.half };
    (start, start + WIRE)
}

/// The wires from gate to gate, with what each use gives where there are several.
fn wires(board: &Board, at: &Layout) -> String {
    let users = users(board);
    let mut text = String::new();
    for (k, node) in board.nodes.iter().enumerate() {
        let count = node.operands.len();
        for (operand, &from) in node.operands.iter().enumerate() {
            let (place, source) = (at.places[k], at.places[from]);
            let (_, x0) = ends(&board.nodes[from], source);
            let spread =
                if count > 1 { (operand as f64 / (count - 1) as f64 - 0.5) * 1.1 * HALF } else { 0.0 };
            let (y0, x1, y1) = (source.y, place.x - place.half, place.y + spread);
            let bend = (x1 - GAP).max(x0);
            let middle = bend.midpoint(x1);
            text.push_str(&format!(
                "<path data-from=\"{from}\" data-to=\"{k}\" d=\"M{x0:.1} {y0:.1} H{bend:.1} C{middle:.1} {y0:.1} {middle:.1} {y1:.1} {x1:.1} {y1:.1}\"/>\n"
            ));
            let given = || {
                let shares = &board.nodes[from].shares;
                let mut own = shares.iter().filter(|share| share.user == k);
                let before = node.operands[..operand].iter().filter(|&&other| other == from).count();
                own.nth(before)
            };
            if users[from].len() > 1
                && let Some(share) = given()
            {
                let y = if spread < 0.0 { y1 - 4.0 } else { y1 + 11.0 };
                text.push_str(&format!(
                    "<text class=\"share\" data-of=\"{from}\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>\n",
                    x1 - 4.0,
                    short(share.value)
                ));
            }
        }
    }
    text
}

fn drawn(k: usize, node: &Node, place: Place) -> String {
    let Place { x, y, half } = place;
    let (start, end) = ends(node, place);
    let middle = start.midpoint(end);
    let gradient = node.gradient.map_or(String::new(), |gradient| {
        format!("<text class=\"gradient\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text>", y + 13.0, short(gradient))
    });
    let own = if node.symbol.is_empty() {
        format!(
            "<text class=\"given\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x - 6.0,
            y + 4.0,
            escaped(&node.label)
        )
    } else {
        let caption = if node.is_named {
            format!(
                "<text class=\"name\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
                y - HALF - 4.0,
                escaped(&node.label)
            )
        } else {
            String::new()
        };
        format!(
            "{caption}<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"{HALF}\"/>\
             <text class=\"symbol\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
            x - half,
            y - HALF,
            2.0 * half,
            2.0 * HALF,
            y + 4.5,
            escaped(&node.symbol.replace('*', "×").replace('-', "−")),
        )
    };
    let title = if node.formula == node.kind {
        node.label.clone()
    } else {
        format!("{} = {}", node.label, node.formula)
    };
    format!(
        "<g class=\"node {}\" data-node=\"{k}\"><title>{}</title><path d=\"M{start:.1} {y:.1} H{end:.1}\"/>{own}\
         <text class=\"value\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text>{gradient}</g>\n",
        node.kind,
        escaped(&format!("line {}: {title}", node.line)),
        y - 4.0,
        short(node.value),
    )
}
