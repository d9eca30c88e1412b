"""The few error types. Each message says what was got, what was expected and what to do.

A path may hold a person's name. So every path in a message is marked by ``path_text``; ``str``
shows it as it is, and ``naming`` puts something that can be shown to anybody in its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

_BEGIN, _END = "\ue000", "\ue001"
"""Private-use characters around a path while a message is being put together; never shown."""

_MARKED = re.compile(f"{_BEGIN}([^{_END}]*){_END}")


def path_text(path: object) -> str:
    """A path for use inside a message, marked so that ``naming`` finds it."""
    return f"{_BEGIN}{_plain(str(path))}{_END}"


def _plain(text: str) -> str:
    return text.replace(_BEGIN, "").replace(_END, "")


class CystgridError(Exception):
    """Anything a user can mend.

    Args:
        where: the file, field, tag or option at fault; a ``Path`` is marked by itself.
        got: what was found there.
        expected: what would have been right.
        do: what the user can do about it.
    """

    def __init__(self, where: object, *, got: object, expected: object, do: str) -> None:
        marked = path_text(where) if isinstance(where, Path) else str(where)
        self._marked = (marked, str(got), str(expected), do)
        self.where, self.got, self.expected, self.do = map(_plain, self._marked)
        super().__init__(f"{self.where}: got {self.got}, expected {self.expected}; {self.do}")

    def naming(self, name: Callable[[Path], str]) -> CystgridError:
        """The same error with every path in it replaced by ``name(path)``."""
        parts = [_MARKED.sub(lambda found: name(Path(found[1])), part) for part in self._marked]
        return _rebuild(type(self), *parts)

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process, which re-applies arguments by position."""
        return (_rebuild, (type(self), *self._marked))


def _rebuild(
    kind: type[CystgridError], where: str, got: str, expected: str, do: str
) -> CystgridError:
    return kind(where, got=got, expected=expected, do=do)


class ScanError(CystgridError):
    """A scan or mask that cannot be read, or cannot be placed in space with certainty."""


class CohortError(CystgridError):
    """A manifest, a label, a split or a region of interest that does not hold together."""


class SettingsError(CystgridError):
    """A study file or an option with an unknown key or an impossible value."""


class UsageError(SettingsError):
    """An option or argument of a command that cannot be meant so; wrong usage, not bad input."""


class StoreError(CystgridError):
    """A file of ours (prepared data, run, model) that is missing, altered or of another study."""


class WeightsError(CystgridError):
    """Pretrained weights that cannot be had or do not fit the network."""


class ArchiveError(CystgridError):
    """An archive (PACS) that refuses what was asked, or answers with what it must not."""


class ArchiveDownError(ArchiveError):
    """An archive that cannot be reached now, or broke off: the same may work a little later."""


class ArchiveDeniedError(ArchiveError):
    """An archive that lets nobody in as we are: the settings are to be mended, waiting is vain."""
