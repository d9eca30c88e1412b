"""cystgrid: grading pancreatic cysts from paired T1 and T2 MRI. Research use only.

The names below are the stages in the journey's order, for scripts and notebooks
(``docs/notebook.ipynb``). None of them is imported before it is asked for.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_FACE = {
    "Study": "study",
    "phantom": "cohorts",
    "insert": "cohorts",
    "read_cohort": "cohorts",
    "read_scan": "scans",
    "prepare": "prepared",
    "open_prepared": "prepared",
    "crossval": "results",
    "tables": "results",
    "report": "results",
    "train": "models",
    "open_model": "models",
    "export": "models",
    "pretrain": "models",
}
"""Names, and the module of ``cystgrid.face`` that has each."""

__all__ = [  # noqa: RUF022 (the journey's order)
    "Study", "phantom", "insert", "read_cohort", "read_scan", "prepare", "open_prepared",
    "crossval", "tables", "report", "train", "open_model", "explain", "export", "pretrain",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a name of the face when it is first asked for."""
    if name == "explain":
        return import_module("cystgrid.explain")
    if name in _FACE:
        return getattr(import_module(f"cystgrid.face.{_FACE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
