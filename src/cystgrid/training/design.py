"""What a cross-validation will train: its folds and all its jobs, checked, and nothing written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cystgrid.cohort.classes import CohortSettings
from cystgrid.cohort.splits import (
    InnerFold,
    Member,
    Splits,
    SplitSettings,
    nested_splits,
    peer_folds,
)
from cystgrid.models.settings import meant
from cystgrid.preparation.store import Store
from cystgrid.provenance import refuse_other_kind
from cystgrid.training.decision import Fusion, Pair
from cystgrid.training.job import PEER, Training, job_key
from cystgrid.training.leakage import check_copies
from cystgrid.training.member import channel_positions
from cystgrid.training.recipe import Recipe
from cystgrid.training.run_card import CARD, compare, identity_of, recorded_pairs, run_card
from cystgrid.training.sides import Sides
from cystgrid.training.site import Site

Protocol = Literal["nested", "peer"]
"""``peer`` runs the nested trainings too: its optimism is a number beside the honest one."""


@dataclass(frozen=True)
class Design:
    """A cross-validation before it runs; what its jobs are depends on the site that takes them.

    Attributes:
        run: its folder.
        store: the prepared patients.
        recipe: classes, grid, models, training.
        splits: who trains, who selects, who is tested.
        pairs: models and inputs that are asked for.
        protocol: which trainings each of them has.
        wanted: the study's decision fusions, in its words; also of models not asked for now.
    """

    run: Path
    store: Store
    recipe: Recipe
    splits: Splits
    pairs: tuple[Pair, ...]
    protocol: Protocol
    wanted: tuple[tuple[str, str], ...] = ()

    @property
    def threads(self) -> int:
        """Of the processor, that the most demanding training uses."""
        return max(self.recipe.training_of(model).threads for model, _ in self.pairs)

    def card(self, site: Site) -> dict[str, Any]:
        """What the run will say of itself."""
        fusions = self.fusions()
        return run_card(self.store, self.recipe, self.splits, self.pairs, fusions, site)

    def fusions(self) -> list[Fusion]:
        """Decision fusions that are asked for, and the study's others of models in the folder."""
        before = recorded_pairs(self.run) if (self.run / CARD).is_file() else []
        found = list(self.recipe.models.fusion_pairs())
        for words in self.wanted:
            first, second = (meant(each, self.pairs) or meant(each, before) for each in words)
            if len(first) == len(second) == 1:
                found.append((first[0], second[0]))
        return list(dict.fromkeys(found))

    def check(self, site: Site) -> None:
        """Refuse a folder that holds a run of other data, another recipe or another version.

        Raises:
            StoreError: it does.
        """
        compare(self.run, self.card(site))

    def trainings(self, site: Site) -> list[Training]:
        """Every training that is asked for, done or not, in the order in which they are run."""
        jobs = [job for pair in self.pairs for job in self.nested(pair, site)]
        if self.protocol == "peer":
            jobs += [job for pair in self.pairs for job in self.peers(pair, site)]
        return jobs

    def nested(self, pair: Pair, site: Site) -> list[Training]:
        """The nested trainings of one model on one kind of inputs."""
        jobs = _Jobs(self, pair, site)
        return [
            jobs.training(i, j, fold, outer.test)
            for i, outer in enumerate(self.splits.outer)
            for j, fold in enumerate(outer.inner)
        ]

    def peers(self, pair: Pair, site: Site) -> list[Training]:
        """One training an outer fold, which that fold selects: what published code does."""
        jobs = _Jobs(self, pair, site)
        leaky = zip(self.splits.outer, peer_folds(self.splits), strict=True)
        return [jobs.training(i, PEER, fold, outer.test) for i, (outer, fold) in enumerate(leaky)]


def design(
    prepared: Path,
    run: Path,
    recipe: Recipe,
    splitting: SplitSettings,
    *,
    given: Splits | None = None,
    protocol: Protocol = "nested",
    wanted: Sequence[tuple[str, str]] = (),
) -> Design:
    """Look at everything that could stop a cross-validation (see ``nested.cross_validate``)."""
    refuse_other_kind(run, CARD)
    store = Store.open(prepared)
    members = labelled_members(store, recipe.cohort)
    pairs = recipe.models.pairs()
    recipe.models.fusion_pairs()  # what cannot be fused is said before anything is trained
    recipe.require(model for model, _ in pairs)
    for _, inputs in pairs:
        channel_positions(store.modalities, inputs)
    splits = given or nested_splits(members, splitting)
    if splitting.copies == "refuse":
        check_copies(store.copies(), splits)
    return Design(run, store, recipe, splits, pairs, protocol, tuple(wanted))


def labelled_members(store: Store, cohort: CohortSettings) -> list[Member]:
    """The patients of a store whose label is one of the study's classes, after its merges.

    Those without a label cannot be scored; those whose label the study excludes are left out.

    Raises:
        CohortError: a label that the study does not know.
    """
    named = [(entry, cohort.class_of(entry.label or "")) for entry in store.entries.values()]
    return [
        Member(entry.patient, label, entry.center, entry.group) for entry, label in named if label
    ]


class _Jobs:
    """Makes the jobs of one model on one kind of inputs, of the patients that have such scans."""

    def __init__(self, design: Design, pair: Pair, site: Site) -> None:
        self.design, self.pair = design, pair
        self.sides = Sides.of(design.store, pair[1])
        self.identity = {"prepared": design.store.digest, **identity_of(design.recipe, *pair, site)}

    def training(self, i: int, j: int | str, fold: InnerFold, test: tuple[str, ...]) -> Training:
        """The job of one inner fold (or ``peer``) in outer fold ``i``."""
        model, inputs = self.pair
        seen, tested = self.sides.fold(fold, i), self.sides.side(test, i)
        name = PEER if j == PEER else f"inner-{j}"
        return Training(
            model,
            inputs,
            i,
            j,
            seen,
            tested,
            self.design.store.folder,
            self.design.run / "jobs" / f"{model}-{inputs}" / f"outer-{i}" / name,
            self.design.recipe,
            job_key(self.identity, seen, tested),
        )
