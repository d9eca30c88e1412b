"""Which text may stand in a cell of the manifest, and which means what its column says."""

from __future__ import annotations

import math
import re
import unicodedata

FORMULA_STARTS = "=+@＝＋＠"  # noqa: RUF001 (a Japanese spreadsheet takes the wide ones as well)
"""What a spreadsheet takes for the beginning of a formula; a minus is one unless a number follows
(https://owasp.org/www-community/attacks/CSV_Injection)."""

PLAIN_MINUS = re.compile(r"-(\d+([.,]\d+)?)?")
"""A negative number, or a dash that stands for nothing: no spreadsheet does anything with it."""

OLDEST = 120
"""Years: nobody known has lived longer than 122."""

SEXES = ("f", "m", "o", "female", "male", "other", "unknown")
"""The values of DICOM's PatientSex (PS3.3 C.7.1.1), their words, and the word for none."""

UNSEEN = frozenset(("Cc", "Cf", "Co", "Cs", "Zl", "Zp"))
"""Unicode categories that cannot be seen, that turn the text around them, or that break a line."""


def text_fault(cell: str) -> str | None:
    """Why text that will be shown cannot stand in a cell; None where it can.

    Args:
        cell: as it stands in the file, spaces around it included.
    """
    if cell.isascii() and cell.isprintable():  # the usual case, and the quick one
        unseen = False
    else:
        unseen = any(unicodedata.category(letter) in UNSEEN for letter in cell)
    if unseen:
        return "holds a control or invisible character; type it anew"
    text = cell.strip()
    if text.startswith(tuple(FORMULA_STARTS)) or (
        text.startswith(("-", "－"))  # noqa: RUF001
        and not PLAIN_MINUS.fullmatch(text)
    ):
        return f"begins like a formula of a spreadsheet ({text[0]!r}); begin with a letter or digit"
    return None


FIGURES = re.compile(r"[-+\u2212]?\d[\d.,% ()to\u2013\u2212+-]*")
"""Numbers with their intervals and deviations, as tables show them: no function can be called."""


def inert(text: str) -> str:
    """Text for a table that a spreadsheet may open: what it would run begins with an apostrophe.

    Numbers stay as they are.
    """
    return f"'{text}" if text_fault(text) and not FIGURES.fullmatch(text) else text


def path_fault(cell: str) -> str | None:
    """Why a path or a box cannot stand in a cell; None where it can. It is never shown."""
    if cell.isprintable():  # the usual case, and the quick one
        return None
    if any(unicodedata.category(letter) == "Cc" for letter in cell):
        return "holds a control character; rename the file or correct the cell"
    return None


def age_fault(cell: str) -> str | None:
    """Why an age is none; None where it is one, or is empty."""
    try:
        years = float(cell) if cell else 0.0
    except ValueError:
        years = math.nan
    if 0 <= years <= OLDEST:
        return None
    return f"is no number of years from 0 to {OLDEST}."


def sex_fault(cell: str) -> str | None:
    """Why a sex is none that is known; None where it is one, or is empty."""
    if not cell or cell.casefold() in SEXES:
        return None
    return f"is none of {', '.join(SEXES)} (in any case)."


def same_to_the_eye(text: str) -> str:
    """A key under which ids fall together that some file systems or readers cannot tell apart."""
    return unicodedata.normalize("NFC", text).casefold()
