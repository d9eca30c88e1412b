"""Every kind of artefact damaged at random; `verify` and the verb that uses it must both notice."""

from __future__ import annotations

import random
import shutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fault_kills import Reference
from fault_points import act_at_points, kill_at, kind_of
from fault_world import World, contents, prepare_words

from cystgrid.errors import StoreError
from cystgrid.verifying.verify import verify

WAYS = ("bit", "bit", "bit", "cut short", "bytes appended", "removed")
STOPPED, STATE = "stopped run", "state of a training"
NOT_MISSED = (STATE, "SHA256SUMS")
"""Kinds of which nothing tells a lost one: they are not there before a training is put away, or
before the command is done."""


@dataclass(frozen=True)
class Damage:
    """One damaged file.

    Attributes:
        artefact: its kind, and what it is of.
        way: of the damage.
        verified: whether `verify` named just this file.
        used: what the verb did that uses it; empty where it was not asked.
        harmless: whether that was right.
    """

    artefact: str
    way: str
    verified: bool
    used: str = ""
    harmless: bool = True


def harm(path: Path, way: str, lot: random.Random) -> None:
    """Damage a file."""
    content = bytearray(path.read_bytes())
    if way == "removed":
        path.unlink()
        return
    if way == "bit":
        content[lot.randrange(len(content))] ^= 1 << lot.randrange(8)
    elif way == "cut short":
        del content[lot.randrange(len(content)) :]
    else:
        content += bytes(lot.randrange(256) for _ in range(lot.randint(1, 64)))
    path.write_bytes(content)


