#!/usr/bin/env python3
"""Network fragments with their values and gradients in f64 by PyTorch, for tests/torch.rs.

    python3 -m venv venv && venv/bin/pip install torch && venv/bin/python tools/torch_fixtures.py

writes tests/cases/torch/fragments.nn, a net a fragment, and fragments.safetensors beside it: for each net its
parameters and inputs (`net/w`), its output (`net/y`), and the derivatives of its loss (`net/bar/w`), where the loss is
the sum of the output weighed by the input `k`. Two examples a batch; the loss of a batch is the mean over them, and the
derivative by an input is that of its own example's loss.
"""

import torch
import torch.nn.functional as F

from fixtures import CASES, draw, save, sizes

torch.manual_seed(20)
torch.set_default_dtype(torch.float64)

BATCH = 2
OUT = CASES / "torch"

texts = []
tensors = {}


def fragment(name, params, inputs, lines, torch_y, classes=None, whole_batch=False):
    """One net: parameters and inputs by name and shape, equations that define y, and the same in PyTorch.

    `torch_y` takes the parameters and one example's inputs by name (the whole batch's, if `whole_batch`)."""
    classes = classes or {}
    values = {p: draw(shape).requires_grad_() for p, shape in params.items()}
    given = {}
    for x, shape in inputs.items():
        if x in classes:
            given[x] = torch.randint(0, classes[x], (BATCH, *shape))
        else:
            given[x] = draw((BATCH, *shape)).requires_grad_()
    if whole_batch:
        y = torch_y(**values, **given)
    else:
        y = torch.stack([torch_y(**values, **{x: v[b] for x, v in given.items()}) for b in range(BATCH)])
    k = draw(y.shape)
    (y * k).sum().div(BATCH).backward()

    shape = list(y.shape[1:])
    letters = ["a%d" % i for i in range(len(shape))]
    at = "[" + ", ".join(letters) + "]" if shape else ""
    text = ["net %s {" % name]
    text += ["  param %s%s = 0" % (p, sizes(s)) for p, s in params.items()]
    text += ["  input %s%s%s" % (x, sizes(s), ": class(%d)" % classes[x] if x in classes else "") for x, s in inputs.items()]
    text += ["  input k%s" % sizes(shape)]
    text += ["  " + line for line in lines]
    text += ["  output y", "  loss = %sk%s * y%s" % ("sum%s " % at if shape else "", at, at), "}"]
    texts.append("\n".join(text))

    def keep(key, tensor):
        tensors["%s/%s" % (name, key)] = tensor.detach().to(torch.float64).contiguous()

    for p, v in values.items():
        keep(p, v)
        keep("bar/" + p, v.grad if v.grad is not None else torch.zeros_like(v))
    for x, v in given.items():
        keep(x, v)
        if x not in classes:
            keep("bar/" + x, v.grad * BATCH if v.grad is not None else torch.zeros_like(v))
    keep("k", k)
    keep("y", y)


def shifted(stride, index, dilation, window, pad):
    """`2*i + 3*u - 1`"""
    times = lambda n, s: s if n == 1 else "%d*%s" % (n, s)
    return "%s + %s%s" % (times(stride, index), times(dilation, window), " - %d" % pad if pad else "")


def length(n, k, s, p, d):
    return (n + 2 * p - d * (k - 1) - 1) // s + 1


