#!/usr/bin/env python3
"""Ten steps of every optimizer and schedule of the library by PyTorch in f64, for tests/library.rs.

    python3 -m venv venv && venv/bin/pip install torch && venv/bin/python tools/training_fixtures.py

writes tests/cases/torch/training.safetensors. For an optimizer as it is called, two parameters, `a[2, 3]` and `b[4]`,
lower the sum of w^4 / 4 - c w: `call/c`, and of all their elements, a's first, `call/w` before each step and after the
last, and `call/g` at each. For a schedule, `call/rate` of each step. Those that PyTorch lacks (lion, lamb, inverse_sqrt,
piecewise) are by their papers' formulas.
"""

import math

import torch
from torch import optim
from torch.optim import lr_scheduler as schedulers

from fixtures import CASES, draw, save

torch.manual_seed(22)
torch.set_default_dtype(torch.float64)

STEPS = 10
tensors = {}


def run(call, make):
    """Ten steps of an optimizer, which `make` makes of two parameters."""
    a, b = draw((2, 3)).requires_grad_(), draw((4,)).requires_grad_()
    c = draw((10,))
    flat = lambda parts: torch.cat([p.flatten() for p in parts])
    optimizer = make([a, b])
    weights, gradients = [flat([a, b]).detach().clone()], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        w = flat([a, b])
        (w**4 / 4 - c * w).sum().backward()
        gradients.append(flat([a.grad, b.grad]).clone())
        optimizer.step()
        weights.append(flat([a, b]).detach().clone())
    tensors[call + "/c"] = c
    tensors[call + "/w"] = torch.stack(weights)
    tensors[call + "/g"] = torch.stack(gradients)


