"""A pretrained start on disk: its weights, the curve of every target, and a card that tells all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from safetensors.torch import save
from torch import Tensor

from cystgrid.outputs.style import COLOURS, LINES, figure_style, write_figure
from cystgrid.provenance import (
    NOTICE,
    json_text,
    sha256_bytes,
    sha256_file,
    write_bytes,
    write_text,
)
from cystgrid.sealing import write_sealed

WEIGHTS, CARD, CURVE, PICTURE = "start.safetensors", "start.json", "curve.csv", "curve.png"
README, STUDY = "README.md", "pretrain.toml"
HEAD = "head."
"""Of the transformer: no part of a start."""

FLOOR = -0.2
"""Of the picture's axis: what reads worse than the mean is not worth the room."""


def write_start(
    folder: Path,
    state: Mapping[str, Tensor],
    curve: Sequence[Mapping[str, float]],
    facts: Mapping[str, Any],
) -> Path:
    """Write start.safetensors (float16), curve.csv, curve.png, README.md and, last, start.json.

    Args:
        folder: WEIGHTS, in which pretrain.toml lies already.
        state: the transformer's tensors by timm's names; its head is left out.
        curve: looks at the validation grids.
        facts: settings, versions, key.

    Returns:
        Path of the weights.
    """
    tensors = {
        name: value.detach().cpu().to(torch.float16).contiguous()
        for name, value in state.items()
        if not name.startswith(HEAD)
    }
    content = save(tensors, {"notice": NOTICE})  # one entry: several are in no fixed order
    write_bytes(folder / WEIGHTS, content)
    table = pd.DataFrame(curve)
    write_text(folder / CURVE, table.to_csv(index=False, float_format="%.5f"))
    draw_targets(table, folder / PICTURE)
    card = {**facts, "weights": WEIGHTS, "bytes": len(content), "sha256": sha256_bytes(content)}
    write_text(folder / README, _page(card, table))
    files = {name: sha256_file(folder / name) for name in (CURVE, PICTURE, README, STUDY)}
    write_sealed(folder / CARD, {"notice": NOTICE, **card, "files": files})
    return folder / WEIGHTS


def draw_targets(table: pd.DataFrame, path: Path) -> None:
    """Each target's explained variance over the grids that were learned from."""
    with figure_style():
        figure = Figure(figsize=(7.5, 3.6), layout="constrained")
        patches, grids = figure.subplots(1, 2, sharey=True)
        _draw(patches, table, "patch_", "of every patch: share of each tissue")
        _draw(grids, table, "grid_", "of every grid")
        patches.set_ylabel("explained variance (R²)")
        write_figure(figure, path, "Validation grids: random scenes that are never learned from.")


def _draw(axes: Axes, table: pd.DataFrame, prefix: str, title: str) -> None:
    for number, column in enumerate(_targets(table, prefix)):
        axes.plot(
            table["grids"] / 1000,
            table[column].clip(lower=FLOOR),
            color=COLOURS[number % len(COLOURS)],
            linestyle=LINES[number % len(LINES)],
            marker="o" if len(table) == 1 else "",
            label=column.removeprefix(prefix).replace("_", " "),
        )
    axes.set_title(title)
    axes.set_xlabel("grids learned from, thousands")
    axes.set_ylim(FLOOR, 1.0)
    axes.legend(ncols=2)


def _targets(table: pd.DataFrame, *prefixes: str) -> list[str]:
    """Columns of the targets; of all, or of those with these prefixes."""
    return [str(name) for name in table if str(name).startswith(prefixes or ("patch_", "grid_"))]


def _page(card: Mapping[str, Any], table: pd.DataFrame) -> str:
    """The model card."""
    last = table.iloc[-1]
    rows = "\n".join(
        f"| {'patch' if name.startswith('patch_') else 'grid'} "
        f"| {name.split('_', 1)[1].replace('_', ' ')} | {last[name]:.2f} |"
        for name in _targets(table)
    )
    settings = card["settings"]
    return f"""# A start for vit_{settings["vit"]} on T1 and T2 grids

**{NOTICE}**

Weights to fine-tune from, made by `cystgrid pretrain` {card["versions"]["cystgrid"]}. No image
of any patient was used: it learned from {settings["grids"]:,} random scenes, each of other anatomy,
contrast, resolution and artefacts, what every patch is made of and what the grid holds. The
scenes know no grade. It grades nothing before it is fine-tuned.

- Use: `weights = "path/to/{WEIGHTS}"` in a study, for `vit_{settings["vit"]}` with any inputs.
- Input: grids of {settings["cells"]} cells of {settings["pixels"]} pixels, T1 and T2 as channels
  in 0-1, one of them black where it is absent; other sizes resample the position embeddings.
- Start of the start: weights `{Path(settings["weights"]).name}`.
- File: {card["bytes"] / 1e6:.1f} MB, float16, sha256 `{card["sha256"]}`.

Made again by `cystgrid pretrain -o DIR --study pretrain.toml` with

```json
{json_text(settings).rstrip()}
```

On {settings["validation"]} random scenes that it never learned from, the variance explained (R²) of

| of a | target | R² |
|---|---|---|
{rows}

![Curve of every target]({PICTURE})
"""
