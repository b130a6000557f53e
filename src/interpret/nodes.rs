//! What each kind of node computes.

use super::{Array, Bindings, Element};
use crate::circuit::{AxisSet, Circuit, Leaf, Node, Reducer, Shape, ValueId, View, draw};

/// The value of a node whose operands are evaluated.
pub(super) fn value<T: Element>(
    circuit: &Circuit,
    value: ValueId,
    values: &[Option<Array<T>>],
    bindings: &Bindings<T>,
) -> Array<T> {
    let of = |operand: ValueId| values[operand.index()].as_ref().expect("operands precede their users");
    let shape = circuit.shape(value).clone();
    let data = match circuit.node(value) {
        Node::Leaf(value) => leaf(circuit, value, bindings),
        Node::Gate { gate, args } => {
            let operands: Vec<&[T]> = args.iter().map(|&arg| &of(arg).data[..]).collect();
            let mut out = vec![T::of(0.0); shape.size_for(bindings.n)];
            T::apply(*gate, &operands, &mut out);
            out
        }
        Node::Reduce { reducer: Reducer::Argmax, arg, axes, .. } => {
            position(of(*arg), *axes, |x, best| x > best)
        }
        Node::Reduce { reducer: Reducer::Argmin, arg, axes, .. } => {
            position(of(*arg), *axes, |x, best| x < best)
        }
        Node::Reduce { reducer, arg, axes, batch } => reduce(*reducer, of(*arg), *axes, *batch),
        Node::View { arg, view } => read(of(*arg), view),
        Node::Merge { arg, .. } => of(*arg).data.clone(),
        Node::Gather { table, index } => match circuit.node(*table) {
            Node::View { arg, view } => gather_through(of(*arg), view, of(*index)),
            _ => gather(of(*table), of(*index)),
        },
        Node::Scatter { index, value, extent } => scatter(of(*index), of(*value), *extent),
        Node::Lag { variable, axis, by, fill, .. } => {
            let source = of(circuit.source(*variable).expect("a variable that is read is closed"));
            read(source, &View::lagged(&source.shape, usize::from(*axis), *by, *fill))
        }
    };
    Array::new(shape, bindings.n, data)
}

fn leaf<T: Element>(circuit: &Circuit, leaf: &Leaf, bindings: &Bindings<T>) -> Vec<T> {
    match leaf {
        Leaf::Slot(id) => {
            let slot = circuit.slot(*id);
            let bound = bindings.slots.get(id);
            let bound = bound.unwrap_or_else(|| panic!("slot `{}` is not bound", slot.name));
            assert_eq!((&bound.shape, bound.n), (&slot.shape, bindings.n), "slot `{}`", slot.name);
            bound.data.clone()
        }
        Leaf::Number(number) => vec![T::of(number.get())],
        Leaf::Step(value) => vec![T::of(bindings.step_value(*value))],
        Leaf::Iota(extent) => (0..*extent).map(|k| T::of(k.into())).collect(),
        Leaf::Draw { site, shape } => {
            let key = draw::key(bindings.seed, *site, bindings.step);
            let examples = if shape.batch { &bindings.examples[..] } else { &[0] };
            let of = |&example: &u32| {
                (0..shape.size() as u32).map(move |k| T::of(draw::uniform(key, example, k).into()))
            };
            examples.iter().flat_map(of).collect()
        }
    }
}

/// A sum, product, largest or smallest, each in the order of the operand's elements; with `batch` the mean of
/// the sums over the examples.
fn reduce<T: Element>(reducer: Reducer, arg: &Array<T>, axes: AxisSet, batch: bool) -> Vec<T> {
    let (start, step): (f64, fn(T, T) -> T) = match reducer {
        Reducer::Sum => (0.0, |sum, x| sum + x),
        Reducer::Prod => (1.0, |product, x| product * x),
        Reducer::Max => (f64::NEG_INFINITY, |best, x| if best >= x || best.is_nan() { best } else { x }),
        Reducer::Min => (f64::INFINITY, |best, x| if best <= x || best.is_nan() { best } else { x }),
        Reducer::Argmax | Reducer::Argmin => unreachable!("positions are found by `position`"),
    };
    let (places, size) = places_without(&arg.shape.dims, axes);
    let mut out = vec![T::of(start); size * if batch { 1 } else { arg.copies() }];
    for example in 0..arg.copies() {
        let elements = &arg.data[example * places.len()..][..places.len()];
        let base = if batch { 0 } else { example * size };
        for (&place, &x) in places.iter().zip(elements) {
            out[base + place] = step(out[base + place], x);
        }
    }
    if batch {
        let n = T::of(arg.n as f64);
        out.iter_mut().for_each(|sum| *sum = *sum / n);
    }
    out
}

