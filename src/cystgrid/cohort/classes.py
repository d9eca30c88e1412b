"""Which classes a study tells apart, and what becomes of the labels that a manifest holds.

A store keeps the manifest's own labels. A study maps them when it trains, so that one set of
prepared patients serves a study of three classes and one of two.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import Field, ValidationInfo, field_validator

from cystgrid.cohort.cells import text_fault
from cystgrid.errors import CohortError
from cystgrid.settings import Settings

SHOWN_LABEL = re.compile(r"[\w -]{1,24}")
"""A label that may be shown though it is unknown: it is no path, and hardly a sentence."""

BETWEEN_CLASSES = "|"
"""Stands between the classes of a prediction set, so no class has it in its name."""

CLASS_NAMES = (
    f'printable names without "{BETWEEN_CLASSES}" and without blanks at their ends, that begin '
    "like no formula"
)


def is_class_name(name: str) -> bool:
    """Whether a class can be called so: see ``CLASS_NAMES``."""
    plain = name.isprintable() and name == name.strip() and text_fault(name) is None
    return bool(name) and plain and BETWEEN_CLASSES not in name


@dataclass(frozen=True)
class Merged:
    """Patients whose label becomes another class.

    Attributes:
        label: as the manifest has it.
        name: of the class.
        patients: how many.
    """

    label: str
    name: str
    patients: int

    def __str__(self) -> str:
        return f"{self.patients} {self.label} as {self.name}"


class CohortSettings(Settings):
    """Which classes there are, which labels become one of them, and which are left out.

    Attributes:
        classes: class names, in order of risk; two or more.
        exclude: labels whose patients are left out, and counted.
        merge: by class, the labels that are it: `high = ["high", "cancer"]`. A class's own name
            always is, and may stand in its list or not.
    """

    classes: tuple[str, ...] = Field(default=("normal", "low", "high"), min_length=2)
    exclude: tuple[str, ...] = ("adenocarcinoma",)
    merge: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes):
            raise ValueError("class names that differ from each other")
        for name in classes:
            if not is_class_name(name):
                raise ValueError(f"{CLASS_NAMES}, not {name!r}")
        return classes

    @field_validator("merge")
    @classmethod
    def _each_label_once(
        cls, merge: dict[str, tuple[str, ...]], info: ValidationInfo
    ) -> dict[str, tuple[str, ...]]:
        classes, exclude = info.data.get("classes", ()), info.data.get("exclude", ())
        times = Counter(label for labels in merge.values() for label in labels)
        for name, labels in merge.items():
            if classes and name not in classes:
                raise ValueError(f"classes to merge into ({', '.join(classes)}), not {name!r}")
            if not labels or not all(label.strip() for label in labels):
                raise ValueError(f"one or more labels, none empty, to merge into {name!r}")
            for label in labels:
                if label in classes and label != name:
                    raise ValueError(f"labels that are no classes themselves; {label!r} is one")
                if times[label] > 1:
                    raise ValueError(f"every label merged once, not {label!r} twice")
                if label in exclude:
                    raise ValueError(
                        f"labels that are not left out as well; {label!r} stands in "
                        "cohort.exclude, given or by default"
                    )
        return merge

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that a manifest may hold: classes, then what is merged, then excluded."""
        merged = [label for labels in self.merge.values() for label in labels]
        return tuple(dict.fromkeys((*self.classes, *merged, *self.exclude)))

    def class_of(self, label: str | None) -> str | None:
        """The class of a manifest's label; None for one that is left out, or for none at all.

        Raises:
            CohortError: a label that the study does not know.
        """
        if not label or label in self.exclude:
            return None
        if label in self.classes:
            return label
        for name, labels in self.merge.items():
            if label in labels:
                return name
        shown = repr(label) if SHOWN_LABEL.fullmatch(label) else "an unknown label"
        raise CohortError(
            "label",
            got=shown,
            expected=f"one of {', '.join(self.labels)}",
            do="name it in cohort.classes, cohort.merge or cohort.exclude of the study",
        )

    def merged(self, labels: Iterable[str | None]) -> tuple[Merged, ...]:
        """Which of these labels become another class, and how many there are of each; sorted."""
        counts = Counter(label for label in labels if label)
        named = [(label, self.class_of(label), count) for label, count in sorted(counts.items())]
        return tuple(
            Merged(label, name, count)
            for label, name, count in named
            if name is not None and name != label
        )
