//! Evaluating programs: a block of lanes at a time, one dispatch an operation.

use super::subnormal::flushed;
use super::{Op, Program, Reg};

/// Lanes evaluated together: enough to make the dispatch cheap, few enough to stay in the first-level cache.
const BLOCK: usize = 64;

impl Program {
    /// Evaluates it elementwise over slices.
    ///
    /// # Panics
    /// If there is not one slice for each operand, or their lengths differ from that of `out`.
    pub fn run(&self, args: &[&[f32]], out: &mut [f32]) {
        assert_eq!(args.len(), self.arity, "one slice for each operand");
        assert!(args.iter().all(|arg| arg.len() == out.len()), "slices of one length");
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("fma") && is_x86_feature_detected!("avx2") {
            // SAFETY: the features that the function is compiled for have just been found.
            return unsafe { self.run_blocks_fma(args, out) };
        }
        self.run_blocks(args, out);
    }

    /// Evaluates it for one value of each operand.
    ///
    /// # Panics
    /// If there is not one value for each operand.
    pub fn run1(&self, args: &[f32]) -> f32 {
        let bits: Vec<u32> = args.iter().map(|arg| arg.to_bits()).collect();
        f32::from_bits(self.run1_bits(&bits))
    }

    /// As [`Program::run1`], operands and result by their bits: for programs whose operands are integers.
    ///
    /// # Panics
    /// If there is not one value for each operand.
    pub fn run1_bits(&self, args: &[u32]) -> u32 {
        assert_eq!(args.len(), self.arity, "one value for each operand");
        let mut regs = vec![[0; 1]; self.ops.len()];
        run_ops(&self.ops, &mut regs, |operand, lanes| lanes[0] = args[operand]);
        regs[self.result.index()][0]
    }

    /// The same operations with the same results, compiled to use the machine's fused multiply-add, its wide
    /// registers and its roundings in place of calls.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "fma,avx2")]
    fn run_blocks_fma(&self, args: &[&[f32]], out: &mut [f32]) {
        self.run_blocks(args, out);
    }

    #[inline(always)]
    fn run_blocks(&self, args: &[&[f32]], out: &mut [f32]) {
        let mut regs = vec![[0; BLOCK]; self.ops.len()];
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let from = block * BLOCK;
            run_ops(&self.ops, &mut regs, |operand, lanes| {
                let values = &args[operand][from..from + out.len()];
                lanes.iter_mut().zip(values).for_each(|(lane, value)| *lane = value.to_bits());
            });
            let result = &regs[self.result.index()];
            out.iter_mut().zip(result).for_each(|(out, &bits)| *out = f32::from_bits(bits));
        }
    }
}

