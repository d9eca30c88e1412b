"""Nested settings as dotted names and texts, and where two of them differ."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

ABSENT = "(not there)"
SHOWN = 5
"""Settings that are told of in one sentence."""


@dataclass(frozen=True)
class Difference:
    """One setting and what it is on both sides.

    Attributes:
        name: with dots, as ``training.epochs``.
        one, other: as text; ``ABSENT`` where a side has no such setting.
    """

    name: str
    one: str
    other: str


def flat(settings: Any) -> list[tuple[str, str]]:
    """Nested settings as dotted names and texts, in their order."""
    return [(name, _text(value)) for name, value in _leaves(settings)]


def differences(one: object, other: object) -> list[Difference]:
    """Every setting in which two nested settings differ as JSON, in their order."""
    first, second = dict(_leaves(one)), dict(_leaves(other))
    return [
        Difference(name, *_told(first.get(name, ABSENT), second.get(name, ABSENT)))
        for name in dict.fromkeys([*first, *second])
        if _json(first.get(name, ABSENT)) != _json(second.get(name, ABSENT))
    ]


def _leaves(settings: Any, before: str = "") -> list[tuple[str, Any]]:
    if not isinstance(settings, dict) or not settings:
        return [(before, settings)]
    return [
        leaf
        for key, value in settings.items()
        for leaf in _leaves(value, f"{before}.{key}" if before else str(key))
    ]


def _told(one: object, other: object) -> tuple[str, str]:
    """Both as text; with quotes and brackets where they read alike without."""
    texts = _text(one), _text(other)
    return texts if texts[0] != texts[1] else (repr(one), repr(other))


def _json(value: object) -> str:
    return json.dumps(value, default=str)


def sides(found: list[Difference]) -> tuple[str, str]:
    """Both sides for a message: ``epochs = 4, seed = 0`` and ``epochs = 5, seed = 1``."""
    more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    one = ", ".join(f"{each.name} = {each.one}" for each in found[:SHOWN])
    other = ", ".join(f"{each.name} = {each.other}" for each in found[:SHOWN])
    return one + more, other + more


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) or "none"
    if value is None or value == {}:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
