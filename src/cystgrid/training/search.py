"""Settings that compete for each inner training; its own validation fold decides between them.

Nothing outside the inner fold takes part, so the outer estimate stays honest however many settings
are tried (Varma & Simon 2006; Cawley & Talbot 2010).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from cystgrid.errors import SettingsError
from cystgrid.settings import Settings
from cystgrid.training.settings import TrainingSettings

if TYPE_CHECKING:
    from cystgrid.training.fit import Fit

Value = float | int | str
TIE_BREAK = 1e-3
"""Weight of the loss beside the accuracy, where Optuna wants one number: it breaks ties."""


class SearchSettings(Settings):
    """Which settings of the recipe compete.

    Attributes:
        method: ``grid`` tries every combination; ``optuna`` (extra ``search``) draws ``trials`` of
            them by the tree-structured Parzen estimator (Bergstra et al. 2011), seeded.
        trials: for ``optuna``; a combination that is drawn again counts, and is not trained again.
        space: values by the name of a training setting; empty searches nothing.
    """

    method: Literal["grid", "optuna"] = "grid"
    trials: int = Field(default=20, ge=1)
    space: dict[str, tuple[Value, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _values_are_settings(self) -> SearchSettings:
        for name, values in self.space.items():
            if name not in TrainingSettings.model_fields or name in FIXED:
                known = sorted(set(TrainingSettings.model_fields) - set(FIXED))
                raise ValueError(f"settings of [training]; Available: {', '.join(known)}")
            if not values or len(set(values)) < len(values):
                raise ValueError(f"distinct values of {name}, at least one")
            for value in values:
                TrainingSettings.parse({name: value}, f"search.space.{name}")
        return self

    @property
    def count(self) -> int:
        """How many candidates each inner training has."""
        if not self.space:
            return 1
        combinations = math.prod(map(len, self.space.values()))
        return combinations if self.method == "grid" else self.trials


FIXED = ("seed", "precision", "threads", "select")
"""Settings that decide how candidates are compared, or only how they are computed."""


@dataclass(frozen=True)
class Trial:
    """One candidate and how it did on the validation fold, at the epoch it selected.

    Attributes:
        values: the settings in which it differs from the recipe.
        epoch: the selected one.
        validation_loss: cross-entropy in nats.
        validation_balanced_accuracy: 0-1.
    """

    values: dict[str, Value]
    epoch: int
    validation_loss: float
    validation_balanced_accuracy: float


def search(
    recipe: TrainingSettings,
    settings: SearchSettings,
    seed: int,
    train: Callable[[TrainingSettings], Fit],
    better: Callable[[Fit, Fit], bool],
) -> tuple[Fit, TrainingSettings, tuple[Trial, ...]]:
    """Train every candidate and keep the best; of equals, the one tried first.

    Args:
        recipe: what the candidates share.
        settings: in what they differ.
        seed: of the draws; every candidate is trained from the same seed of its own.
        train: one training, from nothing.
        better: whether the first is strictly preferred.

    Returns:
        The best training, its settings, and all trials in order.
    """
    trials: list[Trial] = []
    best: tuple[Fit, TrainingSettings] | None = None

    def attempt(values: tuple[Value, ...]) -> Trial:
        nonlocal best
        named = dict(zip(settings.space, values, strict=True))
        chosen = TrainingSettings.parse({**recipe.model_dump(), **named}, "search.space")
        fitted = train(chosen)
        if best is None or better(fitted, best[0]):
            best = fitted, chosen
        row = next(row for row in fitted.curve if row.epoch == fitted.selected)
        return Trial(named, row.epoch, row.validation_loss, row.validation_balanced_accuracy)

    if settings.method == "grid" or not settings.space:
        trials = [attempt(values) for values in itertools.product(*settings.space.values())]
    else:
        trials = _with_optuna(settings, recipe.select, seed, attempt)
    assert best is not None  # there is at least one candidate
    return (*best, tuple(trials))


def _with_optuna(
    settings: SearchSettings,
    select: str,
    seed: int,
    attempt: Callable[[tuple[Value, ...]], Trial],
) -> list[Trial]:
    optuna = _optuna()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=seed % 2**32)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    seen: dict[tuple[Value, ...], Trial] = {}
    order = []
    for _ in range(settings.trials):
        asked = study.ask()
        values = tuple(asked.suggest_categorical(name, v) for name, v in settings.space.items())
        if values not in seen:
            seen[values] = attempt(values)
        order.append(seen[values])
        study.tell(asked, _as_number(seen[values], select))
    return order


def _as_number(trial: Trial, select: str) -> float:
    """How good a trial is, the higher the better."""
    if select == "loss":
        return -trial.validation_loss
    loss = trial.validation_loss
    return trial.validation_balanced_accuracy - TIE_BREAK * loss / (1 + loss)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise SettingsError(
            "search.method",
            got="optuna, which is not installed",
            expected="Optuna",
            do="pip install 'cystgrid[search]', or take method = \"grid\"",
        ) from error
    return optuna
