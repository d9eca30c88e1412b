"""What a tree of DICOM studies holds, series by series, from headers alone."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from cystgrid.errors import ScanError
from cystgrid.progress import Advance
from cystgrid.scans.series_header import FileHeader, read_header
from cystgrid.scans.series_summary import SeriesSummary, summarise
from cystgrid.scans.settings import ReadLimits

__all__ = [
    "SeriesSummary",
    "Survey",
    "plain_table",
    "series_table",
    "summary_line",
    "survey",
    "tree_files",
]

T = TypeVar("T")

FOLDER_LINK = "link to a folder, not followed"


@dataclass(frozen=True)
class Survey:
    """Everything that lies in a tree.

    Attributes:
        tree: the folder, or the one file, that was surveyed.
        series: sorted by patient key, study UID, number and series UID.
        damaged: DICOM files that belong to no series because they cannot be read, and why. The
            reason holds no path.
        others: counts of files that belong to no series because of what they are.
        files: every file of the tree, sorted.
    """

    tree: Path = field(repr=False)
    series: tuple[SeriesSummary, ...]
    damaged: tuple[tuple[Path, str], ...] = field(repr=False)
    others: dict[str, int]
    files: tuple[Path, ...] = field(repr=False)


def tree_files(tree: Path) -> tuple[Path, ...]:
    """Every file below ``tree``, sorted; links to folders are not followed. A file is a tree.

    Raises:
        ScanError: nothing lies there, or a folder cannot be listed.
    """
    return _walk(tree)[0]


def survey(tree: Path, limits: ReadLimits | None = None, advance: Advance | None = None) -> Survey:
    """Read the header of every DICOM file of a tree and put them together as series.

    Depth and names of folders and files mean nothing: a file is DICOM if it has the DICM prefix,
    and belongs where its UIDs say. The same tree gives the same survey.

    Args:
        tree: a folder of studies, at any depth.
        limits: ``max_file_bytes`` bounds one file. ``max_files`` does not bound a tree.
        advance: told of each file that is finished; ``len(tree_files(tree))`` in all.

    Raises:
        ScanError: the tree cannot be walked. Files that cannot be read are listed instead.
    """
    limits = limits or ReadLimits()
    by_series: dict[str, list[FileHeader]] = {}
    damaged: list[tuple[Path, str]] = []
    shared = _Shared()
    paths, links = _walk(tree)
    others: Counter[str] = Counter({FOLDER_LINK: links} if links else {})
    root = tree.resolve()
    for path in paths:
        try:
            header = _header(path, root, limits)
        except ScanError as error:
            damaged.append((path, _reason(error)))
        else:
            if isinstance(header, str):
                others[header] += 1
            else:
                by_series.setdefault(header.series_uid, []).append(shared.of(header))
        if advance is not None:
            advance(1)
    series = [summarise(headers) for headers in by_series.values()]
    series.sort(key=lambda one: (one.patient_key, one.study_uid, _number(one), one.series_uid))
    return Survey(tree, tuple(series), tuple(damaged), dict(sorted(others.items())), paths)


def _walk(tree: Path) -> tuple[tuple[Path, ...], int]:
    """Files, sorted, and the number of links to folders, which are not followed."""
    if tree.is_file():
        return (tree,), 0
    if not tree.is_dir():
        raise ScanError(tree, got="nothing there", expected="a folder", do="check the path")
    found: list[Path] = []
    links = 0
    for parent, folders, names in os.walk(tree, followlinks=False, onerror=_refuse_folder):
        links += sum(Path(parent, folder).is_symlink() for folder in folders)
        found += [Path(parent, name) for name in names]
    return tuple(sorted(found)), links


def _refuse_folder(error: OSError) -> None:
    raise ScanError(
        Path(str(error.filename)),
        got=f"a folder that cannot be listed ({error.strerror})",
        expected="a readable folder",
        do="check its permissions, or survey another folder",
    ) from error


def _header(path: Path, root: Path, limits: ReadLimits) -> FileHeader | str:
    """The file's header, or what it is if it belongs to no series.

    Raises:
        ScanError: DICOM by its prefix or by its name, and cannot be read; a link out of the tree.
    """
    if path.is_symlink() and not path.resolve().is_relative_to(root) and path != root:
        raise ScanError(
            path,
            got="a link that leads out of the tree",
            expected="files that lie in it",
            do="put the file itself in its place",
        )
    return read_header(path, limits) if path.is_file() else "neither file nor folder"


def _reason(error: ScanError) -> str:
    """What was wrong, without the path; the tag, if there is one, first."""
    tag = error.naming(lambda _: "").where.strip(": ")
    return f"{tag}{': ' if tag else ''}{error.got}; expected {error.expected}"


class _Shared:
    """Equal values of many headers as one object: a hospital's tree must fit into memory."""

    def __init__(self) -> None:
        self._kept: dict[object, object] = {}

    def one(self, value: T) -> T:
        # keyed by the members' types too: (3, 3) equals (3.0, 3.0) and is not the same
        kinds = tuple(map(type, value)) if isinstance(value, tuple) else type(value)
        return self._kept.setdefault((kinds, value), value)  # type: ignore[return-value]

    def of(self, header: FileHeader) -> FileHeader:
        images = tuple(
            replace(
                image,
                orientation=self.one(image.orientation),
                spacing=self.one(image.spacing),
                size=self.one(image.size),
                marks=self.one(image.marks),
            )
            for image in header.images
        )
        return replace(
            header,
            images=images,
            identity=self.one(header.identity),
            acquisition=self.one(header.acquisition),
            series_uid=self.one(header.series_uid),
            study_uid=self.one(header.study_uid),
        )