class Lion(optim.Optimizer):
    """Chen and others, 2023, algorithm 2."""

    def __init__(self, params, lr, beta1, beta2, decay):
        super().__init__(params, dict(lr=lr, beta1=beta1, beta2=beta2, decay=decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                direction = (group["beta1"] * m + (1 - group["beta1"]) * p.grad).sign()
                p -= group["lr"] * (direction + group["decay"] * p)
                m.mul_(group["beta2"]).add_((1 - group["beta2"]) * p.grad)


class Lamb(optim.Optimizer):
    """You and others, 2020, algorithm 2, with the identity for the function phi."""

    def __init__(self, params, lr, beta1, beta2, eps, decay):
        super().__init__(params, dict(lr=lr, beta1=beta1, beta2=beta2, eps=eps, decay=decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                m, v = (state.setdefault(name, torch.zeros_like(p)) for name in "mv")
                t = state["t"] = state.get("t", 0) + 1
                m.mul_(group["beta1"]).add_((1 - group["beta1"]) * p.grad)
                v.mul_(group["beta2"]).add_((1 - group["beta2"]) * p.grad**2)
                r = m / (1 - group["beta1"] ** t) / ((v / (1 - group["beta2"] ** t)).sqrt() + group["eps"]) + group["decay"] * p
                p -= group["lr"] * p.norm() / r.norm() * r


def decayed(make):
    """The weights with one axis are in a group of their own, without decay."""
    return lambda params: make([{"params": params[:1]}, {"params": params[1:], "weight_decay": 0}])


run("sgd(lr = 0.1)", lambda p: optim.SGD(p, lr=0.1))
run("sgd(lr = 0.1, momentum = 0.8)", lambda p: optim.SGD(p, lr=0.1, momentum=0.8))
run("momentum(lr = 0.1)", lambda p: optim.SGD(p, lr=0.1, momentum=0.9))
run("nesterov(lr = 0.1)", lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True))
run("adagrad()", lambda p: optim.Adagrad(p))
run("adagrad(lr = 0.3)", lambda p: optim.Adagrad(p, lr=0.3))
run("adadelta()", lambda p: optim.Adadelta(p))
run("adadelta(lr = 20, rho = 0.8, eps = 1e-4)", lambda p: optim.Adadelta(p, lr=20, rho=0.8, eps=1e-4))
run("rmsprop()", lambda p: optim.RMSprop(p))
run("rmsprop(lr = 0.1, rho = 0.9)", lambda p: optim.RMSprop(p, lr=0.1, alpha=0.9))
run("adam()", lambda p: optim.Adam(p))
run("adam(lr = 0.1, beta1 = 0.8, beta2 = 0.95, eps = 1e-3)", lambda p: optim.Adam(p, lr=0.1, betas=(0.8, 0.95), eps=1e-3))
run("adamw()", decayed(lambda p: optim.AdamW(p)))
run("adamw(lr = 0.1, decay = 0.3)", decayed(lambda p: optim.AdamW(p, lr=0.1, weight_decay=0.3)))
run("adamax()", lambda p: optim.Adamax(p))
run("adamax(lr = 0.1, beta2 = 0.9)", lambda p: optim.Adamax(p, lr=0.1, betas=(0.9, 0.9)))
run("nadam()", lambda p: optim.NAdam(p))
run("nadam(lr = 0.1, decay = 0.02)", lambda p: optim.NAdam(p, lr=0.1, momentum_decay=0.02))
run("amsgrad()", lambda p: optim.Adam(p, amsgrad=True))
run("amsgrad(lr = 0.3, beta2 = 0.5)", lambda p: optim.Adam(p, lr=0.3, betas=(0.9, 0.5), amsgrad=True))
run("radam()", lambda p: optim.RAdam(p))
run("radam(lr = 0.1, beta2 = 0.9)", lambda p: optim.RAdam(p, lr=0.1, betas=(0.9, 0.9)))
run("lion()", lambda p: Lion(p, 1e-4, 0.9, 0.99, 0))
run("lion(lr = 0.05, decay = 0.1)", lambda p: Lion(p, 0.05, 0.9, 0.99, 0.1))
run("lamb()", lambda p: Lamb(p, 1e-3, 0.9, 0.999, 1e-6, 0.01))
run("lamb(lr = 0.1, decay = 0.2)", lambda p: Lamb(p, 0.1, 0.9, 0.999, 1e-6, 0.2))


def follow(call, make, base=0.1, after=1):
    """The rates of ten steps by a scheduler: of step s, after s calls of its `step`, or s - 1."""
    weight = torch.zeros(1, requires_grad=True)
    optimizer = optim.SGD([weight], lr=base)
    scheduler = make(optimizer)
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(STEPS - 1 + after):
        optimizer.step()
        scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    given(call, rates[after:])


def given(call, rates):
    tensors[call + "/rate"] = torch.tensor([float(rate) for rate in rates])


TINY = 1e-300
rise = lambda o, n: schedulers.LinearLR(o, TINY, 1, n)
then = lambda o, n, rest: schedulers.SequentialLR(o, [rise(o, n), rest], milestones=[n])
follow("constant(0.1)", lambda o: schedulers.ConstantLR(o, 1))
follow("constant(0.1, warmup = 3)", lambda o: rise(o, 3))
follow("warmup(0.1, 4)", lambda o: rise(o, 4))
follow("warmup(exponential(0.1, half = 3), 4)", lambda o: schedulers.ChainedScheduler([rise(o, 4), schedulers.ExponentialLR(o, 0.5 ** (1 / 3))]))
follow("cosine(0.1)", lambda o: schedulers.CosineAnnealingLR(o, STEPS))
follow("cosine(0.1, warmup = 3)", lambda o: then(o, 3, schedulers.CosineAnnealingLR(o, STEPS - 3)))
follow("cosine_restarts(0.1, 4)", lambda o: schedulers.CosineAnnealingWarmRestarts(o, 4))
follow("cosine_restarts(0.1, 2, growth = 2, least = 0.02)", lambda o: schedulers.CosineAnnealingWarmRestarts(o, 2, 2, 0.02))
follow("linear(0.1)", lambda o: schedulers.LinearLR(o, 1, 0, STEPS))
follow("linear(0.1, warmup = 4)", lambda o: then(o, 4, schedulers.LinearLR(o, 1, 0, STEPS - 4)))
follow("polynomial(0.1)", lambda o: schedulers.PolynomialLR(o, STEPS))
follow("polynomial(0.1, 2)", lambda o: schedulers.PolynomialLR(o, STEPS, 2))
follow("polynomial(0.1, power = 0.5)", lambda o: schedulers.PolynomialLR(o, STEPS, 0.5))
follow("exponential(0.1, half = 3)", lambda o: schedulers.ExponentialLR(o, 0.5 ** (1 / 3)))
follow("one_cycle(0.1)", lambda o: schedulers.OneCycleLR(o, 0.1, STEPS), after=0)
follow("one_cycle(0.1, rise = 0.5, start = 10, end = 100)",
       lambda o: schedulers.OneCycleLR(o, 0.1, STEPS, pct_start=0.5, div_factor=10, final_div_factor=100), after=0)
follow("step(0.1, every = 3)", lambda o: schedulers.StepLR(o, 3), after=0)
follow("step(0.1, every = 2, factor = 0.5)", lambda o: schedulers.StepLR(o, 2, 0.5), after=0)
follow("multi_step(0.1, [3, 7])", lambda o: schedulers.MultiStepLR(o, [3, 7]), after=0)
follow("multi_step(0.1, [2], factor = 0.5)", lambda o: schedulers.MultiStepLR(o, [2], 0.5), after=0)
given("inverse_sqrt(0.1, 4)", [0.1 * min(s / 4, math.sqrt(4 / s)) for s in range(1, STEPS + 1)])
given("piecewise([0.1, 0.02, 0.003], [4, 6])", [0.1 if s <= 4 else 0.02 if s <= 6 else 0.003 for s in range(1, STEPS + 1)])
given("warmup(piecewise([0.1, 0.02], [5]), 2)", [(0.1 if s <= 5 else 0.02) * min(1, s / 2) for s in range(1, STEPS + 1)])

save(CASES / "torch" / "training.safetensors", tensors)
print(len(tensors), "arrays,", sum(t.numel() for t in tensors.values()), "numbers")
