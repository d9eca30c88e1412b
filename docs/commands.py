"""Print every command's help, from the commands themselves.

Run by `make structure`; the output is docs/commands.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import typer
from typer.testing import CliRunner

from cystgrid.cli import app

HEAD = """# Commands

Made from the commands by `make structure`. Exit codes: 0 done, 2 wrong usage, 3 bad input and
nothing done, 4 done but some patients were refused (each is named), 1 a bug.
"""
WIDTH = {"TERMINAL_WIDTH": "88", "COLUMNS": "88"}


def verbs(command: object, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command that does something, in the order of the help."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words
        return
    context = typer.Context(command)  # type: ignore[arg-type]
    for name in command.list_commands(context):  # type: ignore[attr-defined]
        yield from verbs(inner[name], (*words, name))


def main() -> None:
    """Write the page to stdout."""
    sys.stdout.write(HEAD)
    for words in verbs(typer.main.get_command(app)):
        shown = CliRunner().invoke(app, [*words, "--help"], env=WIDTH)
        assert shown.exit_code == 0, shown.output
        sys.stdout.write(f"\n## {' '.join(words)}\n\n```text\n{shown.output.strip()}\n```\n")


if __name__ == "__main__":
    main()
