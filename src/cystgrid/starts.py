"""What the verb `pretrain` does: a transformer's start from random labelled scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cystgrid.errors import StoreError
from cystgrid.locking import sole_writer
from cystgrid.outputs.start import CARD, STUDY, WEIGHTS, write_start
from cystgrid.pretraining.pretrain import pretrain
from cystgrid.pretraining.settings import PretrainSettings
from cystgrid.processes import worker_count
from cystgrid.provenance import (
    NOTICE,
    digest,
    refuse_other_kind,
    sha256_file,
    versions,
    write_text,
)
from cystgrid.sealing import read_sealed
from cystgrid.training.device import resolve_precision, training_device

STATE = "state.safetensors"
"""Of a pretraining under way; removed when it is done."""


def run_pretrain(
    folder: Path,
    settings: PretrainSettings,
    study_file: Path | None = None,
    *,
    workers: int | None = None,
    quiet: bool = False,
) -> str:
    """Make a start, or go on with it.

    Args:
        folder: WEIGHTS.
        settings: of the pretraining.
        study_file: where they came from, kept word for word.
        workers: processes that draw grids; None for one a core.
        quiet: no progress bar.

    Returns:
        What was made, for a terminal.

    Raises:
        StoreError: the folder holds something else, or a start by other settings.
        WeightsError: the weights to start from cannot be had.
    """
    refuse_other_kind(folder, CARD)
    facts = _facts(settings)
    if _finished(folder, facts["key"]):
        return f"already made: {folder / WEIGHTS}"
    with sole_writer(folder):
        return _made(folder, settings, facts, study_file, worker_count(workers), quiet=quiet)


def _made(
    folder: Path,
    settings: PretrainSettings,
    facts: dict[str, Any],
    study_file: Path | None,
    workers: int,
    *,
    quiet: bool,
) -> str:
    """Pretrain and write the start; returns what is told of it."""
    state = folder / STATE
    reader, curve = pretrain(settings, state, facts["key"], workers=workers, quiet=quiet)
    text = study_file.read_text("utf-8") if study_file else "# every setting at its default\n"
    write_text(folder / STUDY, text)
    path = write_start(folder, reader.network.backbone.state_dict(), curve, facts)
    state.unlink(missing_ok=True)
    last = {name: value for name, value in curve[-1].items() if name.startswith(("patch", "grid_"))}
    lines = [f"{name.replace('_', ' ', 1)}: R2 {value:.2f}" for name, value in last.items()]
    return "\n".join([*lines, NOTICE, str(path)])


def _facts(settings: PretrainSettings) -> dict[str, Any]:
    """What decides the start's bytes, and the key that stands for all of it."""
    device = training_device()
    start = Path(settings.weights)
    decided = {
        "settings": settings.model_dump(mode="json"),
        "weights_sha256": sha256_file(start) if start.is_file() else None,
        "precision": resolve_precision(settings.precision, device),
        "device": device.type,
        "version": versions()["cystgrid"],
    }
    return {**decided, "key": digest(decided), "versions": versions()}


def _finished(folder: Path, key: str) -> bool:
    """Whether the folder holds just this start, whole.

    Raises:
        StoreError: it holds another one, or an altered one.
    """
    path = folder / CARD
    if not path.exists():
        return False
    card = read_sealed(path, expected="a start's card", do="choose another folder")
    if card["key"] != key:
        raise StoreError(
            path,
            got="a start by other settings, weights or version",
            expected="a new folder, or the same ones",
            do="give another -o folder",
        )
    weights = folder / WEIGHTS
    return weights.is_file() and sha256_file(weights) == card["sha256"]
