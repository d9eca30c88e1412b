"""model.json of a MODEL folder, read without torch: how scans must be prepared, what is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cystgrid.cohort.classes import CohortSettings
from cystgrid.errors import StoreError
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.provenance import sha256_bytes
from cystgrid.sealing import read_sealed

SCHEMA = 3
"""Of model.json."""

CARD = "model.json"


@dataclass(frozen=True)
class ModelCard:
    """What a MODEL folder says of itself.

    Attributes:
        folder: MODEL.
        content: of model.json.
        cohort: the model's classes, and the labels that are one of them.
        preparation: how a scan must be prepared for it.
        sha256: of model.json, which pins every other file.
    """

    folder: Path
    content: dict[str, Any]
    cohort: CohortSettings
    preparation: PreparationSettings
    sha256: str


def read_model_card(folder: Path) -> ModelCard:
    """Read model.json; no other file is looked at.

    Raises:
        StoreError: no model there, an altered one, or one of another version.
    """
    path = folder / CARD
    with as_no_model(folder):
        card = read_sealed(
            path,
            expected="the model.json of a model",
            do="give the folder that `cystgrid train` wrote, as it wrote it",
        )
        if card["schema"] != SCHEMA:
            raise StoreError(
                path,
                got=f"schema {card['schema']}",
                expected=f"schema {SCHEMA}",
                do="use the version of cystgrid that made it",
            )
        return ModelCard(
            folder,
            card,
            CohortSettings.parse(card["cohort"], str(path)),
            PreparationSettings.parse(card["preparation"], str(path)),
            sha256_bytes(path.read_bytes()),
        )


@contextmanager
def as_no_model(folder: Path) -> Iterator[None]:
    """Within it, whatever a file that is no model.json of ours brings about is said plainly.

    Raises:
        StoreError: instead of it.
    """
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            folder / CARD,
            got="no such file" if isinstance(error, FileNotFoundError) else "something else",
            expected="the model.json of a model",
            do="give the folder that `cystgrid train` wrote",
        ) from error
