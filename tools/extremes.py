#!/usr/bin/env python3
"""Entries of the library at the extremes, by their formulas in high precision, for tests/library.rs.

    python3 -m venv venv && venv/bin/pip install torch mpmath && venv/bin/python tools/extremes.py

writes tests/cases/torch/extremes.nn, a net an entry as a function of one number x, and extremes.safetensors beside it:
for each net x, the value y, and the first and second derivatives g and h.
"""

import mpmath as mp
import torch

from fixtures import CASES, save

mp.mp.dps = 160
OUT = CASES / "torch"

WIDE = [1e-30, 1e-8, 1e-3, 0.5, 1, 3, 6, 10, 17, 30, 60, 90, 110, 400, 1e4, 1e10, 1e18]
MIDDLE = [0.03, 0.5, 1, 3, 6, 10, 17, 30, 60]

texts = []
tensors = {}


def both_signs(sizes):
    return [-x for x in reversed(sizes)] + sizes


def exactly(x):
    """The number of 32 bits that is nearest."""
    return mp.mpf(torch.tensor(x, dtype=torch.float32).item())


def derivative(f, x, n):
    """By central differences."""
    h = mp.mpf(10) ** -14 * abs(x)
    if n == 1:
        return (f(x + h) - f(x - h)) / (2 * h)
    return (f(x + h) - 2 * f(x) + f(x - h)) / h**2


def entry(name, expression, f, xs=None):
    """An entry as a function of x in the language, and its formula."""
    xs = [exactly(x) for x in (both_signs(WIDE) if xs is None else xs)]
    lines = expression if isinstance(expression, list) else ["y = " + expression]
    lines = ["  " + line for line in lines]
    texts.append("\n".join(["net %s {" % name, "  input x", *lines, "  g = grad(y, x)", "  h = grad(g, x)", "  loss = y", "  output y", "  output g", "  output h", "}"]))
    values = {"x": xs, "y": [f(x) for x in xs], "g": [derivative(f, x, 1) for x in xs], "h": [derivative(f, x, 2) for x in xs]}
    for key, numbers in values.items():
        tensors["%s/%s" % (name, key)] = torch.tensor([float(v) for v in numbers], dtype=torch.float64)


def sigmoid(x):
    return 1 / (1 + mp.exp(-x)) if x > 0 else mp.exp(x) / (1 + mp.exp(x))


def softplus(x):
    return max(x, 0) + mp.log1p(mp.exp(-abs(x)))


def elu(x, alpha=1, scale=1):
    return x if x > 0 else alpha * mp.expm1(x / scale)


def normal(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


entry("sigmoid", "sigmoid(x)", sigmoid)
entry("tanh", "tanh(x)", mp.tanh)
entry("softplus", "softplus(x)", softplus)
entry("log_sigmoid", "log_sigmoid(x)", lambda x: -softplus(-x))
entry("silu", "silu(x)", lambda x: x * sigmoid(x))
entry("mish", "mish(x)", lambda x: x * mp.tanh(softplus(x)))
entry("gelu", "gelu(x)", lambda x: x * normal(x))
entry("gelu_tanh", "gelu_tanh(x)", lambda x: x * sigmoid(2 * mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3)))
entry("elu", "elu(x)", elu)
entry("celu", "celu(1.5)(x)", lambda x: elu(x, mp.mpf(1.5), mp.mpf(1.5)))
entry("selu", "selu(x)", lambda x: mp.mpf(1.0507009873554805) * elu(x, mp.mpf(1.6732632423543772)))
entry("softsign", "softsign(x)", lambda x: x / (1 + abs(x)))
entry("tanhshrink", "tanhshrink(x)", lambda x: x - mp.tanh(x))
entry("log_cosh", "log_cosh(x, 0)", lambda x: softplus(2 * x) - x - mp.log(2))
for target in ("0", "0.25", "1"):
    t = mp.mpf(target)
    name = "bce_with_logits_" + target.replace(".", "_")
    entry(name, "bce_with_logits(x, %s)" % target, lambda x, t=t: t * softplus(-x) + (1 - t) * softplus(x))
