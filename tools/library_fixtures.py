#!/usr/bin/env python3
"""The entries of the library with their values, gradients and second derivatives in f64 by PyTorch, for tests/torch.rs.

    python3 -m venv venv && venv/bin/pip install torch && venv/bin/python tools/library_fixtures.py

writes tests/cases/torch/library.nn, a net an entry and shape, and library.safetensors beside it: for each net its
parameters and inputs (`net/w`), its output (`net/y`), the derivative of s, the sum of the output weighed by the input
`k`, by each input (`net/g_x`), and the derivatives (`net/bar/w`) of the loss, s plus the sum of the g_x weighed by the
inputs `r_x`: so second derivatives are among them. Two examples a batch.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from fixtures import CASES, draw, save, sizes

torch.manual_seed(21)
torch.set_default_dtype(torch.float64)
torch.backends.mkldnn.enabled = False

BATCH = 2
OUT = CASES / "torch"

texts = []
tensors = {}
names = set()


def entry(name, lines, torch_y, inputs, params=None, classes=None, own=None, labelled=None, limits=None, whole_batch=False, twice=None):
    """One net: equations that define y by an entry, and the same in PyTorch.

    `params` are the net's own, `own` those of the instance that is labelled `l`, `labelled`
    those of others by their paths; all with their shapes. `torch_y` takes
    all by name (`w` for `l.w`) with one example's inputs, or the whole batch's. `classes` are inputs that are classes,
    `limits` those between which others are drawn. Second derivatives are by the inputs in `twice`, by default all."""
    base, k = name, 2
    while name in names:
        name, k = "%s_%d" % (base, k), k + 1
    names.add(name)
    classes, limits = classes or {}, limits or {}
    values, given = {}, {}
    for p, shape in (params or {}).items():
        values[p] = draw(shape, *limits.get(p, (-1, 1))).requires_grad_()
    for p, shape in (own or {}).items():
        values["l." + p] = draw(shape, *limits.get(p, (-1, 1))).requires_grad_()
    for p, shape in (labelled or {}).items():
        values[p] = draw(shape).requires_grad_()
    for x, shape in inputs.items():
        if x in classes:
            given[x] = torch.randint(0, classes[x], (BATCH, *shape))
        else:
            given[x] = draw((BATCH, *shape), *limits.get(x, (-1, 1))).requires_grad_()
    reals = [x for x in inputs if x not in classes]
    twice = reals if twice is None else twice
    bare = {p.removeprefix("l.").replace(".", "_"): v for p, v in values.items()}
    if whole_batch:
        y = torch_y(**bare, **given)
    else:
        y = torch.stack([torch_y(**bare, **{x: v[b] for x, v in given.items()}) for b in range(BATCH)])
    k = draw(y.shape)
    r = {x: draw(given[x].shape) for x in twice}
    s = (y * k).sum() / BATCH
    g = dict(zip(twice, torch.autograd.grad(s, [given[x] for x in twice], create_graph=True))) if twice else {}
    g = {x: gx * BATCH for x, gx in g.items()}
    loss = s + sum((gx * r[x]).sum() / BATCH for x, gx in g.items())
    loss.backward()

    def total(of):
        return "sum%s " % of if of else ""

    letters = sizes(["a%d" % i for i in range(y.dim() - 1)])
    text = ["net %s {" % name]
    text += ["  param %s%s = 0" % (p, sizes(s)) for p, s in (params or {}).items()]
    text += ["  input %s%s%s" % (x, sizes(s), ": class(%d)" % classes[x] if x in classes else "") for x, s in inputs.items()]
    text += ["  input k%s" % sizes(y.shape[1:])]
    text += ["  input r_%s%s" % (x, sizes(given[x].shape[1:])) for x in twice]
    text += ["  " + line for line in lines]
    text += ["  s = %sk%s * y%s" % (total(letters), letters, letters)]
    terms = []
    for x in twice:
        at = sizes(["b%d" % i for i in range(given[x].dim() - 1)])
        text += ["  g_%s = grad(%s, %s)" % (x, "mean[batch] s" if whole_batch else "s", x), "  output g_%s" % x]
        terms += ["%sr_%s%s * g_%s%s" % (total(at), x, at, x, at)]
    text += ["  output y", "  loss = " + " + ".join(["s"] + terms), "}"]
    texts.append("\n".join(text))

    def keep(key, tensor):
        tensors["%s/%s" % (name, key)] = tensor.detach().to(torch.float64).contiguous()

    def bar(key, v, scale):
        if v.grad is not None:
            keep("bar/" + key.replace(".", "_"), v.grad * scale)

    for p, v in values.items():
        keep(p, v)
        bar(p, v, 1)
    for x, v in given.items():
        keep(x, v)
        if x not in classes:
            bar(x, v, BATCH)
    keep("k", k)
    keep("y", y)
    for x in twice:
        keep("r_" + x, r[x])
        keep("g_" + x, g[x])


# Activations of numbers, over arrays of several shapes.

def gates(name, fn, call=None, shapes=((), (5,), (2, 3)), twice=None, high=6):
    for shape in shapes:
        entry(name, ["y = %s(x)" % (call or name)], lambda x: fn(x), {"x": shape}, limits={"x": (-high, high)}, twice=twice)


gates("relu", torch.relu, twice=[])
gates("relu6", F.relu6, twice=[], high=12)
gates("leaky_relu", F.leaky_relu, twice=[])
gates("leaky_relu", lambda x: F.leaky_relu(x, 0.3), "leaky_relu(0.3)", twice=[])
gates("elu", F.elu)
gates("elu", lambda x: F.elu(x, 0.7), "elu(alpha = 0.7)")
gates("selu", F.selu)
gates("celu", F.celu)
gates("celu", lambda x: F.celu(x, 1.5), "celu(1.5)")
gates("gelu", F.gelu)
gates("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"))
gates("silu", F.silu)
gates("mish", F.mish)
gates("softsign", F.softsign)
gates("log_sigmoid", F.logsigmoid)
# PyTorch rounds the slope 1/6 of hardsigmoid to 32 bits.
gates("hard_sigmoid", lambda x: F.relu6(x + 3) / 6, twice=[])
gates("hard_swish", F.hardswish)
gates("hard_tanh", F.hardtanh, twice=[])
gates("hard_tanh", lambda x: F.hardtanh(x, -2, 0.5), "hard_tanh(-2, 0.5)", twice=[])
gates("tanhshrink", F.tanhshrink)
gates("softshrink", F.softshrink, twice=[])
gates("hardshrink", F.hardshrink, twice=[])
gates("sigmoid", torch.sigmoid)
gates("tanh", torch.tanh)
gates("softplus", F.softplus)
for shape in [(4,), (2, 3)]:
    entry("prelu", ["y = x |> l: prelu"], lambda slope, x: F.prelu(x, slope.reshape(1)), {"x": shape}, own={"slope": ()})
for n in (1, 4, 7):
    entry("softmax", ["y = softmax(x)"], lambda x: x.softmax(0), {"x": (n,)}, limits={"x": (-9, 9)})
    entry("log_softmax", ["y = log_softmax(x)"], lambda x: x.log_softmax(0), {"x": (n,)}, limits={"x": (-9, 9)})
    entry("softmin", ["y = softmin(x)"], lambda x: F.softmin(x, 0), {"x": (n,)}, limits={"x": (-9, 9)})
    entry("logsumexp", ["y = logsumexp(x)"], lambda x: x.logsumexp(0), {"x": (n,)}, limits={"x": (-9, 9)})
    entry("glu", ["y = glu(x)"], lambda x: F.glu(x, 0), {"x": (2 * n,)}, limits={"x": (-3, 3)})
    entry("swiglu", ["y = swiglu(x)"], lambda x: F.silu(x.chunk(2)[0]) * x.chunk(2)[1], {"x": (2 * n,)}, limits={"x": (-3, 3)})
entry("softmax_rows", ["y[i] = softmax(x[i])"], lambda x: x.softmax(1), {"x": (3, 4)})

# Losses.
for shape in [(), (4,), (2, 3)]:
    two = {"p": shape, "t": shape}
    far = {"p": (-3, 3)}
    pair = lambda fn: lambda p, t: fn(p, t)
    entry("mse", ["y = mse(p, t)"], pair(F.mse_loss), two)
    entry("mae", ["y = mae(p, t)"], pair(F.l1_loss), two, twice=[])
    entry("huber", ["y = huber(p, t)"], pair(lambda p, t: F.huber_loss(p, t, reduction="none")), two, limits=far)
    entry("huber", ["y = huber(0.5)(p, t)"], pair(lambda p, t: F.huber_loss(p, t, reduction="none", delta=0.5)), two, limits=far)
    entry("smooth_l1", ["y = smooth_l1(p, t)"], pair(lambda p, t: F.smooth_l1_loss(p, t, reduction="none")), two, limits=far)
    entry("smooth_l1", ["y = smooth_l1(0.3)(p, t)"], pair(lambda p, t: F.smooth_l1_loss(p, t, reduction="none", beta=0.3)), two, limits=far)
    entry("log_cosh", ["y = log_cosh(p, t)"], pair(lambda p, t: torch.log(torch.cosh(p - t))), two, limits=far)
    unit = {"p": (0.05, 0.95), "t": (0, 1)}
    entry("bce", ["y = bce(p, t)"], pair(lambda p, t: F.binary_cross_entropy(p, t, reduction="none") if not t.requires_grad
          else -(t * p.log() + (1 - t) * (1 - p).log())), two, limits=unit)
    score = {"p": (-6, 6), "t": (0, 1)}
    entry("bce_with_logits", ["y = bce_with_logits(p, t)"],
          pair(lambda p, t: F.binary_cross_entropy_with_logits(p, t, reduction="none")), two, limits=score)
    entry("hinge", ["y = hinge(p, t)"], pair(lambda p, t: torch.relu(1 - t * p)), two, limits=far)
    entry("squared_hinge", ["y = squared_hinge(p, t)"], pair(lambda p, t: torch.relu(1 - t * p) ** 2), two, limits=far)
    entry("poisson", ["y = poisson(p, t)"], pair(lambda p, t: F.poisson_nll_loss(p, t, reduction="none")), two,
          limits={"p": (-2, 2), "t": (0, 5)})
    entry("gaussian_nll", ["y = gaussian_nll(p, t, v)"],
          lambda p, t, v: 0.5 * (v.clamp(min=1e-6).log() + (p - t) ** 2 / v.clamp(min=1e-6)), {"p": shape, "t": shape, "v": shape},
          limits={"v": (0.2, 2)})
    for gamma, alpha in [(2, 0.25), (1.5, 0.6)]:
        def focal(p, t, gamma=gamma, alpha=alpha):
            ce, prob = F.binary_cross_entropy_with_logits(p, t, reduction="none"), p.sigmoid()
            return (alpha * t + (1 - alpha) * (1 - t)) * ce * (1 - (prob * t + (1 - prob) * (1 - t))) ** gamma
        entry("focal", ["y = focal%s(p, t)" % ("" if gamma == 2 else "(%s, %s)" % (gamma, alpha))], focal, two, limits=score)
for shape in [(4,), (2, 3)]:
    entry("dice", ["y = dice(p, t)"], lambda p, t: 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1), {"p": shape, "t": shape},
          limits={"p": (0, 1), "t": (0, 1)})
    entry("norm", ["y = norm(p)"], lambda p: p.norm(), {"p": shape})
for n in (2, 5):
    c = {"c": n}
    entry("cross_entropy", ["y = cross_entropy(z, c)"], lambda z, c: F.cross_entropy(z, c), {"z": (n,), "c": ()}, classes=c, limits={"z": (-5, 5)})
    entry("cross_entropy", ["y = cross_entropy(smoothing = 0.1)(z, c)"], lambda z, c: F.cross_entropy(z, c, label_smoothing=0.1),
          {"z": (n,), "c": ()}, classes=c, limits={"z": (-5, 5)})
    entry("soft_cross_entropy", ["y = soft_cross_entropy(z, softmax(q))"], lambda z, q: F.cross_entropy(z, q.softmax(0)),
          {"z": (n,), "q": (n,)})
    entry("nll", ["y = nll(log_softmax(z), c)"], lambda z, c: F.nll_loss(z.log_softmax(0), c), {"z": (n,), "c": ()}, classes=c)
    entry("kl", ["y = kl(log_softmax(z), softmax(q))"], lambda z, q: F.kl_div(z.log_softmax(0), q.softmax(0), reduction="sum"),
          {"z": (n,), "q": (n,)})
    weights = draw((n,), 0.2, 2)
    listed = ", ".join("%r" % w for w in weights.tolist())
    entry("weighted_cross_entropy", ["w = [%s]" % listed, "y = weighted_cross_entropy(z, c, w)"],
          lambda z, c, w=weights: BATCH * F.cross_entropy(z, c, w, reduction="none") / w[c].sum(),
          {"z": (n,), "c": ()}, classes=c, whole_batch=True)
    ab = {"a": (n,), "b": (n,)}
    entry("cosine_similarity", ["y = cosine_similarity(a, b)"], lambda a, b: F.cosine_similarity(a, b, 0), ab)
    for same, margin in [(1, 0), (-1, 0), (-1, -0.5)]:
        target = torch.tensor(same)
        entry("cosine", ["y = cosine(%s)(a, b, %d)" % (margin, same)],
              lambda a, b, t=target, m=margin: F.cosine_embedding_loss(a, b, t, margin=m, reduction="none").squeeze(), ab)
    entry("triplet", ["y = triplet(a, b, c)"], lambda a, b, c: F.triplet_margin_loss(a, b, c), {**ab, "c": (n,)})
    entry("triplet", ["y = triplet(margin = 3)(a, b, c)"], lambda a, b, c: F.triplet_margin_loss(a, b, c, margin=3.0), {**ab, "c": (n,)})
    for same in (0, 1):
        entry("contrastive", ["y = contrastive(a, b, %d)" % same],
              lambda a, b, t=same: t * (a - b).norm() ** 2 + (1 - t) * torch.relu(1 - (a - b).norm()) ** 2, ab,
              limits={"a": (-0.4, 0.4), "b": (-0.4, 0.4)})

# Layers of one vector.
for n, m in [(3, 2), (1, 4)]:
    entry("dense", ["y = x |> l: dense(%d)" % m], lambda W, b, x: F.linear(x, W, b), {"x": (n,)}, own={"W": (m, n), "b": (m,)})
    entry("dense", ["y = x |> l: dense(%d, bias = false)" % m], lambda W, x: F.linear(x, W), {"x": (n,)}, own={"W": (m, n)})
    entry("bilinear", ["y = l: bilinear(%d)(u, v)" % m], lambda W, b, u, v: F.bilinear(u, v, W, b), {"u": (n,), "v": (n + 1,)},
          own={"W": (m, n, n + 1), "b": (m,)})
    entry("bilinear", ["y = l: bilinear(%d, bias = false)(u, v)" % m], lambda W, u, v: F.bilinear(u, v, W), {"u": (n,), "v": (n + 1,)},
          own={"W": (m, n, n + 1)})
    entry("embedding", ["y = l: embedding(%d, %d)(c)" % (n + 1, m)], lambda E, c: F.embedding(c, E), {"c": ()}, own={"E": (n + 1, m)},
          classes={"c": n + 1})
    entry("highway", ["y = x |> l: highway"],
          lambda Wh, bh, Wt, bt, x: (t := torch.sigmoid(F.linear(x, Wt, bt))) * torch.relu(F.linear(x, Wh, bh)) + (1 - t) * x,
          {"x": (n,)}, own={"Wh": (n, n), "bh": (n,), "Wt": (n, n), "bt": (n,)})
    entry("residual", ["y = x |> residual(l: dense(%d) |> tanh)" % n], lambda W, b, x: x + torch.tanh(F.linear(x, W, b)), {"x": (n,)},
          own={"W": (n, n), "b": (n,)})
entry("flatten", ["y = flatten(x)"], lambda x: x.flatten(), {"x": (2, 3, 2)})
entry("flatten", ["y = flatten(x)"], lambda x: x.flatten(), {"x": (4,)})
for shape in [(4, 3), (6, 2, 2)]:
    C, M = shape[0], shape[0] // 2
    over = tuple(range(1, len(shape)))

    def squeezed(down_W, down_b, up_W, up_b, x, over=over):
        scale = torch.sigmoid(F.linear(torch.relu(F.linear(x.mean(over), down_W, down_b)), up_W, up_b))
        return x * scale.reshape(-1, *[1] * len(over))
    entry("squeeze_excite", ["y = x |> l: squeeze_excite(2)"], squeezed, {"x": shape},
          own={"down.W": (M, C), "down.b": (M,), "up.W": (C, M), "up.b": (C,)})

# Convolutions: channels, filters, lengths, window, stride, padding, dilation, groups.
one = lambda x: x[None]
for d, conv in [(1, F.conv1d), (2, F.conv2d), (3, F.conv3d)]:
    for C, M, L, K, s, p, dil, G in [(2, 3, 6, 3, 1, 0, 1, 1), (1, 2, 7, 3, 2, 1, 1, 1), (2, 1, 6, 2, 1, 2, 2, 1), (4, 4, 4, 2, 1, 1, 1, 2), (3, 6, 5, 3, 2, 1, 1, 3)]:
        if d == 3:
            L = min(L, 4)
            if K + (K - 1) * (dil - 1) > L + 2 * p:
                continue
        lengths = (L, L - 1, L)[:d] if d > 1 else (L,)
        opts = dict(stride=s, padding=p, dilation=dil, groups=G)
        call = "conv%dd(%d, %d, stride = %d, pad = %d, dilation = %d, groups = %d" % (d, M, K, s, p, dil, G)
        window = (M, C // G) + (K,) * d
        entry("conv%dd" % d, ["y = x |> l: %s)" % call], lambda w, b, x, conv=conv, opts=opts: conv(x[None], w, b, **opts)[0],
              {"x": (C, *lengths)}, own={"w": window, "b": (M,)})
        if s == 1:
            entry("conv%dd_plain" % d, ["y = x |> l: %s, bias = false)" % call], lambda w, x, conv=conv, opts=opts: conv(x[None], w, **opts)[0],
                  {"x": (C, *lengths)}, own={"w": window})
for K, wide, s, p, wp in [(3, 1, 1, 1, 0), (1, 4, 2, 0, 2)]:
    entry("conv2d_wide", ["y = x |> l: conv2d(2, %d, stride = %d, pad = %d, wide = %d, wide_pad = %d)" % (K, s, p, wide, wp)],
          lambda w, b, x, s=s, p=p, wp=wp: F.conv2d(x[None], w, b, stride=s, padding=(p, wp))[0], {"x": (2, 4, 5)},
          own={"w": (2, 2, K, wide), "b": (2,)})
for C, H, W, K, s, p, dil in [(3, 4, 5, 2, 1, 0, 1), (2, 6, 5, 3, 2, 1, 1), (2, 5, 6, 2, 1, 1, 2)]:
    opts = dict(stride=s, padding=p, dilation=dil)
    call = "%d, stride = %d, pad = %d, dilation = %d" % (K, s, p, dil)
    entry("depthwise2d", ["y = x |> l: depthwise2d(%s)" % call],
          lambda w, b, x, C=C, opts=opts: F.conv2d(x[None], w[:, None], b, groups=C, **opts)[0], {"x": (C, H, W)}, own={"w": (C, K, K), "b": (C,)})
    entry("separable2d", ["y = x |> l: separable2d(2, %s)" % call],
          lambda each_w, mix_w, mix_b, x, C=C, opts=opts: F.conv2d(F.conv2d(x[None], each_w[:, None], groups=C, **opts), mix_w, mix_b)[0],
          {"x": (C, H, W)}, own={"each.w": (C, K, K), "mix.w": (2, C, 1, 1), "mix.b": (2,)})
for d, conv in [(1, F.conv_transpose1d), (2, F.conv_transpose2d)]:
    for C, M, L, K, s, p, o, dil in [(2, 3, 4, 3, 1, 0, 0, 1), (1, 2, 4, 3, 2, 1, 1, 1), (2, 1, 3, 2, 3, 0, 2, 1), (1, 1, 4, 2, 3, 1, 0, 2)]:
        opts = dict(stride=s, padding=p, output_padding=o, dilation=dil)
        lengths = (L, L - 1)[:d]
        entry("transposed%dd" % d,
              ["y = x |> l: transposed%dd(%d, %d, stride = %d, pad = %d, output_pad = %d, dilation = %d)" % (d, M, K, s, p, o, dil)],
              lambda w, b, x, conv=conv, opts=opts: conv(x[None], w, b, **opts)[0], {"x": (C, *lengths)}, own={"w": (C, M) + (K,) * d, "b": (M,)})
for d, largest, means in [(1, F.max_pool1d, F.avg_pool1d), (2, F.max_pool2d, F.avg_pool2d)]:
    for L, K, s, p in [(6, 2, None, 0), (7, 3, 2, 1), (5, 3, 1, 1), (7, 2, 3, 0)]:
        lengths = (L, L - 1)[:d]
        call = "%d" % K if s is None else "%d, stride = %d, pad = %d" % (K, s, p)
        entry("maxpool%dd" % d, ["y = x |> maxpool%dd(%s)" % (d, call)], lambda x, f=largest, K=K, s=s, p=p: f(x[None], K, s, p)[0],
              {"x": (2, *lengths)}, twice=[])
        entry("meanpool%dd" % d, ["y = x |> meanpool%dd(%s)" % (d, call)], lambda x, f=means, K=K, s=s, p=p: f(x[None], K, s, p)[0],
              {"x": (2, *lengths)}, twice=[])
for shape in [(3, 4), (2, 3, 2)]:
    over = tuple(range(1, len(shape)))
    entry("globalmax", ["y = globalmax(x)"], lambda x, over=over: x.amax(over), {"x": shape}, twice=[])
    entry("globalmean", ["y = globalmean(x)"], lambda x, over=over: x.mean(over), {"x": shape}, twice=[])
for L, M in [(6, 3), (7, 3), (5, 4), (3, 5)]:
    entry("adaptive_mean1d", ["y = x |> adaptive_mean1d(%d)" % M], lambda x, M=M: F.adaptive_avg_pool1d(x, M), {"x": (2, L)}, twice=[])
    entry("adaptive_max1d", ["y = x |> adaptive_max1d(%d)" % M], lambda x, M=M: F.adaptive_max_pool1d(x, M), {"x": (2, L)}, twice=[])
    entry("adaptive_mean2d", ["y = x |> adaptive_mean2d(%d)" % M], lambda x, M=M: F.adaptive_avg_pool2d(x, M), {"x": (2, L, L - 1)}, twice=[])
    entry("adaptive_max2d", ["y = x |> adaptive_max2d(%d)" % M], lambda x, M=M: F.adaptive_max_pool2d(x, M), {"x": (2, L, L - 1)}, twice=[])

# Normalisations.
for n in (5, 2):
    entry("layernorm", ["y = x |> l: layernorm"], lambda gain, shift, x, n=n: F.layer_norm(x, (n,), gain, shift), {"x": (n,)},
          own={"gain": (n,), "shift": (n,)})
    entry("rmsnorm", ["y = x |> l: rmsnorm"], lambda gain, x, n=n: F.rms_norm(x, (n,), gain, eps=1e-5), {"x": (n,)}, own={"gain": (n,)})
entry("layernorm_rows", ["y[i] = x[i] |> l: layernorm"], lambda gain, shift, x: F.layer_norm(x, (4,), gain, shift), {"x": (3, 4)},
      own={"gain": (4,), "shift": (4,)})
for shape in [(3,), (2, 4), (2, 2, 3)]:
    entry("batchnorm", ["y = x |> l: batchnorm"],
          lambda gain, shift, mean_, var_, x: F.batch_norm(x, None, None, gain, shift, True), {"x": shape},
          own={"gain": shape[:1], "shift": shape[:1], "mean_": shape[:1], "var_": shape[:1]}, limits={"var_": (0.5, 2)}, whole_batch=True)
for shape, G in [((4, 3), 2), ((6, 2, 2), 3), ((4, 2), 1)]:
    entry("groupnorm", ["y = x |> l: groupnorm(%d)" % G], lambda gain, shift, x, G=G: F.group_norm(x[None], G, gain, shift)[0], {"x": shape},
          own={"gain": shape[:1], "shift": shape[:1]})
for shape in [(2, 4), (2, 2, 3)]:
    entry("instancenorm", ["y = x |> instancenorm"], lambda x: F.instance_norm(x[None])[0], {"x": shape})

# Sequences.
def recurrent(kind, M, N, prefixes, shifts, **own):
    """nn.RNN, nn.LSTM or nn.GRU with the parts of its weights side by side."""
    module = kind(N, M, batch_first=True)

    def run(x, **p):
        weights = {"weight_ih_l0": torch.cat([p["W" + q] for q in prefixes]), "weight_hh_l0": torch.cat([p["U" + q] for q in prefixes]),
                   "bias_ih_l0": torch.cat([p["b" + q] for q in prefixes]), "bias_hh_l0": torch.cat([p[q] if q else torch.zeros(M) for q in shifts])}
        return functional_call(module, weights, (x[None],))[0][0]
    return run


def weights_of(prefixes, M, N, extra=()):
    own = {}
    for q in prefixes:
        own.update({"W" + q: (M, N), "U" + q: (M, M), "b" + q: (M,)})
    own.update({q: (M,) for q in extra})
    return own


for T, N, M in [(4, 2, 3), (1, 3, 2)]:
    entry("rnn", ["y = x |> l: rnn(%d)" % M], recurrent(nn.RNN, M, N, [""], [""]), {"x": (T, N)}, own=weights_of([""], M, N))
    entry("gru", ["y = x |> l: gru(%d)" % M], recurrent(nn.GRU, M, N, "rzn", ["", "", "cn"]), {"x": (T, N)}, own=weights_of("rzn", M, N, ["cn"]))
    entry("lstm", ["y = x |> l: lstm(%d)" % M], recurrent(nn.LSTM, M, N, "ifgo", [""] * 4), {"x": (T, N)}, own=weights_of("ifgo", M, N))

    both = {way + q: shape for way in ("forth.", "back.") for q, shape in weights_of([""], M, N).items()}

    def bidirectional(x, run=recurrent(nn.RNN, M, N, [""], [""]), **p):
        forth, back = ({q.removeprefix(way): v for q, v in p.items() if q.startswith(way)} for way in ("forth_", "back_"))
        return torch.cat([run(x, **forth), run(x.flip(0), **back).flip(0)], 1)
    entry("bidirectional", ["y = x |> bidirectional(forth: rnn(%d), back: rnn(%d))" % (M, M)], bidirectional, {"x": (T, N)}, labelled=both)
for T, N, M in [(3, 2, 2), (2, 3, 4)]:
    module = nn.LSTM(N, M, 2, batch_first=True)
    layers = {"stack.%d.%s" % (k, q): s for k in (0, 1) for q, s in weights_of("ifgo", M, [N, M][k]).items()}

    def stacked(x, module=module, M=M, **p):
        state = {}
        for k in (0, 1):
            for name, of in [("weight_ih", "W"), ("weight_hh", "U"), ("bias_ih", "b")]:
                state["%s_l%d" % (name, k)] = torch.cat([p["stack_%d_%s%s" % (k, of, q)] for q in "ifgo"])
            state["bias_hh_l%d" % k] = torch.zeros(4 * M)
        return functional_call(module, state, (x[None],))[0][0]
    entry("stacked", ["y = x |> stack: repeat(2) lstm(%d)" % M], stacked, {"x": (T, N)}, labelled=layers)
entry("reversed", ["y = reversed(x)"], lambda x: x.flip(0), {"x": (4, 2)})
entry("beside", ["y = beside(a, b)"], lambda a, b: torch.cat([a, b], 1), {"a": (3, 2), "b": (3, 1)})

# Attention.
exact = sdpa_kernel(SDPBackend.MATH)
exact.__enter__()
for T, S, E, D in [(3, 4, 2, 3), (4, 4, 3, 1)]:
    qkv = {"q": (T, E), "p": (S, E), "v": (S, D)}
    entry("attend", ["y = attend(q, p, v)"], lambda q, p, v: F.scaled_dot_product_attention(q[None], p[None], v[None])[0], qkv)
    entry("attend_masked", ["y = attend_masked(q, p, v, mask)"],
          lambda q, p, v, mask: F.scaled_dot_product_attention(q[None], p[None], v[None], attn_mask=mask[None])[0], {**qkv, "mask": (T, S)})
    causal = {"q": (T, E), "p": (T, E), "v": (T, D)}
    entry("attend_causal", ["y = attend(causal = true)(q, p, v)"],
          lambda q, p, v: F.scaled_dot_product_attention(q[None], p[None], v[None], is_causal=True)[0], causal)


def attention_weights(D, C, H):
    E = D // H
    return {"wq": (H, E, D), "bq": (H, E), "wk": (H, E, C), "bk": (H, E), "wv": (H, E, C), "bv": (H, E), "wo": (D, H, E), "bo": (D,)}


def multihead(p, x, memory, H, causal=False, prefix=""):
    D = x.shape[1]
    of = lambda q: p[prefix + q]
    module = nn.MultiheadAttention(D, H, kdim=memory.shape[1], vdim=memory.shape[1], batch_first=True)
    state = {"in_proj_bias": torch.cat([of("bq").flatten(), of("bk").flatten(), of("bv").flatten()]),
             "out_proj.weight": of("wo").flatten(1), "out_proj.bias": of("bo")}
    qkv = [of("wq").flatten(0, 1), of("wk").flatten(0, 1), of("wv").flatten(0, 1)]
    if memory.shape[1] == D:
        state["in_proj_weight"] = torch.cat(qkv)
    else:
        state.update(dict(zip(["q_proj_weight", "k_proj_weight", "v_proj_weight"], qkv)))
    T = x.shape[0]
    mask = torch.triu(torch.ones(T, T, dtype=torch.bool), 1) if causal else None
    return functional_call(module, state, (x[None], memory[None], memory[None]), {"attn_mask": mask})[0][0]


for T, S, D, C, H in [(3, 2, 4, 3, 2), (2, 4, 3, 3, 1)]:
    entry("cross_attention", ["y = l: cross_attention(%d)(x, m)" % H], lambda x, m, H=H, **p: multihead(p, x, m, H), {"x": (T, D), "m": (S, C)},
          own=attention_weights(D, C, H))
    for causal in (False, True):
        entry("self_attention" + "_causal" * causal, ["y = l: self_attention(%d%s)(x)" % (H, ", causal = true" * causal)],
              lambda x, H=H, causal=causal, **p: multihead(p, x, x, H, causal, "heads_"), {"x": (T, D)},
              own={"heads." + q: s for q, s in attention_weights(D, D, H).items()})


def normed(p, x, name):
    return F.layer_norm(x, x.shape[1:], p[name + "_gain"], p[name + "_shift"])


def dense(p, x, name):
    return F.linear(x, p[name + "_W"], p[name + "_b"])


def encoder(x, H, **p):
    a = normed(p, x, "norm1")
    u = x + multihead(p, a, a, H, prefix="attention_heads_")
    return u + dense(p, torch.relu(dense(p, normed(p, u, "norm2"), "up")), "down")


def decoder(x, m, H, **p):
    a = normed(p, x, "norm1")
    u = x + multihead(p, a, a, H, True, prefix="attention_heads_")
    v = u + multihead(p, normed(p, u, "norm2"), m, H, prefix="cross_")
    return v + dense(p, torch.relu(dense(p, normed(p, v, "norm3"), "up")), "down")


for T, D, H, M in [(3, 4, 2, 3), (2, 3, 1, 5)]:
    feed = {"up.W": (M, D), "up.b": (M,), "down.W": (D, M), "down.b": (D,)}
    norms = lambda n: {"norm%d.%s" % (k + 1, q): (D,) for k in range(n) for q in ("gain", "shift")}
    heads = {"attention.heads." + q: s for q, s in attention_weights(D, D, H).items()}
    entry("encoder_block", ["y = x |> l: encoder_block(%d, %d, rate = 0)" % (H, M)], lambda x, H=H, **p: encoder(x, H, **p), {"x": (T, D)},
          own={**norms(2), **heads, **feed})
    entry("decoder_block", ["y = l: decoder_block(%d, %d, rate = 0)(x, m)" % (H, M)], lambda x, m, H=H, **p: decoder(x, m, H, **p),
          {"x": (T, D), "m": (4, 2)}, own={**norms(3), **heads, **{"cross." + q: s for q, s in attention_weights(D, 2, H).items()}, **feed})


def places(T, D):
    at = torch.arange(T)[:, None] / 10000 ** (2 * torch.div(torch.arange(D), 2, rounding_mode="floor") / D)
    return torch.where(torch.arange(D) % 2 == 0, at.sin(), at.cos())


def rotated(x, base=10000):
    T, E = x.shape
    at = torch.arange(T)[:, None] * base ** (-2 * torch.arange(E // 2) / E)
    turned = torch.view_as_complex(x.reshape(T, E // 2, 2).contiguous()) * torch.polar(torch.ones(T, E // 2), at)
    return torch.view_as_real(turned).reshape(T, E)


for T, D in [(4, 3), (3, 4)]:
    entry("sinusoidal", ["y = sinusoidal(x)"], lambda x, T=T, D=D: x + places(T, D), {"x": (T, D)})
    entry("learned_positions", ["y = x |> l: learned_positions"], lambda P, x: x + P, {"x": (T, D)}, own={"P": (T, D)})
for T, E in [(4, 2), (3, 6)]:
    entry("rotary", ["y = rotary(x)"], lambda x: rotated(x), {"x": (T, E)})
    entry("rotary", ["y = x |> rotary(base = 50)"], lambda x: rotated(x, 50), {"x": (T, E)})

# Windows that are not square, and groups of transposed convolutions. They stand last, so that all numbers above stay.
def axes(names, of):
    """`wide = 4, wide_stride = 2` of each further axis's numbers."""
    return "".join(", %s%s = %d" % (axis, key, n) for axis, own in of.items() for key, n in zip(names, own))


