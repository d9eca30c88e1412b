"""The command line: one verb a stage, in the journey's order. No logic lives here.

Heavy imports happen inside the verbs that need them, so that ``--help`` answers at once.
"""

import signal
import sys

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
    verify,
)
from cystgrid.cli.common import app
from cystgrid.interrupts import interrupt_after_imports, none_lost

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt_after_imports)
        sys.unraisablehook = none_lost
    try:
        app()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process ends, with its own exit code
