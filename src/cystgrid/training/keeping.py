"""Puts a training away now and then, so that one that was stopped goes on where it was.

One file a training holds every candidate of its search that has begun: its weights, moments,
generators and place if it is under way, its curve if it has ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from cystgrid.errors import StoreError
from cystgrid.interrupts import Ask
from cystgrid.provenance import digest
from cystgrid.training.course import Begin, Course, RandomState
from cystgrid.training.site import Site, this_site
from cystgrid.training.state_file import Saved, read_state, read_told, write_state
from cystgrid.training.underway import under

EVERY_SECONDS = 60.0
"""Between two states, at least: shorter trainings write none, and lose no more."""

Say = Callable[[str], None]
"""Takes a line for the user."""

SHARE = 50
"""A state that took long to write is followed by so many times as long without one: what a
training loses to writing is a fiftieth at most."""


@dataclass(frozen=True)
class Keep:
    """Where the state of a training lies, and whose it is.

    Attributes:
        path: of the file.
        key: digest of all that decides the training's bytes, but the machine.
    """

    path: Path
    key: str

    def key_at(self, site: Site) -> str:
        """The state's own key, in which packages and the kind of device count too."""
        return digest([self.key, site.facts()])

    def fault(self, site: Site) -> str | None:
        """Why the state that lies there cannot be used; None where it can, or there is none."""
        if not self.path.exists():
            return None
        try:
            if read_told(self.path)["key"] == self.key_at(site):
                return None
        except (StoreError, OSError, KeyError):
            return "damaged"
        return "of another study, device or version"

    def forget(self) -> None:
        """Remove the state, if there is one."""
        self.path.unlink(missing_ok=True)


class Kept(Protocol):
    """A training that may have been stopped."""

    @property
    def keep(self) -> Keep:
        """Its state."""


def go_on(trainings: Iterable[Kept], site: Site, say: Say) -> None:
    """Before trainings go on: remove the states that cannot be used, and say of each why."""
    for each in trainings:
        if fault := each.keep.fault(site):
            each.keep.forget()
            say(f"state {each.keep.path}: {fault}; its training begins again")


class Keeper:
    """Makes the courses of one training, and puts them away.

    Args:
        keep: where; None puts nothing away.
        asked: whether the training is to stop: it is put away, and ends.
    """

    def __init__(self, keep: Keep | None, asked: Ask) -> None:
        self._keep, self._asked = keep, asked
        self._key = "" if keep is None else keep.key_at(this_site())
        self._saved = self._read()
        self._courses: list[Course] = []
        self._last, self._cost = time.monotonic(), 0.0

    def course(self, begin: Begin, random: RandomState, after_epoch: Callable[[], None]) -> Course:
        """The next candidate's training; the one with its number in the state goes on."""
        number = len(self._courses)
        saved = self._saved.pop(number, None)
        self._courses.append(Course(begin, random, after_epoch, self.after_step, saved))
        return self._courses[-1]

    def after_step(self) -> None:
        """Put everything away if it is time.

        Raises:
            KeyboardInterrupt: the training was asked to stop, and is put away.
        """
        asked = self._asked()
        if asked or time.monotonic() - self._last >= max(EVERY_SECONDS, SHARE * self._cost):
            self._write()
        if asked:
            raise KeyboardInterrupt

    def _write(self) -> None:
        if self._keep is None:
            return
        began = time.monotonic()
        told: list[Any] = []
        tensors: dict[str, Tensor] = {}
        for number, course in enumerate(self._courses):
            state = course.state()
            told.append(None if state is None else state.told)
            if state is not None:
                tensors |= {f"{number}/{name}": value for name, value in state.tensors.items()}
        write_state(self._keep.path, {"key": self._key, "courses": told}, tensors)
        self._last = time.monotonic()
        self._cost = self._last - began

    def _read(self) -> dict[int, Saved]:
        """What was put away, by candidate; nothing where there is no state of this training."""
        if self._keep is None:
            return {}
        with suppress(StoreError, OSError):
            state = read_state(self._keep.path)
            if state.told["key"] == self._key:
                return {
                    number: Saved(told, under(f"{number}/", state.tensors))
                    for number, told in enumerate(state.told["courses"])
                    if told is not None
                }
        return {}