for d, conv in [(1, F.conv_transpose1d), (2, F.conv_transpose2d)]:
    for C, M, L, K, s, p, o, dil, G in [(4, 4, 3, 3, 2, 1, 1, 1, 2), (3, 6, 3, 2, 1, 0, 0, 2, 3)]:
        opts = dict(stride=s, padding=p, output_padding=o, dilation=dil, groups=G)
        entry("transposed%dd" % d,
              ["y = x |> l: transposed%dd(%d, %d, stride = %d, pad = %d, output_pad = %d, dilation = %d, groups = %d)" % (d, M, K, s, p, o, dil, G)],
              lambda w, b, x, conv=conv, opts=opts: conv(x[None], w, b, **opts)[0], {"x": (C, *(L, L - 1)[:d])},
              own={"w": (C, M // G) + (K,) * d, "b": (M,)})
plain = ("", "_stride", "_pad", "_dilation")
for C, M, H, W, (K, s, p, dil), wide, G in [(2, 2, 7, 6, (3, 2, 1, 1), (2, 1, 0, 3), 1), (2, 4, 4, 8, (2, 1, 0, 2), (3, 3, 2, 1), 2)]:
    opts = dict(stride=(s, wide[1]), padding=(p, wide[2]), dilation=(dil, wide[3]))
    more = axes(plain, {"wide": wide})
    entry("conv2d_oblong", ["y = x |> l: conv2d(%d, %d, %d, %d, %d, %d%s)" % (M, K, s, p, dil, G, more)],
          lambda w, b, x, opts=opts, G=G: F.conv2d(x[None], w, b, groups=G, **opts)[0], {"x": (C, H, W)}, own={"w": (M, C // G, K, wide[0]), "b": (M,)})
    entry("depthwise2d_oblong", ["y = x |> l: depthwise2d(%d, %d, %d, %d%s)" % (K, s, p, dil, more)],
          lambda w, b, x, opts=opts, C=C: F.conv2d(x[None], w[:, None], b, groups=C, **opts)[0], {"x": (C, H, W)}, own={"w": (C, K, wide[0]), "b": (C,)})
for C, M, (K, s, p, o, dil), wide, G in [(2, 2, (3, 2, 1, 1, 1), (2, 1, 0, 0, 3), 1), (2, 4, (2, 1, 0, 0, 2), (3, 3, 2, 2, 1), 2)]:
    opts = dict(stride=(s, wide[1]), padding=(p, wide[2]), output_padding=(o, wide[3]), dilation=(dil, wide[4]))
    more = axes(("", "_stride", "_pad", "_output_pad", "_dilation"), {"wide": wide})
    entry("transposed2d_oblong", ["y = x |> l: transposed2d(%d, %d, %d, %d, %d, %d, %d%s)" % (M, K, s, p, o, dil, G, more)],
          lambda w, b, x, opts=opts, G=G: F.conv_transpose2d(x[None], w, b, groups=G, **opts)[0], {"x": (C, 3, 4)},
          own={"w": (C, M // G, K, wide[0]), "b": (M,)})
for C, M, (K, s, p, dil), tall, wide, G in [(1, 2, (2, 1, 0, 1), (3, 2, 1, 1), (1, 1, 0, 1), 1), (2, 2, (1, 2, 0, 1), (2, 1, 1, 2), (3, 2, 2, 1), 2)]:
    opts = dict(stride=(s, tall[1], wide[1]), padding=(p, tall[2], wide[2]), dilation=(dil, tall[3], wide[3]))
    more = axes(plain, {"tall": tall, "wide": wide})
    entry("conv3d_oblong", ["y = x |> l: conv3d(%d, %d, %d, %d, %d, %d%s)" % (M, K, s, p, dil, G, more)],
          lambda w, b, x, opts=opts, G=G: F.conv3d(x[None], w, b, groups=G, **opts)[0], {"x": (C, 3, 4, 4)},
          own={"w": (M, C // G, K, tall[0], wide[0]), "b": (M,)})
entry("maxpool1d", ["y = x |> maxpool1d(2, stride = 1, pad = 1, dilation = 3)"], lambda x: F.max_pool1d(x[None], 2, 1, 1, 3)[0], {"x": (2, 7)}, twice=[])
for call, window, stride, pad, dil in [("2, wide = 3", (2, 3), None, 0, 1), ("2, stride = 1, wide = 3", (2, 3), 1, 0, 1),
                                       ("3, 2, 1, 2, wide = 2, wide_stride = 3, wide_pad = 0, wide_dilation = 1", (3, 2), (2, 3), (1, 0), (2, 1))]:
    entry("maxpool2d_oblong", ["y = x |> maxpool2d(%s)" % call],
          lambda x, window=window, stride=stride, pad=pad, dil=dil: F.max_pool2d(x[None], window, stride, pad, dil)[0], {"x": (2, 6, 7)}, twice=[])
for call, window, stride, pad in [("2, wide = 3", (2, 3), None, 0), ("3, 2, 1, wide = 2, wide_stride = 3, wide_pad = 0", (3, 2), (2, 3), (1, 0))]:
    entry("meanpool2d_oblong", ["y = x |> meanpool2d(%s)" % call],
          lambda x, window=window, stride=stride, pad=pad: F.avg_pool2d(x[None], window, stride, pad)[0], {"x": (2, 6, 7)}, twice=[])

head = "# Made by tools/library_fixtures.py: entries of the library whose values and derivatives by PyTorch stand beside this file.\n\n"
(OUT / "library.nn").write_text(head + "\n\n".join(texts) + "\n")
save(OUT / "library.safetensors", tensors)
print(len(texts), "nets,", sum(t.numel() for t in tensors.values()), "numbers")
