//! Sums of products by the kernels, in operations a second: `cargo bench --bench kernels`.
//!
//! The shapes are those of forward pass, gradient of the weights and gradient of the input of dense layers.

use divan::Bencher;
use divan::counter::ItemsCount;
use nnc::kernels::{Equipment, Task, contract};
use nnc::plan::schedule::{Address, BufferId, Contract, ContractAxis, Extent, Linear};

fn main() {
    divan::main();
}

/// A product of matrices `out[m, n] = Σ_k a[m, k] b[n, k]`, whose operands lie `k` innermost or `k` outermost.
#[derive(Clone, Copy, Debug)]
struct Product {
    m: u32,
    n: u32,
    k: u32,
    /// Whether `k` is the inner axis of `a` and of `b`.
    inner: [bool; 2],
}

const fn product(m: u32, n: u32, k: u32, inner: [bool; 2]) -> Product {
    Product { m, n, k, inner }
}

const FORWARD: [bool; 2] = [true, true];
const TO_INPUT: [bool; 2] = [true, false];
const TO_WEIGHTS: [bool; 2] = [false, false];

const PRODUCTS: &[Product] = &[
    product(32, 128, 64, FORWARD),
    product(128, 64, 32, TO_WEIGHTS),
    product(128, 512, 784, FORWARD),
    product(512, 784, 128, TO_WEIGHTS),
    product(128, 512, 512, TO_INPUT),
    product(256, 2048, 2048, FORWARD),
    product(2048, 2048, 256, TO_WEIGHTS),
    product(256, 2048, 2048, TO_INPUT),
    product(1024, 384, 128, FORWARD),
    product(384, 128, 1024, TO_WEIGHTS),
];

impl Product {
    fn contract(self) -> Contract {
        let axis = |extent, a, b, out| ContractAxis { extent: Extent::Fixed(extent), a, b, out };
        let Product { m, n, k, inner } = self;
        let ([a_m, a_k], [b_n, b_k]) = (strides(inner[0], m, k), strides(inner[1], n, k));
        let at = || Address { buffer: BufferId(0), at: Linear::constant(0) };
        Contract {
            what: String::new(),
            why: String::new(),
            batch: vec![],
            m: vec![axis(m, a_m, 0, i64::from(n))],
            n: vec![axis(n, 0, b_n, 1)],
            k: vec![axis(k, a_k, b_k, 0)],
            a: at(),
            b: at(),
            out: at(),
            k_block: 512,
            mean: false,
        }
    }
}

/// Strides of rows and of `k`.
fn strides(k_inner: bool, rows: u32, k: u32) -> [i64; 2] {
    if k_inner { [i64::from(k), 1] } else { [1, i64::from(rows)] }
}

#[divan::bench(args = PRODUCTS)]
fn multiply_adds_f32(bencher: Bencher, product: &Product) {
    let Product { m, n, k, .. } = *product;
    let task = Task::prepare::<f32>(&product.contract(), 1);
    let numbers = |count: u32| (0..count).map(|i| (i % 17) as f32 * 0.125 - 1.0).collect::<Vec<f32>>();
    let (a, b) = (numbers(m * k), numbers(n * k));
    let mut out = vec![0.0f32; (m * n) as usize];
    let mut equipment = Equipment::new([&task].into_iter(), 4, 1, 0);
    bencher.counter(ItemsCount::new(2 * (m * n) as u64 * u64::from(k))).bench_local(|| {
        // SAFETY: operands and result are as long as the axes reach, and apart.
        unsafe { contract(&task, a.as_ptr(), b.as_ptr(), out.as_mut_ptr(), 1, &raw mut equipment) }
    });
}
