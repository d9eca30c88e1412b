"""Cost of attention rollout: time and peak memory as ratios to other forward passes, in Markdown.

    python benchmarks/rollout.py [--batch 8] [--model vit_base_patch16_224] [--rounds 7]

A ViT of random weights on 192 x 192 x 2, without gradients. Compared are a plain forward pass
(fused attention), one that has to show its attention (timm's plain steps), rollout with its row
carried back, rollout with constant memory, and the dense way: every layer's attention of every head
kept, and full matrices multiplied. The ways take turns within each round, and medians count. On a
processor that is the time of one thread without the time it waits for other programs.
Memory is the peak of what is allocated during a pass, above weights and inputs: by torch's own
record of every allocation on a processor, by the allocator's maximum on a GPU.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

import timm
import torch
from torch import Tensor

from cystgrid.explanations.attention import Transformer, attention_shown
from cystgrid.explanations.options import Options
from cystgrid.explanations.relevance import relevance

SIDE, CHANNELS, CLASSES = 192, 2, 3
DEPTHS = (6, 12, 24)
MIB = 2**20
Way = Callable[[], object]


def network_of(model: str, depth: int, device: torch.device) -> torch.nn.Module:
    """A transformer of that depth and random weights."""
    torch.manual_seed(0)
    network = timm.create_model(
        model, pretrained=False, in_chans=CHANNELS, num_classes=CLASSES, img_size=SIDE, depth=depth
    )
    return network.eval().to(device)  # type: ignore[no-any-return]


def dense(network: torch.nn.Module, images: Tensor) -> Tensor:
    """Rollout as it is usually written."""
    kept: list[Tensor] = []
    with attention_shown(Transformer("image", network), kept.append):
        network(images)
    product = torch.eye(kept[0].shape[-1], device=images.device)
    for layer in kept:
        mixed = layer.mean(dim=1) + torch.eye(layer.shape[-1], device=images.device)
        product = (mixed / mixed.sum(dim=-1, keepdim=True)) @ product
    return product[:, 0]


def ways(network: torch.nn.Module, images: Tensor) -> dict[str, Way]:
    """What is compared, the plain pass first."""

    def showing() -> Tensor:
        with ExitStack() as stack:
            stack.enter_context(attention_shown(Transformer("image", network), lambda seen: None))
            return network(images)  # type: ignore[no-any-return]

    constant = Options(constant_memory=True)
    return {
        "forward, fused": lambda: network(images),
        "forward that shows its attention": showing,
        "rollout": lambda: relevance(network, images, "rollout"),
        "rollout, constant memory": lambda: relevance(network, images, "rollout", options=constant),
        "dense way": lambda: dense(network, images),
    }


def seconds(way: Way, device: torch.device) -> float:
    """One pass, to its end."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    begun = clock()
    way()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - begun


def peak(way: Way, device: torch.device) -> float:
    """MiB allocated at most during one pass, above what was there before."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        way()
        return (torch.cuda.max_memory_allocated(device) - before) / MIB
    with torch.profiler.profile(profile_memory=True) as profile:
        way()
    now = most = 0
    for event in sorted(profile.profiler.kineto_results.events(), key=lambda e: e.start_ns()):
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most / MIB


def table_of_ratios(model: str, batch: int, rounds: int, device: torch.device) -> list[str]:
    """Time and memory of each way at the model's usual depth."""
    network = network_of(model, 12, device)
    images = torch.rand(batch, CHANNELS, SIDE, SIDE, device=device)
    compared = ways(network, images)
    times: dict[str, list[float]] = {name: [] for name in compared}
    for turn in range(rounds + 1):
        for name, way in compared.items():
            taken = seconds(way, device)
            if turn:  # the first round warms up
                times[name].append(taken)
    took = {name: statistics.median(found) for name, found in times.items()}
    held = {name: peak(way, device) for name, way in compared.items()}
    plain, shown, *_ = compared
    lines = [
        "| way | ms | x plain | x showing | x dense | peak MiB | x plain | x showing | x dense |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in compared:
        cells = [f"{1000 * took[name]:.0f}"]
        cells += [f"{took[name] / took[other]:.2f}" for other in (plain, shown, "dense way")]
        cells += [f"{held[name]:.1f}"]
        cells += [f"{held[name] / held[other]:.2f}" for other in (plain, shown, "dense way")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def table_of_depths(model: str, batch: int, device: torch.device) -> list[str]:
    """Peak memory as the network gets deeper."""
    images = torch.rand(batch, CHANNELS, SIDE, SIDE, device=device)
    found = {}
    for depth in DEPTHS:
        compared = ways(network_of(model, depth, device), images)
        found[depth] = {name: peak(way, device) for name, way in compared.items()}
    lines = [
        f"| way | {' | '.join(f'{depth} layers, MiB' for depth in DEPTHS)} | a layer |",
        f"|---|{'---|' * (len(DEPTHS) + 1)}",
    ]
    for name in found[DEPTHS[0]]:
        cells = [f"{found[depth][name]:.1f}" for depth in DEPTHS]
        first, last = DEPTHS[0], DEPTHS[-1]
        cells.append(f"{(found[last][name] - found[first][name]) / (last - first):.2f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--model", default="vit_base_patch16_224")
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with torch.no_grad():
        lines = table_of_ratios(chosen.model, chosen.batch, chosen.rounds, device)
        lines += ["", *table_of_depths(chosen.model, chosen.batch, device)]
    about = f"{chosen.model}, batch {chosen.batch}, {SIDE} x {SIDE} x {CHANNELS}, {device.type}"
    sys.stdout.write("\n".join([about, "", *lines, ""]))


if __name__ == "__main__":
    main()
