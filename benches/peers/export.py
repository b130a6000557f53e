"""Writes what nnc needs to begin where the peers begin: `export.py FOLDER NAME...`.

FOLDER/NAME.x.idx, NAME.y.idx            the examples, as many as fill whole batches
FOLDER/NAME.test.x.idx, ...              the batch whose loss is compared
FOLDER/NAME.check.x.idx, ...             the examples of the steps before it, in their order
FOLDER/NAME.safetensors                  the initial weights, under nnc's names
"""
import json
import struct
import sys

import numpy as np

import workloads


def idx(path, array):
    code, kind = (0x0D, ">f4") if array.dtype.kind == "f" else (0x0C, ">i4")
    with open(path, "wb") as out:
        out.write(bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape))
        out.write(np.ascontiguousarray(array).astype(kind).tobytes())


def safetensors(path, tensors):
    header, at = {}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            out.write(np.ascontiguousarray(array, np.float32).tobytes())


def dense(p, theirs, ours):
    return {f"{ours}.W": p[f"{theirs}.w"].T, f"{ours}.b": p[f"{theirs}.b"]}


def weights(w):
    """The peers' weights under nnc's names and in its layout: outputs first."""
    p, out = w.params, {}
    if w.kind in ("mlp", "pinn"):
        for k in range(len(w.dims) - 1):
            out |= dense(p, f"l{k}", f"l{k}")
    elif w.kind == "lenet":
        for c in ("c0", "c1"):
            out |= {f"{c}.w": p[f"{c}.w"], f"{c}.b": p[f"{c}.b"]}
        for k in range(3):
            out |= dense(p, f"l{k}", f"l{k}")
    elif w.kind == "gru":
        gates = lambda a: a.T.reshape(3, w.H, -1)
        out = {"emb.E": p["emb"], "gru.wi": gates(p["wi"]), "gru.wh": gates(p["wh"])}
        out |= {"gru.bi": p["bi"].reshape(3, w.H), "gru.bh": p["bh"].reshape(3, w.H)}
        out |= dense(p, "out", "out")
    elif w.kind == "tfm":
        size = w.D // w.NH
        out = {"tok.E": p["tok"], "pos.E": p["pos"]}
        for l in range(w.L):
            b = f"b{l}."
            for ln in ("ln1", "ln2"):
                out |= {f"{b}{ln}.gain": p[f"{b}{ln}.g"], f"{b}{ln}.shift": p[f"{b}{ln}.b"]}
            out[f"{b}qkv.w"] = p[b + "qkv.w"].T.reshape(3, w.NH, size, w.D)
            out[f"{b}qkv.b"] = p[b + "qkv.b"].reshape(3, w.NH, size)
            out |= dense(p, b + "proj", b + "qkv.proj") | dense(p, b + "f1", b + "f1") | dense(p, b + "f2", b + "f2")
        out |= {"lnf.gain": p["lnf.g"], "lnf.shift": p["lnf.b"]} | dense(p, "out", "out")
    return out


def export(folder, name):
    w = workloads.load(name)
    x, y = w.X, w.Y
    if name == "pinn":
        y = y[:, 0]
    if w.full:
        order = np.tile(np.arange(w.N), w.check - 1)
        last = np.arange(w.N)
    else:
        batches = workloads.batches(w)
        order = np.concatenate([next(batches) for _ in range(w.check - 1)])
        last = next(batches)
    whole = w.N // w.B * w.B
    for part, rows in [("", np.arange(whole)), (".check", order), (".test", last)]:
        idx(f"{folder}/{name}{part}.x.idx", x[rows])
        idx(f"{folder}/{name}{part}.y.idx", y[rows])
    safetensors(f"{folder}/{name}.safetensors", weights(w))


if __name__ == "__main__":
    for name in sys.argv[2:] or workloads.NAMES:
        export(sys.argv[1], name)