for target in (0, 1):
    def focal(x, t=mp.mpf(target)):
        missed = t * sigmoid(-x) + (1 - t) * sigmoid(x)
        return (t / 4 + 3 * (1 - t) / 4) * missed**2 * (t * softplus(-x) + (1 - t) * softplus(x))
    entry("focal_%d" % target, "focal(x, %d)" % target, focal)
entry("softmax", "softmax([x, 0, 1])[0]", lambda x: sigmoid(x - mp.log(1 + mp.e)))
entry("softmax_other", "softmax([x, 0, 1])[1]", lambda x: sigmoid(mp.log(1 + mp.e) - x) / (1 + mp.e))
entry("softmin", "softmin([x, 0])[0]", lambda x: sigmoid(-x))
entry("log_softmax", "log_softmax([x, 0])[0]", lambda x: -softplus(-x))
entry("log_softmax_other", "log_softmax([x, 0])[1]", lambda x: -softplus(x))
entry("logsumexp", "logsumexp([x, 0])", softplus)
entry("cross_entropy", "cross_entropy([x, 0], 0)", lambda x: softplus(-x))
entry("cross_entropy_other", "cross_entropy([x, 0], 1)", softplus)
entry("cross_entropy_smooth", "cross_entropy(smoothing = 0.5)([x, 0], 0)", lambda x: softplus(x) - mp.mpf(3) / 4 * x)
entry("soft_cross_entropy", "soft_cross_entropy([x, 0], [0.25, 0.75])", lambda x: softplus(x) - x / 4)
entry("kl", "kl(log_softmax([x, 0]), [1, 0])", lambda x: softplus(-x))
entry("bce", "bce(x, 1)", lambda x: -mp.log(x), [1e-15, 1e-10, 1e-3, 0.5, 1 - 2**-20])
entry("bce_other", "bce(x, 0)", lambda x: -mp.log1p(-x), [1e-15, 1e-10, 1e-3, 0.5, 1 - 2**-10])
entry("poisson", "poisson(x, 3)", lambda x: mp.exp(x) - 3 * x, both_signs([1e-8, 1, 10, 60]) + [-1e4, -1e10])
entry("norm", "norm([x, 3, 2 * x])", lambda x: mp.sqrt(5 * x**2 + 9), both_signs([1e-15, 1e-3, 1, 1e10, 1e18]))
entry("huber", "huber(x, 0)", lambda x: x**2 / 2 if abs(x) <= 1 else abs(x) - mp.mpf(1) / 2, both_signs([1e-15, 0.5, 3, 1e10, 1e18]))


def normalised(values, at, shift=True):
    eps = mp.mpf("1e-5")
    mean = sum(values) / len(values) if shift else 0
    return (values[at] - mean) / mp.sqrt(sum((v - mean) ** 2 for v in values) / len(values) + eps)


SPREAD = both_signs([1e-18, 1e-3, 1, 30, 1e4, 1e10, 1e15])
entry("layernorm", ["n = [x, 0, 2 * x, 0] |> layernorm", "y = n[0]"], lambda x: normalised([x, 0, 2 * x, 0], 0), SPREAD)
entry("layernorm_offset", ["n = [x, 4096, 4097, 4099] |> layernorm", "y = n[0]"], lambda x: normalised([x, 4096, 4097, 4099], 0),
      [4094, 4097.5, 4100])
entry("layernorm_constant", ["n = [x, x] |> layernorm", "y = n[0]"], lambda x: mp.mpf(0), SPREAD)
entry("rmsnorm", ["n = [x, 1, 2 * x] |> rmsnorm", "y = n[0]"], lambda x: normalised([x, 1, 2 * x], 0, False), SPREAD)

head = "# Made by tools/extremes.py: entries of the library whose values and derivatives at the extremes stand beside this file.\n\n"
(OUT / "extremes.nn").write_text(head + "\n\n".join(texts) + "\n")
save(OUT / "extremes.safetensors", tensors)
print(len(texts), "nets,", sum(t.numel() for t in tensors.values()), "numbers")
