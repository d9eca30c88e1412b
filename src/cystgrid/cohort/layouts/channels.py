"""Ids with and without nnU-Net's channel number: ``X_0000`` is a file of ``X``, if nobody else is.

A number behind an id may as well be a part of it (``northwestern_0001``), so that a file is taken
for another id's only where that id is known, has no file of its own, and no third name is in play.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from cystgrid.cohort.layouts.images import Image

_CHANNEL = re.compile(r"(?P<base>.+)_000[0-9]")


def base_name(name: str) -> str:
    """The id without a channel's number; any other id as it is."""
    found = _CHANNEL.fullmatch(name)
    return found["base"] if found else name


def known_name(name: str, known: Collection[str]) -> str:
    """The known id that ``name`` means: itself, or itself without a channel's number."""
    return base_name(name) if name not in known and base_name(name) in known else name


def renamed_to(images: Mapping[str, Image], known: Mapping[str, str]) -> dict[str, Image]:
    """The same files, those that differ from one known id by a channel's number under that id.

    Args:
        images: by key.
        known: ids by key, as they are written where they are known from.
    """
    numbered = _numbered(images)
    longer = _numbered(known)

    def known_as(name: str) -> str:
        base = base_name(name)
        plain, meant = (base, [base]) if base in known else (name, longer[name])
        files = [*numbered[plain], *([plain] if plain in images else [])]
        return meant[0] if name not in known and len(meant) == len(files) == 1 else name

    found = {}
    for name, image in images.items():
        other = known_as(name)
        found[other] = image if other == name else Image(known[other], image.path)
    return found


def _numbered(names: Iterable[str]) -> dict[str, list[str]]:
    """Names with a channel's number, by the id without it."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if base_name(name) != name:
            found[base_name(name)].append(name)
    return found
