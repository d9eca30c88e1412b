"""How a scan is named: a path, and after ``#`` what is meant of the things that lie there.

scan.nii.gz                 the one volume of a NIfTI file
series.nii.gz#volume=2      the third volume of a 4-D NIfTI file
folder                      the one DICOM series of a folder
folder#1.2.840.113619.2.5   one of its series, by SeriesInstanceUID
folder#1.2.840&volume=0     the first of several images at each position (an echo, a time)
mask.nii.gz#label=3         one label of a mask; ``label=3+4`` for two together
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cystgrid.errors import ScanError, path_text

CHOICE = re.compile(
    r"(?P<series>[0-9]+(\.[0-9]+)+)|volume=(?P<volume>[0-9]{1,9})|"
    r"label=(?P<labels>[1-9][0-9]{0,8}(\+[1-9][0-9]{0,8})*)"
)
"""Label 0 is what lies outside, and never meant."""

FORMS = "SeriesInstanceUID, volume=N (counted from 0) or label=N, joined by '&'"


@dataclass(frozen=True)
class Reference:
    """One scan or mask, as a manifest or a command line names it.

    Attributes:
        path: a file or a folder that exists.
        series: ``SeriesInstanceUID`` of the series that is meant.
        volume: which of several volumes on one grid, counted from 0.
        labels: which labels of a mask count as inside; empty where it has only one.
    """

    path: Path
    series: str | None = None
    volume: int | None = None
    labels: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str | Path | Reference) -> Reference:
        """Take a reference apart; a ``#`` in the name of something that exists is no choice.

        Raises:
            ScanError: nothing lies there, or what follows ``#`` is no choice.
        """
        if isinstance(text, Reference):
            return text
        whole = str(text)
        if _exists(whole):
            return cls(Path(whole))
        folder, mark, after = whole.rpartition("#")
        if not mark or not _exists(folder):
            raise ScanError(
                Path(whole) if whole else "an empty path",
                got="nothing there",
                expected="a NIfTI file, a DICOM folder or FOLDER#SeriesInstanceUID",
                do="check the path",
            )
        chosen = _choices(folder, after)
        return cls(
            Path(folder),
            series=chosen.get("series"),
            volume=int(chosen["volume"]) if "volume" in chosen else None,
            labels=tuple(int(label) for label in chosen.get("labels", "").split("+") if label),
        )


def path_part(text: str | Path) -> Path:
    """The path of a reference, without its choice, whether or not anything lies there."""
    whole = str(text)
    folder, mark, after = whole.rpartition("#")
    is_choice = bool(mark) and all(CHOICE.fullmatch(part) for part in after.split("&"))
    return Path(folder if is_choice and not _exists(whole) else whole)


def _choices(folder: str, after: str) -> dict[str, str]:
    """What is chosen, as it is written, by kind."""
    chosen: dict[str, str] = {}
    for part in after.split("&"):
        match = CHOICE.fullmatch(part)
        kind = match.lastgroup if match else None
        if match is None or kind is None or kind in chosen:
            raise ScanError(
                f"{path_text(folder)}: the part after '#'",
                got="something that is no choice, or one made twice",
                expected=FORMS,
                do="correct the reference",
            )
        chosen[kind] = match[kind]
    return chosen


def _exists(path: str) -> bool:
    try:
        return path != "" and Path(path).exists()
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise ScanError(
            Path(path),
            got=f"a path that cannot be followed ({error.strerror})",
            expected="a NIfTI file or a DICOM folder",
            do="check the path and its permissions",
        ) from error
    except ValueError as error:  # a NUL byte
        raise ScanError(
            "a path", got="a NUL character", expected="a path", do="correct the path"
        ) from error
