//! Composition and transposition against their literal meaning, on windows and on random maps.

use super::*;
use crate::circuit::AxisSet;

/// A seeded source of small numbers (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn between(&mut self, lo: i64, hi: i64) -> i64 {
        lo + (self.next() % (hi - lo + 1) as u64) as i64
    }

    fn pick(&mut self, of: &[i64]) -> i64 {
        of[self.between(0, of.len() as i64 - 1) as usize]
    }

    fn dims(&mut self, least: i64, most: i64, extent: i64) -> Vec<u32> {
        let rank = self.between(least, most);
        (0..rank).map(|_| self.between(1, extent) as u32).collect()
    }

    fn array(&mut self, dims: &[u32]) -> Vec<i64> {
        let size: usize = dims.iter().map(|&extent| extent as usize).product();
        (0..size).map(|_| self.between(-9, 9)).collect()
    }

    /// A view from `inn` to `out`: strides, reversal, diagonals, constant and rank-deficient rows, divisors,
    /// guards.
    fn view(&mut self, out: &[u32], inn: &[u32], rational: bool) -> View {
        let rank = out.len();
        let affine = |random: &mut Random, shift: i64| {
            let c: Vec<i128> = (0..rank).map(|_| random.pick(&[0, 0, 1, 1, -1, 2, -2, 3]).into()).collect();
            let d = if rational { random.pick(&[1, 1, 2, 3]) } else { 1 };
            Affine::lowest(&c, random.between(-shift, shift).into(), d.into()).unwrap()
        };
        let coords = inn.iter().map(|_| affine(self, 3)).collect();
        let guards = if rational { self.between(0, 2) } else { 0 };
        let guards = (0..guards)
            .map(|_| {
                let (e, lo) = (affine(self, 2), self.between(-2, 2));
                Guard { e, lo, hi: lo + self.between(0, 5) }
            })
            .collect();
        View { out: Shape::shared(out), coords, guards, fill: F64::new(0.0) }
    }
}

/// All positions of an array, row-major.
fn positions(dims: &[u32]) -> Vec<Vec<u32>> {
    dims.iter().fold(vec![vec![]], |positions, &extent| {
        let extend = |o: Vec<u32>| (0..extent).map(move |k| [&o[..], &[k]].concat());
        positions.into_iter().flat_map(extend).collect()
    })
}

/// What the view reads of `x`.
fn apply(view: &View, inn: &[u32], x: &[i64]) -> Vec<i64> {
    let fill = view.fill.get() as i64;
    positions(&view.out.dims).iter().map(|o| view.offset(o, inn).map_or(fill, |at| x[at])).collect()
}

/// The adjoint by its definition: each inside position adds its cotangent to the element that it reads.
fn scatter(view: &View, inn: &[u32], y_bar: &[i64]) -> Vec<i64> {
    let mut x_bar = vec![0; inn.iter().map(|&extent| extent as usize).product()];
    for (o, y_bar) in positions(&view.out.dims).iter().zip(y_bar) {
        if let Some(at) = view.offset(o, inn) {
            x_bar[at] += y_bar;
        }
    }
    x_bar
}

/// The adjoint by the transposed view.
fn adjoint(view: &View, inn: &[u32], y_bar: &[i64]) -> Vec<i64> {
    let Transposed { view: read, summed } = view.transpose(&Shape::shared(inn));
    assert_eq!(read.out.dims[..inn.len()], *inn);
    assert_eq!(summed, AxisSet::of(inn.len()..read.out.dims.len()));
    let terms = apply(&read, &view.out.dims, y_bar);
    let size: usize = inn.iter().map(|&extent| extent as usize).product();
    if terms.is_empty() {
        return vec![0; size];
    }
    let x_bar: Vec<i64> = terms.chunks(terms.len() / size).map(|terms| terms.iter().sum()).collect();
    assert_eq!(split_adjoint(view, inn, y_bar), x_bar, "{view:?}");
    x_bar
}

/// The adjoint by the transposed view, what the view only spread being summed first.
fn split_adjoint(view: &View, inn: &[u32], y_bar: &[i64]) -> Vec<i64> {
    let (spread, rest) = view.transpose(&Shape::shared(inn)).split();
    let dims = &view.out.dims;
    let kept = |o: &[u32]| -> Vec<u32> {
        o.iter().enumerate().filter(|(j, _)| !spread.contains(*j)).map(|(_, &o)| o).collect()
    };
    let mut first: BTreeMap<Vec<u32>, i64> = BTreeMap::new();
    for (o, y_bar) in positions(dims).iter().zip(y_bar) {
        *first.entry(kept(o)).or_default() += y_bar;
    }
    let first: Vec<i64> = first.into_values().collect();
    let terms = apply(&rest.view, &kept(dims), &first);
    let size: usize = inn.iter().map(|&extent| extent as usize).product();
    terms.chunks(terms.len() / size).map(|terms| terms.iter().sum()).collect()
}

