//! Operands for tests: where a formula that holds for ordinary numbers may fail.

/// Zeros, infinities, NaN, denormals, the ends of the range, the kinks and steps of the gates with their
/// neighbours, and numbers of every order of magnitude and both signs. The same in every run.
pub fn samples() -> Vec<f32> {
    let special = [0.0, f32::INFINITY, f32::from_bits(1), 1e-40, f32::MIN_POSITIVE, f32::EPSILON, f32::MAX];
    let kinks = [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 10.0, 1e4, 16_777_216.0, 17.33, 87.33, 88.72, 103.97];
    let turns = [0.5, 1.0, 1.5, 2.0].map(|k| k * std::f32::consts::PI);
    let around = kinks.iter().chain(&turns).flat_map(|x| [x.next_down(), *x, x.next_up()]);
    let mut positive: Vec<f32> = special.into_iter().chain(around).collect();
    positive.extend(magnitudes(40, -126..127));
    positive.extend(magnitudes(40, -6..6));
    positive.iter().flat_map(|&x| [x, -x]).chain([f32::NAN]).collect()
}

/// `count` numbers above 0 with exponents spread over a range and random digits.
pub fn magnitudes(count: usize, exponents: std::ops::Range<i32>) -> Vec<f32> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as u32
    };
    let span = (exponents.end - exponents.start) as u32;
    let number = |_| {
        let exponent = exponents.start + (random() % span) as i32;
        f32::from_bits((((exponent + 127) as u32) << 23) | (random() & 0x007f_ffff))
    };
    (0..count).map(number).collect()
}
