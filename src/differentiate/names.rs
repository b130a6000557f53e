//! Names of cotangents.

use crate::circuit::{Circuit, Named, Origin, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// Knows what is named, and which names are taken.
pub(super) struct Naming {
    named: FxHashMap<ValueId, Named>,
    taken: FxHashSet<String>,
}

impl Naming {
    pub fn of(circuit: &Circuit) -> Naming {
        let named = circuit.shown_names().into_iter().map(|(value, named)| (value, named.clone())).collect();
        // A cotangent stands at the top of the net: it must not be called like anything that begins there.
        let paths = circuit.names().iter().map(|named| &named.path);
        let paths = paths.chain(circuit.slots().iter().map(|slot| &slot.name));
        let taken = paths.map(|path| path.split('.').next().unwrap_or(path).to_string()).collect();
        Naming { named, taken }
    }

    pub fn is_named(&self, value: ValueId) -> bool {
        self.named.contains_key(&value)
    }

    /// Names the cotangent of a named value: `h.dense.W` gives `h_dense_W_bar`, or `.._bar_2` if that is taken.
    pub fn name(&mut self, circuit: &mut Circuit, value: ValueId, cotangent: ValueId, origin: Origin) {
        let named = &self.named[&value];
        let base = format!("{}_bar", named.path.replace('.', "_"));
        let numbered = (2..).map(|k| format!("{base}_{k}"));
        let path = std::iter::once(base.clone()).chain(numbered).find(|path| !self.taken.contains(path));
        let path = path.expect("some number is free");
        self.taken.insert(path.clone());
        let cotangent =
            Named { path, value: cotangent, indices: named.indices.clone(), mapped: 0, span: named.span };
        circuit.name_cotangent(cotangent, named.path.clone(), origin);
    }
}