def _number(series: SeriesSummary) -> float:
    return math.inf if series.number is None else series.number


def summary_line(found: Survey) -> str:
    """Counts of all that was found, for the end of a table."""
    kinds = Counter(series.weighting for series in found.series if series.kind == "MR")
    no_mr = len(found.series) - kinds.total()
    parts = [f"{kinds['t1']} T1", f"{kinds['t2']} T2", f"{kinds['other']} other MR"]
    parts += [f"{no_mr} not MR"] if no_mr else []
    beside = [f"{count} {name}" for name, count in found.others.items()]
    beside += [f"{len(found.damaged)} that cannot be used"] if found.damaged else []
    return f"{len(found.files)} files: {len(found.series)} series ({', '.join(parts)})" + "".join(
        f", {part}" for part in beside
    )


Column = tuple[str, Callable[[SeriesSummary], str]]

COLUMNS: tuple[Column, ...] = (
    ("number", lambda one: "-" if one.number is None else str(one.number)),
    ("description", lambda one: one.description or "-"),
    ("weighting", lambda one: one.weighting.upper() if one.weighting != "other" else "other"),
    ("plane", lambda one: one.plane),
    ("matrix", lambda one: f"{one.matrix[0]} x {one.matrix[1]}" if any(one.matrix) else "-"),
    ("spacing mm", lambda one: _spacing(one)),
    ("slices", lambda one: _slices(one)),
)
"""What is shown of a series. None of it is text of a header, but for known protocol words."""


def series_table(found: Survey) -> str:
    """The survey as text: a row a series, with the UID to name it by; studies are only numbered.

    Returns:
        Lines without the names or ids of persons, and without paths.
    """
    if not found.series:
        return "no DICOM series"
    studies = {
        uid: str(n) for n, uid in enumerate(dict.fromkeys(s.study_uid for s in found.series), 1)
    }
    rows = [
        [studies[one.study_uid], *cells(one), one.series_uid, reasons(one)] for one in found.series
    ]
    return plain_table(["study", *(name for name, _ in COLUMNS), "SeriesInstanceUID", "why"], rows)


def cells(series: SeriesSummary) -> list[str]:
    """A row of ``COLUMNS``."""
    return [show(series) for _, show in COLUMNS]


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, two blanks between them, a line under the header."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _spacing(series: SeriesSummary) -> str:
    if all(math.isnan(length) for length in series.spacing):
        return "-"
    return " x ".join("?" if math.isnan(length) else f"{length:.3g}" for length in series.spacing)


def _slices(series: SeriesSummary) -> str:
    return f"{series.slices}" if series.volumes == 1 else f"{series.slices} x {series.volumes}"


def reasons(series: SeriesSummary) -> str:
    """Why the weighting is thought so, and what else is to be known before it is chosen."""
    if series.kind != "MR":
        return series.why
    marks = [series.why]
    if series.fat_suppressed:
        marks.append("fat-suppressed")
    if series.contrast != "no":
        marks.append("contrast agent" if series.contrast == "yes" else "contrast agent unclear")
    if series.volumes > 1:
        told = f", differing in {', '.join(series.differ_in)}" if series.differ_in else ""
        marks.append(f"{series.volumes} images at each position{told}")
    return "; ".join([*marks, *(f"FAULT: {fault}" for fault in series.faults)])
