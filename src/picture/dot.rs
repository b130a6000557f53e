//! For Graphviz.

use super::Picture;

/// The forward circuit in solid lines, the backward one in dashed ones, layers as clusters.
pub fn dot(picture: &Picture) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text =
        format!("digraph {} {{\n  node [shape=box, fontname=\"monospace\"];\n", quoted(&picture.title));
    let mut layers: Vec<&str> = picture.boxes.iter().map(|shown| shown.layer.as_str()).collect();
    layers.sort_unstable();
    layers.dedup();
    for (number, layer) in layers.iter().enumerate() {
        let indent = if layer.is_empty() { "  " } else { "    " };
        if !layer.is_empty() {
            text.push_str(&format!("  subgraph cluster_{number} {{\n    label={};\n", quoted(layer)));
        }
        for shown in picture.boxes.iter().filter(|shown| shown.layer == *layer) {
            let label = format!("{} {}", shown.path, shown.shape);
            text.push_str(&format!("{indent}{} [label={}];\n", quoted(&shown.path), quoted(label.trim())));
            if let Some(cotangent) = &shown.cotangent {
                text.push_str(&format!("{indent}{} [style=dashed];\n", quoted(&cotangent.name)));
            }
        }
        if !layer.is_empty() {
            text.push_str("  }\n");
        }
    }
    for edge in &picture.edges {
        let (from, to) = (&picture.boxes[edge.from], &picture.boxes[edge.to]);
        let style = if edge.lag { " [label=\"lag\"]" } else { "" };
        text.push_str(&format!("  {} -> {}{style};\n", quoted(&from.path), quoted(&to.path)));
    }
    for edge in &picture.back {
        let (from, to) = (&picture.boxes[edge.from], &picture.boxes[edge.to]);
        if let (Some(from), Some(to)) = (&from.cotangent, &to.cotangent) {
            text.push_str(&format!("  {} -> {} [style=dashed];\n", quoted(&to.name), quoted(&from.name)));
        }
    }
    text.push_str("}\n");
    text
}
