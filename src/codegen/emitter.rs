//! The state of emission of one native function: what is in scope, and loops.

use crate::plan::schedule::*;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{BlockArg, FuncRef, InstBuilder, Type, Value};
use cranelift_frontend::FunctionBuilder;
use rustc_hash::FxHashMap;

/// The operands of every native function of a schedule: what differs from step to step.
#[derive(Clone, Copy)]
pub struct Operands {
    /// Table of the first elements of the regions, in the order of [`Schedule::regions`].
    pub regions: Value,
    /// Number of examples of the batch.
    pub n: Value,
    /// The step's scalars, then its keys of draws.
    pub record: Value,
    /// Numbers of the batch's examples.
    pub examples: Value,
    /// What kernels work with; in a function that threads share, a [`super::wide::Portion`].
    pub equipment: Value,
    /// The element that the recurrence around is at; anything outside of recurrences.
    pub element: Value,
}

impl Operands {
    /// How many there are.
    pub const COUNT: usize = 6;

    /// From parameters in the order of the fields. The loop over steps, which has one parameter, sets its own each
    /// step.
    pub fn from_params(params: &[Value]) -> Self {
        let &[regions, n, record, examples, equipment, element] = params else {
            return Operands::from_params(&[params[0]; Self::COUNT]);
        };
        Operands { regions, n, record, examples, equipment, element }
    }

    /// In the order of the fields.
    pub fn to_params(self) -> [Value; Self::COUNT] {
        [self.regions, self.n, self.record, self.examples, self.equipment, self.element]
    }
}

/// An integer that is known now or in the running program.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Index {
    /// Known while compiling.
    Known(i64),
    /// 64 bits in a register.
    Value(Value),
}

/// The loop variable that is spread over the lanes of vectors, and how many of the lanes are iterations.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spread {
    /// Lane `k` holds iteration `var + k`.
    pub var: Var,
    /// 1 to as many as there are; the other lanes hold anything.
    pub lanes: u8,
}

/// A pointer that has been computed: a region's first element moved by some variables' terms.
pub struct Pointer {
    pub region: Region,
    pub terms: Vec<(Var, i64)>,
    pub value: Value,
}

/// Emits the statements of a schedule into one function.
pub struct Emitter<'a, 'f> {
    pub b: FunctionBuilder<'f>,
    pub schedule: &'a Schedule,
    /// The schedule's regions, in the order of the table of their first elements.
    pub regions: Vec<Region>,
    pub operands: Operands,
    /// Other functions of the module that this one calls.
    pub callees: Vec<FuncRef>,
    /// [`super::support::gate`]
    pub gate_function: FuncRef,
    /// Values of registers.
    pub regs: FxHashMap<Reg, Value>,
    /// Values of the variables of the loops around, outermost first.
    pub vars: Vec<(Var, Index)>,
    /// Computed in the loops around and still valid, outermost first.
    pub pointers: Vec<Pointer>,
    /// Constants that are in registers, by bits and kind of lanes.
    pub constants: FxHashMap<(u64, Type), Value>,
    /// Masks of which a register is the number.
    pub masks: FxHashMap<Value, Value>,
    pub spread: Option<Spread>,
}

impl<'a, 'f> Emitter<'a, 'f> {
    /// Begins at the function's entry.
    pub fn new(
        b: FunctionBuilder<'f>,
        schedule: &'a Schedule,
        operands: Operands,
        callees: Vec<FuncRef>,
        gate_function: FuncRef,
    ) -> Self {
        Emitter {
            b,
            schedule,
            regions: schedule.regions(),
            operands,
            callees,
            gate_function,
            regs: FxHashMap::default(),
            vars: vec![],
            pointers: vec![],
            constants: FxHashMap::default(),
            masks: FxHashMap::default(),
            spread: None,
        }
    }

    /// The value of a register.
    pub fn reg(&self, reg: Reg) -> Value {
        self.regs[&reg]
    }

    /// As a value in a register.
    pub fn index(&mut self, index: Index) -> Value {
        match index {
            Index::Known(known) => self.b.ins().iconst(I64, known),
            Index::Value(value) => value,
        }
    }

    /// How far a loop runs.
    pub fn extent(&self, extent: Extent) -> Index {
        match extent {
            Extent::Fixed(extent) => Index::Known(i64::from(extent)),
            Extent::Batch => Index::Value(self.operands.n),
        }
    }

    /// Emits `for i in (start..end).step_by(step)` around a body that takes and gives carried values; what they
    /// are at the end. `end - start` is a multiple of `step`.
    pub fn counted(
        &mut self,
        [start, end]: [Index; 2],
        step: i64,
        carried: &[Value],
        body: impl FnOnce(&mut Self, Index, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        if let (Index::Known(start), Index::Known(end)) = (start, end) {
            if start >= end {
                return carried.to_vec();
            }
            if start + step >= end {
                return body(self, Index::Known(start), carried);
            }
        }
        let surely_entered = matches!((start, end), (Index::Known(_), Index::Known(_)));
        let (head, exit) = (self.b.create_block(), self.b.create_block());
        let i = self.b.append_block_param(head, I64);
        let types: Vec<Type> = carried.iter().map(|&value| self.b.func.dfg.value_type(value)).collect();
        let inside: Vec<Value> = types.iter().map(|&ty| self.b.append_block_param(head, ty)).collect();
        let after: Vec<Value> = types.iter().map(|&ty| self.b.append_block_param(exit, ty)).collect();

        let first = self.index(start);
        let into = arguments(Some(first), carried);
        if surely_entered {
            self.b.ins().jump(head, &into);
        } else {
            let bound = self.index(end);
            let enter = self.b.ins().icmp(IntCC::SignedLessThan, first, bound);
            self.b.ins().brif(enter, head, &into, exit, &arguments(None, carried));
        }

        self.b.switch_to_block(head);
        let mark = self.pointers.len();
        let next = body(self, Index::Value(i), &inside);
        self.pointers.truncate(mark);
        let next_i = self.b.ins().iadd_imm_s(i, step);
        let again = match end {
            Index::Known(end) => self.b.ins().icmp_imm_s(IntCC::SignedLessThan, next_i, end),
            Index::Value(end) => self.b.ins().icmp(IntCC::SignedLessThan, next_i, end),
        };
        self.b.ins().brif(again, head, &arguments(Some(next_i), &next), exit, &arguments(None, &next));
        self.b.switch_to_block(exit);
        after
    }

    /// Emits a value that is computed only where a condition holds, and is `otherwise` elsewhere.
    pub fn guarded(
        &mut self,
        condition: Value,
        otherwise: Value,
        inside: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        let (yes, join) = (self.b.create_block(), self.b.create_block());
        let ty = self.b.func.dfg.value_type(otherwise);
        let result = self.b.append_block_param(join, ty);
        self.b.ins().brif(condition, yes, &[], join, &[otherwise.into()]);
        self.b.switch_to_block(yes);
        let mark = self.pointers.len();
        let value = inside(self);
        self.pointers.truncate(mark);
        self.b.ins().jump(join, &[value.into()]);
        self.b.switch_to_block(join);
        result
    }
}

/// Arguments of a jump.
fn arguments(index: Option<Value>, carried: &[Value]) -> Vec<BlockArg> {
    index.into_iter().chain(carried.iter().copied()).map(BlockArg::from).collect()
}
