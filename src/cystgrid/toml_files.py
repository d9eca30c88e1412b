"""TOML files that people write: what is no TOML is told by line and column, with what to do."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from cystgrid.errors import SettingsError, path_text

ADDRESSEE = re.compile(r"//[^/\s'\"]*@")
"""User and password in an address."""

_SECRETIVE = re.compile(r"_env\b|passw|token|secret", re.IGNORECASE)
"""Of a line that is not shown: people write the secret where its variable's name belongs."""

LONGEST_LINE = 80
"""Characters of a faulty line that are shown."""

_PLACE = re.compile(r"(?P<what>.+) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of .+)\)")
"""How ``tomllib`` ends its messages, in Python 3.11 to 3.14."""

_MENDS = {
    "Invalid value": "put text in quotes, write true and false small and a decimal as 0.5",
    "Expected '='": "write NAME = VALUE, one a line",
    "Invalid statement": "write NAME = VALUE, one a line",
    "Expected newline": "write one NAME = VALUE a line, a decimal with a point, a list in [ ]",
    "Cannot overwrite": "name each setting once",
    "Cannot declare": "name each [section] once",
    "Unclosed": "close the bracket, and put commas between values",
    "Expected ']'": "close the bracket",
    'Expected "\'"': "close the quote",
    "Expected '\"'": "close the quote",
    "Unescaped": "write a backslash twice, or put the text in single quotes",
    "Illegal character": "close the quote in the line where it opens",
}
"""What to do, by how a message of ``tomllib`` begins."""


def read_toml_file(path: Path, what: str) -> dict[str, Any]:
    """Read a TOML file.

    Args:
        path: the file.
        what: it should be, for messages: ``a study``.

    Raises:
        SettingsError: no such file, a folder, not UTF-8, or not TOML: with line, column and what
            stands there.
    """
    expected = f"{what} in TOML"
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        got = "a folder" if path.is_dir() else f"no readable file ({error.strerror})"
        raise SettingsError(path, got=got, expected=expected, do="check the path") from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            path,
            got=f"a byte that is not UTF-8 at position {error.start}",
            expected=expected,
            do="save the file as UTF-8",
        ) from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _fault(path, text, str(error), expected) from error


def _fault(path: Path, text: str, message: str, expected: str) -> SettingsError:
    found = _PLACE.fullmatch(message)
    what = found["what"] if found else message
    do = next((mend for begin, mend in _MENDS.items() if what.startswith(begin)), "correct it")
    if found is None or found["line"] is None:
        place, stands = "at its end", ""
    else:
        place = f"line {found['line']}, column {found['column']}"
        stands = f"{_shown(text.splitlines(), int(found['line']))}: "
    return SettingsError(
        f"{path_text(path)}: {place}",
        got=stands + what[0].lower() + what[1:],
        expected=expected,
        do=do,
    )


def _shown(lines: list[str], number: int) -> str:
    """A line as it stands there, but for what may be a password; ``number`` counts from 1."""
    line = lines[number - 1].strip() if number <= len(lines) else ""
    if _SECRETIVE.search(line):
        return "a line that may hold a password"
    safe = ADDRESSEE.sub("//...@", line)
    return ascii(safe if len(safe) <= LONGEST_LINE else safe[:LONGEST_LINE] + "...")
