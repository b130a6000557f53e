//! petgraph's visit traits for a circuit, and for a circuit with the users of its values.

use super::{Linked, ValueSet};
use crate::circuit::{Circuit, Node, ValueId};
use petgraph::Direction;
use petgraph::visit::{
    Data, EdgeRef, GraphBase, GraphProp, IntoEdgeReferences, IntoNeighbors, IntoNeighborsDirected,
    IntoNodeIdentifiers, IntoNodeReferences, NodeCompactIndexable, NodeCount, NodeIndexable, Visitable,
};

/// The edge from a value to one of its operands, or from a lag to its source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// The value computed.
    pub user: ValueId,
    /// Which operand: 0 is the first.
    pub place: usize,
    /// The operand.
    pub operand: ValueId,
}

impl EdgeRef for Edge {
    type NodeId = ValueId;
    type EdgeId = (ValueId, usize);
    type Weight = usize;

    fn source(&self) -> ValueId {
        self.user
    }

    fn target(&self) -> ValueId {
        self.operand
    }

    fn weight(&self) -> &usize {
        &self.place
    }

    fn id(&self) -> (ValueId, usize) {
        (self.user, self.place)
    }
}

impl GraphBase for Circuit {
    type NodeId = ValueId;
    type EdgeId = (ValueId, usize);
}

impl Data for Circuit {
    type NodeWeight = Node;
    type EdgeWeight = usize;
}

impl GraphProp for Circuit {
    type EdgeType = petgraph::Directed;
}

impl NodeCount for Circuit {
    fn node_count(&self) -> usize {
        self.len()
    }
}

impl NodeIndexable for Circuit {
    fn node_bound(&self) -> usize {
        self.len()
    }

    fn to_index(&self, value: ValueId) -> usize {
        value.index()
    }

    fn from_index(&self, index: usize) -> ValueId {
        ValueId(index as u32)
    }
}

impl NodeCompactIndexable for Circuit {}

impl Visitable for Circuit {
    type Map = ValueSet;

    fn visit_map(&self) -> ValueSet {
        ValueSet::of(self)
    }

    fn reset_map(&self, map: &mut ValueSet) {
        *map = ValueSet::of(self);
    }
}

impl<'a> IntoNodeIdentifiers for &'a Circuit {
    type NodeIdentifiers = Box<dyn Iterator<Item = ValueId> + 'a>;

    fn node_identifiers(self) -> Self::NodeIdentifiers {
        Box::new(self.values())
    }
}

impl<'a> IntoNodeReferences for &'a Circuit {
    type NodeRef = (ValueId, &'a Node);
    type NodeReferences = Box<dyn Iterator<Item = (ValueId, &'a Node)> + 'a>;

    fn node_references(self) -> Self::NodeReferences {
        Box::new(self.values().map(|value| (value, self.node(value))))
    }
}

impl IntoNeighbors for &Circuit {
    type Neighbors = std::vec::IntoIter<ValueId>;

    fn neighbors(self, value: ValueId) -> Self::Neighbors {
        let mut neighbors = vec![];
        self.for_each_dependency(value, |neighbor| neighbors.push(neighbor));
        neighbors.into_iter()
    }
}

impl<'a> IntoEdgeReferences for &'a Circuit {
    type EdgeRef = Edge;
    type EdgeReferences = Box<dyn Iterator<Item = Edge> + 'a>;

    fn edge_references(self) -> Self::EdgeReferences {
        let edges = |user: ValueId| {
            self.neighbors(user).enumerate().map(move |(place, operand)| Edge { user, place, operand })
        };
        Box::new(self.values().flat_map(edges))
    }
}

impl GraphBase for Linked<'_> {
    type NodeId = ValueId;
    type EdgeId = (ValueId, usize);
}

impl NodeCount for Linked<'_> {
    fn node_count(&self) -> usize {
        self.circuit.len()
    }
}

impl NodeIndexable for Linked<'_> {
    fn node_bound(&self) -> usize {
        self.circuit.len()
    }

    fn to_index(&self, value: ValueId) -> usize {
        value.index()
    }

    fn from_index(&self, index: usize) -> ValueId {
        ValueId(index as u32)
    }
}

impl NodeCompactIndexable for Linked<'_> {}

impl Visitable for Linked<'_> {
    type Map = ValueSet;

    fn visit_map(&self) -> ValueSet {
        self.circuit.visit_map()
    }

    fn reset_map(&self, map: &mut ValueSet) {
        self.circuit.reset_map(map);
    }
}

impl<'a> IntoNodeIdentifiers for &'a Linked<'_> {
    type NodeIdentifiers = Box<dyn Iterator<Item = ValueId> + 'a>;

    fn node_identifiers(self) -> Self::NodeIdentifiers {
        Box::new(self.circuit.values())
    }
}

impl IntoNeighbors for &Linked<'_> {
    type Neighbors = std::vec::IntoIter<ValueId>;

    fn neighbors(self, value: ValueId) -> Self::Neighbors {
        self.circuit.neighbors(value)
    }
}

impl IntoNeighborsDirected for &Linked<'_> {
    type NeighborsDirected = std::vec::IntoIter<ValueId>;

    fn neighbors_directed(self, value: ValueId, direction: Direction) -> Self::NeighborsDirected {
        match direction {
            Direction::Outgoing => self.neighbors(value),
            Direction::Incoming => self.users.of(value).to_vec().into_iter(),
        }
    }
}
