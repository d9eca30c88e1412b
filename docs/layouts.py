"""Print the known layouts and what can be chosen about each, from the code that reads them.

Run by `make structure`; the output is docs/layouts.md.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import get_args, get_type_hints

from study import meanings

from cystgrid.cohort.layouts import LAYOUTS
from cystgrid.cohort.pairing_rules import DEFAULT_RULES_TOML
from cystgrid.settings import Settings

INTRODUCTION = """# Data sets on disk, and a hospital's tree, as a cohort

    cystgrid cohort import LAYOUT SRC -o cohort.csv [--option KEY=VALUE ...]

writes `cohort.csv`; `cohort-import.txt`, an account of what was found, paired and left out, and
why; and in `cohort-splits/` the folds that were published with the data, for `crossval --splits`.
`--dry-run` shows all that and writes nothing. `--pseudonymise KEYFILE` puts stable pseudonyms in
the place of every id: the same key gives the same ones, and without it nothing leads back. The
paths in `cohort.csv` stay as they are. Made from the code by `make structure`.
"""

DICOM = """## `dicom`: any tree of studies

Every DICOM file of the tree is put into its series by its UIDs, whatever its name and folder. Each
series gets a weighting by its words and its numbers (TR, TE, TI, flip angle), and one T1 and one T2
are taken for every study, by rules. What was taken, what was left out and why is shown.
`cystgrid cohort series FOLDER` only lists the series. Links to folders are not followed, and files
that link out of the tree are not read. Ids are digests of PatientID; no text of a
header is shown but known words of protocol names. `--labels labels.csv` gives labels and regions:
`id,label[,roi,center,sex,age]`, with PatientID, StudyInstanceUID or AccessionNumber as id.

`cystgrid cohort rules > rules.toml` writes the rules, for you to edit and give as `--rules`:

```toml
{rules}```
"""


def section(name: str) -> list[str]:
    """One layout: its line, its reader's description, its options."""
    layout = LAYOUTS[name]
    module = importlib.import_module(layout.read.__module__)
    text = inspect.cleandoc(module.__doc__ or "").partition("\n\n")[2].strip("\n")
    lines = [f"## `{name}`", "", f"{layout.description}.", ""]
    lines += [text, ""] if text else []
    return lines + options(layout.options)


def options(settings: type[Settings]) -> list[str]:
    """A table of what can be chosen; nothing where nothing can."""
    if not settings.model_fields:
        return []
    known: dict[str, str] = {}
    for parent in reversed(settings.__mro__):
        if isinstance(parent, type) and issubclass(parent, Settings):
            known |= meanings(parent)
    hints = get_type_hints(settings)
    lines = ["| option | values | default | meaning |", "|---|---|---|---|"]
    for key, field in settings.model_fields.items():
        values = [str(value) for value in get_args(hints[key]) if isinstance(value, str)]
        kind = "text" if hints[key] is str or not get_args(hints[key]) else "a path"
        shown = ", ".join(f"`{value}`" for value in values) or kind
        default = field.get_default(call_default_factory=True)
        default = f"`{default}`" if default else ""
        lines.append(f"| `{key}` | {shown} | {default} | {known[key]} |")
    return [*lines, ""]


def main() -> None:
    """Write all sections."""
    lines = [INTRODUCTION]
    for name in LAYOUTS:
        lines += section(name)
    lines.append(DICOM.format(rules=DEFAULT_RULES_TOML))
    sys.stdout.write("\n".join(lines).replace("``", "`"))


if __name__ == "__main__":
    main()