def campaign(
    world: World, reference: Reference, flips: int, seed: int, tell, every: int
) -> list[Damage]:
    """So many damaged files, in turn over all kinds; each ``every``-th is then used."""
    folders = _folders(world, reference)
    files: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for what, folder in folders.items():
        for name in contents(folder):
            kind = kind_of(name, folder)
            if what != STOPPED or kind == STATE:
                files[f"{what}: {kind}"].append((what, name))
    kinds = sorted(files)
    tell(f"{len(kinds)} kinds: {'; '.join(kinds)}")
    found = []
    for number in range(flips):
        lot = random.Random(f"{seed} flip {number}")
        kind = kinds[number % len(kinds)]
        what, name = lot.choice(files[kind])
        way = lot.choice(WAYS[:-1] if kind_of(name, folders[what]) in NOT_MISSED else WAYS)
        use = every > 0 and (number // len(kinds)) % every == 0
        found.append(_one(world, reference, folders[what], name, (kind, what, way), lot, use=use))
        if number % 50 == 49:
            tell(f"damage {number + 1} of {flips}")
        if not (found[-1].verified and found[-1].harmless):
            tell(f"damage {number}: {name}: {found[-1]}")
    return found


def _folders(world: World, reference: Reference) -> dict[str, Path]:
    """One of every folder of ours, sound."""
    model, start, state = (world.folder / name for name in ("model", "start", "stopped-start"))
    study = world.folder / "study.toml"
    code, said = world.run("train", world.folder / "prepared", "-o", model, "--study", study,
                           "--workers", 0, "--quiet")  # fmt: skip
    assert code == 0, said
    words = ("pretrain", "-o", start, "--study", world.folder / "pretrain.toml", "--workers", 0)
    code, said = world.run(*words)
    assert code == 0, said
    _stop_pretraining(world, state)
    stopped = world.folder / "stopped-run"
    _stop_training(world, reference, stopped)
    prepared = world.folder / "prepared"
    return {STOPPED: stopped, "run": reference.folder, "prepared": prepared, "model": model,
            "start": start, "stopped start": state}  # fmt: skip


def _stop_training(world: World, reference: Reference, run: Path) -> None:
    def before():
        reference.prepare()
        act_at_points(run, kill_at(STATE, "done", 5))

    world.start(*world.crossval(run), before=before).wait()
    assert list(run.glob("jobs/*/*/*/state.safetensors"))


def _stop_pretraining(world: World, state: Path) -> None:
    world.start(
        "pretrain", "-o", state, "--study", world.folder / "pretrain.toml", "--workers", 0,
        before=lambda: act_at_points(state, kill_at("state of a pretraining", "done", 2)),
    ).wait()  # fmt: skip
    assert (state / "state.safetensors").is_file()


def _one(world, reference, folder, name, facts, lot, *, use) -> Damage:
    kind, what, way = facts
    path = folder / name
    good = path.read_bytes()
    before = contents(folder) if use else {}
    harm(path, way, lot)
    if path.exists() and path.read_bytes() == good:
        harm(path, "bit", lot)
    verified = _verified(folder, name, way)
    used, harmless = USES[what](world, reference, folder, name) if use else ("", True)
    if use:
        _restore(folder, before)
    path.write_bytes(good)
    return Damage(kind, way, verified, used, harmless)


def _verified(folder: Path, name: str, way: str) -> bool:
    """Whether `verify` names this file as lost, and no other: then its exit code is not 0."""
    try:
        found = verify(folder, quiet=True)
    except StoreError:  # it was the only one, and is gone
        return way == "removed"
    return [each.name for each in found.lost] == [name]


def _restore(folder: Path, before: dict[str, bytes]) -> None:
    for name in contents(folder):
        if name not in before:
            (folder / name).unlink()
    for name, content in before.items():
        if not (folder / name).exists() or (folder / name).read_bytes() != content:
            (folder / name).write_bytes(content)


def _use_run(world, reference, run, name) -> tuple[str, bool]:
    """Go on with the run: all bytes again; but a damaged card is refused by name."""
    there = (run / "run.json").exists()
    same, said = reference.goes_on(run)
    if name == "run.json" and there:
        refused = not same and said.startswith("3 error:") and "run.json" in said
        (run / "run.json").unlink()
        return "refused by name; made anew once removed", refused and reference.goes_on(run)[0]
    return "made anew, to the same bytes" if same else said, same


def _use_stopped(world, reference, run, name) -> tuple[str, bool]:
    """A training never goes on from a damaged state: it begins again, and that is said."""
    same, said = reference.goes_on(run)
    told = "damaged; its training begins again" in said
    return ("said so; begun again, to the same bytes" if same and told else said), same and told


def _use_prepared(world, reference, prepared, name) -> tuple[str, bool]:
    """Training on it is refused by name; preparing again makes it anew, to the same bytes."""
    own = name in ("quality.html", "SHA256SUMS")
    own = own or (name == "cohort.json" and not (prepared / name).exists())
    code, said = world.run(*world.crossval(world.folder / "never"), before=reference.prepare)
    shutil.rmtree(world.folder / "never", ignore_errors=True)
    refused = own or (code == 3 and Path(name).name in said)
    code, again = world.run(*prepare_words(world, prepared))
    sound = code == 0 and contents(prepared) == PREPARED
    told = "refused by name; prepared again, to the same bytes"
    return (told if refused and sound else f"{said} {again}"), refused and sound


def _use_model(world, reference, model, name) -> tuple[str, bool]:
    """Nothing is predicted with it; but with damaged words it predicts."""
    out = world.folder / "out"
    code, said = world.run("predict", model, world.folder / "phantoms/cohort.csv", "-o", out,
                           "--workers", 0, "--quiet")  # fmt: skip
    shutil.rmtree(out, ignore_errors=True)
    if name == "README.md":
        return "predicts without it", code == 0
    return "refused by name", code == 3 and Path(name).name in said


def _use_start(world, reference, start, name) -> tuple[str, bool]:
    """No network starts from damaged weights."""
    from cystgrid.errors import WeightsError
    from cystgrid.models.shipped import check_beside_card

    if name not in ("start.json", "start.safetensors"):
        return "weights serve without it", True
    weights = start / "start.safetensors"
    if not weights.exists() or not (start / "start.json").exists():
        return "no such file", True
    try:
        check_beside_card(weights)
    except WeightsError:
        return "refused by name", True
    return "taken", False


def _use_state(world, reference, state, name) -> tuple[str, bool]:
    """A pretraining never goes on from a damaged state."""
    if not (state / name).exists():
        return "begins anew", True
    code, said = world.run("pretrain", "-o", state, "--study", world.folder / "pretrain.toml",
                           "--workers", 0)  # fmt: skip
    return "refused by name", code == 3 and name in said


USES: dict[str, Callable[..., tuple[str, bool]]] = {
    "run": _use_run, "prepared": _use_prepared, "model": _use_model, "start": _use_start,
    "stopped start": _use_state, STOPPED: _use_stopped,
}  # fmt: skip
PREPARED: dict[str, bytes] = {}
"""The prepared patients' bytes while they are sound."""
