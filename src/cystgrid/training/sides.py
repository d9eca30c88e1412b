"""Who plays a part in a training: the patients of whom there is a scan that its inputs use."""

from __future__ import annotations

from dataclasses import dataclass

from cystgrid.cohort.splits import InnerFold
from cystgrid.errors import CohortError
from cystgrid.models.registry import CHANNELS
from cystgrid.preparation.store import Store


@dataclass(frozen=True)
class Sides:
    """The sides of an outer fold that one kind of inputs has, without those that it cannot see.

    Attributes:
        inputs: which modalities.
        blind: patients who lack every scan of them; they neither train nor are scored.
    """

    inputs: str
    blind: frozenset[str]

    @classmethod
    def of(cls, store: Store, inputs: str) -> Sides:
        """The sides of some inputs on prepared patients."""
        wanted = set(CHANNELS[inputs])
        entries = store.entries.values()
        lacking = (entry for entry in entries if wanted and not wanted & set(entry.modalities))
        return cls(inputs, frozenset(entry.patient for entry in lacking))

    def fold(self, fold: InnerFold, outer: int) -> InnerFold:
        """Who trains and who selects in an inner fold of outer fold ``outer``."""
        return InnerFold(self.side(fold.train, outer), self.side(fold.validation, outer))

    def side(self, patients: tuple[str, ...], outer: int) -> tuple[str, ...]:
        """Those of one side who can be seen.

        Raises:
            CohortError: nobody.
        """
        kept = tuple(patient for patient in patients if patient not in self.blind)
        if not kept:
            raise CohortError(
                f"inputs {self.inputs}: outer fold {outer}",
                got="a side of which no patient has such a scan",
                expected="one at least",
                do="take inputs that more patients have",
            )
        return kept
