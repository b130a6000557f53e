//! Native functions, and the just-in-time module that they are put into.

use super::emitter::{Emitter, Index, Operands};
use super::shared::{self, How};
use super::step::{Callees, Prepared};
use super::wide::{self, Function, Instructions, Portions};
use super::{Laps, Options, host, vectorise};
use crate::kernels::Task;
use crate::kernels::made::Shape;
use crate::plan::schedule::{BufferId, Nest, Recur, Schedule, Step};
use cranelift_codegen::Context;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{AbiParam, InstBuilder, Signature, Value};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::JITModule;
use cranelift_module::{FuncId, Linkage, Module as _};
use rustc_hash::FxHashMap;
use std::fmt::Write;

/// Of functions that are made without Cranelift, in bytes.
const ALIGNMENT: u64 = 64;

/// A module while it is made.
pub struct Compiler<'a> {
    pub(super) schedule: &'a Schedule,
    /// See [`vectorise::accesses`].
    accesses: FxHashMap<BufferId, usize>,
    pub(super) options: Options,
    jit: JITModule,
    /// `contract`, `contract_by_example`, `contract_alone`, `scatter`, `gather`, `gate`, `share`, `lap`.
    helpers: [FuncId; 8],
    pub(super) laps: Option<&'a Laps>,
    frontend: FunctionBuilderContext,
    clif: String,
    asm: String,
}

impl<'a> Compiler<'a> {
    /// Nothing yet.
    pub fn new(schedule: &'a Schedule, options: Options, laps: Option<&'a Laps>) -> Result<Self, String> {
        let mut jit = host::module(schedule.dtype, options)?;
        let mut import = |name: &str, operands: usize| {
            let signature = pointers(&jit, operands);
            jit.declare_function(name, Linkage::Import, &signature).map_err(|error| error.to_string())
        };
        let helpers = [
            import("contract", 6)?,
            import("contract_by_example", 6)?,
            import("contract_alone", 6)?,
            import("scatter", 7)?,
            import("gather", 5)?,
            import("gate", 2)?,
            import("share", 11)?,
            import("lap", 2)?,
        ];
        let (clif, asm) = (String::new(), String::new());
        Ok(Compiler {
            schedule,
            accesses: vectorise::accesses(schedule),
            options,
            jit,
            helpers,
            laps,
            frontend: FunctionBuilderContext::new(),
            clif,
            asm,
        })
    }

    /// The module, the address of its entry, and the texts of its code.
    pub fn finish(mut self, entry: FuncId) -> Result<(JITModule, *const u8, String, String), String> {
        self.jit.finalize_definitions().map_err(|error| error.to_string())?;
        let entry = self.jit.get_finalized_function(entry);
        Ok((self.jit, entry, self.clif, self.asm))
    }

