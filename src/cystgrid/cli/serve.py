"""The verb that opens the reading page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cystgrid.cli.common import Debug, Quiet, app, say, verb

PORT = 8765
STUDIES = Path("cystgrid-studies")


@app.command(epilog="Example: cystgrid serve model   (then open the link that it prints)")
@verb
def serve(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder that train wrote.")],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="DIR", help="Folder of uploads and results, for you alone."
        ),
    ] = STUDIES,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="On this machine's own address; 0: any.")
    ] = PORT,
    settings: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML: how much the page takes at most.")
    ] = None,
    pacs: Annotated[
        Path | None,
        typer.Option(
            metavar="PACS.TOML", help="Also take studies from this archive; docs/pacs.md."
        ),
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Open the reading page: give it a study, read the answer beside the scans.

    It answers on this machine alone (127.0.0.1), and only to whoever has the printed link. From
    another machine: ssh -L 8765:127.0.0.1:8765 HOST, then the link. Ctrl-C ends it; studies that
    wait are read when it is started again.
    """
    from cystgrid.extras import require

    require("page", "serve", "captum", "fastapi", "python_multipart", "starlette", "uvicorn")
    from cystgrid.pacs.archive import open_archive
    from cystgrid.pacs.settings import PacsSettings
    from cystgrid.page.serving import serve_page
    from cystgrid.page.settings import PageSettings

    bounds = PageSettings.read_toml(settings, "the page's settings") if settings else PageSettings()
    archive = open_archive(PacsSettings.read(pacs)) if pacs else None
    say(False, f"Taking up {model}")
    serve_page(
        model, output, port, bounds, archive, lambda link: say(False, f"{link}\nStudies: {output}")
    )
