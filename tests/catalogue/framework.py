"""A case of bad input: how it is made, and what must be seen when a user meets it.

A case is a function that writes files and says which of a patient's columns name them. It is run as
a user would: ``cystgrid prepare`` on a manifest of a sound patient, ``good``, and of the patient
``bad``, who is the good one but for the case's files.

Every folder and file name of ``bad`` holds a person's name, and so does every DICOM file, so that
every case shows that no such text gets out.
"""

import csv
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from catalogue import sound
from catalogue.running import Run, run
from cystgrid.preparation.settings import PreparationSettings

REFUSED, DONE = 4, 0
PREPARE = ("prepare", "cohort.csv", "-o", "prepared", "--study", "study.toml", "--workers", "0")
COLUMNS = ("patient", "label", "t1", "t2", "roi")

Row = dict[str, str]
"""References by column, as a manifest names them."""

Do = Literal["refuse", "flag", "fix", "choose"]
"""Left out by name; used, with a sentence in its flags; used, with the bytes of a sound twin; the
same, because the user said what is meant."""


@dataclass(frozen=True)
class Made:
    """The rows of a case where it needs more than one.

    Attributes:
        bad: references of each bad patient, in place of the good ones.
        twin: the same of the patient whose prepared bytes ``bad`` must have; the good one if empty.
    """

    bad: list[Row]
    twin: Row = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One case, or one variant of it.

    Attributes:
        number: in the catalogue.
        letter: of the variant, empty where there is one.
        title: what is wrong.
        do: what must happen.
        make: writes the files into a folder; the references of ``bad``.
        says: regular expressions that the message, or a flag, must hold: field, tag, number.
        column: the manifest's column that the message must name; empty for a case of the whole
            patient.
        study: further keys of the study file's ``[preparation]``.
        options: of the command.
        before: run in the process before the command.
        real: whether it needs the real scans of ``CYSTGRID_REAL_DATA``.
        page: whether the case stands on the page; no if its message depends on the machine.
    """

    number: int
    letter: str
    title: str
    do: Do
    make: Callable[[Path], Path | str | Row | Made]
    says: tuple[str, ...]
    column: str = "t2"
    study: str = ""
    options: tuple[str, ...] = ()
    before: Callable[[], None] | None = None
    real: bool = False
    page: bool = True

    @property
    def name(self) -> str:
        """Number and letter, such as ``3b``."""
        return f"{self.number}{self.letter}"


@dataclass(frozen=True)
class Seen:
    """What came of a case.

    Attributes:
        run: the command.
        folder: the working folder, with ``prepared`` in it.
        bad: names of the bad patients.
        twin: name of the patient that they are compared with.
        before: files that were there before the command.
    """

    OUTPUTS = ("prepared", "pictures")

    run: Run
    folder: Path
    bad: tuple[str, ...]
    twin: str
    before: frozenset[Path]

    @property
    def outputs(self) -> list[Path]:
        """Folders that the command may write."""
        return [self.folder / name for name in self.OUTPUTS]

    @property
    def lines(self) -> list[str]:
        """Lines on stderr."""
        return self.run.stderr.splitlines()

    def lines_of(self, patient: str) -> list[str]:
        """Lines on stderr that refuse a patient."""
        return [line for line in self.lines if line.startswith(f"refused: {patient}: ")]

    def place(self, patient: str) -> Path:
        """Where a patient's prepared files lie."""
        return self.folder / "prepared" / "patients" / patient

    def card(self, patient: str) -> dict:
        """What is stored beside a patient's crop."""
        return json.loads((self.place(patient) / "patient.json").read_text("utf-8"))

    def flags(self, patient: str) -> list[str]:
        """A patient's flags that the good one does not have."""
        usual = self.card("good")["flags"]
        return [flag for flag in self.card(patient)["flags"] if flag not in usual]


CASES: list[Case] = []
"""All scan cases, in the order of their definition."""


def case(number: int, do: Do, title: str, *says: str, **more):
    """Make a case of a function; what it returns is the reference for the case's column."""

    def register(make):
        CASES.append(Case(number, more.pop("letter", ""), title, do, make, says, **more))
        return make

    return register


def cases_of(variants: Mapping[str, tuple], make_with: Callable, number: int, **more) -> None:
    """One variant for each entry ``letter: (do, title, argument, *says)``."""
    for letter, (do, title, argument, *says) in variants.items():

        def make(folder: Path, argument=argument):
            return make_with(folder, argument)

        CASES.append(Case(number, letter, title, do, make, tuple(says), **more))


def study_text(extra: str = "") -> str:
    """Settings that prepare a patient in milliseconds, and ``extra`` keys of ``[preparation]``."""
    registration = "registration" in PreparationSettings.model_fields
    keys = ["in_plane = 48", "cell = 16", "min_slices = 3", "n4.enabled = false"]
    keys += ['registration.mode = "off"'] if registration else []
    return "\n".join(["[preparation]", *keys, extra, ""])


def write_manifest(path: Path, rows: list[Row]) -> None:
    """A cohort.csv of these rows, each with a label."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        for number, row in enumerate(rows):
            writer.writerow({"label": ("low", "high", "normal")[number % 3], **row})


def meet(one: Case, folder: Path, before: Callable[[], None] | None = None) -> Seen:
    """Make a case in an empty folder and let ``cystgrid prepare`` meet it."""
    private = folder / f"{sound.SECRET} Jane"
    private.mkdir(parents=True)
    made = one.make(private)
    if not isinstance(made, Made):
        made = Made([made if isinstance(made, dict) else {one.column or "t2": str(made)}])
    good = sound.write_pair(folder / "good")
    names = ["bad"] if len(made.bad) == 1 else [f"bad-{n + 1:02}" for n in range(len(made.bad))]
    rows = [{"patient": "good", **good}]
    rows += [{"patient": "twin", **good, **made.twin}] if made.twin else []
    rows += [{"patient": name, **good, **row} for name, row in zip(names, made.bad, strict=True)]
    rows = [{key: _relative(cell, folder) for key, cell in row.items()} for row in rows]
    write_manifest(folder / "cohort.csv", rows)
    (folder / "study.toml").write_text(study_text(one.study), "utf-8")
    files = frozenset(folder.rglob("*"))
    seen = run([*PREPARE, *one.options], folder, before or one.before)
    return Seen(seen, folder, tuple(names), "twin" if made.twin else "good", files)


def _relative(cell: str, folder: Path) -> str:
    """A reference as a careful user writes it, beside the manifest."""
    return cell.removeprefix(f"{folder}/")


def real(name: str) -> Path:
    """A file or folder of the real scans; only in cases that say they are of real files."""
    return Path(os.environ["CYSTGRID_REAL_DATA"]) / name
