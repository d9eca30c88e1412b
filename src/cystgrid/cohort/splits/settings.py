"""How patients are divided: the settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from cystgrid.settings import Settings

CopiesRule = Literal["refuse", "allow"]

CENTER_INNER = 5
"""Inner folds where a centre is the test fold and the study names no number: with two centres the
other one's patients alone train and select, and five folds of them still hold every class."""


class SplitSettings(Settings):
    """How patients are divided.

    Attributes:
        by: what is tested together. ``patient`` divides the patients into ``folds``; ``center``
            takes each centre out in turn (leave-one-centre-out), so that a model is tested where
            it has never been.
        folds: number of outer folds by patient; by centre there are as many as centres.
        inner: number of inner folds into which an outer fold's training patients are divided anew;
            none takes the other outer folds as they are (the paper: 9 of 10), and 5 by centre.
        turns: how many inner folds take a turn as validation, each a training; none for all.
        repeats: how often all of it is done, each time with another seed. By centre the test folds
            stay what they are, and the inner folds change.
        min_center: a centre of fewer patients is no test fold of its own; all such centres
            together are one, so that everybody is tested once.
        seed: decides which of the equally good divisions is taken.
        copies: ``refuse`` stops where two patients on two sides of a fold have the same or nearly
            the same scan; ``allow`` goes on (they only look alike).
    """

    by: Literal["patient", "center"] = "patient"
    folds: int = Field(default=10, ge=2)
    inner: int | None = Field(default=None, ge=2)
    turns: int | None = Field(default=None, ge=1)
    repeats: int = Field(default=1, ge=1)
    min_center: int = Field(default=5, ge=1)
    seed: int = Field(default=0, ge=0)
    copies: CopiesRule = "refuse"

    @model_validator(mode="after")
    def _turns_are_there(self) -> SplitSettings:
        if self.inner_folds < 2:
            raise ValueError("at least 3 folds, or inner folds of their own (inner)")
        if self.turns is not None and self.turns > self.inner_folds:
            raise ValueError(f"at most as many turns as inner folds ({self.inner_folds})")
        return self

    @property
    def inner_folds(self) -> int:
        """How many inner folds there are in each outer one."""
        return self.inner or (CENTER_INNER if self.by == "center" else self.folds - 1)
