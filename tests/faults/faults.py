"""Kills, damages and fills, and says in Markdown what came of it.

    python tests/faults/faults.py --kills 100 --flips 300 --seed 0 -o faults.md

Ends with 1 if anything was not as ``docs/reliability.md`` promises. Linux alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import fault_disks as disks
import fault_flips as flips
import fault_kills as kills
import fault_nodes as nodes
from fault_world import World, contents, make_world


def main() -> int:
    options = _options()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        world = make_world(Path(folder))
        parts, good = _all(world, options)
    parts.append(f"{time.monotonic() - began:,.0f} s on the clock.")
    text = "\n\n".join(parts) + "\n"
    if options.output:
        options.output.write_text(text)
    sys.stdout.write(text)
    return 0 if good else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--flips", type=int, default=300)
    parser.add_argument("--use-every", type=int, default=4, help="one use in so many rounds")
    parser.add_argument("--disks", type=int, default=99, help="kinds of files that find no room")
    parser.add_argument("--interrupts", type=int, default=10)
    parser.add_argument(
        "--nodes", type=int, default=5, help="runs on a Ray cluster that loses some"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path)
    return parser.parse_args()


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _all(world: World, options) -> tuple[list[str], bool]:
    flips.PREPARED.update(contents(world.folder / "prepared"))
    reference = kills.Reference(world, "damaged", (), kills.quick)
    parts, good = [], True
    if options.kills:
        killed = kills.campaign(world, options.kills, options.seed, _tell)
        parts.append(_kills_text(killed))
        good &= all(each.same for each in killed)
    if options.interrupts:
        stopped = kills.interrupts(world, reference, options.interrupts, options.seed)
        parts.append(_interrupts_text(stopped))
        good &= all(each.right for each in stopped)
    if options.nodes:
        lost = nodes.campaign(world, options.nodes, options.seed, _tell)
        parts.append(_nodes_text(lost))
        good &= all(each.same for each in lost)
    if options.flips:
        every = options.use_every
        damaged = flips.campaign(world, reference, options.flips, options.seed, _tell, every)
        parts.append(_flips_text(damaged))
        good &= all(each.verified and each.harmless for each in damaged)
    if options.disks:
        real, full = disks.campaign(world, reference, _tell, options.disks)
        sealed = disks.read_only(world, reference)
        parts.append(_disks_text(real, full, sealed))
        good &= all(each.named and each.same and "damaged:" not in each.state for each in full)
        good &= sealed[2]
    return parts, good


def _kills_text(killed: list[kills.Kill]) -> str:
    same = sum(each.same for each in killed)
    twice = sum(len(each.moments) > 1 for each in killed)
    moments = Counter(moment for each in killed for moment in each.moments)
    how = Counter(part for each in killed for part in each.how.split("; then, in the resume, "))
    lines = [
        f"## Kills\n\n{len(killed)} runs killed, {twice} of them again in the resume; "
        f"**{same} of {len(killed)} ended with the bytes of the run that was never killed**.\n",
        _table(("state on disk after the kill", "kills"), moments.most_common()),
        "",
        _table(("how it was killed", "kills"), how.most_common()),
    ]
    lines += [f"\nNOT THE SAME: {each}" for each in killed if not each.same]
    return "\n".join(lines)


def _interrupts_text(stopped: list[kills.Interrupt]) -> str:
    right = sum(each.right for each in stopped)
    lines = [
        f"## Ctrl-C\n\n**{right} of {len(stopped)} runs stopped by Ctrl-C, every second one "
        "by two, lost nothing and went on to the same bytes**: "
        + ", ".join(sorted({each.said for each in stopped}))
    ]
    lines += [f"\nNOT RIGHT: {each}" for each in stopped if not each.right]
    return "\n".join(lines)


def _nodes_text(lost: list[nodes.Loss]) -> str:
    same, gone = sum(each.same for each in lost), sum(each.nodes for each in lost)
    return (
        f"## Lost nodes\n\n**{same} of {len(lost)} runs on a Ray cluster that lost {gone} of its "
        "nodes ended with the bytes of the run on one machine**; "
        f"{sum(each.goes_on for each in lost)} trainings were put away when a node was lost."
    )


def _flips_text(damaged: list[flips.Damage]) -> str:
    found = sum(each.verified for each in damaged)
    ways = ", ".join(f"{count} {way}" for way, count in Counter(d.way for d in damaged).items())
    used = [each for each in damaged if each.used]
    rows = []
    for kind in sorted({each.artefact for each in damaged}):
        own = [each for each in damaged if each.artefact == kind]
        uses = Counter(each.used for each in own if each.used)
        rows.append((kind, f"{sum(d.verified for d in own)} of {len(own)}",
                     "; ".join(f"{use} ({n})" for use, n in uses.items())))  # fmt: skip
    return (
        f"## Damage\n\n**{found} of {len(damaged)} damaged files found by `verify`** ({ways}); "
        f"{sum(each.harmless for each in used)} of {len(used)} that were then used did no harm.\n\n"
        + _table(("artefact", "found", "the verb that uses it"), rows)
    )


def _disks_text(real: bool, full: list[disks.Full], sealed) -> str:
    kind = "a tmpfs filled by a ballast" if real else "the system's word simulated: no mount here"
    rows = [
        (each.point, each.said, each.state, "same bytes" if each.same else "OTHER BYTES")
        for each in full
    ]
    said, seconds, _ = sealed
    return (
        f"## Full and read-only disks\n\nFull ({kind}) in the middle of each kind of file:\n\n"
        + _table(("file", "exit code and words", "state", "with room again"), rows)
        + f"\n\nRead-only, after {seconds:.1f} s: {said}"
    )


def _table(head, rows) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


if __name__ == "__main__":
    sys.exit(main())
