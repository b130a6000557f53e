//! Steps that threads share at once, as one function of which each calls a portion: see [`Schedule::by_example`] and
//! [`Schedule::alone`].

use super::Options;
use super::compiler::Compiler;
use super::emitter::{Emitter, Operands};
use super::step::{Callees, Prepared};
use super::wide::{Portion, Portions};
use crate::plan::cost::step_cost;
use crate::plan::schedule::*;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData};
use cranelift_module::FuncId;
use std::mem::offset_of;
use std::ops::Range;

/// How threads share a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// By itself, if it is long.
    ByItself,
    /// Each thread some examples, of this step and of others.
    ByExample,
    /// One thread this step, another one others.
    Alone,
}

/// All steps in order, in runs that threads share in the same way. What takes the time of each step does not let steps run
/// at the same time.
pub fn runs(schedule: &Schedule, options: Options) -> Vec<(Range<usize>, How)> {
    let mut shared: Vec<(&Range<usize>, How)> = vec![];
    if options.threads > 1 {
        shared.extend(schedule.by_example.iter().map(|run| (run, How::ByExample)));
    }
    if options.threads > 1 && !options.profile {
        shared.extend(schedule.alone.iter().map(|run| (run, How::Alone)));
    }
    shared.sort_by_key(|(run, _)| run.start);
    let (mut runs, mut next) = (vec![], 0);
    for (run, how) in shared {
        runs.extend([(next..run.start, How::ByItself), (run.clone(), how)]);
        next = run.end;
    }
    runs.push((next..schedule.steps.len(), How::ByItself));
    runs
}

impl<'a> Compiler<'a> {
    /// Steps that follow each other, from number `first` on, joined where each can be called for some examples; their
    /// functions are added to those `made`. A step alone is shared as it is, unless it is a recurrence, whose steps come
    /// again and again.
    pub fn by_example(
        &mut self,
        first: usize,
        steps: Vec<Prepared<'a>>,
        made: &mut Vec<FuncId>,
    ) -> Result<Vec<Prepared<'a>>, String> {
        let (end, mut joined, mut open) = (first + steps.len(), vec![], vec![]);
        for (k, step) in (first..).zip(steps) {
            if step.unit().is_some() {
                open.push(step);
                continue;
            }
            joined.extend(self.joined(k, std::mem::take(&mut open), made)?);
            joined.push(step);
        }
        joined.extend(self.joined(end, open, made)?);
        Ok(joined)
    }

    /// Those that end before number `end` as one function, if that is worth it.
    fn joined(
        &mut self,
        end: usize,
        steps: Vec<Prepared<'a>>,
        made: &mut Vec<FuncId>,
    ) -> Result<Vec<Prepared<'a>>, String> {
        if let [] | [Prepared::Wide(..) | Prepared::Contract(..)] = &steps[..] {
            return Ok(steps);
        }
        // All are powers of two.
        let unit = steps.iter().filter_map(Prepared::unit).max().unwrap_or(1);
        let laps = self.laps;
        let shared = self.shared(&steps, Extent::Batch, unit, made, |e, callees| {
            for (k, step) in (end - steps.len()..).zip(&steps) {
                e.step_by_example(step, callees);
                // After the last one the others are waited for.
                if let Some(laps) = laps.filter(|_| k + 1 < end) {
                    e.if_in_portion(0, |e| e.lap(Some(laps), k + 1, callees.lap));
                }
            }
        })?;
        Ok(vec![shared])
    }

    /// Steps that do not need each other, from number `first` on, as one function, of which each portion is some of them.
    pub fn alone(
        &mut self,
        first: usize,
        steps: &[Prepared<'a>],
        made: &mut Vec<FuncId>,
    ) -> Result<Prepared<'a>, String> {
        let (schedule, threads) = (self.schedule, self.options.threads);
        let cost = |k: usize| {
            let cost = step_cost(schedule, &schedule.steps[first + k], schedule.capacity as usize);
            cost.operations + cost.bytes / schedule.dtype.size() as u64
        };
        // The longest first, each to whom has the least to do.
        let mut order: Vec<(u64, usize)> = (0..steps.len()).map(|k| (cost(k), k)).collect();
        order.sort_by_key(|&(cost, k)| (std::cmp::Reverse(cost), k));
        let mut portions = vec![(0, vec![]); threads];
        for (cost, k) in order {
            let least = portions.iter_mut().min_by_key(|portion| portion.0).expect("there are threads");
            least.0 += cost;
            least.1.push(k);
        }
        self.shared(steps, Extent::Fixed(threads as u32), 1, made, |e, callees| {
            for (portion, (_, own)) in portions.iter().enumerate() {
                e.if_in_portion(portion, |e| own.iter().for_each(|&k| e.step_alone(&steps[k], callees)));
            }
        })
    }

    /// Steps as one function of which threads call portions.
    fn shared(
        &mut self,
        steps: &[Prepared<'a>],
        extent: Extent,
        unit: u32,
        made: &mut Vec<FuncId>,
        emit: impl FnOnce(&mut Emitter, Callees),
    ) -> Result<Prepared<'a>, String> {
        let what = steps.iter().map(Prepared::what).collect::<Vec<_>>().join("; ");
        let scratch = steps.iter().map(|step| step.own_numbers(self.schedule)).max().unwrap_or(0) as u32;
        let name = format!("shared{}", made.len());
        let function = self.define(&name, &what, Operands::COUNT, made, |e, callees, _| emit(e, callees))?;
        made.push(function);
        let portions = Portions { extent, unit, scratch, each: 1 };
        Ok(Prepared::Shared { what, function: made.len() - 1, portions, steps: steps.len() })
    }
}

