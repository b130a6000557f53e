"""Workload definitions shared by every peer: data, initial weights, hyper-parameters,
batch order and flop counts.  numpy only, float32 everywhere.

All peers start from byte-identical weights and see the same batches in the same order, so
`check_loss` (loss of step number `check`, before its update) must agree between peers."""
import os

import numpy as np

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "data")

f32 = np.float32


class WL:
    pass


def _uni(rng, shape, fan_in):
    b = 1.0 / np.sqrt(fan_in)
    return rng.uniform(-b, b, size=shape).astype(f32)


def _linear(rng, p, name, i, o):
    p[name + ".w"] = _uni(rng, (i, o), i)          # [in, out]
    p[name + ".b"] = _uni(rng, (o,), i)


def mlp_params(rng, dims):
    p = {}
    for k in range(len(dims) - 1):
        _linear(rng, p, f"l{k}", dims[k], dims[k + 1])
    return p


def mlp_flops(dims, B):
    """matmul flops of one training step: forward 2mnk, dW 2mnk, dX 2mnk (not for layer 0)."""
    f = 0
    for k in range(len(dims) - 1):
        mm = 2 * B * dims[k] * dims[k + 1]
        f += mm * (2 if k == 0 else 3)
    return f


def _std(x):
    s = x.std(0)
    s[s == 0] = 1
    return ((x - x.mean(0)) / s).astype(f32)


NAMES = ["xor", "iris", "digits", "mnist_mlp", "wide", "lenet", "gru_char", "tfm", "pinn"]


