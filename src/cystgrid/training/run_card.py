"""What a run says of itself: ``run.json`` and ``splits.json``; another study is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cystgrid.cohort.splits import Splits, splits_digest, write_splits
from cystgrid.errors import StoreError
from cystgrid.preparation.store import Store
from cystgrid.provenance import write_json
from cystgrid.training.decision import Pair, pair_of
from cystgrid.training.recipe import Recipe
from cystgrid.training.site import Site

CARD, SPLITS = "run.json", "splits.json"


def run_card(
    store: Store, recipe: Recipe, splits: Splits, pairs: Sequence[Pair], site: Site
) -> dict[str, Any]:
    """What a run of these settings on these data would be, as JSON.

    Device, arithmetic and version are those of where the trainings run, which need not be here.
    """
    return {
        "prepared": store.digest,
        "splits": splits_digest(splits),
        "version": site.versions["cystgrid"],
        "device": site.device,
        "models": {f"{m}-{inputs}": identity_of(recipe, m, inputs, site) for m, inputs in pairs},
    }


def identity_of(recipe: Recipe, model: str, inputs: str, site: Site) -> dict[str, Any]:
    """What decides a training's bytes besides data and folds, with the arithmetic taken there."""
    precision = site.precision(recipe.training_of(model).precision)
    return {**recipe.identity(model, inputs), "precision": precision}


def compare(run: Path, card: dict[str, Any]) -> dict[str, Any]:
    """The card with all models that the folder was asked for before; writes nothing.

    Raises:
        StoreError: the folder holds a run of other data, another recipe or another version.
    """
    path = run / CARD
    if not path.is_file():
        return card
    old = json.loads(path.read_text("utf-8"))
    _refuse_difference(old, card, path)
    return {**card, "models": {**old["models"], **card["models"]}}


def settle(run: Path, card: dict[str, Any], splits: Splits, site: Site) -> None:
    """Write down what this run is, after a look at whether the folder holds another one."""
    write_json(run / CARD, {**compare(run, card), "versions": site.versions})
    write_splits(splits, run / SPLITS)


def recorded_pairs(run: Path) -> list[Pair]:
    """Models that this folder has been asked for before."""
    recorded = json.loads((run / CARD).read_text("utf-8"))["models"]
    return [pair_of(name) for name in recorded]


def _refuse_difference(old: dict[str, Any], new: dict[str, Any], path: Path) -> None:
    """Refuse to mix two studies in one folder, naming what differs."""
    for name in ("prepared", "splits", "version", "device"):
        if old.get(name) != new[name]:
            raise StoreError(
                f"{path}: {name}",
                got=f"{str(new[name])[:12]} now",
                expected=f"{str(old.get(name))[:12]}, as when this run began",
                do="give another -o folder, or the same data, study and version",
            )
    for pair, identity in new["models"].items():
        before = old["models"].get(pair, identity)
        for name, value in identity.items():
            if json.dumps(before.get(name)) != json.dumps(value):
                raise StoreError(
                    f"{path}: {pair} {name}",
                    got=f"{value} now",
                    expected=f"{before.get(name)}, as when this run began",
                    do="give another -o folder, or the same study file",
                )
