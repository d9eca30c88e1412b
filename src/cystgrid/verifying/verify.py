"""Finds out what a folder is, and has everything in it checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cystgrid.errors import StoreError
from cystgrid.locking import is_locked
from cystgrid.outputs.start import CARD as START_CARD
from cystgrid.outputs.start import WEIGHTS
from cystgrid.preparation.store import INDEX
from cystgrid.progress import progress_bar
from cystgrid.provenance import KINDS
from cystgrid.starts import STATE
from cystgrid.training.job import STATE as MEMBER_STATE
from cystgrid.training.model_card import CARD as MODEL_CARD
from cystgrid.training.run_card import CARD as RUN_CARD
from cystgrid.verifying.findings import Verdict
from cystgrid.verifying.looking import Look, file_names
from cystgrid.verifying.model import look_at_model
from cystgrid.verifying.prepared import look_at_prepared
from cystgrid.verifying.run import look_at_run
from cystgrid.verifying.start import look_at_start

LOOKS: dict[str, Callable[[Look], None]] = {
    RUN_CARD: look_at_run,
    INDEX: look_at_prepared,
    MODEL_CARD: look_at_model,
    START_CARD: look_at_start,
}
"""By the file that names a folder's kind."""

TRACES = {
    RUN_CARD: ("jobs",),
    INDEX: ("patients",),
    MODEL_CARD: (".model.json", ".member-*.json", "model.safetensors", "member-*.safetensors",
                 "model.estimator", "member-*.estimator", f".*.{MEMBER_STATE}"),
    START_CARD: (STATE, WEIGHTS),
}  # fmt: skip
"""By which a folder is known whose naming file is lost, or not written yet."""


def verify(folder: Path, *, quiet: bool = False) -> Verdict:
    """Check every checksum of a run, a model, prepared patients or a start; writes nothing.

    Args:
        folder: RUN, MODEL, PREPARED or WEIGHTS.
        quiet: no progress bar.

    Raises:
        StoreError: the folder is nothing of these.
    """
    kind = _kind(folder)
    locked = is_locked(folder)
    with progress_bar(f"verify {folder.name}", len(file_names(folder)), quiet=quiet) as advance:
        look = Look(folder, locked=locked, advance=advance)
        LOOKS[kind](look)
        look.foreign()
    return Verdict(KINDS[kind], locked, tuple(look.findings))


def _kind(folder: Path) -> str:
    """The name of the file that names what the folder is."""
    for name in LOOKS:
        if (folder / name).exists():
            return name
    for name, traces in TRACES.items():
        if any(True for trace in traces for _ in folder.glob(trace)):
            return name
    got = "no such folder"
    if folder.is_dir():
        held = (what for name, what in KINDS.items() if (folder / name).exists())
        got = f"a folder that holds {next(held, 'nothing of ours')}"
    raise StoreError(
        folder,
        got=got,
        expected="a run, a model, prepared patients or a pretrained start",
        do="give a folder that crossval, train, prepare or pretrain wrote",
    )
