"""What a run says of itself: ``run.json`` and ``splits.json``; another study is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cystgrid.checksums import forget_sums
from cystgrid.cohort.splits import Splits, splits_digest, write_splits
from cystgrid.differences import differences, sides
from cystgrid.errors import StoreError, path_text
from cystgrid.preparation.store import Store
from cystgrid.sealing import read_sealed, write_sealed
from cystgrid.training.decision import Fusion, Pair, pair_of
from cystgrid.training.recipe import Recipe
from cystgrid.training.site import Site

CARD, SPLITS = "run.json", "splits.json"
PLATFORM = "platform"
"""Of the versions the one that changes no number: a kernel's, say."""


def run_card(
    store: Store,
    recipe: Recipe,
    splits: Splits,
    pairs: Sequence[Pair],
    fusions: Sequence[Fusion],
    site: Site,
) -> dict[str, Any]:
    """What a run of these settings on these data would be, as JSON.

    Device, arithmetic and versions are those of where the trainings run, which need not be here.
    """
    return {
        "prepared": store.digest,
        "patients": store.cards,
        "splits": splits_digest(splits),
        "source": site.code,
        "device": site.device,
        "versions": site.versions,
        "models": {f"{m}-{inputs}": identity_of(recipe, m, inputs, site) for m, inputs in pairs},
        "fusions": [["-".join(part) for part in fusion] for fusion in fusions],
    }


def identity_of(recipe: Recipe, model: str, inputs: str, site: Site) -> dict[str, Any]:
    """What decides a training's bytes besides data and folds, with the arithmetic taken there."""
    precision = site.precision(recipe.training_of(model).precision)
    return {**recipe.identity(model, inputs), "precision": precision}


def compare(run: Path, card: dict[str, Any]) -> dict[str, Any]:
    """The card with all models and fusions the folder was asked for before; writes nothing.

    Raises:
        StoreError: the folder holds a run of other data, another recipe or another version; or what
            it says of itself is altered.
    """
    path = run / CARD
    if not path.is_file():
        return card
    old = read_run_card(run)
    _refuse_other_data(old, card, path)
    _refuse_other_software(old, card, path)
    _refuse_other_recipe(old["models"], card["models"], path)
    before = old.get("fusions", [])  # an older card has no word of them
    added = [fusion for fusion in card["fusions"] if fusion not in before]
    return {
        **card,
        "models": {**old["models"], **card["models"]},
        "fusions": [*before, *added],
    }


def settle(run: Path, card: dict[str, Any], splits: Splits) -> None:
    """Write down what this run is, after a look at whether the folder holds another one."""
    whole = compare(run, card)
    forget_sums(run)
    write_sealed(run / CARD, whole)
    write_splits(splits, run / SPLITS)


def recorded_pairs(run: Path) -> list[Pair]:
    """Models that this folder has been asked for before."""
    return [pair_of(name) for name in read_run_card(run)["models"]]


def recorded_fusions(run: Path) -> list[Fusion]:
    """Decision fusions that this folder has been asked for before; an older card names none."""
    found = read_run_card(run).get("fusions", [])
    return [(pair_of(first), pair_of(second)) for first, second in found]


def read_run_card(run: Path) -> dict[str, Any]:
    """What a run says of itself.

    Raises:
        StoreError: no run there, or its card is altered.
    """
    return read_sealed(
        run / CARD,
        expected="the run.json of a cross-validation",
        do="give the folder that cystgrid crossval wrote; if its run.json is damaged, restore it, "
        "or remove it and run crossval again: finished trainings are kept",
    )


def _refuse_other_data(old: Mapping[str, Any], new: Mapping[str, Any], path: Path) -> None:
    """Refuse other patients, other voxels or other folds, naming the first that differs."""
    do = "give another -o folder, or the same data and study"
    before, now = old["patients"], new["patients"]
    if not before.keys() & now.keys():
        raise StoreError(
            f"{path}: prepared patients",
            got=f"{len(now)} patients, none of whom is in this run",
            expected=f"the {len(before)} patients with which it began",
            do="this run is of another cohort: give another -o folder",
        )
    differing = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    if differing:
        patient = differing[0]
        others = f" (and {len(differing) - 1} more patients differ)" if differing[1:] else ""
        raise StoreError(
            f"{path}: prepared patient {patient}",
            got=("another scan, label or other fact" if patient in before and patient in now
                 else "one more" if patient in now else "no such patient now") + others,
            expected=f"the {len(before)} patients with which this run began",
            do=do,
        )  # fmt: skip
    if old["prepared"] != new["prepared"]:
        raise StoreError(
            f"{path}: settings of the prepared data",
            got="patients that are prepared in another way now",
            expected="as when this run began",
            do=do,
        )
    if old["splits"] != new["splits"]:
        raise StoreError(
            f"{path}: folds",
            got="other folds now",
            expected=f"those of {path_text(path.parent / SPLITS)}, with which this run began",
            do="give another -o folder, or the same [splits] of the study or --splits file",
        )


def _refuse_other_software(old: Mapping[str, Any], new: Mapping[str, Any], path: Path) -> None:
    """Refuse what could change a training's bytes, naming the first that differs."""
    facts = [(f"version of {name}", old["versions"].get(name), value)
             for name, value in new["versions"].items() if name != PLATFORM]  # fmt: skip
    facts.append(("cystgrid's source", old["source"][:12], new["source"][:12]))
    facts.append(("device", old["device"], new["device"]))
    for name, before, now in facts:
        if before != now:
            raise StoreError(
                f"{path}: {name}",
                got=f"{now} now",
                expected=f"{before}, as when this run began",
                do="give another -o folder, or go on with what it began with",
            )


def _refuse_other_recipe(old: Mapping[str, Any], new: Mapping[str, Any], path: Path) -> None:
    """Refuse a model whose settings differ from those it was begun with, naming these alone."""
    for pair, identity in new.items():
        before = old.get(pair, identity)
        known = {name: value for name, value in before.items() if name in identity}
        found = differences(known, identity)
        if not found:
            continue
        then, now = sides(found)
        raise StoreError(
            f"{path}: {pair}",
            got=f"{now} now",
            expected=f"{then}, as when this run began",
            do="give another -o folder, or the same study file",
        )