/// The position along one axis of the first element that is NaN, or else is `better` than all others.
fn position<T: Element>(arg: &Array<T>, axes: AxisSet, better: fn(T, T) -> bool) -> Vec<T> {
    let axis = axes.iter().next().expect("a position is along one axis");
    let (stride, extent) = (arg.shape.strides()[axis], arg.shape.dims[axis] as usize);
    let (places, size) = places_without(&arg.shape.dims, axes);
    let mut best: Vec<Option<(T, usize)>> = vec![None; size * arg.copies()];
    for (k, &x) in arg.data.iter().enumerate() {
        let best = &mut best[k / places.len() * size + places[k % places.len()]];
        if best.is_none_or(|(best, _)| !best.is_nan() && (better(x, best) || x.is_nan())) {
            *best = Some((x, k / stride % extent));
        }
    }
    best.iter().map(|best| T::of(best.expect("extents are positive").1 as f64)).collect()
}

/// For each element of an array of these extents, its place when the dimensions `axes` are gone, and how many
/// places there are.
fn places_without(dims: &[u32], axes: AxisSet) -> (Vec<usize>, usize) {
    let mut size = 1;
    let mut strides = vec![0; dims.len()];
    for axis in (0..dims.len()).rev().filter(|&axis| !axes.contains(axis)) {
        strides[axis] = size;
        size *= dims[axis] as usize;
    }
    let places = dims.iter().zip(strides).fold(vec![0], |places, (&extent, stride)| {
        let along = |place: usize| (0..extent as usize).map(move |k| place + k * stride);
        places.into_iter().flat_map(along).collect()
    });
    (places, size)
}

/// Each position reads its source, the same for every example, or the fill.
fn read<T: Element>(arg: &Array<T>, view: &View) -> Vec<T> {
    let mut sources: Vec<Option<usize>> = Vec::with_capacity(view.out.size());
    for_each_position(&view.out.dims, |o| sources.push(view.offset(o, &arg.shape.dims)));
    let fill = T::of(view.fill.get());
    let copies = if view.out.batch { arg.n } else { 1 };
    let one = |example: usize| {
        let elements = of_example(arg, example);
        sources.iter().map(move |source| source.map_or(fill, |source| elements[source]))
    };
    (0..copies).flat_map(one).collect()
}

/// Calls `f` with each position of an array, row-major.
fn for_each_position(dims: &[u32], mut f: impl FnMut(&[u32])) {
    let mut o = vec![0; dims.len()];
    for _ in 0..Shape::shared(dims).size() {
        f(&o);
        for (o, &extent) in o.iter_mut().zip(dims).rev() {
            *o += 1;
            if *o < extent {
                break;
            }
            *o = 0;
        }
    }
}

/// The elements that one example sees.
fn of_example<T>(array: &Array<T>, example: usize) -> &[T] {
    let size = array.shape.size();
    if array.shape.batch { &array.data[example * size..][..size] } else { &array.data }
}

/// An index below `extent`, if it is one.
fn index_below<T: Element>(index: T, extent: u32) -> Option<u32> {
    let index = index.get();
    (index >= 0.0 && index < extent.into() && index.fract() == 0.0).then_some(index as u32)
}

/// `out[o] = table[o, index[o]]`
fn gather<T: Element>(table: &Array<T>, index: &Array<T>) -> Vec<T> {
    let extent = *table.shape.dims.last().expect("a table has its own dimension");
    let element = |(o, &index): (usize, &T)| match index_below(index, extent) {
        Some(v) => table.data[o * extent as usize + v as usize],
        None => T::of(f64::NAN),
    };
    index.data.iter().enumerate().map(element).collect()
}

/// [`gather`] of a view of `arg`, of which only the elements that are read are looked up.
fn gather_through<T: Element>(arg: &Array<T>, view: &View, index: &Array<T>) -> Vec<T> {
    let (&extent, dims) = view.out.dims.split_last().expect("a table has its own dimension");
    let mut out = Vec::with_capacity(index.data.len());
    for example in 0..index.copies() {
        let elements = of_example(arg, example);
        let mut indices = of_example(index, example).iter();
        for_each_position(dims, |o| {
            let index = *indices.next().expect("the index has the table's other dimensions");
            out.push(match index_below(index, extent) {
                Some(v) => {
                    let source = view.offset(&[o, &[v]].concat(), &arg.shape.dims);
                    source.map_or(T::of(view.fill.get()), |source| elements[source])
                }
                None => T::of(f64::NAN),
            });
        });
    }
    out
}

/// `out[v, q] = sum[o] (if index[o] == v then value[o, q] else 0)`, in the order of the source; the mean over
/// the batch if the operands are per example.
fn scatter<T: Element>(index: &Array<T>, value: &Array<T>, extent: u32) -> Vec<T> {
    let row = Shape::shared(&value.shape.dims[index.shape.dims.len()..]).size();
    let mut out = vec![T::of(0.0); extent as usize * row];
    for (o, &index) in index.data.iter().enumerate() {
        let Some(v) = index_below(index, extent) else { continue };
        let sums = &mut out[v as usize * row..][..row];
        for (sum, &x) in sums.iter_mut().zip(&value.data[o * row..][..row]) {
            *sum = *sum + x;
        }
    }
    if index.shape.batch {
        let n = T::of(index.n as f64);
        out.iter_mut().for_each(|sum| *sum = *sum / n);
    }
    out
}