def load(name):
    w = WL()
    w.name = name
    rng = np.random.default_rng(42)       # weights
    dr = np.random.default_rng(7)         # data
    w.full = False
    w.opt, w.lr = "adam", 1e-3            # adam: beta 0.9/0.999, eps 1e-8
    w.check, w.scan_k = 200, 100
    if name == "xor":
        w.kind, w.dims, w.act, w.loss = "mlp", [2, 8, 1], "tanh", "sigmoid_mse"
        w.X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], f32)
        w.Y = np.array([[0], [1], [1], [0]], f32)
        w.B, w.full, w.opt, w.lr = 4, True, "sgd", 0.5
    elif name in ("iris", "digits"):
        table = np.genfromtxt(f"{EXAMPLES}/{name}.csv", delimiter=",", skip_header=1, dtype=str)
        classes, w.Y = np.unique(table[:, -1], return_inverse=True)
        x = table[:, :-1].astype(f32)
        if name == "iris":
            w.X, w.dims, w.act, w.B, w.lr = _std(x), [4, 16, 3], "tanh", 16, 1e-2
        else:
            w.X, w.dims, w.act, w.B = x / f32(16), [64, 128, 10], "relu", 32
        w.Y = w.Y.astype(np.int64)
        w.kind, w.loss = "mlp", "ce"
    elif name == "mnist_mlp":
        w.kind, w.loss, w.act = "mlp", "ce", "relu"
        w.dims, w.B = [784, 512, 512, 10], 128
        w.X = dr.random((10000, 784), f32)
        w.Y = dr.integers(0, 10, 10000)
        w.check, w.scan_k = 20, 10
    elif name == "wide":
        w.kind, w.loss, w.act = "mlp", "ce", "relu"
        w.dims, w.B = [1024, 2048, 2048, 1024, 10], 256
        w.X = dr.standard_normal((4096, 1024), f32)
        w.Y = dr.integers(0, 10, 4096)
        w.opt, w.lr = "sgd", 1e-2
        w.check, w.scan_k = 20, 10
    elif name == "lenet":
        w.kind, w.loss = "lenet", "ce"
        w.B = 64
        w.X = dr.random((10000, 1, 28, 28), f32)
        w.Y = dr.integers(0, 10, 10000)
        w.check, w.scan_k = 20, 10
    elif name == "gru_char":
        w.kind, w.loss = "gru", "ce"
        w.B, w.V, w.E, w.H, w.T = 32, 64, 32, 128, 32
    elif name == "tfm":
        w.kind, w.loss = "tfm", "ce"
        w.B, w.V, w.D, w.NH, w.FF, w.L, w.T = 16, 64, 128, 4, 512, 2, 64
    elif name == "pinn":
        w.kind, w.loss, w.act = "pinn", "pinn", "tanh"
        w.dims, w.B, w.full = [2, 32, 32, 1], 256, True
        xt = dr.random((256, 2), f32)
        xt[:, 0] = 2 * xt[:, 0] - 1                     # x in [-1,1], t in [0,1]
        w.X = xt
        w.X0 = np.stack([xt[:, 0], np.zeros(256, f32)], 1)   # same x, t = 0
        w.Y = np.sin(np.pi * xt[:, 0:1]).astype(f32)
    else:
        raise SystemExit("unknown workload " + name)

    if w.kind in ("gru", "tfm"):        # learnable synthetic text: next = 5*cur + {0,1,2} mod 64
        n = 2048
        s = np.zeros((n, w.T + 1), np.int64)
        s[:, 0] = dr.integers(0, 64, n)
        for t in range(w.T):
            s[:, t + 1] = (5 * s[:, t] + dr.integers(0, 3, n)) % 64
        w.X, w.Y = s[:, :-1].copy(), s[:, 1:].copy()
        w.check, w.scan_k = 20, 10
    w.N = len(w.X)

    # ---- initial weights (PyTorch default distribution: U(-1/sqrt(fan_in), 1/sqrt(fan_in)))
    p = {}
    if w.kind in ("mlp", "pinn"):
        p = mlp_params(rng, w.dims)
        w.flops = mlp_flops(w.dims, w.B)
    elif w.kind == "lenet":
        p["c0.w"], p["c0.b"] = _uni(rng, (6, 1, 5, 5), 25), _uni(rng, (6,), 25)
        p["c1.w"], p["c1.b"] = _uni(rng, (16, 6, 5, 5), 150), _uni(rng, (16,), 150)
        for k, (i, o) in enumerate([(400, 120), (120, 84), (84, 10)]):
            _linear(rng, p, f"l{k}", i, o)
        c0 = 2 * w.B * 28 * 28 * 6 * 25
        c1 = 2 * w.B * 10 * 10 * 16 * 150
        fc = 2 * w.B * (400 * 120 + 120 * 84 + 84 * 10)
        w.flops = 2 * c0 + 3 * c1 + 3 * fc
    elif w.kind == "gru":
        H, E, V = w.H, w.E, w.V
        p["emb"] = rng.standard_normal((V, E)).astype(f32)
        p["wi"], p["bi"] = _uni(rng, (E, 3 * H), H), _uni(rng, (3 * H,), H)   # gates r,z,n
        p["wh"], p["bh"] = _uni(rng, (H, 3 * H), H), _uni(rng, (3 * H,), H)
        _linear(rng, p, "out", H, V)
        w.flops = 3 * 2 * w.B * w.T * (E * 3 * H + H * 3 * H + H * V)
    elif w.kind == "tfm":
        D, V, F = w.D, w.V, w.FF
        p["tok"] = (0.02 * rng.standard_normal((V, D))).astype(f32)
        p["pos"] = (0.02 * rng.standard_normal((w.T, D))).astype(f32)
        for l in range(w.L):
            for ln in ("ln1", "ln2"):
                p[f"b{l}.{ln}.g"], p[f"b{l}.{ln}.b"] = np.ones(D, f32), np.zeros(D, f32)
            _linear(rng, p, f"b{l}.qkv", D, 3 * D)
            _linear(rng, p, f"b{l}.proj", D, D)
            _linear(rng, p, f"b{l}.f1", D, F)
            _linear(rng, p, f"b{l}.f2", F, D)
        p["lnf.g"], p["lnf.b"] = np.ones(D, f32), np.zeros(D, f32)
        _linear(rng, p, "out", D, V)
        R = w.B * w.T
        per_layer = 2 * R * (D * 3 * D + D * D + 2 * D * F) + 2 * 2 * w.B * w.T * w.T * D
        w.flops = 3 * (w.L * per_layer + 2 * R * D * V)     # attention counted dense (no causal saving)
    if w.kind == "pinn":
        # forward-mode streams (u, u_t, u_x, u_xx) through 2-32-32-1, then reverse pass = 2x,
        # plus the initial-condition forward/backward.  Matmul flops only.
        B = w.B
        l0, l1, l2 = 2 * B * 2 * 32, 2 * B * 32 * 32, 2 * B * 32
        fwd_res = l0 + 4 * l1 + 2 * l2
        w.flops = 3 * fwd_res - l0 + mlp_flops(w.dims, B)
    w.params = p
    w.nparams = int(sum(v.size for v in p.values()))
    return w


def epochs(w):
    """Yields, per epoch, an int64 array [nb, B] of row numbers (drop last)."""
    nb, e = w.N // w.B, 0
    while True:
        yield np.random.default_rng(1000 + e).permutation(w.N)[: nb * w.B].reshape(nb, w.B)
        e += 1


def batches(w):
    for ep in epochs(w):
        yield from ep


if __name__ == "__main__":
    import sys
    if len(sys.argv) > 3 and sys.argv[1] == "dump":         # binary dump for the C baselines: dump NAME OUTDIR
        w = load(sys.argv[2])
        out = sys.argv[3]
        w.X.astype(f32).tofile(f"{out}/{w.name}.x")
        (w.Y.astype(f32) if w.loss == "sigmoid_mse" else w.Y.astype(np.int32)).tofile(f"{out}/{w.name}.y")
        np.concatenate([v.ravel() for v in w.params.values()]).tofile(f"{out}/{w.name}.p")
        if not w.full:
            g = epochs(w)
            np.concatenate([next(g) for _ in range(64)]).astype(np.int32).tofile(f"{out}/{w.name}.i")
    else:
        for n in NAMES:
            w = load(n)
            print(f"{n:10s} params {w.nparams:9d} batch {w.B:4d} rows {w.N:6d} matmul flops/step {w.flops:,}")
