//! That a picture holds what there is, and that its boxes stand apart.

use super::layout::{HEIGHT, layout};
use super::*;
use crate::elaborate::{Choices, from_text, model};

const TEXT: &str = "net n {\n  input x[3], s[4]\n  h    = x |> dense(5) |> tanh\n  r[t] = s[t] + 0.5 * (r[t - 1] else 0)\n  \
                    loss = sum[m] h[m]^2 + r[3]\n}\n";

fn picture() -> Picture {
    let program = from_text("example.nn", TEXT).unwrap_or_else(|(_, wrong)| panic!("{wrong:?}"));
    let choices = Choices { training: true, ..Choices::default() };
    let (net, _) = model(&program, None, &choices).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    Picture::of(&program, &net, None)
}

fn at(picture: &Picture, path: &str) -> usize {
    picture.boxes.iter().position(|shown| shown.path == path).unwrap_or_else(|| panic!("{path} is shown"))
}

#[test]
fn named_values_stand_with_their_lines_and_cotangents() {
    let picture = picture();
    let h = &picture.boxes[at(&picture, "h")];
    assert_eq!((h.line, h.shape.as_str(), h.kind), (3, "5", "value"));
    assert_eq!(h.cotangent.as_ref().map(|c| c.formula.as_str()), Some("h_bar[i] = 2 * h[i]"));
    let weight = &picture.boxes[at(&picture, "h.dense.W")];
    assert_eq!((weight.kind, weight.layer.as_str()), ("param", "h.dense"));
    let edge = |from: &str, to: &str| {
        picture.edges.iter().find(|edge| edge.from == at(&picture, from) && edge.to == at(&picture, to))
    };
    assert!(edge("h.dense.y", "h").is_some_and(|edge| !edge.lag));
    assert!(edge("r", "r").is_some_and(|edge| edge.lag));
    assert!(edge("x", "h").is_none(), "through `h.dense.y` only");
}

#[test]
fn the_way_back_goes_through_what_was_joined() {
    let text = "net n {\n  input x[3]\n  y = x |> dense(4)\n  h = relu(y)\n  z[i] = 2 * h[i]\n  loss = sum[m] z[m]^2\n}\n";
    let program = from_text("example.nn", text).unwrap_or_else(|(_, wrong)| panic!("{wrong:?}"));
    let choices = Choices { training: true, ..Choices::default() };
    let (net, _) = model(&program, None, &choices).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    let mut picture = Picture::of(&program, &net, None);
    let (y, h, z) = (at(&picture, "y"), at(&picture, "h"), at(&picture, "z"));
    let leads = |back: &[Edge], from, to| back.contains(&Edge { from, to, lag: false });
    assert!(leads(&picture.back, h, z) && leads(&picture.back, y, h) && !leads(&picture.back, y, z));
    picture.boxes[h].cotangent = None;
    let flows = with_gradient(&net);
    assert!(leads(&back(&picture.boxes, &picture.edges, &flows), y, z), "through `h`");
    assert!(!leads(&back(&picture.boxes, &picture.edges, &FxHashSet::default()), y, z), "nothing flows");
}

#[test]
fn boxes_stand_apart_and_below_what_they_read() {
    let picture = picture();
    let layout = layout(&picture);
    for (k, a) in layout.places.iter().enumerate() {
        for b in &layout.places[..k] {
            let apart = a.x + a.width <= b.x || b.x + b.width <= a.x || (a.y - b.y).abs() >= HEIGHT;
            assert!(apart, "{a:?} and {b:?}");
        }
    }
    for edge in picture.edges.iter().filter(|edge| !edge.lag) {
        assert!(layout.places[edge.from].y < layout.places[edge.to].y, "{edge:?}");
    }
}

#[test]
fn what_is_written_is_well_formed() {
    let picture = picture();
    let svg = svg::svg(&picture);
    assert_eq!(svg.matches("<g").count(), svg.matches("</g>").count());
    assert!(svg.contains("h_dense_W_bar") && !svg.contains(" & "), "{svg}");
    let dot = dot::dot(&picture);
    assert!(
        dot.contains("\"h.dense.y\" -> \"h\"")
            && dot.contains("\"h_bar\" -> \"h_dense_y_bar\" [style=dashed]"),
        "{dot}"
    );
    let page = page::page(&picture);
    assert!(!page.contains("{{") && page.contains("\"h_dense_W_bar\""));
}
