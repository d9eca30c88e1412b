"""The few error types. Each message says what was got, what was expected and what to do."""

from __future__ import annotations


class CystgridError(Exception):
    """Anything a user can mend.

    Args:
        where: the file, field, tag or option at fault.
        got: what was found there.
        expected: what would have been right.
        do: what the user can do about it.
    """

    def __init__(self, where: object, *, got: object, expected: object, do: str) -> None:
        self.where, self.got, self.expected, self.do = str(where), str(got), str(expected), do
        super().__init__(f"{where}: got {got}, expected {expected}; {do}")

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process, which re-applies arguments by position."""
        return (_rebuild, (type(self), self.where, self.got, self.expected, self.do))


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


class StoreError(CystgridError):
    """A file of ours (prepared data, run, model) that is missing, altered or of another study."""


class WeightsError(CystgridError):
    """Pretrained weights that cannot be had or do not fit the network."""
