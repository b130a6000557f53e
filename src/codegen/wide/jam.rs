//! Several vectors of a loop side by side: copies of its body, one a vector, whose operations take turns.
//!
//! A sum in order is a chain whose every link waits for the one before. Of several vectors there are as many chains, and
//! what all of them read is read once.

use super::code::*;
use crate::plan::schedule::*;
use crate::plan::walk;
use rustc_hash::FxHashMap;

/// Vectors side by side, at most.
const MOST: i64 = 4;
/// Statements of a body up to which there are so many; of twice as many there are two.
const SHORT: usize = 16;

/// How many vectors of a loop with this body are computed side by side, of so many.
pub fn side_by_side(body: &[Stmt], vectors: i64) -> i64 {
    let (mut chains, mut others) = (false, false);
    walk::statements(body, &mut |stmt| match stmt {
        Stmt::Fold { order: Order::Chain { .. }, with, .. } if with.gate().is_some() => chains = true,
        Stmt::Fold { .. } | Stmt::For { .. } => others = true,
        _ => {}
    });
    let most = match walk::count(body) {
        _ if !chains || others => 1,
        0..=SHORT => MOST,
        count if count <= 2 * SHORT => 2,
        _ => 1,
    };
    most.min(vectors)
}

/// One body of several copies, which write different vectors and differ in the places that they reach.
pub fn jam(copies: Vec<Vec<Item>>) -> Vec<Item> {
    match copies.windows(2).all(|pair| are_alike(&pair[0], &pair[1])) {
        true => Jam::default().together(copies),
        false => copies.concat(),
    }
}

/// Whether loops and operations follow one another in the same way.
fn are_alike(one: &[Item], other: &[Item]) -> bool {
    let alike = |(one, other): (&Item, &Item)| match (one, other) {
        (Item::Operation(_), Item::Operation(_)) => true,
        (Item::Loop(one), Item::Loop(other)) => one.trips == other.trips && are_alike(&one.body, &other.body),
        _ => false,
    };
    one.len() == other.len() && one.iter().zip(other).all(alike)
}

/// What stands for what is the same in a copy before.
#[derive(Default)]
struct Jam {
    vectors: FxHashMap<Vector, Vector>,
    pointers: FxHashMap<Pointer, Pointer>,
    counters: FxHashMap<Counter, Counter>,
}

impl Jam {
    fn together(&mut self, copies: Vec<Vec<Item>>) -> Vec<Item> {
        let mut out = vec![];
        let mut copies: Vec<_> = copies.into_iter().map(Vec::into_iter).collect();
        loop {
            let (mut operations, mut loops) = (vec![], vec![]);
            for item in copies.iter_mut().filter_map(Iterator::next) {
                match item {
                    Item::Operation(operation) => self.operation(operation, &mut operations),
                    Item::Loop(inner) => loops.push(inner),
                }
            }
            if operations.is_empty() && loops.is_empty() {
                return out;
            }
            out.extend(operations.into_iter().map(Item::Operation));
            if !loops.is_empty() {
                out.push(Item::Loop(self.as_one(loops)));
            }
        }
    }

    /// Appends an operation, if those of the copies before do not compute the same.
    fn operation(&mut self, mut operation: Operation, others: &mut Vec<Operation>) {
        for arg in &mut operation.args {
            if let Operand::Vector(vector) = arg {
                *vector = self.vectors.get(vector).copied().unwrap_or(*vector);
            }
        }
        if let Some(place) = operation.opcode.place_mut() {
            place.pointer = self.pointers.get(&place.pointer).copied().unwrap_or(place.pointer);
        }
        for affine in operation.opcode.affines_mut() {
            for (counter, _) in &mut affine.terms {
                *counter = self.counters.get(counter).copied().unwrap_or(*counter);
            }
        }
        let same = |other: &&Operation| other.opcode == operation.opcode && other.args == operation.args;
        let gives = !matches!(operation.opcode, Opcode::Assign(_) | Opcode::Store(..));
        match (others.iter().find(same).and_then(|other| other.to), operation.to) {
            (Some(known), Some(to)) if gives => {
                self.vectors.insert(to, known);
            }
            _ => others.push(operation),
        }
    }

    /// One loop, which moves what each of them moves.
    fn as_one(&mut self, loops: Vec<Loop>) -> Loop {
        let mut one = Loop { trips: loops[0].trips, pointers: vec![], counters: vec![], body: vec![] };
        let mut bodies = vec![];
        for Loop { pointers, counters, body, .. } in loops {
            for moving in pointers {
                let from = self.pointers.get(&moving.from).copied().unwrap_or(moving.from);
                let moving = Moving { from, ..moving };
                let same = |other: &&Moving| Moving { pointer: moving.pointer, ..**other } == moving;
                match one.pointers.iter().find(same) {
                    Some(known) => {
                        self.pointers.insert(moving.pointer, known.pointer);
                    }
                    None => one.pointers.push(moving),
                }
            }
            for counting in counters {
                let from = counting.from.map(|from| self.counters.get(&from).copied().unwrap_or(from));
                let counting = Counting { from, ..counting };
                let same = |other: &&Counting| Counting { counter: counting.counter, ..**other } == counting;
                match one.counters.iter().find(same) {
                    Some(known) => {
                        self.counters.insert(counting.counter, known.counter);
                    }
                    None => one.counters.push(counting),
                }
            }
            bodies.push(body);
        }
        one.body = self.together(bodies);
        one
    }
}
