"""Print every setting of a study with its default and meaning, from the code that reads it.

Run by `make structure`; the output is docs/study.md.
"""

from __future__ import annotations

import inspect
import re
import sys
from typing import get_args, get_type_hints

from cystgrid.pretraining.settings import PretrainSettings
from cystgrid.settings import Settings
from cystgrid.study import Study

INTRODUCTION = """# Settings of a study

A study is one TOML file; every key has a default, so an empty file is a study too. An unknown key
is refused with the nearest known one. Made from the code by `make structure`.
"""


def meanings(settings: type[Settings]) -> dict[str, str]:
    """What the docstring says of each setting."""
    text = inspect.cleandoc(settings.__doc__ or "").partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    for match in re.finditer(r"^ {4}(\w+(?:, \w+)*): ((?:.|\n {8})*)", text, flags=re.MULTILINE):
        for name in match[1].split(", "):
            found[name] = " ".join(match[2].split())
    return found


def settings_in(hint: object) -> type[Settings] | None:
    """The settings that a key holds, where it holds a section of its own, be it optional."""
    for part in (hint, *get_args(hint)):
        if isinstance(part, type) and issubclass(part, Settings):
            return part
    return None


def section(name: str, settings: type[Settings]) -> list[str]:
    """One table, and those of the sections inside it."""
    hints = get_type_hints(settings)
    inner = []
    for key in settings.model_fields:
        nested = settings_in(hints[key])
        if nested is not None:
            inner += section(f"{name}.{key}", nested)
    return [f"## `[{name}]`", "", *table(settings), "", *inner]


def table(settings: type[Settings]) -> list[str]:
    """A row a key, sections inside it left out."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    known, hints = meanings(settings), get_type_hints(settings)
    for key, field in settings.model_fields.items():
        if settings_in(hints[key]) is not None:
            continue
        if field.is_required():
            lines.append(f"| `{key}` | (needed) | {known.get(key, '')} |")
            continue
        default = field.get_default(call_default_factory=True)
        shown = list(default) if isinstance(default, tuple) else default
        lines.append(f"| `{key}` | `{shown}` | {known.get(key, '')} |")
    return lines


def main() -> None:
    """Write all sections."""
    lines = [INTRODUCTION]
    for name, hint in get_type_hints(Study).items():
        if isinstance(hint, type) and issubclass(hint, Settings):
            lines += section(name, hint)
    lines += [
        "## `[recipes.<model>]`",
        "",
        "Any key of `[training]`, for one model alone: `[recipes.vit]` with `epochs = 4`, say.",
    ]
    lines += [
        "",
        "# Settings of a pretraining",
        "",
        "A file of its own, for `cystgrid pretrain` (`docs/starts.md`); its keys stand at the top.",
        "",
        *table(PretrainSettings),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
