"""What a study can name as weights: three words, or a file."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from cystgrid.errors import WeightsError
from cystgrid.provenance import remembered_sha256

HUB, NONE, PHANTOM = "hub", "none", "phantom"
"""Timm's or torchvision's; from scratch; the start that comes with the package."""

KEYWORDS = (HUB, NONE, PHANTOM)
"""Weights that are no path."""

HOW_TO_GET = (
    'set weights = "none" to train from scratch, or to the path of a file fetched elsewhere '
    "(.safetensors, .pth, or Google's .npz for a ViT)"
)


def no_weights_at(path: Path) -> WeightsError:
    """What is wrong where a study names a file that is not there."""
    near = get_close_matches(path.name.lower(), KEYWORDS, n=1, cutoff=0.5)
    meant = f'did you mean "{near[0]}"? Otherwise ' if near else ""
    return WeightsError(
        path, got="no such file", expected="a file of weights", do=meant + HOW_TO_GET
    )


def check_sha256(path: Path, stated: str) -> None:
    """Hold a file of weights to its sha256, or to the first digits of it; "" states nothing.

    Raises:
        WeightsError: it has another.
    """
    if not stated:
        return
    found = remembered_sha256(path)
    if not found.startswith(stated):
        raise WeightsError(
            path,
            got=f"sha256 {found}",
            expected=f"{stated}{'...' if len(stated) < len(found) else ''}",
            do="fetch the file anew, or find out who changed it",
        )
