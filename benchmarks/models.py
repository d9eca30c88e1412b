"""Time and memory of every network at its own size, forward and backward, each in its own process.

    python benchmarks/models.py [--batch 2] [--models vit_base,dense-inn] [--threads 2]

Grids are the paper's 192 x 192, stacks INN's 5 slices of 64 x 64, volumes Cyst-X's 96 x 96 x 96.
Memory is the growth of the process's peak after all imports; weights and gradients are in it. On a
GPU, time and memory are those of the device. The faster of two passes counts.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import torch

from cystgrid.grids.forms import Form
from cystgrid.models.network import Shape
from cystgrid.models.registry import MODELS, build_model

CLASSES, CELLS, PIXELS = 3, 9, 64
MIB = 2**20
PASSES = 2


def input_size(form: Form, shape: Shape) -> tuple[int, ...]:
    """Height and width, or slices, rows and columns."""
    if form.kind == "grid":
        return (shape.image, shape.image)
    return (form.slices, PIXELS, PIXELS) if form.kind == "stack" else (form.side,) * 3


def peak(device: torch.device) -> int:
    """Bytes, at most so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(name: str, inputs: str, batch: int, threads: int) -> dict[str, object]:
    """One network, here and now."""
    torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if MODELS[name].build.startswith("cystgrid.models.volumetric"):
        from monai.networks.nets import DenseNet121  # noqa: F401 - so that it is not counted
    channels = 1 if inputs in ("t1", "t2") else 2
    shape = Shape(channels, CLASSES, CELLS, PIXELS)
    before = peak(device)
    torch.manual_seed(0)
    network = build_model(name, inputs, shape, "none").to(device)
    size = input_size(network.form, shape)
    shown = torch.rand(batch, channels, *size, device=device)
    forward, backward = [], []
    for _ in range(PASSES):
        network.zero_grad()
        forward.append(timed(lambda: network(shown), device))
        loss = forward[-1][1].logsumexp(1).sum()
        backward.append(timed(loss.backward, device))
    finite = all(
        p.grad is not None and bool(p.grad.isfinite().all()) for _, p, _ in network.trainable()
    )
    return {
        "size": " x ".join(map(str, (*size, channels))),
        "parameters": sum(p.numel() for p in network.backbone.parameters()),
        "forward": min(seconds for seconds, _ in forward),
        "backward": min(seconds for seconds, _ in backward),
        "memory": (peak(device) - before) / MIB,
        "finite": finite,
        "device": device.type,
    }


def timed(work, device: torch.device) -> tuple[float, torch.Tensor]:  # noqa: ANN001
    """Seconds, and what came out."""
    start = time.perf_counter()
    result = work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start, result


def in_its_own_process(name: str, inputs: str, batch: int, threads: int) -> dict[str, object]:
    """As ``measure``, with a peak of its own."""
    one = [sys.executable, __file__, "--one", f"{name},{inputs}"]
    rest = ["--batch", str(batch), "--threads", str(threads)]
    done = subprocess.run([*one, *rest], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Command line."""
    networks = [name for name, entry in MODELS.items() if entry.family == "network"]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", default=",".join(networks))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        name, inputs = asked.one.rsplit(",", 1)
        sys.stdout.write(json.dumps(measure(name, inputs, asked.batch, asked.threads)) + "\n")
        return
    sys.stdout.write(
        f"batch {asked.batch}, {asked.threads} threads\n\n"
        "| model | inputs | input | parameters | forward s | backward s | peak MiB | gradients |\n"
        "|---|---|---|---|---|---|---|---|\n"
    )
    for name in asked.models.split(","):
        for inputs in ("early", "late", "intermediate"):
            if inputs not in MODELS[name].inputs:
                continue
            found = in_its_own_process(name, inputs, asked.batch, asked.threads)
            sys.stdout.write(
                f"| {name} | {inputs} | {found['size']} | {found['parameters']:,} "
                f"| {found['forward']:.2f} | {found['backward']:.2f} | {found['memory']:.0f} "
                f"| {'finite' if found['finite'] else 'NOT FINITE'} |\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
