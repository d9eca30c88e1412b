"""The command line: one verb a stage, in the journey's order. No logic lives here.

Heavy imports happen inside the verbs that need them, so that ``--help`` answers at once.
"""

from cystgrid.cli import cohort, explain, models, pacs, phantoms, serve, starts, tables, verify  # noqa: F401 (each adds its verbs to the app)
from cystgrid.cli.common import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line."""
    app()
