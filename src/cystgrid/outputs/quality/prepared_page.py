"""The quality page of what was prepared: crops instead of scans, and who was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cystgrid.outputs.quality.geometry import NO_CENTER
from cystgrid.outputs.quality.model import (
    Card,
    Cell,
    Column,
    Count,
    Note,
    QualityPage,
    Section,
    Table,
)
from cystgrid.outputs.quality.page import write_page
from cystgrid.outputs.quality.pictures import picture
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.thumbnail import Thumbnail, crop_thumbnail

LEGEND = (
    "The crop that a model sees: its middle slice, or the largest of a known lesion, which is then "
    "outlined. The patient's right is on the left; pixels are square in mm. An empty picture is a "
    "scan that there is not."
)
INTRO = (
    "Every patient that was prepared, with what was flagged on the way, and every patient that was "
    "refused, with the reason."
)


@dataclass(frozen=True, eq=False)
class PreparedFacts:
    """What the page shows of one prepared patient.

    Attributes:
        patient, label, center: as in the manifest.
        flags: one sentence each.
        alignment: by name. Names that end in ``_percent`` are per cent, in ``_mm`` millimetres, in
            ``_coverage`` or ``_kept`` shares, 0-1; others are shown as they are.
        thumbnails: of the crop's channels.
        line: of the manifest, 0 where unknown.
    """

    patient: str
    label: str | None
    center: str
    flags: tuple[str, ...]
    alignment: Mapping[str, float]
    thumbnails: tuple[Thumbnail, ...]
    line: int = 0


@dataclass(frozen=True)
class Refusal:
    """A patient that was not prepared, and why; the reason holds no path."""

    patient: str
    reason: str
    line: int = field(default=0)


def prepared_facts(
    prepared: PreparedPatient, modalities: Sequence[str], line: int = 0
) -> PreparedFacts:
    """What the page needs of a prepared patient.

    Args:
        prepared: as ``prepare_patient`` or a store returns it.
        modalities: names of its channels, in order.
        line: of the manifest.
    """
    lesion = None if prepared.lesion is None else np.asarray(prepared.lesion)
    return PreparedFacts(
        prepared.patient,
        prepared.label,
        prepared.center,
        prepared.flags,
        prepared.alignment,
        tuple(
            crop_thumbnail(name, channel, prepared.affine, lesion)
            for name, channel in zip(modalities, np.asarray(prepared.crop), strict=True)
        ),
        line,
    )


def write_prepared_page(
    patients: Sequence[PreparedFacts], refused: Sequence[Refusal], path: Path
) -> None:
    """Write the quality page of what was prepared: one HTML file."""
    write_page(prepared_page(patients, refused), path)


def prepared_page(patients: Sequence[PreparedFacts], refused: Sequence[Refusal]) -> QualityPage:
    """The page's content."""
    flagged = [each for each in patients if each.flags]
    lacking = Counter(shown.name for each in patients for shown in each.thumbnails if shown.absent)
    return QualityPage(
        "Quality of what was prepared",
        INTRO,
        (
            Count(str(len(patients)), "prepared"),
            Count(str(len(refused)), "refused", "problem" if refused else "good"),
            Count(str(len(flagged)), "flagged", "warning" if flagged else "good"),
            *(Count(str(n), f"without {name.upper()}") for name, n in sorted(lacking.items())),
        ),
        (
            Section("Refused", _refused(refused), empty="Nobody was refused."),
            Section(
                "Alignment", _alignment(patients), "How T1 lies on T2, and what the crop holds."
            ),
            Section("Flags", _flags(flagged)),
        ),
        tuple(_card(each) for each in patients),
        LEGEND,
    )


def _refused(refused: Sequence[Refusal]) -> tuple[Table, ...]:
    if not refused:
        return ()
    columns = (Column("Line", True), Column("Patient"), Column("Why", wide=True))
    rows = tuple(
        (Cell(_line(each.line)), Cell(each.patient), Cell(each.reason, "problem"))
        for each in refused
    )
    return (Table(columns, rows),)


def _flags(flagged: Sequence[PreparedFacts]) -> tuple[Table, ...]:
    if not flagged:
        return ()
    columns = (Column("Line", True), Column("Patient"), Column("Centre"), Column("What", wide=True))
    rows = tuple(
        (Cell(_line(each.line)), Cell(each.patient), Cell(each.center), Cell(flag, "warning"))
        for each in flagged
        for flag in each.flags
    )
    return (Table(columns, rows),)


def _line(line: int) -> str:
    return str(line) if line else ""


def _names(patients: Iterable[PreparedFacts]) -> list[str]:
    """Names of figures, in the order in which they first stand; parts of a vector left out."""
    names = dict.fromkeys(name for each in patients for name in each.alignment)
    return [name for name in names if not name.endswith(("_x_mm", "_y_mm", "_z_mm"))]


def _alignment(patients: Sequence[PreparedFacts]) -> tuple[Table, ...]:
    """A row for each centre, with median and range; then every patient, folded."""
    names = _names(patients)
    if not names:
        return ()
    heads = tuple(Column(_title(name), True) for name in names)
    centers: dict[str, list[PreparedFacts]] = {}
    for each in patients:
        centers.setdefault(each.center, []).append(each)
    overview = tuple(
        (
            Cell(center or NO_CENTER),
            Cell(str(len(those))),
            *(Cell(_range(name, [each.alignment.get(name) for each in those])) for name in names),
        )
        for center, those in sorted(centers.items())
    )
    single = tuple(
        (
            Cell(each.patient),
            Cell(each.center),
            *(Cell(_shown(name, each.alignment.get(name))) for name in names),
        )
        for each in patients
    )
    return (
        Table((Column("Centre"), Column("Patients", True), *heads), overview),
        Table(
            (Column("Patient"), Column("Centre"), *heads),
            single,
            f"All {len(patients)} patients",
            folded=True,
        ),
    )


def _title(name: str) -> str:
    """``t1_coverage`` as ``T1 coverage %``."""
    unit = "" if name.endswith("_percent") else _unit(name)
    words = name.removesuffix("_mm").removesuffix("_percent").replace("_", " ")
    percent = " %" if name.endswith("_percent") or unit == "share" else ""
    title = words.replace("t1", "T1").replace("t2", "T2")
    return title[:1].upper() + title[1:] + (percent or (" mm" if unit == "mm" else ""))


def _unit(name: str) -> str:
    if name.endswith("_mm"):
        return "mm"
    return "share" if name.endswith(("_coverage", "_kept")) else ""


def _shown(name: str, value: float | None) -> str:
    if value is None or not np.isfinite(value):
        return "-"
    return f"{100 * value if _unit(name) == 'share' else value:.1f}"


def _range(name: str, values: Iterable[float | None]) -> str:
    known = sorted(value for value in values if value is not None and np.isfinite(value))
    if not known:
        return "-"
    low, middle, high = (
        _shown(name, value) for value in (known[0], float(np.median(known)), known[-1])
    )
    return middle if low == high else f"{middle} ({low}-{high})"


def _card(each: PreparedFacts) -> Card:
    facts = ", ".join(
        f"{_title(name)} {_shown(name, each.alignment[name])}" for name in _names([each])
    )
    return Card(
        each.patient,
        each.label or "",
        each.center,
        each.line,
        tuple(picture(thumbnail, each.patient) for thumbnail in each.thumbnails),
        (facts,) if facts else (),
        tuple(Note("warning", flag) for flag in each.flags),
    )