# Convolutions in one dimension: channels, filters, length, window, stride, padding, dilation, groups.
for C, N, L, K, s, p, d, G in [
    (1, 1, 5, 1, 1, 0, 1, 1), (2, 3, 7, 3, 1, 0, 1, 1), (2, 3, 7, 3, 1, 1, 1, 1), (2, 2, 8, 3, 2, 1, 1, 1),
    (2, 2, 9, 2, 2, 0, 1, 1), (1, 2, 9, 3, 3, 0, 1, 1), (1, 2, 8, 2, 3, 1, 1, 1), (2, 2, 9, 3, 1, 2, 2, 1),
    (1, 2, 11, 3, 2, 2, 2, 1), (2, 1, 10, 2, 1, 3, 3, 1), (1, 1, 12, 4, 3, 2, 2, 1), (4, 4, 6, 3, 1, 1, 1, 2),
    (4, 2, 7, 3, 2, 1, 1, 2), (3, 6, 6, 3, 1, 1, 1, 3), (6, 3, 8, 2, 2, 0, 2, 3), (2, 2, 5, 5, 1, 2, 1, 1),
    (2, 2, 5, 5, 1, 4, 1, 1), (1, 1, 3, 5, 1, 3, 1, 1), (1, 2, 4, 2, 5, 1, 1, 1), (2, 2, 6, 1, 2, 0, 1, 1),
]:
    T = length(L, K, s, p, d)
    read = shifted(s, "i", d, "u", p)
    if G == 1:
        lines = ["y[f, i: %d] = b[f] + sum[c, u] w[f, c, u] * (x[c, %s] else 0)" % (T, read)]
        wshape, bshape = (N, C, K), (N,)
        fn = lambda w, b, x, s=s, p=p, d=d: F.conv1d(x, w, b, stride=s, padding=p, dilation=d)
    else:
        lines = ["y[g, f, i: %d] = b[g, f] + sum[c, u] w[g, f, c, u] * (x[%d*g + c, %s] else 0)" % (T, C // G, read)]
        wshape, bshape = (G, N // G, C // G, K), (G, N // G)
        fn = lambda w, b, x, s=s, p=p, d=d, G=G: F.conv1d(
            x, w.flatten(0, 1), b.flatten(), stride=s, padding=p, dilation=d, groups=G).unflatten(0, (G, -1))
    fragment("conv1d_c%d_f%d_l%d_k%d_s%d_p%d_d%d_g%d" % (C, N, L, K, s, p, d, G), {"w": wshape, "b": bshape}, {"x": (C, L)}, lines, fn)

# In two dimensions: channels, filters, height, width, window, strides, padding, dilation.
for C, N, H, W, K, s, p, d in [
    (1, 2, 5, 5, (3, 3), (1, 1), (0, 0), (1, 1)), (2, 2, 4, 5, (3, 3), (1, 1), (1, 1), (1, 1)),
    (1, 2, 6, 6, (3, 3), (2, 2), (1, 1), (1, 1)), (2, 1, 6, 5, (2, 2), (2, 2), (0, 0), (1, 1)),
    (1, 1, 6, 7, (2, 3), (1, 2), (1, 0), (1, 1)), (1, 1, 7, 7, (3, 3), (1, 1), (2, 2), (2, 2)),
    (1, 1, 7, 8, (3, 2), (2, 3), (1, 2), (2, 1)), (1, 2, 5, 5, (5, 5), (1, 1), (2, 2), (1, 1)),
    (2, 2, 3, 3, (1, 1), (1, 1), (0, 0), (1, 1)), (1, 1, 5, 6, (3, 1), (3, 1), (1, 1), (1, 1)),
    (1, 1, 4, 4, (4, 4), (4, 4), (0, 0), (1, 1)), (1, 1, 6, 6, (2, 2), (3, 3), (1, 1), (2, 2)),
]:
    P, Q = (length(n, K[a], s[a], p[a], d[a]) for a, n in enumerate((H, W)))
    lines = ["y[f, i: %d, j: %d] = b[f] + sum[c, u, v] w[f, c, u, v] * (x[c, %s, %s] else 0)"
             % (P, Q, shifted(s[0], "i", d[0], "u", p[0]), shifted(s[1], "j", d[1], "v", p[1]))]
    fragment("conv2d_c%d_f%d_%dx%d_k%d%d_s%d%d_p%d%d_d%d%d" % (C, N, H, W, *K, *s, *p, *d), {"w": (N, C, *K), "b": (N,)}, {"x": (C, H, W)}, lines,
             lambda w, b, x, s=s, p=p, d=d: F.conv2d(x, w, b, stride=s, padding=p, dilation=d))

# Depthwise, separable, three dimensions.
fragment("depthwise", {"w": (3, 2, 2)}, {"x": (3, 4, 4)},
         ["y[c, i: 3, j: 3] = sum[u, v] w[c, u, v] * x[c, i + u, j + v]"],
         lambda w, x: F.conv2d(x, w.unsqueeze(1), groups=3))
fragment("separable", {"w": (2, 3, 3), "v": (3, 2)}, {"x": (2, 4, 4)},
         ["a[c, i: 4, j: 4] = sum[u, v0] w[c, u, v0] * (x[c, i + u - 1, j + v0 - 1] else 0)", "y[f, i, j] = sum[c] v[f, c] * a[c, i, j]"],
         lambda w, v, x: F.conv2d(F.conv2d(x, w.unsqueeze(1), padding=1, groups=2), v[:, :, None, None]))
for s, p, d in [(1, 0, 1), (2, 1, 1), (1, 1, 2)]:
    n = [length(m, 2, s, p, d) for m in (3, 4, 3)]
    at = ", ".join(shifted(s, i, d, u, p) for i, u in ("iu", "jv", "lt"))
    fragment("conv3d_s%d_p%d_d%d" % (s, p, d), {"w": (2, 1, 2, 2, 2)}, {"x": (1, 3, 4, 3)},
             ["y[f, i: %d, j: %d, l: %d] = sum[c, u, v, t] w[f, c, u, v, t] * (x[c, %s] else 0)" % (*n, at)],
             lambda w, x, s=s, p=p, d=d: F.conv3d(x, w, stride=s, padding=p, dilation=d))

# Transposed convolutions: channels, filters, length, window, stride, padding, padding of the output, dilation.
for C, N, L, K, s, p, o, d in [
    (2, 2, 4, 3, 1, 0, 0, 1), (2, 3, 4, 3, 2, 0, 0, 1), (1, 2, 5, 3, 2, 1, 0, 1), (1, 2, 4, 3, 2, 1, 1, 1),
    (2, 1, 3, 4, 2, 1, 0, 1), (1, 1, 4, 2, 3, 0, 2, 1), (1, 1, 4, 2, 3, 1, 0, 2), (2, 2, 3, 5, 1, 2, 0, 1),
    (1, 1, 5, 1, 2, 0, 1, 1), (1, 1, 3, 3, 3, 2, 1, 2),
]:
    T = (L - 1) * s - 2 * p + d * (K - 1) + o + 1
    at = "i%s - %su" % (" + %d" % p if p else "", "" if d == 1 else "%d*" % d)
    at = "(%s)/%d" % (at, s) if s > 1 else at
    fragment("transposed1d_c%d_f%d_l%d_k%d_s%d_p%d_o%d_d%d" % (C, N, L, K, s, p, o, d), {"w": (C, N, K), "b": (N,)}, {"x": (C, L)},
             ["y[f, i: %d] = b[f] + sum[c, u] w[c, f, u] * (x[c, %s] else 0)" % (T, at)],
             lambda w, b, x, s=s, p=p, o=o, d=d: F.conv_transpose1d(x, w, b, stride=s, padding=p, output_padding=o, dilation=d))
for s, p in [(1, 0), (2, 0), (2, 1), (3, 1)]:
    T = (3 - 1) * s - 2 * p + 3
    at = lambda i, u: "(%s + %d - %s)/%d" % (i, p, u, s)
    fragment("transposed2d_s%d_p%d" % (s, p), {"w": (2, 1, 3, 3)}, {"x": (2, 3, 3)},
             ["y[f, i: %d, j: %d] = sum[c, u, v] w[c, f, u, v] * (x[c, %s, %s] else 0)" % (T, T, at("i", "u"), at("j", "v"))],
             lambda w, x, s=s, p=p: F.conv_transpose2d(x, w, stride=s, padding=p))

# Pooling: length, window, stride, padding.
for L, K, s, p in [(6, 2, 2, 0), (7, 3, 2, 0), (7, 3, 1, 1), (8, 3, 3, 1), (5, 4, 1, 2), (9, 2, 3, 0), (6, 5, 2, 2)]:
    T = length(L, K, s, p, 1)
    read = shifted(s, "i", 1, "u", p)
    name = "l%d_k%d_s%d_p%d" % (L, K, s, p)
    fragment("maxpool1d_" + name, {}, {"x": (2, L)}, ["y[c, i: %d] = max[u: %d] (x[c, %s] else -inf)" % (T, K, read)],
             lambda x, K=K, s=s, p=p: F.max_pool1d(x, K, s, p))
    fragment("meanpool1d_" + name, {}, {"x": (2, L)}, ["y[c, i: %d] = mean[u: %d] (x[c, %s] else 0)" % (T, K, read)],
             lambda x, K=K, s=s, p=p: F.avg_pool1d(x, K, s, p))
for K, s, p in [(2, 2, 0), (3, 2, 1), (3, 1, 0), (2, 1, 1)]:
    T = length(5, K, s, p, 1)
    read = "%s, %s" % (shifted(s, "i", 1, "u", p), shifted(s, "j", 1, "v", p))
    fragment("maxpool2d_k%d_s%d_p%d" % (K, s, p), {}, {"x": (1, 5, 5)},
             ["y[c, i: %d, j: %d] = max[u: %d, v: %d] (x[c, %s] else -inf)" % (T, T, K, K, read)],
             lambda x, K=K, s=s, p=p: F.max_pool2d(x, K, s, p))
    fragment("meanpool2d_k%d_s%d_p%d" % (K, s, p), {}, {"x": (1, 5, 5)},
             ["y[c, i: %d, j: %d] = mean[u: %d, v: %d] (x[c, %s] else 0)" % (T, T, K, K, read)],
             lambda x, K=K, s=s, p=p: F.avg_pool2d(x, K, s, p))
fragment("global_mean", {}, {"x": (3, 4, 2)}, ["y[c] = mean[i, j] x[c, i, j]"], lambda x: x.mean((1, 2)))
fragment("global_max", {}, {"x": (3, 4, 2)}, ["y[c] = max[i, j] x[c, i, j]"], lambda x: x.amax((1, 2)))

# Recurrences.
for T, N, M in [(1, 2, 2), (4, 2, 3), (6, 3, 1), (3, 1, 4)]:
    def rnn(W, U, b, x, T=T, M=M):
        h, hs = torch.zeros(M), []
        for t in range(T):
            h = torch.tanh(W @ x[t] + U @ h + b)
            hs.append(h)
        return torch.stack(hs)
    fragment("rnn_t%d_n%d_m%d" % (T, N, M), {"W": (M, N), "U": (M, M), "b": (M,)}, {"x": (T, N)},
             ["y[t, m] = tanh(b[m] + sum[n] W[m, n] * x[t, n] + sum[j] U[m, j] * (y[t - 1, j] else 0))"], rnn)
    def rnn_back(W, U, b, x, T=T, M=M):
        return rnn(W, U, b, x.flip(0), T, M).flip(0)
    fragment("rnn_backwards_t%d_n%d_m%d" % (T, N, M), {"W": (M, N), "U": (M, M), "b": (M,)}, {"x": (T, N)},
             ["y[t, m] = tanh(b[m] + sum[n] W[m, n] * x[t, n] + sum[j] U[m, j] * (y[t + 1, j] else 0))"], rnn_back)


def weights(module, names):
    """Puts the values of a fragment into a module, as a function of them."""
    return lambda values, x: torch.func.functional_call(module, {n: values[p] for n, p in names.items()}, (x,))


for T, N, M in [(1, 2, 2), (5, 2, 3), (3, 3, 2)]:
    module = torch.nn.GRU(N, M)
    call = weights(module, {"weight_ih_l0": "W", "weight_hh_l0": "U", "bias_ih_l0": "b", "bias_hh_l0": "c"})
    fragment("gru_t%d_n%d_m%d" % (T, N, M), {"W": (3 * M, N), "U": (3 * M, M), "b": (3 * M,), "c": (3 * M,)}, {"x": (T, N)},
             ["before[t: %d, m] = y[t - 1, m] else 0" % T,
              "gates[t, g] = b[g] + sum[n] W[g, n] * x[t, n]",
              "kept[t, g] = c[g] + sum[j] U[g, j] * before[t, j]",
              "r[t, m: %d] = sigmoid(gates[t, m] + kept[t, m])" % M,
              "z[t, m: %d] = sigmoid(gates[t, m + %d] + kept[t, m + %d])" % (M, M, M),
              "n[t, m: %d] = tanh(gates[t, m + %d] + r[t, m] * kept[t, m + %d])" % (M, 2 * M, 2 * M),
              "y[t, m: %d] = (1 - z[t, m]) * n[t, m] + z[t, m] * before[t, m]" % M],
             lambda W, U, b, c, x, call=call: call({"W": W, "U": U, "b": b, "c": c}, x)[0])
    module = torch.nn.LSTM(N, M)
    call = weights(module, {"weight_ih_l0": "W", "weight_hh_l0": "U", "bias_ih_l0": "b", "bias_hh_l0": "c"})
    fragment("lstm_t%d_n%d_m%d" % (T, N, M), {"W": (4 * M, N), "U": (4 * M, M), "b": (4 * M,), "c": (4 * M,)}, {"x": (T, N)},
             ["gates[t, g] = b[g] + c[g] + sum[n] W[g, n] * x[t, n] + sum[j] U[g, j] * (y[t - 1, j] else 0)",
              "cell[t, m: %d] = sigmoid(gates[t, m + %d]) * (cell[t - 1, m] else 0) + sigmoid(gates[t, m]) * tanh(gates[t, m + %d])" % (M, M, 2 * M),
              "y[t, m: %d] = sigmoid(gates[t, m + %d]) * tanh(cell[t, m])" % (M, 3 * M)],
             lambda W, U, b, c, x, call=call: call({"W": W, "U": U, "b": b, "c": c}, x)[0])


def scan(T, f):
    """y[t] = f(t, y), where y holds what is known."""
    ys = []
    for t in range(T):
        ys.append(f(t, ys))
    return torch.stack(ys)


past = lambda ys, t, k, fill=0.0: ys[t - k] if t - k >= 0 else torch.tensor(fill)
for k, fill in [(1, 0.0), (2, 0.0), (3, 0.5), (1, -1.0)]:
    fragment("lag_%d_%s" % (k, "fill" if fill else "zero"), {"w": ()}, {"x": (6,)},
             ["y[t] = tanh(x[t] + w * (y[t - %d] else %s))" % (k, fill)],
             lambda w, x, k=k, fill=fill: scan(6, lambda t, ys: torch.tanh(x[t] + w * past(ys, t, k, fill))))
fragment("two_lags", {"v": (), "w": ()}, {"x": (7,)}, ["y[t] = x[t] + v * (y[t - 1] else 0) - w * (y[t - 2] else 0.25)"],
         lambda v, w, x: scan(7, lambda t, ys: x[t] + v * past(ys, t, 1) - w * past(ys, t, 2, 0.25)))
fragment("cumulative_sum", {}, {"x": (6,)}, ["y[t] = x[t] + (y[t - 1] else 0)"], lambda x: x.cumsum(0))
fragment("cumulative_product", {}, {"x": (5,)}, ["y[t] = x[t] * (y[t - 1] else 1)"], lambda x: x.cumprod(0))
fragment("last_of_a_recurrence", {"w": ()}, {"x": (5,)}, ["h[t] = sin(x[t] + w * (h[t - 1] else 0))", "y = h[4]"],
         lambda w, x: scan(5, lambda t, ys: torch.sin(x[t] + w * past(ys, t, 1)))[4])
fragment("scan_of_columns", {"w": (3,)}, {"x": (3, 4)}, ["y[i, t] = x[i, t] * w[i] + cos(y[i, t - 1] else 0)"],
         lambda w, x: scan(4, lambda t, ys: x[:, t] * w + torch.cos(ys[t - 1] if t else torch.zeros(3))).T)


def bidirectional(W, U, V, x):
    forth, back, h = [], [], torch.zeros(2)
    for t in range(4):
        h = torch.tanh(W @ x[t] + U @ h)
        forth.append(h)
    h = torch.zeros(2)
    for t in reversed(range(4)):
        h = torch.tanh(W @ x[t] + V @ h)
        back.insert(0, h)
    return torch.stack(forth) * torch.stack(back)


fragment("bidirectional", {"W": (2, 3), "U": (2, 2), "V": (2, 2)}, {"x": (4, 3)},
         ["i[t, m] = sum[n] W[m, n] * x[t, n]",
          "forth[t: 4, m] = tanh(i[t, m] + sum[j] U[m, j] * (forth[t - 1, j] else 0))",
          "back[t: 4, m] = tanh(i[t, m] + sum[j] V[m, j] * (back[t + 1, j] else 0))",
          "y[t, m] = forth[t, m] * back[t, m]"], bidirectional)

# Integer reads.
fragment("embedding", {"E": (5, 3)}, {"token": (4,)}, ["y[t, d] = E[token[t], d]"], lambda E, token: E[token], classes={"token": 5})
fragment("embedding_bag", {"E": (5, 3)}, {"token": (6,)}, ["y[d] = sum[t] E[token[t], d]"], lambda E, token: E[token].sum(0), classes={"token": 5})
fragment("gather_of_gather", {"E": (4, 2)}, {"p": (3,), "q": (5,)}, ["y[t, d] = E[p[q[t]], d]"],
         lambda E, p, q: E[p[q]], classes={"p": 4, "q": 3})
fragment("picked_column", {}, {"x": (3, 4), "c": (3,)}, ["y[i] = x[i, c[i]]"], lambda x, c: x[torch.arange(3), c], classes={"c": 4})
fragment("cross_entropy", {"W": (4, 3)}, {"x": (3,), "c": ()}, ["z[j] = sum[n] W[j, n] * x[n]", "y = cross_entropy(z, c)"],
         lambda W, x, c: F.cross_entropy(W @ x, c), classes={"c": 4})

# Products, attention, normalisation.
fragment("dense", {"W": (3, 4), "b": (3,)}, {"x": (4,)}, ["y[m] = b[m] + sum[n] W[m, n] * x[n]"], lambda W, b, x: F.linear(x, W, b))
fragment("bilinear", {"W": (2, 3, 4)}, {"u": (3,), "v": (4,)}, ["y[m] = sum[i, j] W[m, i, j] * u[i] * v[j]"],
         lambda W, u, v: torch.einsum("mij,i,j->m", W, u, v))
fragment("matrix_product", {}, {"a": (3, 4), "b": (4, 2)}, ["y[i, j] = sum[n] a[i, n] * b[n, j]"], lambda a, b: a @ b)
fragment("transposed_product", {}, {"a": (3, 4), "b": (2, 4)}, ["y[i, j] = sum[n] a[i, n] * b[j, n]"], lambda a, b: a @ b.T)
fragment("trace", {}, {"a": (4, 4)}, ["y = sum[i] a[i, i]"], lambda a: torch.trace(a))
fragment("outer", {}, {"a": (3,), "b": (4,)}, ["y[i, j] = a[i] * b[j]"], lambda a, b: torch.outer(a, b))
fragment("softmax", {}, {"x": (5,)}, ["y = softmax(x)"], lambda x: x.softmax(0))
fragment("softmax_of_rows", {}, {"x": (3, 4)}, ["y[i] = softmax(x[i])"], lambda x: x.softmax(1))
fragment("log_softmax", {}, {"x": (5,)}, ["y = log_softmax(x)"], lambda x: x.log_softmax(0))
fragment("logsumexp", {}, {"x": (5,)}, ["y = logsumexp(x)"], lambda x: x.logsumexp(0))
for causal in (False, True):
    score = "sum[e] q[t, e] * p[s, e] / sqrt(3)"
    score = "if s <= t then %s else -inf" % score if causal else score
    fragment("attention%s" % ("_causal" if causal else ""), {}, {"q": (4, 3), "p": (4, 3), "v": (4, 2)},
             ["score[t, s] = %s" % score, "weight[t] = softmax(score[t])", "y[t, d] = sum[s] weight[t, s] * v[s, d]"],
             lambda q, p, v, causal=causal: F.scaled_dot_product_attention(q[None], p[None], v[None], is_causal=causal)[0])
fragment("heads", {"wq": (2, 2, 4), "wk": (2, 2, 4)}, {"x": (3, 4)},
         ["q[h, t, e] = sum[d] wq[h, e, d] * x[t, d]", "p[h, t, e] = sum[d] wk[h, e, d] * x[t, d]",
          "y[h, t, s] = sum[e] q[h, t, e] * p[h, s, e]"],
         lambda wq, wk, x: torch.einsum("hed,td,hes->hts", wq, x, torch.einsum("hed,sd->hes", wk, x)))
fragment("layernorm", {"g": (5,), "b": (5,)}, {"x": (5,)},
         ["m = mean[n] x[n]", "v = mean[n] (x[n] - m)^2", "y[n] = g[n] * (x[n] - m) / sqrt(v + 1e-5) + b[n]"],
         lambda g, b, x: F.layer_norm(x, (5,), g, b, 1e-5))
fragment("groupnorm", {}, {"x": (4, 3)},
         ["part[g: 2, c: 2, i] = x[2*g + c, i]", "m[g] = mean[c, i] part[g, c, i]", "v[g] = mean[c, i] (part[g, c, i] - m[g])^2",
          "y[g, c, i] = (part[g, c, i] - m[g]) / sqrt(v[g] + 1e-5)"],
         lambda x: F.group_norm(x[None], 2, eps=1e-5)[0].reshape(2, 2, 3))
fragment("batchnorm", {"g": (3,)}, {"x": (3,)},
         ["m[n] = mean[batch] x[n]", "v[n] = mean[batch] (x[n] - m[n])^2", "y[n] = g[n] * (x[n] - m[n]) / sqrt(v[n] + 1e-5)"],
         lambda g, x: F.batch_norm(x, None, None, g, None, True, 0.1, 1e-5), whole_batch=True)
fragment("cosine", {}, {"a": (4,), "b": (4,)}, ["y = sum[i] a[i] * b[i] / (sqrt(sum[j] a[j]^2) * sqrt(sum[l] b[l]^2))"],
         lambda a, b: F.cosine_similarity(a, b, 0))

# Views of all kinds.
fragment("reversed", {}, {"x": (5,)}, ["y[i: 5] = x[4 - i]"], lambda x: x.flip(0))
fragment("every_second", {}, {"x": (7,)}, ["y[i: 4] = x[2*i]"], lambda x: x[::2])
fragment("every_third_from_one", {}, {"x": (9,)}, ["y[i: 3] = x[3*i + 1]"], lambda x: x[1::3])
fragment("dilated", {}, {"x": (3,)}, ["y[i: 5] = x[i/2] else 0"], lambda x: torch.stack([x[0], torch.tensor(0.0), x[1], torch.tensor(0.0), x[2]]))
fragment("padded", {}, {"x": (3,)}, ["y[i: 8] = x[i - 2] else 0.5"], lambda x: F.pad(x, (2, 3), value=0.5))
fragment("cropped", {}, {"x": (6, 5)}, ["y[i: 3, j: 2] = x[i + 1, j + 2]"], lambda x: x[1:4, 2:4])
fragment("diagonal", {}, {"x": (4, 4)}, ["y[i] = x[i, i]"], lambda x: x.diagonal())
fragment("above_the_diagonal", {}, {"x": (4, 4)}, ["y[i: 3] = x[i, i + 1]"], lambda x: x.diagonal(1))
fragment("lower_triangle", {}, {"x": (4, 4)}, ["y[i: 4, j: 4] = if j <= i then x[i, j] else 0"], lambda x: x.tril())
fragment("windows", {}, {"x": (7,)}, ["y[i: 5, u: 3] = x[i + u]"], lambda x: x.unfold(0, 3, 1))
fragment("strided_windows", {}, {"x": (9,)}, ["y[i: 4, u: 3] = x[2*i + u]"], lambda x: x.unfold(0, 3, 2))
fragment("flattened", {}, {"x": (2, 3, 2)}, ["y[(a, b, c)] = x[a, b, c]"], lambda x: x.flatten())
fragment("regrouped", {}, {"x": (6,)}, ["y[i: 2, j: 3] = x[3*i + j]"], lambda x: x.reshape(2, 3))
fragment("transposed", {}, {"x": (2, 3, 4)}, ["y[j, i, l] = x[i, j, l]"], lambda x: x.permute(1, 0, 2))
fragment("repeated", {}, {"x": (3,)}, ["y[i: 3, j: 2] = x[i]"], lambda x: x[:, None].expand(3, 2))
fragment("differences", {}, {"x": (6,)}, ["y[i: 5] = x[i + 1] - x[i]"], lambda x: x.diff())
fragment("laplacian", {}, {"x": (4, 4)},
         ["y[i: 4, j: 4] = (x[i - 1, j] else 0) + (x[i + 1, j] else 0) + (x[i, j - 1] else 0) + (x[i, j + 1] else 0) - 4 * x[i, j]"],
         lambda x: F.conv2d(x[None], torch.tensor([[[[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]]]), padding=1)[0])
fragment("triangle_sum", {}, {"x": (5,)}, ["y[t: 5] = sum[s: 5] (if s <= t then x[s] else 0)"], lambda x: x.cumsum(0))

# Reductions and gates.
fragment("product", {}, {"x": (4,)}, ["y = prod[i] x[i]"], lambda x: x.prod())
fragment("product_of_rows", {}, {"x": (3, 3)}, ["y[i] = prod[j] x[i, j]"], lambda x: x.prod(1))
fragment("largest_of_columns", {}, {"x": (4, 3)}, ["y[j] = max[i] x[i, j]"], lambda x: x.amax(0))
fragment("least", {}, {"x": (4, 3)}, ["y = min[i, j] x[i, j]"], lambda x: x.amin())
fragment("norm", {}, {"x": (4, 3)}, ["y = sqrt(sum[i, j] x[i, j]^2)"], lambda x: x.norm())
fragment("variance", {}, {"x": (5,)}, ["m = mean[i] x[i]", "y = mean[i] (x[i] - m)^2"], lambda x: x.var(unbiased=False))
for name, fn in [("tanh", torch.tanh), ("sigmoid", torch.sigmoid), ("softplus", F.softplus), ("exp", torch.exp), ("relu", F.relu),
                 ("silu", F.silu), ("elu", F.elu), ("erf", torch.erf), ("expm1", torch.expm1), ("atan", torch.atan), ("sin", torch.sin),
                 ("cos", torch.cos), ("abs", torch.abs)]:
    fragment("gate_" + name, {}, {"x": (5,)}, ["y[i] = %s(3 * x[i])" % name.replace("elu", "elu(1)" if name == "elu" else "elu")], lambda x, fn=fn: fn(3 * x))
fragment("gelu_tanh", {}, {"x": (5,)}, ["y[i] = gelu_tanh(2 * x[i])"], lambda x: F.gelu(2 * x, approximate="tanh"))
fragment("powers", {}, {"x": (4,)}, ["y[i] = x[i]^3 - 2 * x[i]^2 + 1 / (x[i] + 3)"], lambda x: x**3 - 2 * x**2 + 1 / (x + 3))
fragment("choices", {}, {"x": (5,), "z": (5,)}, ["y[i] = if x[i] > z[i] then x[i] * z[i] else z[i]^2"],
         lambda x, z: torch.where(x > z, x * z, z**2))
fragment("root_behind_a_choice", {}, {"x": (5,)}, ["y[i] = if x[i] > 0 then sqrt(x[i]) else 0"],
         lambda x: torch.where(x > 0, torch.where(x > 0, x, torch.ones(())).sqrt(), torch.zeros(())))

OUT.mkdir(parents=True, exist_ok=True)
head = "# Made by tools/torch_fixtures.py: fragments whose values and gradients by PyTorch stand beside this file.\n\n"
(OUT / "fragments.nn").write_text(head + "\n\n".join(texts) + "\n")
save(OUT / "fragments.safetensors", tensors)
print(len(texts), "fragments,", sum(t.numel() for t in tensors.values()), "numbers")
