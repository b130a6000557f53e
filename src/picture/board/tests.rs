//! That the drawing holds every gate with its numbers, and that nothing overlaps.

use super::layout::{HALF, layout};
use super::*;
use crate::circuit::SlotId;
use crate::elaborate::{Choices, from_text, model};
use crate::interpret::Bindings;
use crate::scalar::unroll;

const TEXT: &str = "net n {\n  input x[2]\n  h    = x |> dense(3) |> tanh\n  y    = h |> dense(1)\n  loss = (y[0] - 2 * x[1])^2\n}\n";

fn board() -> Board {
    let program = from_text("example.nn", TEXT).unwrap_or_else(|(_, wrong)| panic!("{wrong:?}"));
    let choices = Choices { training: true, ..Choices::default() };
    let (net, _) = model(&program, None, &choices).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    let mut bindings = Bindings::<f32>::new(1);
    for (k, slot) in net.circuit.slots().iter().enumerate() {
        let data = (0..slot.shape.size()).map(|at| 0.25 * at as f32 - 0.5).collect();
        bindings.bind(&net.circuit, SlotId(k as u32), data);
    }
    let unrolled = unroll(&net.circuit, net.loss.expect("a loss"), &bindings, 1000).expect("it is small");
    Board::of("n", &program.sources, &unrolled)
}

#[test]
fn gates_are_written_as_on_a_whiteboard() {
    let board = board();
    let node = |label: &str| {
        board.nodes.iter().find(|node| node.label == label).unwrap_or_else(|| panic!("{label}"))
    };
    assert_eq!((node("h[2]").symbol.as_str(), node("h[2]").line), ("tanh", 3));
    assert_eq!(node("h[2]").formula, "tanh(h.dense.y[2])");
    assert_eq!((node("x[1]").kind, node("x[1]").shares.len()), ("input", 4), "three units and the loss");
    let doubled = board.nodes.iter().find(|node| node.symbol == "* 2").expect("a number stands in its gate");
    assert_eq!(doubled.formula, "2 * x[1]");
    let loss = board.nodes.last().expect("gates");
    assert_eq!((loss.kind, loss.gradient), ("loss", Some(1.0)));
    let told = board.told(&node("h[2]").shares[0]);
    assert!(told.contains(" * "), "{told}");
}

#[test]
fn nothing_overlaps_and_wires_go_to_the_right() {
    let board = board();
    let at = layout(&board);
    for (k, a) in at.places.iter().enumerate() {
        for b in &at.places[..k] {
            let apart = (a.x - b.x).abs() >= a.half.min(b.half) || (a.y - b.y).abs() >= 2.0 * HALF;
            assert!(apart, "{a:?} and {b:?}");
        }
        for &operand in &board.nodes[k].operands {
            assert!(at.places[operand].x < a.x);
        }
        assert!(a.x - a.half >= -1e-9 && a.y > 0.0 && a.y < at.height, "{a:?}");
    }
}

#[test]
fn what_is_written_is_well_formed() {
    let board = board();
    let drawn = svg::svg(&board);
    assert_eq!(drawn.matches("<g").count(), drawn.matches("</g>").count());
    assert_eq!(drawn.matches("class=\"gradient\"").count(), board.nodes.len(), "all have a gradient here");
    let dot = dot::dot(&board);
    assert_eq!(
        dot.matches(" -> ").count(),
        board.nodes.iter().map(|node| node.operands.len()).sum::<usize>()
    );
    assert!(!page::page(&board).contains("{{"));
}

#[test]
fn numbers_are_short() {
    let written = [
        (0.0, "0"),
        (1.0, "1"),
        (-0.021349, "-0.0213"),
        (12.345, "12.3"),
        (1234.5, "1234"),
        (1.5e-7, "1.5e-7"),
    ];
    for (x, text) in written {
        assert_eq!(short(x), text);
    }
    assert_eq!(short(f64::NAN), "NaN");
    assert_eq!(exact(f64::from(0.1f32)), "0.1");
}
