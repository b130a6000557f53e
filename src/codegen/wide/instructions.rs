//! The instruction sets that wide vectors are made by, and each one's instruction for what can be done with whole
//! vectors.

use crate::kernels::Variant;
use iced_x86::{Code as X86, Register};

/// A set of instructions. Never changes bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Instructions {
    /// Sixteen registers of 256 bits: eight numbers of 32 bits. A mask is a vector.
    Avx2,
    /// 32 registers of 512 bits: sixteen numbers of 32 bits. Masks have registers of their own.
    Avx512,
}

/// What is done with whole vectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Copy,
    Load,
    Store,
    /// One element into all lanes, from memory or from the first lane.
    Spread,
    SpreadLane,
    /// The first lane into memory.
    StoreFirst,
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
    /// Fused multiply-add into the first operand: which operands are its factors.
    FmaFirstThird,
    FmaFirstSecond,
    FmaSecondThird,
    Sqrt,
    /// By a number that says how.
    Round,
    And,
    Or,
    Xor,
    IntAdd,
    IntSub,
    IntMul,
    Shl,
    Shr,
    Sar,
    Convert,
    /// Lanes in the order that the first operand says.
    Permute,
    /// The first lane as an integer of 64 bits.
    Truncate,
}

impl Instructions {
    /// Those that this processor and system can run, the best last.
    #[cfg(all(target_arch = "x86_64", unix))]
    pub fn here() -> Vec<Instructions> {
        let mut here = vec![];
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            here.push(Instructions::Avx2);
        }
        let wide = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("bmi2");
        if wide {
            here.push(Instructions::Avx512);
        }
        here
    }

    /// Those that this processor and system can run, the best last.
    #[cfg(not(all(target_arch = "x86_64", unix)))]
    pub fn here() -> Vec<Instructions> {
        vec![]
    }

    /// The best of [`Instructions::here`].
    pub fn best() -> Option<Instructions> {
        Instructions::here().last().copied()
    }

    /// Those that the kernels have where they run a variant, if there are any.
    pub fn of(variant: Variant) -> Option<Instructions> {
        match variant {
            Variant::Portable => None,
            Variant::Avx2 => Some(Instructions::Avx2),
            Variant::Avx512 => Some(Instructions::Avx512),
        }
    }

    /// Numbers in a vector.
    pub fn lanes(self) -> i64 {
        match self {
            Instructions::Avx2 => 8,
            Instructions::Avx512 => 16,
        }
    }

    /// Bytes of a vector.
    pub fn bytes(self) -> i64 {
        self.lanes() * 4
    }

    /// Registers of vectors.
    pub fn registers(self) -> usize {
        match self {
            Instructions::Avx2 => 16,
            Instructions::Avx512 => 32,
        }
    }

    /// Vectors that may keep their register for a whole innermost loop: the others are for what an operation needs.
    pub fn most_pinned(self) -> usize {
        match self {
            Instructions::Avx2 => 8,
            Instructions::Avx512 => 20,
        }
    }

    /// A register as a vector.
    pub fn vector(self, register: usize) -> Register {
        let first = match self {
            Instructions::Avx2 => Register::YMM0,
            Instructions::Avx512 => Register::ZMM0,
        };
        first + register as u32
    }

    /// The instruction of a form where so many of the first lanes are read, and the first of its registers: what takes
    /// longer for wider vectors is done for no more lanes than it must. Others get zeros.
    pub fn code_for(self, form: Form, lanes: i64) -> (X86, Register) {
        use X86::*;
        let (half, quarter) = match form {
            Form::Div => (EVEX_Vdivps_ymm_k1z_ymm_ymmm256b32, EVEX_Vdivps_xmm_k1z_xmm_xmmm128b32),
            Form::Sqrt => (EVEX_Vsqrtps_ymm_k1z_ymmm256b32, EVEX_Vsqrtps_xmm_k1z_xmmm128b32),
            _ => return (self.code(form), self.vector(0)),
        };
        match (self, lanes) {
            (Instructions::Avx512, ..=4) => (quarter, Register::XMM0),
            (Instructions::Avx512, ..=8) => (half, Register::YMM0),
            _ => (self.code(form), self.vector(0)),
        }
    }

    /// The instruction of a form.
    pub fn code(self, form: Form) -> X86 {
        use X86::*;
        let (avx2, avx512) = match form {
            Form::Copy => (VEX_Vmovaps_ymm_ymmm256, EVEX_Vmovaps_zmm_k1z_zmmm512),
            Form::Load => (VEX_Vmovups_ymm_ymmm256, EVEX_Vmovups_zmm_k1z_zmmm512),
            Form::Store => (VEX_Vmovups_ymmm256_ymm, EVEX_Vmovups_zmmm512_k1z_zmm),
            Form::Spread => (VEX_Vbroadcastss_ymm_m32, EVEX_Vbroadcastss_zmm_k1z_xmmm32),
            Form::SpreadLane => (VEX_Vbroadcastss_ymm_xmm, EVEX_Vbroadcastss_zmm_k1z_xmmm32),
            Form::StoreFirst => (VEX_Vmovss_m32_xmm, EVEX_Vmovss_m32_k1_xmm),
            Form::Add => (VEX_Vaddps_ymm_ymm_ymmm256, EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er),
            Form::Sub => (VEX_Vsubps_ymm_ymm_ymmm256, EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er),
            Form::Mul => (VEX_Vmulps_ymm_ymm_ymmm256, EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er),
            Form::Div => (VEX_Vdivps_ymm_ymm_ymmm256, EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er),
            Form::Min => (VEX_Vminps_ymm_ymm_ymmm256, EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae),
            Form::Max => (VEX_Vmaxps_ymm_ymm_ymmm256, EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae),
            Form::FmaFirstThird => {
                (VEX_Vfmadd132ps_ymm_ymm_ymmm256, EVEX_Vfmadd132ps_zmm_k1z_zmm_zmmm512b32_er)
            }
            Form::FmaFirstSecond => {
                (VEX_Vfmadd213ps_ymm_ymm_ymmm256, EVEX_Vfmadd213ps_zmm_k1z_zmm_zmmm512b32_er)
            }
            Form::FmaSecondThird => {
                (VEX_Vfmadd231ps_ymm_ymm_ymmm256, EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er)
            }
            Form::Sqrt => (VEX_Vsqrtps_ymm_ymmm256, EVEX_Vsqrtps_zmm_k1z_zmmm512b32_er),
            Form::Round => (VEX_Vroundps_ymm_ymmm256_imm8, EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae),
            Form::And => (VEX_Vpand_ymm_ymm_ymmm256, EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32),
            Form::Or => (VEX_Vpor_ymm_ymm_ymmm256, EVEX_Vpord_zmm_k1z_zmm_zmmm512b32),
            Form::Xor => (VEX_Vpxor_ymm_ymm_ymmm256, EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32),
            Form::IntAdd => (VEX_Vpaddd_ymm_ymm_ymmm256, EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32),
            Form::IntSub => (VEX_Vpsubd_ymm_ymm_ymmm256, EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32),
            Form::IntMul => (VEX_Vpmulld_ymm_ymm_ymmm256, EVEX_Vpmulld_zmm_k1z_zmm_zmmm512b32),
            Form::Shl => (VEX_Vpslld_ymm_ymm_imm8, EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8),
            Form::Shr => (VEX_Vpsrld_ymm_ymm_imm8, EVEX_Vpsrld_zmm_k1z_zmmm512b32_imm8),
            Form::Sar => (VEX_Vpsrad_ymm_ymm_imm8, EVEX_Vpsrad_zmm_k1z_zmmm512b32_imm8),
            Form::Convert => (VEX_Vcvtdq2ps_ymm_ymmm256, EVEX_Vcvtdq2ps_zmm_k1z_zmmm512b32_er),
            Form::Permute => (VEX_Vpermps_ymm_ymm_ymmm256, EVEX_Vpermps_zmm_k1z_zmm_zmmm512b32),
            Form::Truncate => (VEX_Vcvttss2si_r64_xmmm32, EVEX_Vcvttss2si_r64_xmmm32_sae),
        };
        match self {
            Instructions::Avx2 => avx2,
            Instructions::Avx512 => avx512,
        }
    }
}
