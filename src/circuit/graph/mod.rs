//! A circuit as a graph: petgraph's visit traits, so that its algorithms run on the arena as it stands.
//!
//! An edge leads from a value to an operand, and from a lag to its source: outgoing neighbours are what a value is
//! computed from. The edges are read from the nodes and never stored, since a set of edges would lose `x * x` and the
//! order of operands.
//! [`Linked`] adds the way back, from a value to its users.
//!
//! Ascending ids are an order already, but for lags; no sort is needed for a walk over the values of a circuit without
//! recurrences, and [`super::recurrence::units`] has the order for all.

mod set;
mod visit;

pub use set::ValueSet;
pub use visit::Edge;

use super::{Circuit, Node, ValueId};
use petgraph::dot::{Config, Dot, RankDir};
use petgraph::visit::{Dfs, EdgeRef, GraphRef, IntoNeighbors, Reversed, Visitable};

/// What `roots` are computed from, themselves included.
pub fn reachable(circuit: &Circuit, roots: impl IntoIterator<Item = ValueId>) -> ValueSet {
    visited(circuit, roots)
}

/// What is computed from `values`, themselves included.
pub fn dependents(linked: &Linked<'_>, values: impl IntoIterator<Item = ValueId>) -> ValueSet {
    visited(Reversed(linked), values)
}

/// What a walk along the edges from `starts` meets.
fn visited<G>(graph: G, starts: impl IntoIterator<Item = ValueId>) -> ValueSet
where
    G: GraphRef + IntoNeighbors<NodeId = ValueId> + Visitable<Map = ValueSet>,
{
    let mut walk = Dfs::from_parts(starts.into_iter().collect(), graph.visit_map());
    while walk.next(graph).is_some() {}
    walk.discovered
}

/// The users of each value.
#[derive(Clone, Debug)]
pub struct Users {
    /// Users of value `k` are `users[starts[k]..starts[k + 1]]`.
    starts: Vec<usize>,
    users: Vec<ValueId>,
}

/// The users of each value, in ascending order: a user as often as it has the value for an operand. A lag uses its
/// source.
pub fn users(circuit: &Circuit) -> Users {
    let mut starts = vec![0; circuit.len() + 1];
    for value in circuit.values() {
        circuit.for_each_dependency(value, |operand| starts[operand.index() + 1] += 1);
    }
    for k in 1..starts.len() {
        starts[k] += starts[k - 1];
    }
    let mut next = starts.clone();
    let mut users = vec![ValueId(0); starts[circuit.len()]];
    for value in circuit.values() {
        circuit.for_each_dependency(value, |operand| {
            users[next[operand.index()]] = value;
            next[operand.index()] += 1;
        });
    }
    Users { starts, users }
}

impl Users {
    /// Of one value, in forward order, with repeats.
    pub fn of(&self, value: ValueId) -> &[ValueId] {
        &self.users[self.starts[value.index()]..self.starts[value.index() + 1]]
    }
}

/// A circuit together with the users of its values: a graph that can be walked both ways.
#[derive(Clone, Debug)]
pub struct Linked<'a> {
    /// The circuit.
    pub circuit: &'a Circuit,
    /// The users of its values.
    pub users: Users,
}

impl<'a> Linked<'a> {
    /// Finds the users of a circuit's values.
    pub fn new(circuit: &'a Circuit) -> Self {
        Linked { circuit, users: users(circuit) }
    }
}

/// The circuit in Graphviz's language: operands point at their users, which number them.
pub fn dot(circuit: &Circuit) -> String {
    let label = |_, (value, node): (ValueId, &Node)| {
        let names = circuit.names().iter().filter(|named| named.value == value);
        let names: Vec<&str> = names.map(|named| &*named.path).collect();
        let text =
            format!("{} {}\n{} {}", value.0, title(circuit, node), circuit.shape(value), names.join(", "));
        format!("shape = box label = {:?}", text.trim_end())
    };
    let place = |_, edge: petgraph::visit::ReversedEdgeReference<Edge>| format!("label = {}", edge.weight());
    let config = [Config::NodeNoLabel, Config::EdgeNoLabel, Config::RankDir(RankDir::TB)];
    format!("{:?}", Dot::with_attr_getters(Reversed(circuit), &config, &place, &label))
}

/// A node in a word or two.
fn title(circuit: &Circuit, node: &Node) -> String {
    match node {
        Node::Leaf(super::Leaf::Slot(id)) => circuit.slot(*id).name.clone(),
        Node::Leaf(leaf) => format!("{leaf:?}"),
        Node::Gate { gate, .. } => gate.row().name.into(),
        Node::Reduce { reducer, axes, batch, .. } => {
            let axes: Vec<usize> = axes.iter().collect();
            format!("{reducer:?} over {axes:?}{}", if *batch { " and batch" } else { "" })
        }
        Node::View { .. } => "view".into(),
        Node::Merge { axis, .. } => format!("merge {axis}"),
        Node::Gather { .. } => "gather".into(),
        Node::Scatter { .. } => "scatter".into(),
        Node::Lag { by, .. } => format!("lag {by}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Shape, gates};
    use petgraph::visit::IntoEdgeReferences;

    /// `x, y, x * x, x * x + y, -y`
    fn sample() -> (Circuit, [ValueId; 5]) {
        let mut c = Circuit::new();
        let (x, y) = (c.number(2.0), c.number(3.0));
        let square = c.mul(x, x);
        let sum = c.add(square, y);
        let negative = c.gate(gates::NEG, &[y]);
        (c, [x, y, square, sum, negative])
    }

    #[test]
    fn walks_go_both_ways() {
        let (c, [x, y, square, sum, negative]) = sample();
        assert_eq!(reachable(&c, [square]).iter().collect::<Vec<_>>(), [x, square]);
        assert_eq!(reachable(&c, [square, negative]).len(), 4);
        assert!(reachable(&c, []).is_empty());
        let linked = Linked::new(&c);
        assert_eq!(dependents(&linked, [x]).iter().collect::<Vec<_>>(), [x, square, sum]);
        assert_eq!(linked.users.of(x), [square, square]);
        assert_eq!(linked.users.of(y), [sum, negative]);
        assert_eq!(linked.users.of(sum), []);
    }

    #[test]
    fn petgraph_orders_and_finds_components() {
        let (c, _) = sample();
        let linked = Linked::new(&c);
        let order = petgraph::algo::toposort(&linked, None).expect("a circuit has no cycle");
        let at = |value| order.iter().position(|&v| v == value).unwrap();
        for edge in c.edge_references() {
            assert!(at(edge.user) < at(edge.operand));
        }
        assert_eq!(petgraph::algo::kosaraju_scc(&linked).len(), c.len());
    }

    #[test]
    fn long_chains_do_not_overflow_the_stack() {
        let mut c = Circuit::new();
        let mut value = c.number(1.0);
        for _ in 0..200_000 {
            value = c.gate(gates::NEG, &[value]);
        }
        assert_eq!(reachable(&c, [value]).len(), c.len());
        assert_eq!(petgraph::algo::kosaraju_scc(&Linked::new(&c)).len(), c.len());
    }

    #[test]
    fn dot_shows_every_operand() {
        let (mut c, [_, _, square, ..]) = sample();
        c.fill(1.0, &Shape::shared([2]));
        c.name(crate::circuit::Named {
            path: "square".into(),
            value: square,
            indices: vec![],
            mapped: 0,
            span: None,
        });
        let text = dot(&c);
        assert_eq!(text.matches("0 -> 2").count(), 2, "{text}");
        assert!(text.contains(r#"label = "2 mul\n[] square""#), "{text}");
    }
}
