"""What makes fixtures share: numbers drawn so that each is exact in 32 bits, and files of tensors."""

import json
import pathlib
import struct

import torch

CASES = pathlib.Path(__file__).parent.parent / "tests" / "cases"


def draw(shape, low=-1.0, high=1.0):
    """Numbers between two limits, of which each is exact in 32 bits too."""
    return (torch.rand(shape) * (high - low) + low).to(torch.float32).to(torch.float64)


def sizes(dims):
    """`[2, 3]`, or nothing for a single number."""
    return "[" + ", ".join(map(str, dims)) + "]" if dims else ""


def save(path, tensors):
    """Writes tensors as safetensors in f64."""
    header, body = {}, b""
    for key, tensor in tensors.items():
        raw = struct.pack("<%dd" % tensor.numel(), *tensor.flatten().tolist())
        header[key] = {"dtype": "F64", "shape": list(tensor.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(struct.pack("<Q", len(head)) + head + body)
