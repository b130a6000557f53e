"""Derives the coefficients in src/circuit/expansions: python3 tools/minimax.py [name ..] (needs mpmath).

Each fit is a linear least-squares problem on the relative error of the whole function, solved again and again
with more weight where the error is largest until the largest errors are level (Lawson's method). Coefficients
are rounded to f32 from the lowest up, and those above fitted again to what is left. Each line printed holds
the coefficients, lowest first, and the largest relative error before any rounding of the evaluation.
"""

import struct
import sys

from mpmath import atan, cos, erf, exp, expm1, log, log1p, lu_solve, matrix, mp, mpf, pi, sin, sqrt, tanh

mp.dps = 40
LAWSON_ROUNDS = 30


def f32(x):
    return mpf(struct.unpack("f", struct.pack("f", float(x)))[0])


def points(lo, hi, n):
    """Chebyshev points, which never touch the ends."""
    lo, hi = mpf(lo), mpf(hi)
    return [(lo + hi) / 2 - (hi - lo) / 2 * cos(pi * (k + mpf(1) / 2) / n) for k in range(n)]


def level(rows, right):
    """Coefficients c with max |rows c - right| about least, and that."""
    emphasis = [mpf(1)] * len(rows)
    best = None
    for _ in range(LAWSON_ROUNDS):
        scaled = [([sqrt(e) * x for x in row], sqrt(e) * y) for row, y, e in zip(rows, right, emphasis)]
        c = lu_solve(matrix([row for row, _ in scaled]), matrix([y for _, y in scaled]))
        errors = [abs(sum(x * k for x, k in zip(row, c)) - y) for row, y in zip(rows, right)]
        best = min(best or (mpf("inf"), c), (max(errors), c), key=lambda found: found[0])
        emphasis = [e * error for e, error in zip(emphasis, errors)]
        emphasis = [e / max(emphasis) for e in emphasis]
    return best


def polynomial(name, f, share, lo, hi, degree):
    """f(x) = c_0 + c_1 x + ..; `share` is what a relative error of 1 in f does to the whole function."""
    samples = [(x, f(x), share(x) / f(x)) for x in points(lo, hi, 20 * (degree + 2))]
    c = []
    for k in range(degree + 1):
        rows = [[w * x**i for i in range(k, degree + 1)] for x, _, w in samples]
        rest = [w * (y - sum(c[i] * x**i for i in range(k))) for x, y, w in samples]
        c.append(f32(level(rows, rest)[1][0]))
    report(name, c, max(abs(w * (y - sum(c[i] * x**i for i in range(degree + 1)))) for x, y, w in samples))


def rational(name, f, lo, hi, above, below, factor=mpf(1)):
    """f(x) = (1 + p_1 x + ..) / (1 + q_1 x + ..), the denominator of the last round dividing the errors; all
    above is multiplied by `factor` in the end."""
    samples = [(x, f(x)) for x in points(lo, hi, 20 * (above + below))]
    q = [mpf(1)]
    for _ in range(6):
        weights = [1 / (y * sum(k * x**i for i, k in enumerate(q))) for x, y in samples]
        powers = [[w * x**i for i in range(1, above + 1)] for (x, _), w in zip(samples, weights)]
        others = [[-w * y * x**i for i in range(1, below + 1)] for (x, y), w in zip(samples, weights)]
        rows = [p + o for p, o in zip(powers, others)]
        worst, c = level(rows, [w * (y - 1) for (_, y), w in zip(samples, weights)])
        p, q = [mpf(1), *c[:above]], [mpf(1), *c[above:]]
    report(name + " above", [f32(factor * k) for k in p], worst)
    report(name + " below", map(f32, q), worst)


def report(name, coefficients, worst):
    print(f"{name}: [{', '.join(shortest(c) for c in coefficients)}]  2^{float(log(worst, 2)):.1f}")


def shortest(x):
    """The shortest decimal that reads back as the same f32."""
    return next(t for t in (f"{float(x):.{d}g}" for d in range(1, 10)) if f32(mpf(t)) == x)


def half_log(s):
    """log((1 + s) / (1 - s)) / 2 s"""
    return log((1 + s) / (1 - s)) / (2 * s)


STEP = log(2) / 2 * mpf("1.001")
END = mpf("0.79") ** 2
ROOT = sqrt(mpf(2))


# Name: how to fit it, f, what a relative error in f does to the whole, the range, the degrees.
FUNCTIONS = {
    # e^r = 1 + r + r^2 P(r), within half a step of log 2
    "exp": (polynomial, lambda r: (expm1(r) - r) / r**2, lambda r: (expm1(r) - r) / exp(r), -STEP, STEP, 4),
    # e^r - 1 = r + r^2 P(r), relative to itself
    "expm1": (polynomial, lambda r: (expm1(r) - r) / r**2, lambda r: 1 - r / expm1(r), -STEP, STEP, 5),
    # log(1 + f) = f - f^2 / 2 + f^3 P(f)
    "log": (
        polynomial,
        lambda f: (log1p(f) - f + f**2 / 2) / f**3,
        lambda f: 1 - (f - f**2 / 2) / log1p(f),
        *(1 / ROOT - 1, ROOT - 1, 7),
    ),
    # log((1 + s) / (1 - s)) = 2 s (1 + z P(z)), z = s^2; of numbers from sqrt(1/2) to sqrt(2), and from 1 to 2
    "pow log": (polynomial, lambda z: (half_log(sqrt(z)) - 1) / z, lambda z: z / 3, 0, mpf("0.1716") ** 2, 3),
    "log to two": (polynomial, lambda z: (half_log(sqrt(z)) - 1) / z, lambda z: z / 3, 0, mpf(1) / 9, 4),
    # 2^f = 1 + f P(f)
    "pow exp": (polynomial, lambda f: expm1(f * log(2)) / f, lambda f: expm1(f * log(2)), -0.5, 0.5, 5),
    # sin r = r + r z P(z), cos r = 1 - z / 2 + z^2 P(z), z = r^2
    "sin": (
        polynomial,
        lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z,
        lambda z: 1 - sqrt(z) / sin(sqrt(z)),
        *(0, END, 2),
    ),
    "cos": (
        polynomial,
        lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2,
        lambda z: 1 - (1 - z / 2) / cos(sqrt(z)),
        *(0, END, 2),
    ),
    # atan x = x + x z P(z), z = x^2, x up to 1
    "atan": (
        polynomial,
        lambda z: (atan(sqrt(z)) / sqrt(z) - 1) / z,
        lambda z: sqrt(z) / atan(sqrt(z)) - 1,
        *(0, 1, 8),
    ),
    # erf x = x P(z) / Q(z), z = x^2
    "erf": (rational, lambda z: erf(sqrt(z)) / sqrt(z) * sqrt(pi) / 2, 0, 15.5, 5, 6, 2 / sqrt(pi)),
    # tanh x = x P(z) / Q(z), z = x^2
    "tanh": (rational, lambda z: tanh(sqrt(z)) / sqrt(z), 0, 81.5, 4, 5),
}

if __name__ == "__main__":
    for wanted in sys.argv[1:] or FUNCTIONS:
        fit, *arguments = FUNCTIONS[wanted]
        fit(wanted, *arguments)