/// Holds the transposed of the view against scatter, then the transposed of that, `depth` times.
fn check_transposes(random: &mut Random, view: &View, inn: &[u32], depth: usize) {
    let y_bar = random.array(&view.out.dims);
    assert_eq!(adjoint(view, inn, &y_bar), scatter(view, inn, &y_bar), "{view:?} of {inn:?}");
    if depth > 1 {
        let transposed = view.transpose(&Shape::shared(inn)).view;
        check_transposes(random, &transposed, &view.out.dims, depth - 1);
    }
}

/// Holds the composition against reading twice, and its adjoint against scattering twice.
fn check_composition(random: &mut Random, inner: &View, outer: &View, inn: &[u32]) {
    let composed = inner.compose(outer, &Shape::shared(inn)).expect("the fills agree");
    let x = random.array(inn);
    let twice = apply(outer, &inner.out.dims, &apply(inner, inn, &x));
    assert_eq!(apply(&composed, inn, &x), twice, "{inner:?} then {outer:?} is not {composed:?}");
    let z_bar = random.array(&outer.out.dims);
    let scattered = scatter(inner, inn, &scatter(outer, &inner.out.dims, &z_bar));
    assert_eq!(adjoint(&composed, inn, &z_bar), scattered, "adjoint of {composed:?}");
    assert_eq!(composed.normalised(&Shape::shared(inn)).as_ref(), Some(&composed));
}

fn window(stride: i64, dilation: i64, pad: i64, out: [u32; 2]) -> View {
    let coords = vec![Affine { c: vec![stride, dilation], b: -pad, d: 1 }];
    View { out: Shape::shared(out), coords, guards: vec![], fill: F64::new(0.0) }
}

