"""docs/bad-input.md, from the cases: what each says, to the letter."""

import inspect
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from catalogue.all_cases import CASES
from catalogue.cohort_cases import COHORT_CASES, CommandCase, SeenCommand, meet_command
from catalogue.framework import Case, Seen, meet
from catalogue.promises import MAX_SECONDS
from cystgrid.scans.settings import ReadLimits

PAGE = Path(__file__).parents[2] / "docs" / "bad-input.md"

GROUPS = {
    "NIfTI": range(1, 26),
    "DICOM": range(26, 48),
    "Masks and pairs": range(48, 52),
    "The cohort": range(52, 54),
}

INTRODUCTION = """# Bad input: what cystgrid says

A scan is read rightly, or its patient is refused by name: never a silently wrong volume. For every
case below

- there is one line, `refused: PATIENT: ...`, which names the patient, the column of the manifest
  and the field, tag or voxel at fault; no traceback;
- the answer takes at most {seconds:.0f} s of processor time, and memory stays within
  `max_inflated_bytes` + 512 MB;
- nothing of a refused patient is left in PREPARED; the other patients are prepared, and the
  command ends with exit code 4, or with 3 where nothing could be done;
- no path, file name or text of a DICOM element is shown: any of them may hold a person's name.

**refuse**: the patient is left out. **flag**: used, and the sentence stands in its flags, in
`patient.json` and in the quality report. **fix**: the same, and the prepared voxels equal those of
the scan without the defect, byte for byte. **read**: nothing is wrong once the user has said what
is meant; again byte for byte.

Each message is what the command said when this page was made. `make structure` makes it from the
tests in `tests/catalogue`, which check all of the above.

## Limits

What claims, or turns out, to be more is refused. To raise one, set it in the study file:

    [preparation.reading.limits]
    max_voxels = {doubled}

| key | default | meaning |
|---|---|---|
"""

HEAD = "| | case | | what cystgrid says | exit code |\n|---|---|---|---|---|\n"
NOTHING = "nothing: its bytes are the sound twin's"
DID = {"choose": "read"}


def limits_table() -> str:
    """A row for each limit, from the settings' own text."""
    text = inspect.cleandoc(ReadLimits.__doc__ or "").partition("Attributes:\n")[2]
    meanings = {
        found[1]: " ".join(found[2].split())
        for found in re.finditer(r"^ {4}(\w+): ((?:.|\n {8})*)", text, flags=re.MULTILINE)
    }
    return "".join(
        f"| `{name}` | {field.default} | {meanings[name]} |\n"
        for name, field in ReadLimits.model_fields.items()
    )


def line(one: Case | CommandCase, seen: Seen | SeenCommand) -> str:
    """The page's line of one case."""
    said = _said_of_patient(one, seen) if isinstance(seen, Seen) else _said_of_cohort(one, seen)
    did = DID.get(one.do, one.do)
    return f"| {one.name} | {_cell(one.title)} | {did} | {said} | {seen.run.exit_code} |\n"


def _said_of_patient(one: Case, seen: Seen) -> str:
    first = seen.bad[0]
    if one.do == "refuse" or not (seen.place(first) / "patient.json").is_file():
        return " ".join(map(_code, seen.lines_of(first) or seen.lines)) or "nothing"
    return " ".join(map(_code, seen.flags(first))) or NOTHING


def _said_of_cohort(one: CommandCase, seen: SeenCommand) -> str:
    """The refusal; or of a report the lines that are about the case."""
    lines = (seen.run.stderr.strip() or seen.run.stdout.strip()).splitlines()
    if one.do != "refuse":
        lines = [text for text in lines if any(re.search(word, text) for word in one.says)]
    return " ".join(_code(text.strip()) for text in lines if text.strip()) or "nothing"


def _code(text: str) -> str:
    """As code, in a table: a pipe would end the cell, a backtick the code."""
    return f"`` {_cell(text)} ``" if "`" in text else f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def all_cases() -> tuple[Case | CommandCase, ...]:
    """Every case in the catalogue's order."""
    return (*CASES, *COHORT_CASES)


def can_be_met(one: Case | CommandCase) -> bool:
    """Whether what a case needs is here."""
    return not one.real or bool(os.environ.get("CYSTGRID_REAL_DATA"))


def meet_any(one: Case | CommandCase, folder: Path) -> Seen | SeenCommand:
    """Meet a case of either kind."""
    return meet(one, folder) if isinstance(one, Case) else meet_command(one, folder)


def make_page(lines: Mapping[str, str], committed: str) -> str:
    """The whole page.

    Args:
        lines: by the case's name; of those that were met.
        committed: the page as it stands, whose lines of other cases are kept.
    """
    old = {found[1]: found[0] for found in re.finditer(r"^\| (\d+\w?) \| .*\n", committed, re.M)}
    text = INTRODUCTION.format(seconds=MAX_SECONDS, doubled=2 * ReadLimits().max_voxels)
    text += limits_table()
    for title, numbers in GROUPS.items():
        rows = (one for one in all_cases() if one.number in numbers and one.page)
        text += f"\n## {title}\n\n{HEAD}"
        text += "".join(lines.get(one.name) or old.get(one.name, "") for one in rows)
    return text


def met_lines(cases: Iterable[Case | CommandCase]) -> dict[str, str]:
    """Meet cases, and what the page says of them."""
    lines = {}
    for one in cases:
        folder = Path(tempfile.mkdtemp())
        try:
            lines[one.name] = line(one, meet_any(one, folder))
        finally:
            shutil.rmtree(folder)
    return lines