impl Prepared<'_> {
    /// Of which number of examples those that it is called for must begin at a multiple, if it can be called for some.
    fn unit(&self) -> Option<u32> {
        match self {
            Prepared::Wide(_, _, Some(Portions { extent: Extent::Batch, unit, .. })) => Some(*unit),
            Prepared::Contract(_, task) => task.by_example(),
            Prepared::Recur(_, body) => {
                body.iter().map(Prepared::unit).try_fold(1, |most, unit| Some(unit?.max(most)))
            }
            _ => None,
        }
    }

    /// Numbers of 32 bits of memory of its own that a thread needs for it.
    fn own_numbers(&self, schedule: &Schedule) -> usize {
        match self {
            Prepared::Contract(_, task) => task.own_len() * schedule.dtype.size() / 4,
            Prepared::Recur(_, body) => body.iter().map(|step| step.own_numbers(schedule)).max().unwrap_or(0),
            Prepared::Wide(_, _, Some(portions)) => portions.scratch as usize,
            _ => 0,
        }
    }
}

impl Emitter<'_, '_> {
    /// Emits a step for the examples of the portion that stands for the equipment.
    fn step_by_example(&mut self, step: &Prepared, callees: Callees) {
        match step {
            Prepared::Wide(_, function, _) => self.call_part(*function),
            Prepared::Contract(contract, task) => self.contract(contract, task, callees.contract_by_example),
            Prepared::Recur(recur, body) => {
                self.recur(recur, |e| body.iter().for_each(|inner| e.step_by_example(inner, callees)))
            }
            _ => unreachable!("it cannot be called for some examples"),
        }
        self.pointers.clear();
    }

    /// Emits a step for the thread that calls it alone, where a portion stands for the equipment.
    fn step_alone(&mut self, step: &Prepared, callees: Callees) {
        match step {
            Prepared::Contract(contract, task) => {
                self.contract(contract, task, callees.contract_alone);
                self.pointers.clear();
            }
            step => self.step(step, callees),
        }
    }

    /// Emits what is done by whoever has a number in its portion.
    fn if_in_portion(&mut self, number: usize, emit: impl FnOnce(&mut Self)) {
        let [inside, after] = std::array::from_fn(|_| self.b.create_block());
        let (portion, flags) = (self.operands.equipment, MemFlagsData::trusted());
        let [begin, count] = [offset_of!(Portion, begin), offset_of!(Portion, count)]
            .map(|at| self.b.ins().load(I64, flags, portion, at as i32));
        let number = self.b.ins().iconst(I64, number as i64);
        let into = self.b.ins().isub(number, begin);
        let is_inside = self.b.ins().icmp(IntCC::UnsignedLessThan, into, count);
        self.b.ins().brif(is_inside, inside, &[], after, &[]);
        self.b.switch_to_block(inside);
        self.forget();
        emit(self);
        self.forget();
        self.b.ins().jump(after, &[]);
        self.b.switch_to_block(after);
    }

    /// Forgets what is in registers: the code that follows may be reached without what is before it.
    fn forget(&mut self) {
        self.pointers.clear();
        self.constants.clear();
        self.masks.clear();
    }
}
