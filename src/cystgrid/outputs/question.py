"""Answers are replaced only by answers to the same question, for the same patients and more."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cystgrid.errors import StoreError
from cystgrid.provenance import refuse_other_kind


def refuse_other_question(
    folder: Path, record: str, asked: Mapping[str, Any], patients: Iterable[str], got: str
) -> None:
    """Refuse to write into a folder that holds answers to another question.

    Args:
        folder: OUT.
        record: name of the JSON file that says what was asked, and of which ``patients``.
        asked: what its other keys must hold.
        patients: who is asked for now.
        got: what the folder holds otherwise, for the message.

    Raises:
        StoreError: it holds such answers, or something else of ours.
    """
    refuse_other_kind(folder, record)
    path = folder / record
    if not path.exists():
        return
    try:
        there = json.loads(path.read_bytes())
        before = {answer["patient"] for answer in there["patients"]}
        same = all(there[key] == value for key, value in asked.items()) and before <= set(patients)
    except (ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise StoreError(
            path,
            got=got,
            expected="a new folder, or the same question",
            do="choose another folder",
        )
