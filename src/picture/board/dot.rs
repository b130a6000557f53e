//! For Graphviz.

use super::{Board, short};

/// Gates and what is given, from left to right; each wire with its value, and under it the gradient.
pub fn dot(board: &Board) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = format!(
        "digraph {} {{\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"monospace\"];\n  edge [fontname=\"monospace\"];\n",
        quoted(&board.title)
    );
    for (k, node) in board.nodes.iter().enumerate() {
        let (label, shape) = match node.symbol.as_str() {
            "" => (&node.label, ", shape=plaintext"),
            symbol => (&symbol.to_string(), ""),
        };
        text.push_str(&format!("  n{k} [label={}{shape}];\n", quoted(label)));
    }
    for (k, node) in board.nodes.iter().enumerate() {
        for &from in &node.operands {
            let source = &board.nodes[from];
            let gradient =
                source.gradient.map_or(String::new(), |gradient| format!("\\n{}", short(gradient)));
            text.push_str(&format!("  n{from} -> n{k} [label=\"{}{gradient}\"];\n", short(source.value)));
        }
    }
    text.push_str("}\n");
    text
}
