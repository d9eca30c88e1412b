"""A trained model and all that its fit rests on: trained on one inner fold, put away, taken up.

Two kinds: a network (``network_member``), and a model that is fitted in one go
(``estimator_member``). Everything above this file sees only what both have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cystgrid.cohort.splits import InnerFold
from cystgrid.errors import CohortError
from cystgrid.models.registry import CHANNELS
from cystgrid.preparation.entry import Entry
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.standardise import fit_standard
from cystgrid.preparation.store import Store
from cystgrid.training.recipe import Recipe
from cystgrid.training.search import Trial
from cystgrid.training.selection import Epoch

if TYPE_CHECKING:
    from cystgrid.training.keeping import Keep


class Member(Protocol):
    """A fitted model, and how its inputs are made."""

    def probabilities(self, prepared: Sequence[PreparedPatient]) -> NDArray[np.float64]:
        """Class probabilities ``(patient, class)`` of patients this member never saw."""

    def save(self, folder: Path, stem: str, *, whole: bool = True) -> dict[str, Any]:
        """Write what was fitted as ``folder/stem.<suffix>``; returns the rest as JSON.

        Args:
            folder: where.
            stem: the file's name without its suffix.
            whole: with everything that a prediction needs; else a pretrained network whose
                weights were not trained is left out.

        Returns:
            Among others ``weights``, the file's name, and its ``sha256``.
        """


@dataclass(frozen=True)
class Trained:
    """What one training ends with.

    Attributes:
        member: holding the weights of the selected epoch.
        look: how it does on the validation fold.
        validation: ``(patient, class)`` probabilities of the validation fold, in its order.
        curve: every epoch at which the validation fold was looked at; empty without epochs.
        trials: the settings that competed; one without a search.
    """

    member: Member
    look: Epoch
    validation: NDArray[np.float64]
    curve: tuple[Epoch, ...]
    trials: tuple[Trial, ...]

    @property
    def collapsed(self) -> bool:
        """Whether it gives all of several validation patients one and the same class."""
        return len(self.validation) > 1 and len(set(self.validation.argmax(axis=1).tolist())) == 1

    def record(self) -> dict[str, Any]:
        """How it was selected, as JSON."""
        return {
            "selected_epoch": self.look.epoch,
            "selected": {
                name: value
                for name, value in asdict(self.look).items()
                if value == value  # no NaN
            },
            "collapsed": self.collapsed,
            "trials": [asdict(trial) for trial in self.trials],
        }


@dataclass(frozen=True)
class Task:
    """One training: which model, on whom, from which seed.

    Attributes:
        fold: training and validation patients; only they are read.
        recipe: the study's.
        model: name in the study.
        inputs: which modalities.
        seed: of everything random in this training.
    """

    fold: InnerFold
    recipe: Recipe
    model: str
    inputs: str
    seed: int

    def targets(self, patients: Sequence[Entry]) -> NDArray[np.int64]:
        """Class numbers ``(patient,)``."""
        names = [self.recipe.cohort.class_of(str(patient.label)) for patient in patients]
        return np.array([self.recipe.classes.index(str(name)) for name in names], dtype=np.int64)


def train_member(
    store: Store,
    task: Task,
    after_epoch: Callable[[], None] = lambda: None,
    keep: Keep | None = None,
) -> Trained:
    """Fit one model: landmarks, weights, epoch and settings from the task's fold alone.

    Args:
        store: prepared patients; only those of the fold are read.
        task: what to train.
        after_epoch: called once an epoch, for progress.
        keep: where a network's training is put away now and then, and goes on from if it was
            stopped; None for nowhere. A model without epochs begins again.

    Raises:
        CohortError: a modality that was not prepared, or that no training patient has.
        SettingsError: settings under which it cannot be trained.
        WeightsError: pretrained weights that cannot be had.
    """
    from cystgrid.training.estimator_member import train_estimator
    from cystgrid.training.network_member import train_network

    if task.recipe.models.entry(task.model).family == "network":
        return train_network(store, task, after_epoch, keep)
    return train_estimator(store, task, after_epoch)


def load_member(
    card: dict[str, Any], record: dict[str, Any], folder: Path, recipe: Recipe
) -> Member:
    """Take up a member that was saved in ``folder``.

    Args:
        card: ``model`` and ``inputs``, ``modalities`` and ``pixels``, as model.json has them.
        record: what ``Member.save`` gave.
        folder: where the weights lie.
        recipe: classes, grid and models.

    Raises:
        StoreError: the weights are missing or altered.
    """
    from cystgrid.training.estimator_member import load_estimator_member
    from cystgrid.training.network_member import load_network

    if recipe.models.entry(card["model"]).family == "network":
        return load_network(card, record, folder, recipe)
    return load_estimator_member(card, record, folder, recipe)


def standard_of(train: Sequence[Entry], channels: Sequence[int]) -> NDArray[np.float64]:
    """Standard landmarks ``(modality, landmark)`` of training patients.

    Args:
        train: the training patients.
        channels: modalities that are used; the rows of the others are 0.

    Raises:
        CohortError: no training patient has a scan of a modality that is used.
    """
    standard = np.zeros(train[0].percentiles.shape)
    for modality in channels:
        standard[modality] = fit_standard([patient.percentiles[modality] for patient in train])
    return standard


def channel_positions(modalities: Sequence[str], inputs: str) -> tuple[int, ...]:
    """Where the modalities that ``inputs`` asks for stand in a prepared crop.

    Raises:
        CohortError: one of them was not prepared.
    """
    missing = [name for name in CHANNELS[inputs] if name not in modalities]
    if missing:
        raise CohortError(
            f"inputs {inputs}",
            got=f"prepared data with {', '.join(modalities)}",
            expected=f"{missing[0]} as well",
            do="choose other inputs, or prepare with both modalities",
        )
    return tuple(modalities.index(name) for name in CHANNELS[inputs])
