"""Settings that compete for each inner training; its own validation fold decides between them.

Nothing outside the inner fold takes part, so the outer estimate stays honest however many settings
are tried (Varma & Simon 2006; Cawley & Talbot 2010).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from cystgrid.errors import SettingsError
from cystgrid.settings import Settings
from cystgrid.training.halving import Rung, epochs_in_all, halve, rungs
from cystgrid.training.settings import TrainingSettings

if TYPE_CHECKING:
    from cystgrid.training.course import Course
    from cystgrid.training.underway import Fit

Value = float | int | str
Values = tuple[Value, ...]
TIE_BREAK = 1e-3
"""Weight of the loss beside the accuracy, where Optuna wants one number: it breaks ties."""


class SearchSettings(Settings):
    """Which settings of the recipe compete.

    Attributes:
        method: ``grid`` tries every combination; ``optuna`` (extra ``search``) draws ``trials`` of
            them by the tree-structured Parzen estimator (Bergstra et al. 2011), seeded; ``halving``
            begins every combination, and after each of several rungs of epochs the best
            1/``eta`` go on (Jamieson & Talwalkar 2016). It holds all of them in memory at first.
        eta: for ``halving``; one candidate in so many goes on, for so many times the epochs.
        trials: for ``optuna``; a combination that is drawn again counts, and is not trained again.
        space: values by the name of a training setting; empty searches nothing.
    """

    method: Literal["grid", "optuna", "halving"] = "grid"
    eta: int = Field(default=3, ge=2)
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

    @model_validator(mode="after")
    def _halving_shares_epochs(self) -> SearchSettings:
        if self.method == "halving" and "epochs" in self.space:
            raise ValueError('no epochs among the values for method = "halving": it gives them out')
        return self

    @property
    def count(self) -> int:
        """How many candidates each inner training has."""
        if not self.space:
            return 1
        combinations = math.prod(map(len, self.space.values()))
        return self.trials if self.method == "optuna" else combinations

    def check(self, recipe: TrainingSettings) -> None:
        """Refuse a first rung of halving that ends before a candidate has been looked at.

        Raises:
            SettingsError: it does.
        """
        first = self.stages(recipe)[0].epochs
        seldom = max(map(int, self.space.get("evaluate_every", (recipe.evaluate_every,))))
        if first < min(seldom, recipe.epochs):
            raise SettingsError(
                "training.evaluate_every",
                got=f"{seldom}, and a first rung of {first} epochs",
                expected="one look at least before candidates are compared",
                do="look more often, train longer, or raise search.eta",
            )

    def stages(self, recipe: TrainingSettings) -> tuple[Rung, ...]:
        """The rungs on which candidates are compared; one where all train to their end."""
        if self.method == "halving" and self.space:
            return rungs(self.count, recipe.epochs, self.eta)
        return (Rung(self.count, recipe.epochs),)

    def epochs_of(self, recipe: TrainingSettings) -> int:
        """Most epochs that all candidates of an inner training have together."""
        listed = tuple(map(int, self.space.get("epochs", (recipe.epochs,))))
        if self.method == "optuna" and self.space:
            return self.trials * max(listed)
        if self.method == "halving":
            return epochs_in_all(self.stages(recipe))
        return self.count // len(listed) * sum(listed)


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
        trained: epochs that it was given, or needed.
    """

    values: dict[str, Value]
    epoch: int
    validation_loss: float
    validation_balanced_accuracy: float
    trained: int


def search(
    recipe: TrainingSettings,
    settings: SearchSettings,
    seed: int,
    start: Callable[[TrainingSettings], Course],
    better: Callable[[Fit, Fit], bool],
) -> tuple[Fit, TrainingSettings, tuple[Trial, ...]]:
    """Train the candidates and keep the best; of equals, the one tried first.

    Args:
        recipe: what the candidates share.
        settings: in what they differ.
        seed: of the draws; every candidate is trained from the same seed of its own.
        start: one training, from nothing.
        better: whether the first is strictly preferred.

    Returns:
        The best training, its settings, and all trials in order.
    """
    best: tuple[Fit, TrainingSettings] | None = None
    kept: Course | None = None

    def attempt(values: Values) -> Trial:
        nonlocal best, kept
        chosen = _candidate(recipe, settings, values)
        course = start(chosen)
        fitted = course.until(chosen.epochs)
        if best is None or better(fitted, best[0]):
            if kept is not None:
                kept.stop()
            best, kept = (fitted, chosen), course
        else:
            course.stop()
        return _trial(settings, values, course)

    everyone = list(itertools.product(*settings.space.values()))
    if settings.method == "halving" and settings.space:
        candidates = [_candidate(recipe, settings, values) for values in everyone]
        courses = [start(candidate) for candidate in candidates]
        fitted, place = halve(courses, recipe.epochs, settings.eta, better)
        best = fitted, candidates[place]
        trials = [_trial(settings, v, c) for v, c in zip(everyone, courses, strict=True)]
    elif settings.method == "optuna" and settings.space:
        trials = _with_optuna(settings, recipe.select, seed, attempt)
    else:
        trials = [attempt(values) for values in everyone]
    assert best is not None  # there is at least one candidate
    return (*best, tuple(trials))


def _candidate(
    recipe: TrainingSettings, settings: SearchSettings, values: Values
) -> TrainingSettings:
    named = dict(zip(settings.space, values, strict=True))
    return TrainingSettings.parse({**recipe.model_dump(), **named}, "search.space")


def _trial(settings: SearchSettings, values: Values, course: Course) -> Trial:
    row = course.look
    assert row is not None  # it was trained until there was one
    return Trial(
        dict(zip(settings.space, values, strict=True)),
        row.epoch,
        row.validation_loss,
        row.validation_balanced_accuracy,
        course.trained,
    )


def _with_optuna(
    settings: SearchSettings,
    select: str,
    seed: int,
    attempt: Callable[[Values], Trial],
) -> list[Trial]:
    import optuna  # of the extra `search`, which the recipe asked for

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=seed % 2**32)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    seen: dict[Values, Trial] = {}
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
