//! Small contractions, by the definition of bits: see [`crate::plan::schedule`].

use super::code::*;
use super::lower::Lowering;
use crate::codegen::product::{Axis, Product};

impl Lowering<'_> {
    /// Emits a product: its results one after another, of which some may lie in lanes.
    pub fn product(&mut self, product: &Product) -> Option<()> {
        let (lanes, outer) = product.lanes();
        self.along(outer, &mut |l| {
            l.along(&product.inner, &mut |l| match lanes {
                Some(Axis { var, extent }) => {
                    l.loop_over(var, extent.into(), Some(1), &mut |l| l.result(product))
                }
                None => l.result(product),
            })
        })
    }

    /// A result: one chain of fused multiply-adds from 0.
    fn result(&mut self, product: &Product) -> Option<()> {
        let [own, other, out] = &product.places;
        let sum = self.variable(0.0);
        self.along(&product.k, &mut |l| {
            let factors = [l.load(own, &[], 0.0)?, l.load(other, &[], 0.0)?];
            let next = l.op(Opcode::Fma, &[factors[0], factors[1], Operand::Vector(sum)]);
            l.assign(sum, next, Reach::All);
            Some(())
        })?;
        let mut result = Operand::Vector(sum);
        if product.mean {
            let size = Operand::Bits((self.schedule.capacity as f32).to_bits());
            result = self.op(Opcode::Div, &[result, size]);
        }
        self.write(out, result)
    }

    /// Emits loops along axes, plainly.
    fn along(&mut self, axes: &[Axis], body: &mut dyn FnMut(&mut Self) -> Option<()>) -> Option<()> {
        let Some((&Axis { var, extent }, rest)) = axes.split_first() else { return body(self) };
        self.loop_over(var, extent.into(), None, &mut |l| l.along(rest, body))
    }
}
