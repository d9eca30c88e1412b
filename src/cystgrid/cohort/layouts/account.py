"""Where a layout keeps the account of what it found while it builds the patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cystgrid.cohort.importing import ImportedPatient, ImportResult, cell_fault, natural_key
from cystgrid.cohort.published import imported_splits
from cystgrid.cohort.splits import Splits
from cystgrid.errors import CohortError

LABELS = {0: "normal", 1: "low", 2: "high", 3: "adenocarcinoma"}
"""How every data set of this field numbers its classes; those with four merge the last into 2 or
leave it out."""

ONE_MODALITY = "only {}, and a pair is wanted (single=keep keeps it)"


@dataclass
class Account:
    """Patients, counts, and what was left out so far."""

    found: Counter[str] = field(default_factory=Counter)
    patients: dict[str, ImportedPatient] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    flagged: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    splits: dict[str, Splits] = field(default_factory=dict)

    def leave_out(self, name: str, why: str) -> None:
        """Something did not become (part of) a patient; ``why`` holds no id and no path."""
        self.left_out.append((_shown(name), why))

    def flag(self, name: str, what: str) -> None:
        """A patient that is kept has something to look at."""
        self.flagged.append((_shown(name), what))

    def add(self, patient: ImportedPatient) -> bool:
        """Take a patient in, unless its id is used already or cannot stand in a manifest."""
        why = cell_fault(patient.patient)
        if patient.patient in self.patients:
            why = "a second patient of this id"
        if why:
            self.leave_out(patient.patient, why)
            return False
        self.patients[patient.patient] = patient
        return True

    def group(self, base_of: Mapping[str, str]) -> None:
        """Give patients with one base in ``base_of`` that base as their group, if two share it."""
        counts = Counter(base_of[name] for name in self.patients)
        for name, patient in self.patients.items():
            if counts[base_of[name]] > 1:
                self.patients[name] = replace(patient, group=base_of[name])

    def take_splits(self, name: str, splits: Splits, patient_of: Mapping[str, str]) -> None:
        """Keep published splits over the patients taken in so far, with what is to say of them."""
        group_of = {p.patient: p.group for p in self.patients.values() if p.group}
        kept, notes = imported_splits(name, splits, patient_of, group_of)
        self.notes += notes
        if kept is not None:
            self.splits[name] = kept

    def not_taken(self, name: str, error: CohortError) -> None:
        """Note that published folds could not be converted, without the ids ``error`` may name."""
        self.notes.append(f"folds {name!r} not taken: expected {error.expected}")

    def result(self) -> ImportResult:
        """What the import came to, in natural order."""
        return ImportResult(
            patients=tuple(self.patients[name] for name in sorted(self.patients, key=natural_key)),
            found={name: count for name, count in self.found.items() if count},
            left_out=tuple(sorted(self.left_out, key=lambda pair: (natural_key(pair[0]), pair[1]))),
            notes=tuple(self.notes),
            splits=self.splits,
            flagged=tuple(sorted(self.flagged, key=lambda pair: (natural_key(pair[0]), pair[1]))),
        )


def _shown(name: str) -> str:
    """An id that can be printed: control characters would rewrite the terminal."""
    return name if name.isprintable() else ascii(name)