    /// Steps with their tasks, of which there is one, or none, for each step that is no recurrence; functions that are
    /// made already are added to `made`: nests without Cranelift, and what threads share at once.
    pub fn prepare(
        &mut self,
        tasks: &mut std::slice::Iter<'a, Option<Task>>,
        made: &mut Vec<FuncId>,
    ) -> Result<Vec<Prepared<'a>>, String> {
        let mut prepared = vec![];
        for (run, how) in shared::runs(self.schedule, self.options) {
            let steps = self.schedule.steps[run.clone()].iter();
            let steps = steps.map(|step| self.prepare_step(step, None, how, tasks, made));
            let steps = steps.collect::<Result<Vec<_>, String>>()?;
            match how {
                How::ByItself => prepared.extend(steps),
                How::ByExample => prepared.extend(self.by_example(run.start, steps, made)?),
                How::Alone => prepared.push(self.alone(run.start, &steps, made)?),
            }
        }
        Ok(prepared)
    }

    fn prepare_step(
        &mut self,
        step: &'a Step,
        within: Option<&Recur>,
        how: How,
        tasks: &mut std::slice::Iter<'a, Option<Task>>,
        made: &mut Vec<FuncId>,
    ) -> Result<Prepared<'a>, String> {
        if let Step::Recur(recur) = step {
            let mut inner = |step| self.prepare_step(step, Some(recur), how, tasks, made);
            let body: Result<_, String> = recur.body.iter().map(&mut inner).collect();
            return Ok(Prepared::Recur(recur, body?));
        }
        let task = tasks.next().expect("as many as steps").as_ref();
        Ok(match (step, task) {
            (Step::Nest(nest), _) => match self.wide(nest, within, how, made.len())? {
                Some((function, portions)) => {
                    made.push(function);
                    Prepared::Wide(nest, made.len() - 1, portions)
                }
                None => Prepared::Nest(nest),
            },
            (Step::Contract(contract), None) => Prepared::Product(contract),
            (Step::Contract(contract), Some(task)) => Prepared::Contract(contract, task),
            (Step::Scatter(scatter), _) => Prepared::Scatter(scatter),
            (Step::Recur(_), _) => unreachable!("it has no task of its own"),
        })
    }

    /// The function of a nest in wide vectors, if that is how it is to run, and how threads share it.
    fn wide(
        &mut self,
        nest: &Nest,
        within: Option<&Recur>,
        how: How,
        k: usize,
    ) -> Result<Option<(FuncId, Option<Portions>)>, String> {
        let within = within.map(|recur| recur.var);
        let threads = if how == How::Alone { 1 } else { self.options.threads };
        let (by_example, options) = (how == How::ByExample, Options { threads, ..self.options });
        let Some(Function { bytes, text, portions }) =
            wide::function(self.schedule, &self.accesses, nest, within, by_example, options)
        else {
            return Ok(None);
        };
        let id =
            self.put_bytes(&format!("wide{k}"), &nest.what.join(", "), Operands::COUNT, &bytes, &text)?;
        Ok(Some((id, portions)))
    }

    /// The function of a whole step without loops, if there is to be one: see [`wide::whole`].
    pub fn whole(&mut self) -> Result<Option<FuncId>, String> {
        // What takes the time of each part has parts.
        if self.options.profile {
            return Ok(None);
        }
        let Some(Function { bytes, text, .. }) = wide::whole(self.schedule, &self.accesses, self.options)
        else {
            return Ok(None);
        };
        let capacity = self.schedule.capacity;
        self.put_bytes(
            "whole",
            &format!("all steps, for batches of {capacity}"),
            Operands::COUNT,
            &bytes,
            &text,
        )
        .map(Some)
    }

    /// A function for the tiles of each of some products, if there is to be one, which those of the same shape have in
    /// common.
    pub fn tiles(&mut self, tasks: &[Option<Task>]) -> Result<Vec<Option<(Shape, FuncId)>>, String> {
        let options = self.options;
        let Some(wide) = options.wide(self.schedule.dtype) else { return Ok(vec![None; tasks.len()]) };
        let mut known: FxHashMap<Shape, FuncId> = FxHashMap::default();
        let mut function = |task: &Option<Task>| {
            let shape = task.as_ref().and_then(Task::shape);
            let can_run = |shape: &Shape| Instructions::of(shape.variant) == Some(wide);
            let Some(shape) = shape.filter(can_run) else { return Ok(None) };
            let id = match known.get(&shape) {
                Some(&id) => id,
                None => {
                    let (bytes, text) = wide::tiles::emit(&shape, options.listing);
                    let name = format!("tiles{}", known.len());
                    let id = self.put_bytes(&name, "tiles of a product", 1, &bytes, &text)?;
                    known.insert(shape.clone(), id);
                    id
                }
            };
            Ok(Some((shape, id)))
        };
        tasks.iter().map(&mut function).collect()
    }

    /// Defines a function of pointers that is made without Cranelift.
    fn put_bytes(
        &mut self,
        name: &str,
        what: &str,
        operands: usize,
        bytes: &[u8],
        text: &str,
    ) -> Result<FuncId, String> {
        let signature = pointers(&self.jit, operands);
        let declared = self.jit.declare_function(name, Linkage::Local, &signature);
        let id = declared.map_err(|error| error.to_string())?;
        self.jit.define_function_bytes(id, ALIGNMENT, bytes, &[]).map_err(|error| error.to_string())?;
        let _ = writeln!(self.asm, "; {name}: {what}\n{text}");
        Ok(id)
    }

    /// A function for each step, and for each step in the body of a recurrence; some are `made` already.
    pub fn parts(&mut self, steps: &[Prepared<'a>], made: &[FuncId]) -> Result<Vec<FuncId>, String> {
        let named = |(k, step)| (format!("step{k}"), step);
        steps.iter().enumerate().map(named).map(|(name, step)| self.part(&name, step, None, made)).collect()
    }

    /// A function for a step, which may stand within a recurrence.
    fn part(
        &mut self,
        name: &str,
        step: &Prepared<'a>,
        within: Option<&Recur>,
        made: &[FuncId],
    ) -> Result<FuncId, String> {
        let mut inner = vec![];
        match step {
            Prepared::Wide(_, function, None) => return Ok(made[*function]),
            Prepared::Wide(_, function, Some(_)) | Prepared::Shared { function, .. } => {
                inner.push(made[*function])
            }
            _ => {}
        }
        if let Prepared::Recur(recur, body) = step {
            for (k, step) in body.iter().enumerate() {
                inner.push(self.part(&format!("{name}_{k}"), step, Some(recur), made)?);
            }
        }
        self.define(name, &step.what(), Operands::COUNT, &inner, |e, callees, _| match step {
            Prepared::Recur(recur, _) => e.recur(recur, |e| e.call_parts()),
            Prepared::Wide(_, _, Some(portions)) | Prepared::Shared { portions, .. } => {
                e.share(0, *portions, callees.share)
            }
            step => {
                e.vars.extend(within.map(|recur| (recur.var, Index::Value(e.operands.element))));
                e.step(step, callees);
            }
        })
    }

    /// The function that is called from outside: the loop over steps, each of which is `steps` in place, which may
    /// call `parts`; or, not `in_place`, a call of each of `parts`, one for each of `steps`. Where there is a function for
    /// `whole` batches, they are its call instead.
    pub fn entry(
        &mut self,
        steps: &[Prepared<'a>],
        in_place: bool,
        parts: &[FuncId],
        whole: Option<FuncId>,
    ) -> Result<FuncId, String> {
        let what = match in_place {
            false => "the loop over steps".to_string(),
            true => steps.iter().map(Prepared::what).collect::<Vec<_>>().join("; "),
        };
        let laps = self.laps;
        let calls: Vec<FuncId> = parts.iter().copied().chain(whole).collect();
        self.define("run", &what, 1, &calls, |e, callees, params| {
            let in_parts = |e: &mut Emitter| {
                e.lap(laps, 0, callees.lap);
                let mut done = 0;
                for (part, step) in steps.iter().enumerate() {
                    if in_place {
                        e.step(step, callees)
                    } else {
                        e.call_part(part)
                    }
                    done += step.steps();
                    e.lap(laps, done, callees.lap);
                }
            };
            e.drive(params[0], callees, |e| match whole {
                Some(_) => e.if_whole(|e| e.call_part(parts.len()), in_parts),
                None => in_parts(e),
            });
        })
    }

    /// Defines a function of pointers; `calls` are further functions that it may call.
    pub(super) fn define(
        &mut self,
        name: &str,
        what: &str,
        operands: usize,
        calls: &[FuncId],
        emit: impl FnOnce(&mut Emitter, Callees, &[Value]),
    ) -> Result<FuncId, String> {
        let mut context = self.jit.make_context();
        context.func.signature = pointers(&self.jit, operands);
        let [contract, contract_by_example, contract_alone, scatter, gather, gate, share, lap] =
            self.helpers.map(|id| self.jit.declare_func_in_func(id, &mut context.func));
        let callees = Callees { contract, contract_by_example, contract_alone, scatter, gather, share, lap };
        let calls = calls.iter().map(|&id| self.jit.declare_func_in_func(id, &mut context.func)).collect();

        let mut b = FunctionBuilder::new(&mut context.func, &mut self.frontend);
        let block = b.create_block();
        b.append_block_params_for_function_params(block);
        b.switch_to_block(block);
        let params = b.block_params(block).to_vec();
        let mut emitter = Emitter::new(b, self.schedule, Operands::from_params(&params), calls, gate);
        emit(&mut emitter, callees, &params);
        let mut b = emitter.b;
        b.ins().return_(&[]);
        b.seal_all_blocks();
        b.finalize(self.jit.target_config());

        let id = self.jit.declare_function(name, Linkage::Local, &context.func.signature);
        let id = id.map_err(|error| error.to_string())?;
        self.put(id, context, &format!("{name}: {what}"))?;
        Ok(id)
    }

    fn put(&mut self, id: FuncId, mut context: Context, title: &str) -> Result<(), String> {
        context.set_disasm(self.options.listing);
        if self.options.listing {
            let _ = writeln!(self.clif, "; {title}\n{}", context.func.display());
        }
        self.jit.define_function(id, &mut context).map_err(|error| format!("{title}: {error:?}"))?;
        if self.options.listing {
            let assembly = context.compiled_code().and_then(|code| code.vcode.clone());
            let _ = writeln!(self.asm, "; {title}\n{}", assembly.unwrap_or_default());
        }
        Ok(())
    }
}

/// A function of so many pointers or 64-bit integers that gives nothing.
fn pointers(jit: &JITModule, operands: usize) -> Signature {
    let mut signature = jit.make_signature();
    signature.params.extend((0..operands).map(|_| AbiParam::new(I64)));
    signature
}