#[test]
fn windows_transpose_to_any_order() {
    let mut random = Random(1);
    let mut seen = 0;
    for stride in 1..=4 {
        for dilation in 1..=3 {
            for kernel in [1, 2, 3, 5] {
                for pad in 0..=2 {
                    for size in [7i64, 10] {
                        let moves = (size + 2 * pad - dilation * (kernel - 1) - 1).div_euclid(stride) + 1;
                        if moves > 0 {
                            let view = window(stride, dilation, pad, [moves as u32, kernel as u32]);
                            check_transposes(&mut random, &view, &[size as u32], 4);
                            seen += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(seen > 200);
}

#[test]
fn random_maps_transpose() {
    let mut random = Random(2);
    for round in 0..2000 {
        let (out, inn) = (random.dims(1, 3, 4), random.dims(0, 3, 5));
        let view = random.view(&out, &inn, round % 2 == 1);
        let depth = if round % 4 < 2 { 3 } else { 2 };
        check_transposes(&mut random, &view, &inn, depth);
    }
}

#[test]
fn random_maps_compose() {
    let mut random = Random(3);
    for round in 0..2000 {
        let (out, mid, inn) = (random.dims(1, 3, 4), random.dims(1, 3, 4), random.dims(0, 3, 5));
        let inner = random.view(&mid, &inn, round % 2 == 1);
        let outer = random.view(&out, &mid, round % 3 == 1);
        check_composition(&mut random, &inner, &outer, &inn);
    }
}

#[test]
fn maps_of_unequal_fills_compose_where_that_is_exact() {
    let mut random = Random(5);
    let mut composed = 0;
    for _ in 0..4000 {
        let (out, mid, inn) = (random.dims(1, 2, 4), random.dims(1, 2, 4), random.dims(0, 2, 5));
        let inner = View { fill: F64::new(1.0), ..random.view(&mid, &inn, false) };
        let outer = View { fill: F64::new(2.0), ..random.view(&out, &mid, false) };
        let Some(both) = inner.compose(&outer, &Shape::shared(&*inn)) else { continue };
        let x = random.array(&inn);
        let twice = apply(&outer, &mid, &apply(&inner, &inn, &x));
        assert_eq!(apply(&both, &inn, &x), twice, "{inner:?} then {outer:?} is not {both:?}");
        composed += usize::from(apply(&both, &inn, &x) != vec![2; twice.len()]);
    }
    assert!(composed > 100, "{composed}");
}

#[test]
fn transposed_maps_compose() {
    let mut random = Random(4);
    for _ in 0..500 {
        let (out, mid, inn) = (random.dims(1, 3, 4), random.dims(1, 3, 4), random.dims(1, 2, 5));
        let inner = random.view(&mid, &inn, false).transpose(&Shape::shared(&*inn)).view;
        let outer = random.view(&out, &inner.out.dims, false);
        check_composition(&mut random, &inner, &outer, &mid);
        let back = outer.transpose(&inner.out).view;
        let again = inner.transpose(&Shape::shared(&*mid)).view;
        check_transposes(&mut random, &back, &outer.out.dims, 2);
        let over = random.view(&out, &again.out.dims, true);
        check_composition(&mut random, &again, &over, &inner.out.dims);
    }
}

#[test]
fn normal_form_keeps_the_meaning_and_the_queries_tell_it() {
    let mut random = Random(5);
    let (mut total, mut nowhere) = (0, 0);
    for _ in 0..3000 {
        let (out, inn) = (random.dims(1, 2, 4), random.dims(0, 2, 9));
        let mut view = random.view(&out, &inn, true);
        view.fill = F64::new(77.0);
        let operand = Shape::shared(&*inn);
        let normal = view.normalised(&operand).unwrap();
        let x = random.array(&inn);
        let mask: Vec<i64> =
            positions(&out).iter().map(|o| i64::from(view.source(o, &inn).is_some())).collect();
        assert_eq!(apply(&view, &inn, &x), apply(&normal, &inn, &x), "{view:?} is not {normal:?}");
        assert_eq!(apply(&view.inside(&operand), &[], &[1]), mask);
        assert_eq!(view.is_total(&operand), mask.iter().all(|&inside| inside == 1), "{view:?}");
        assert_eq!(view.conditions(&operand).is_empty(), view.is_total(&operand));
        if view.is_outside(&operand) {
            assert!(mask.iter().all(|&inside| inside == 0), "{view:?}");
            nowhere += 1;
        }
        if let Some(Address { start, strides }) = view.address(&operand) {
            for o in positions(&out) {
                let at = start + strides.iter().zip(&o).map(|(s, &o)| s * i64::from(o)).sum::<i64>();
                assert!(view.offset(&o, &inn).is_none_or(|offset| offset as i64 == at));
            }
        }
        total += usize::from(view.is_total(&operand));
    }
    assert!(total > 100 && nowhere > 100, "{total} total, {nowhere} nowhere inside");
}

#[test]
fn equal_conditions_are_equal_values() {
    let shape = Shape::shared([6, 4]);
    let with = |guards: Vec<Guard>| {
        let view = View { out: shape.clone(), coords: vec![], guards, fill: F64::new(0.0) };
        view.normalised(&Shape::scalar()).unwrap()
    };
    let guard = |c: [i64; 2], b, d, lo, hi| Guard { e: Affine { c: c.into(), b, d }, lo, hi };
    let even = with(vec![guard([1, 1], 0, 2, 0, 100)]);
    assert_eq!(even, with(vec![guard([-3, -3], 8, 2, -100, 100)]));
    assert_eq!(even.guards, [guard([1, 1], 0, 2, 0, 5)]);
    assert_eq!(with(vec![guard([2, 0], 1, 1, 4, 9)]), with(vec![guard([-1, 0], 0, 1, -3, -1)]));
    assert_eq!(
        with(vec![guard([1, 0], 1, 2, 0, 9), guard([1, 0], 1, 3, 0, 9)]),
        with(vec![guard([1, 0], -5, 6, -9, 9)]),
    );
    assert_eq!(with(vec![guard([2, 4], 1, 2, -9, 9)]), with(vec![guard([0, 0], 0, 1, 0, 0)]));
}

#[test]
fn common_views_come_out_clean() {
    let (row, matrix) = (Shape::shared([5]), Shape::shared([3, 5]));
    // A broadcast is undone by a sum over the axis that it added.
    let broadcast = View::select(matrix.clone(), &[1], &row.dims);
    let back = broadcast.transpose(&row);
    assert_eq!(back.view, View::select(Shape::shared([5, 3]), &[1, 0], &matrix.dims));
    assert_eq!(back.summed, AxisSet::of([1]));
    // A permutation twice is the identity, and its own adjoint.
    let turn = View::select(Shape::shared([5, 3]), &[1, 0], &matrix.dims);
    let turn_back = View::select(matrix.clone(), &[1, 0], &turn.out.dims);
    assert!(turn.compose(&turn_back, &matrix).unwrap().is_identity(&matrix));
    assert_eq!(turn.transpose(&matrix), Transposed { view: turn_back, summed: AxisSet::default() });
    // A strided, padded window: x_bar[s] = sum[u] y_bar[(s + 1 - u) / 2].
    let strided = window(2, 1, 1, [4, 3]);
    let back = strided.transpose(&Shape::shared([7]));
    let half = Affine { c: vec![1, -1], b: 1, d: 2 };
    assert_eq!(back.view.coords, [half, Affine::axis(1, 2)]);
    assert_eq!(back.view.guards, []);
    assert_eq!(back.view.out.dims, [7, 3]);
    // A window with stride 1 whose short axis is first still sums over the short one.
    let turned = window(1, 1, 0, [3, 20]).transpose(&Shape::shared([22]));
    assert_eq!(turned.view.out.dims, [22, 3]);
    // A slice of a slice needs the inner end only where the outer reaches beyond it.
    let slice = |out: u32, from: i64| View {
        out: Shape::shared([out]),
        coords: vec![Affine { c: vec![1], b: from, d: 1 }],
        guards: vec![],
        fill: F64::new(0.0),
    };
    let ten = Shape::shared([10]);
    assert_eq!(slice(6, 2).compose(&slice(3, 1), &ten).unwrap(), slice(3, 3));
    let beyond = slice(6, 2).compose(&slice(6, 3), &ten).unwrap();
    assert_eq!(beyond.guards, [Guard { e: Affine::axis(0, 1), lo: 0, hi: 3 }]);
}

#[test]
fn composition_minds_the_fills() {
    let shape = Shape::shared([4]);
    let shifted = |fill: f64, by: i64| View {
        out: shape.clone(),
        coords: vec![Affine { c: vec![1], b: by, d: 1 }],
        guards: vec![],
        fill: F64::new(fill),
    };
    assert_eq!(shifted(1.0, 1).compose(&shifted(2.0, 1), &shape), None);
    assert_eq!(shifted(1.0, 1).compose(&shifted(1.0, 1), &shape), Some(shifted(1.0, 2)));
    let reversed = View { coords: vec![Affine { c: vec![-1], b: 3, d: 1 }], ..shifted(0.0, 0) };
    assert_eq!(shifted(1.0, 1).compose(&reversed, &shape).unwrap().fill.get(), 1.0);
    assert_eq!(reversed.compose(&shifted(2.0, 1), &shape).unwrap().fill.get(), 2.0);
    // What the first does not find, the second, which goes back, does not ask for.
    let back = shifted(1.0, 1).compose(&shifted(2.0, -1), &shape).expect("inside wherever it is read");
    assert_eq!(back.fill.get(), 2.0);
    assert_eq!(back.source(&[1], &[4]), Some(vec![1]));
    assert_eq!(back.source(&[0], &[4]), None);
}

#[test]
fn absurd_numbers_are_refused_not_wrapped() {
    let far = |c: i64, b: i64| View {
        out: Shape::shared([u32::MAX]),
        coords: vec![Affine { c: vec![c], b, d: 1 }],
        guards: vec![],
        fill: F64::new(0.0),
    };
    let operand = Shape::shared([u32::MAX]);
    assert_eq!(far(i64::MAX, 0).normalised(&operand), None);
    assert_eq!(far(1, i64::MIN).normalised(&operand), None);
    assert_eq!(far(1 << 28, 0).compose(&far(1 << 28, 0), &operand), None);
    assert!(far(1 << 28, 5).normalised(&operand).is_some());
}

#[test]
fn a_broadcast_is_undone_by_a_sum_alone() {
    use crate::circuit::{Circuit, Node, Reducer};
    let mut circuit = Circuit::new();
    let matrix = Shape::per_example([3, 5]);
    let row = Shape::per_example([5]);
    let cotangent = circuit.leaf(crate::circuit::Leaf::Draw { site: 1, shape: matrix.clone() });
    let spread = View::select(matrix, &[1], &row.dims);
    let row_bar = circuit.view_adjoint(cotangent, &spread, &row);
    let axes = AxisSet::of([0]);
    let sum = Node::Reduce { reducer: Reducer::Sum, arg: cotangent, axes, batch: false };
    assert_eq!((circuit.node(row_bar), circuit.shape(row_bar)), (&sum, &row));
}
