//! Subnormal numbers count as zero wherever a program is evaluated.
//!
//! An f32 below 2^-126, an f64 below 2^-1022, has fewer digits than others, and many processors take a hundred times
//! as long for it. Such numbers come by themselves: a moment of Adam whose gradient is 0 from some step on, a pixel that
//! is always dark or a row of an embedding that no batch names, fades by a factor a step until it is one, and stays one.
//! So an operand that is subnormal is taken for 0, and so is a result, as by XLA and by fast modes of C compilers.

use std::marker::PhantomData;

/// While it lives, arithmetic of this thread takes subnormal operands and results for zeros, with their signs. Held by
/// native code and by the interpreters alike while they run, so that their bits agree. Both types of floating point.
///
/// On x86-64 the bits FTZ and DAZ of MXCSR, on aarch64 FZ of FPCR; elsewhere nothing changes. A result that is rounded
/// up to the smallest normal number is kept by the former and is 0 by the latter.
#[must_use = "it ends when dropped"]
#[derive(Debug)]
pub struct Flushing {
    /// What the thread had set before.
    before: Control,
    /// The setting is the thread's own: it is taken back by the thread that made it.
    thread: PhantomData<*const ()>,
}

impl Flushing {
    /// Begins it.
    pub fn begin() -> Flushing {
        let before = control();
        set_control(before | FLUSH);
        Flushing { before, thread: PhantomData }
    }
}

impl Drop for Flushing {
    fn drop(&mut self) {
        set_control(self.before);
    }
}

/// 0 with its sign if it is subnormal: for functions that look at bits, which no mode of arithmetic tells anything.
pub fn flushed(x: f32) -> f32 {
    if x.is_subnormal() { 0f32.copysign(x) } else { x }
}

#[cfg(target_arch = "x86_64")]
use x86_64::*;

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::asm;

    pub type Control = u32;

    /// FTZ for results, DAZ for operands.
    pub const FLUSH: Control = 1 << 15 | 1 << 6;

    pub fn control() -> Control {
        let mut control = 0;
        // SAFETY: it writes the four bytes that it is given.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut control, options(nostack, preserves_flags)) };
        control
    }

    /// Rust takes the mode for the usual one where it folds and moves arithmetic. Only subnormal numbers could tell: what
    /// is folded with them keeps them, until some operation of the machine takes them for 0. That no memory is read
    /// before it nor written after it, `asm` sees to, so that what lies in arrays is computed within the mode.
    pub fn set_control(control: Control) {
        // SAFETY: it reads the four bytes that it is given; they differ from what the thread had at most in how subnormal
        // numbers are treated: no exception is unmasked, no rounding changed.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const control, options(nostack, preserves_flags)) };
    }
}

#[cfg(target_arch = "aarch64")]
use aarch64::*;

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    use std::arch::asm;

    pub type Control = u64;

    /// FZ.
    pub const FLUSH: Control = 1 << 24;

    pub fn control() -> Control {
        let control;
        // SAFETY: it reads a register.
        unsafe { asm!("mrs {}, fpcr", out(reg) control, options(nostack, preserves_flags)) };
        control
    }

    /// As for x86-64.
    pub fn set_control(control: Control) {
        // SAFETY: it differs from what the thread had at most in how subnormal numbers are treated.
        unsafe { asm!("msr fpcr, {}", in(reg) control, options(nostack, preserves_flags)) };
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use elsewhere::*;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod elsewhere {
    pub type Control = u32;

    pub const FLUSH: Control = 0;

    pub fn control() -> Control {
        0
    }

    pub fn set_control(_: Control) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[test]
    fn subnormal_operands_and_results_are_zero_while_it_lives() {
        let half = || black_box(f32::MIN_POSITIVE) * black_box(0.5);
        let double = || black_box(-1e-40f32) * black_box(1e10);
        let wide = || black_box(f64::MIN_POSITIVE) * black_box(0.5);
        assert!(half() > 0.0 && double() < 0.0 && wide() > 0.0);
        {
            let _outer = Flushing::begin();
            {
                let _inner = Flushing::begin();
            }
            assert_eq!(half().to_bits(), 0);
            assert_eq!(double().to_bits(), (-0.0f32).to_bits());
            assert_eq!(wide().to_bits(), 0);
        }
        assert!(half() > 0.0 && double() < 0.0 && wide() > 0.0);
    }
}
