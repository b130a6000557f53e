//! Names of cotangents.

use super::each::Request;
use crate::circuit::{Circuit, CotangentName, Derivation, Named, Origin, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// Knows what is named, and which names are taken.
pub(super) struct Naming {
    named: FxHashMap<ValueId, Named>,
    taken: FxHashSet<String>,
    /// What names begin with, for a derivative that the net itself asks for.
    prefix: Option<String>,
}

impl Naming {
    pub fn of(circuit: &Circuit) -> Naming {
        let named = circuit.shown_names().into_iter().map(|(value, named)| (value, named.clone())).collect();
        // A cotangent stands at the top of the net: it must not be called like anything that begins there.
        let paths = circuit.names().iter().map(|named| &named.path);
        let paths = paths.chain(circuit.slots().iter().map(|slot| &slot.name));
        let taken = paths.map(|path| path.split('.').next().unwrap_or(path).to_string()).collect();
        Naming { named, taken, prefix: None }
    }

    /// For a derivative that the net asks for: the values of `circuit` are named, clear of the names of `net`, but for
    /// the `ends`, whose cotangents are 1 and what the net gives a name of its own.
    pub fn within(circuit: &Circuit, net: &Circuit, request: &Request<'_>, ends: [ValueId; 2]) -> Naming {
        let mut naming = Naming { named: Naming::of(circuit).named, ..Naming::of(net) };
        ends.iter().for_each(|end| drop(naming.named.remove(end)));
        naming.taken.extend(request.taken.iter().cloned());
        naming.prefix = Some(request.prefix.to_string());
        naming
    }

    pub fn is_named(&self, value: ValueId) -> bool {
        self.named.contains_key(&value)
    }

    /// Names the cotangent of a named value: `h.dense.W` gives `h_dense_W_bar`, or `.._bar_2` if that is taken.
    pub fn name(
        &mut self,
        circuit: &mut Circuit,
        value: ValueId,
        cotangent: ValueId,
        from: (Origin, Derivation),
    ) {
        let named = &self.named[&value];
        let base = format!("{}_bar", named.path.replace('.', "_"));
        let base = self.prefix.as_ref().map_or(base.clone(), |prefix| format!("{prefix}_{base}"));
        let numbered = (2..).map(|k| format!("{base}_{k}"));
        let path = std::iter::once(base.clone()).chain(numbered).find(|path| !self.taken.contains(path));
        let path = path.expect("some number is free");
        self.taken.insert(path.clone());
        let cotangent =
            Named { path, value: cotangent, indices: named.indices.clone(), mapped: 0, span: named.span };
        let (origin, derivation) = from;
        let of = named.path.clone();
        let inner = self.prefix.is_some();
        circuit.name_cotangent(cotangent, CotangentName { name: 0, of, origin, derivation, inner });
    }
}
