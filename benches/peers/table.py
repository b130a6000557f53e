"""Runs workloads by nnc and its peers in turns and prints a table: `table.py NNC THREADS [WORKLOAD...]`.

Each round runs every contender once, so that a slow hour of the machine is a slow hour for all; figures are medians
over the rounds (ROUNDS, 3 without)."""
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys

import workloads

NNC, THREADS = sys.argv[1], int(sys.argv[2])
NAMES = sys.argv[3:] or workloads.NAMES
ROUNDS = int(os.environ.get("ROUNDS", "3"))
PEERS = [("torch", "eager_fused"), ("jax", "scan")] + ([("torch", "compile_step")] if os.environ.get("COMPILED") else [])


def pinned(command):
    cpus = ",".join(str(cpu) for cpu in range(THREADS))
    out = subprocess.run(["taskset", "-c", cpus] + command, capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{out.stderr}")
    return out.stdout


def by_nnc(name):
    told = pinned([NNC, "bench", f"{name}.nn", "--load", f"data/{name}.safetensors", "--json", "--seconds", "3"])
    told = json.loads(told.splitlines()[-1])
    share = told["operations_per_step"] * told["steps_per_second"] / told["peak_operations_per_second"]
    return told["steps_per_second"], share, sum(told["compile_ms"].values())


def by_peer(framework, mode, name):
    told = pinned([sys.executable, f"{framework}_bench.py", name, str(THREADS), mode])
    told = json.loads(told.splitlines()[-1])
    return told["steps_per_s"], told["check_loss"]


def checked(name):
    """nnc's loss at the step that the peers tell theirs of."""
    text = open(f"{name}.nn").read().replace(f"data/{name}.x", f"data/{name}.check.x").replace(f"data/{name}.y", f"data/{name}.check.y")
    file = f"checked_{name}.nn"
    open(file, "w").write(text)
    try:
        told = pinned([NNC, "run", file, "--load", f"data/{name}.safetensors", "--json", "--epochs", "1", "--set", "shuffle=false"])
    finally:
        os.remove(file)
    end = [json.loads(line) for line in told.splitlines() if '"event":"end"' in line.replace(" ", "")]
    return end[-1]["figures"]["test"]["loss"]


def number(rate):
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def main():
    print(f"{datetime.date.today()}, {platform.processor() or platform.machine()}, {THREADS} thread(s), median of {ROUNDS}\n")
    heads = ["workload", "nnc", "share of peak", "compiled in ms"] + [f"{f} {m}" for f, m in PEERS] + ["to the best", "loss"]
    print("| " + " | ".join(heads) + " |\n|" + " --- |" * len(heads))
    for name in NAMES:
        rounds = [(by_nnc(name), [by_peer(f, m, name) for f, m in PEERS]) for _ in range(ROUNDS)]
        middle = lambda values: statistics.median(values)
        ours = [middle([r[0][k] for r in rounds]) for k in range(3)]
        theirs = [middle([r[1][k][0] for r in rounds]) for k in range(len(PEERS))]
        losses = {r[1][k][1] for r in rounds for k in range(len(PEERS))}
        loss = f"{checked(name):.5g} ({', '.join(f'{l:.5g}' for l in sorted(x for x in losses if x is not None))})"
        cells = [name, number(ours[0]), f"{100 * ours[1]:.0f} %", f"{ours[2]:.0f}"] + [number(t) for t in theirs]
        print("| " + " | ".join(cells + [f"{ours[0] / max(theirs):.2f}", loss]) + " |", flush=True)


main()
