//! Memory asked for before it is needed.

/// Asks for memory that is soon read. The address need not be inside an array.
#[inline(always)]
pub fn will_read<T>(from: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every such processor has the instruction, for which no address is wrong.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(from.cast())
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = from;
}

/// Asks for memory that is soon written. The address need not be inside an array.
#[inline(always)]
pub(super) fn will_write<T>(to: *mut T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as above.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_ET0 }>(to.cast_const().cast())
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = to;
}
