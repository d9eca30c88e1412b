"""The application, and what every verb shares: options, exit codes, errors in one line."""

from __future__ import annotations

import functools
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, ParamSpec

import typer
from typer.core import TyperGroup

from cystgrid import __version__
from cystgrid.errors import CystgridError, UsageError

if TYPE_CHECKING:
    from cystgrid.study import Study

DONE_WITH_REFUSALS, BAD_INPUT, WRONG_USAGE, BUG, INTERRUPTED = 4, 3, 2, 1, 130
"""Exit codes; 0 is done."""

RESUMES = frozenset(("demo", "prepare", "crossval", "train", "pretrain", "watch"))
"""Verbs that go on where they were; the others begin anew."""

P = ParamSpec("P")


class JourneysOrder(TyperGroup):
    """Lists verbs in the order in which a user needs them."""

    VERBS = (
        "demo", "phantom", "cohort", "prepare", "crossval", "tables", "train", "predict",
        "explain", "report", "serve", "export", "pacs", "pretrain", "insert", "verify",
    )  # fmt: skip

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all verbs; one that has no place in the order comes last."""
        known = super().list_commands(ctx)
        return sorted(known, key=lambda name: [*self.VERBS, *known].index(name))

    def invoke(self, ctx: Any) -> Any:
        """Run a verb; a Ctrl-C before it begins, or while it ends, is answered as any other."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            end_stopped(str(ctx.invoked_subcommand))


app = typer.Typer(
    name="cystgrid",
    cls=JourneysOrder,
    help="Grade pancreatic cysts (IPMN) from paired T1 and T2 MRI. Research use only.",
    epilog="Example: cystgrid demo -o demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bars, no summary.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")]
Workers = Annotated[
    int | None,
    typer.Option(min=0, help="Worker processes; 0 works in this one. Default: one a core."),
]
StudyFile = Annotated[
    Path | None, typer.Option("--study", help="Study file (TOML). Default: every default.")
]
Prepared = Annotated[Path, typer.Argument(metavar="PREPARED", help="Folder that prepare wrote.")]
CohortFile = Annotated[Path, typer.Argument(metavar="COHORT.CSV", help="One row a patient.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cystgrid {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Grade pancreatic cysts (IPMN) from paired T1 and T2 MRI. Research use only."""


def fail(code: int, line: str) -> NoReturn:
    """Say one line on stderr and end."""
    typer.echo(line, err=True)
    raise typer.Exit(code)


def end_stopped(name: str) -> NoReturn:
    """End a verb that was stopped; a further Ctrl-C does not garble that."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    resumes = name in RESUMES
    line = "stopped; the same command goes on where it was" if resumes else "stopped"
    try:
        fail(INTERRUPTED, line)
    finally:
        signal.signal(signal.SIGINT, before)


def verb(function: Callable[P, None]) -> Callable[P, None]:
    """Turn what goes wrong in a verb into one line on stderr and the contract's exit code."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except (typer.Exit, typer.BadParameter):
            raise
        except KeyboardInterrupt:
            end_stopped(function.__name__)
        except BrokenPipeError:  # the reader of what is printed, `head` say, has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except Exception as error:
            if kwargs.get("debug"):
                traceback.print_exc()
            if isinstance(error, CystgridError):
                wrong_usage = isinstance(error, UsageError)
                fail(
                    WRONG_USAGE if wrong_usage else BAD_INPUT,
                    "error: " + " ".join(str(error).split()),
                )
            if isinstance(error, OSError):
                fail(
                    BAD_INPUT,
                    f"error: {error.filename or 'file system'}: got "
                    f"{error.strerror or error}, expected to read or write it; "
                    "check permissions and free space",
                )
            fail(
                BUG,
                f"error: a bug in cystgrid: {type(error).__name__}: {error}; "
                "please report it with the output of --debug",
            )

    return run


def say(quiet: bool, text: str) -> None:
    """Print, unless told to be quiet."""
    if not quiet:
        typer.echo(text)


def warn(line: str) -> None:
    """Say on stderr what a user has to know, quiet or not."""
    typer.echo(line, err=True)


def read_study(path: Path | None) -> Study:
    """The study file, or every default."""
    from cystgrid.study import Study

    return Study() if path is None else Study.read(path)


def names(text: str) -> tuple[str, ...]:
    """What commas separate."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def show(quiet: bool, table: object) -> None:
    """Print a table, as wide as the terminal."""
    if quiet:
        return
    from rich.console import Console

    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160).print(table)


def end_with(refused: Iterable[tuple[str, str]], *, done: int) -> None:
    """Name every refused patient; then the contract's exit code, by whether anything was done."""
    for patient, reason in refused:
        typer.echo(f"refused: {patient}: {' '.join(reason.split())}", err=True)
    if refused:
        raise typer.Exit(DONE_WITH_REFUSALS if done else BAD_INPUT)
