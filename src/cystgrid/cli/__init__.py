"""The command line: one verb a stage, in the journey's order. No logic lives here.

Heavy imports happen inside the verbs that need them, so that ``--help`` answers at once.
"""

from cystgrid.cli import (  # noqa: F401 (each adds its verbs to the app)
    cohort,
    explain,
    export,
    models,
    pacs,
    phantoms,
    report,
    serve,
    starts,
    tables,
)
from cystgrid.cli.common import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line."""
    app()