/// Runs every operation over `N` lanes; `load` fills in an operand of the program. Lanes that it leaves alone
/// hold what they held, and nobody reads what comes of them.
#[inline(always)]
fn run_ops<const N: usize>(ops: &[Op], regs: &mut [[u32; N]], load: impl Fn(usize, &mut [u32; N])) {
    for (k, &op) in ops.iter().enumerate() {
        let (done, rest) = regs.split_at_mut(k);
        let step = Step { done, out: &mut rest[0] };
        match op {
            Op::Arg(operand) | Op::IntArg(operand) => load(operand as usize, step.out),
            Op::Const(bits) | Op::IntConst(bits) => step.out.fill(bits),
            Op::Add(a, b) => step.floats(a, b, |a, b| a + b),
            Op::Sub(a, b) => step.floats(a, b, |a, b| a - b),
            Op::Mul(a, b) => step.floats(a, b, |a, b| a * b),
            Op::Div(a, b) => step.floats(a, b, |a, b| a / b),
            Op::Fma(a, b, c) => step.three(a, b, c, |a, b, c| {
                f32::from_bits(a).mul_add(f32::from_bits(b), f32::from_bits(c)).to_bits()
            }),
            Op::Neg(a) => step.one(a, |a| a ^ 0x8000_0000),
            Op::Abs(a) => step.one(a, |a| a & 0x7fff_ffff),
            Op::Sqrt(a) => step.float(a, f32::sqrt),
            Op::Floor(a) => step.float(a, |a| flushed(a).floor()),
            Op::Ceil(a) => step.float(a, |a| flushed(a).ceil()),
            Op::Nearest(a) => step.float(a, f32::round_ties_even),
            Op::Less(a, b) => step.compare(a, b, |a, b| a < b),
            Op::LessEqual(a, b) => step.compare(a, b, |a, b| a <= b),
            Op::Equal(a, b) => step.compare(a, b, |a, b| a == b),
            Op::NotEqual(a, b) => step.compare(a, b, |a, b| a != b),
            Op::IntEqual(a, b) => step.two(a, b, |a, b| mask(a == b)),
            Op::And(a, b) | Op::IntAnd(a, b) => step.two(a, b, |a, b| a & b),
            Op::Or(a, b) | Op::IntOr(a, b) => step.two(a, b, |a, b| a | b),
            Op::Not(a) => step.one(a, |a| !a),
            Op::Select(m, a, b) => step.three(m, a, b, |m, a, b| (m & a) | (!m & b)),
            Op::Number(a) => step.one(a, |a| a & 1f32.to_bits()),
            Op::Truth(a) => step.one(a, |a| mask(flushed(f32::from_bits(a)) != 0.0)),
            Op::IntAdd(a, b) => step.two(a, b, u32::wrapping_add),
            Op::IntSub(a, b) => step.two(a, b, u32::wrapping_sub),
            Op::IntMul(a, b) => step.two(a, b, u32::wrapping_mul),
            Op::IntXor(a, b) => step.two(a, b, |a, b| a ^ b),
            Op::Shl(a, by) => step.one(a, |a| a << by),
            Op::Shr(a, by) => step.one(a, |a| a >> by),
            Op::Sar(a, by) => step.one(a, |a| (a as i32 >> by) as u32),
            Op::Bits(a) | Op::FromBits(a) => step.one(a, |a| a),
            Op::Convert(a) => step.one(a, |a| (a as i32 as f32).to_bits()),
        }
    }
}

#[inline(always)]
fn mask(condition: bool) -> u32 {
    if condition { u32::MAX } else { 0 }
}

/// The registers computed so far and the one to fill.
struct Step<'a, const N: usize> {
    done: &'a [[u32; N]],
    out: &'a mut [u32; N],
}

impl<const N: usize> Step<'_, N> {
    #[inline(always)]
    fn one(self, a: Reg, f: impl Fn(u32) -> u32) {
        let a = &self.done[a.index()];
        (0..N).for_each(|k| self.out[k] = f(a[k]));
    }

    #[inline(always)]
    fn two(self, a: Reg, b: Reg, f: impl Fn(u32, u32) -> u32) {
        let (a, b) = (&self.done[a.index()], &self.done[b.index()]);
        (0..N).for_each(|k| self.out[k] = f(a[k], b[k]));
    }

    #[inline(always)]
    fn three(self, a: Reg, b: Reg, c: Reg, f: impl Fn(u32, u32, u32) -> u32) {
        let (a, b, c) = (&self.done[a.index()], &self.done[b.index()], &self.done[c.index()]);
        (0..N).for_each(|k| self.out[k] = f(a[k], b[k], c[k]));
    }

    #[inline(always)]
    fn float(self, a: Reg, f: impl Fn(f32) -> f32) {
        self.one(a, |a| f(f32::from_bits(a)).to_bits());
    }

    #[inline(always)]
    fn floats(self, a: Reg, b: Reg, f: impl Fn(f32, f32) -> f32) {
        self.two(a, b, |a, b| f(f32::from_bits(a), f32::from_bits(b)).to_bits());
    }

    #[inline(always)]
    fn compare(self, a: Reg, b: Reg, f: impl Fn(f32, f32) -> bool) {
        self.two(a, b, |a, b| mask(f(f32::from_bits(a), f32::from_bits(b))));
    }
}
