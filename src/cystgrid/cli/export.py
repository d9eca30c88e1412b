"""The verb that writes models for other software."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cystgrid.cli.common import Debug, Quiet, app, say, verb


@app.command(epilog="Example: cystgrid export model --to onnx -o model-onnx")
@verb
def export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder that train wrote.")],
    to: Annotated[
        Literal["onnx", "monai-bundle", "timm"],
        typer.Option("--to", help="Which software it is for."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="Folder.")],
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a trained model for other software; what it says is compared with the model."""
    from cystgrid.exports.export import export_model

    say(quiet, export_model(model, to, output, quiet=quiet).text())
