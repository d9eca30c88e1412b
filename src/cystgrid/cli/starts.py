"""The verb that makes a transformer's start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cystgrid.cli.common import Debug, Quiet, Workers, app, say, verb


@app.command(
    epilog="Example: cystgrid pretrain -o start --study studies/pretrain.toml\n\n"
    'Then, in a study: weights = "start/start.safetensors". Hours on a processor; stopped, '
    "the same command goes on where it was."
)
@verb
def pretrain(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="WEIGHTS", help="Folder.")],
    study: Annotated[
        Path | None,
        typer.Option("--study", help="Pretraining study (TOML). Default: every default."),
    ] = None,
    workers: Workers = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Pretrain a transformer on endless random scenes, labelled to the voxel."""
    from cystgrid.pretraining.settings import PretrainSettings
    from cystgrid.starts import run_pretrain

    settings = (
        PretrainSettings()
        if study is None
        else PretrainSettings.read_toml(study, "a pretraining study").beside(study.parent)
    )
    say(quiet, run_pretrain(output, settings, study, workers=workers, quiet=quiet))
