"""One import from start to end: read a data set or a tree, show it, write what was asked for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cystgrid.cohort.dicom_tree import chosen_table, import_dicom, left_out_table
from cystgrid.cohort.importing import (
    ImportResult,
    manifest_text,
    refuse_to_replace,
    summary,
)
from cystgrid.cohort.layouts import LAYOUTS, import_layout
from cystgrid.cohort.pairing import renamed_rows
from cystgrid.cohort.pairing_rules import PairingRules
from cystgrid.cohort.pseudonyms import new_key, pseudonym, pseudonymise, read_key, write_key
from cystgrid.cohort.splits import splits_text
from cystgrid.cohort.study_labels import read_labels
from cystgrid.errors import CystgridError, SettingsError, UsageError
from cystgrid.progress import progress_bar
from cystgrid.provenance import write_text
from cystgrid.scans.survey import tree_files

DICOM = "dicom"
"""The layout that is no data set's: any tree of studies, paired by rules."""

TABLE_LINES = 40
"""Of each table on a terminal; the report beside the manifest holds all."""

KINDS = {".csv": "manifest", ".json": "folds for `crossval --splits`", ".txt": "report"}
"""What is written, by the file's suffix."""


@dataclass(frozen=True)
class ImportChoice:
    """What a user may say about an import.

    Attributes:
        options: of the layout, by name.
        rules: pairing rules (TOML), for ``dicom``.
        labels: table of labels (CSV), for ``dicom``.
        key: key file of pseudonyms, made if it is not there.
        overwrite: whether other files may be replaced.
        dry_run: show everything and write nothing.
    """

    options: Mapping[str, str] = field(default_factory=dict)
    rules: Path | None = None
    labels: Path | None = None
    key: Path | None = None
    overwrite: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class Imported:
    """What came of an import.

    Attributes:
        text: what was found, chosen and left out and why, for a terminal.
        error: why nothing was written, None if all was (or would have been).
    """

    text: str
    error: CystgridError | None = None


def run_import(
    layout: str, src: Path, output: Path, choice: ImportChoice, *, quiet: bool = False
) -> Imported:
    """Import a data set; write the manifest, published folds and a report beside it.

    Args:
        layout: a key of ``LAYOUTS``, or ``dicom``.
        src: the data set.
        output: the manifest; ``STEM-splits/`` and ``STEM-import.txt`` are written beside it, the
            latter also where no manifest can be made of what was found.
        choice: what the user says about it.
        quiet: no progress bar.

    Raises:
        UsageError: an unknown layout, or options that do not go with it.
        CystgridError: the data set cannot be read.
    """
    _check_usage(layout, choice)
    key = None
    if choice.key is not None:
        key = read_key(choice.key) if choice.key.exists() else new_key()
    result, tables = _read(layout, src, choice, key, quiet)
    account = summary(result)
    shown = [*map(_cut, tables), account]
    report = {_report(output): "\n\n".join([*tables, account]) + "\n"}
    try:
        manifest = manifest_text(result, output)
    except CystgridError as error:  # then the account of why is all the more wanted
        return Imported("\n\n".join([*shown, *_report_alone(report, choice)]), error)
    try:
        files = {**_folds(result, output), **report, output: manifest}
        refuse_to_replace(files, choice.overwrite)
        if not choice.dry_run:
            shown.append(_write(files, choice.key, key))
    except CystgridError as error:
        return Imported("\n\n".join(shown), error)
    return Imported("\n\n".join(shown))


def _report(output: Path) -> Path:
    return output.with_name(f"{output.stem}-import.txt")


def _report_alone(report: dict[Path, str], choice: ImportChoice) -> list[str]:
    """Write the report of an import that makes no manifest, if that replaces nobody's."""
    try:
        refuse_to_replace(report, choice.overwrite)
    except CystgridError:
        return []
    return [] if choice.dry_run else [_write(report, None, None)]


def _check_usage(layout: str, choice: ImportChoice) -> None:
    """Refuse what cannot be meant before anything is read."""
    known = (*LAYOUTS, DICOM)
    if layout not in known:
        near = difflib.get_close_matches(layout.lower(), known, n=1, cutoff=0.0)
        raise UsageError(
            "LAYOUT",
            got=repr(layout),
            expected="a known layout",
            do=f"did you mean {near[0]!r}? Available: {', '.join(known)}",
        )
    if layout == DICOM:
        _refuse("--option", bool(choice.options), "write rules in a file: `cystgrid cohort rules`")
        return
    for name, given in (("--rules", choice.rules), ("--labels", choice.labels)):
        _refuse(name, given is not None, f"{layout} holds labels and pairs of its own")
    try:
        LAYOUTS[layout].options.parse(dict(choice.options), f"--option of {layout}")
    except SettingsError as error:
        raise UsageError(
            error.where, got=error.got, expected=error.expected, do=error.do
        ) from error


def _refuse(option: str, given: bool, why: str) -> None:
    if given:
        raise UsageError(option, got="it", expected="not with this layout", do=why)


def _read(
    layout: str, src: Path, choice: ImportChoice, key: bytes | None, quiet: bool
) -> tuple[ImportResult, list[str]]:
    """The import under pseudonyms if there is a key, and tables of series for a DICOM tree."""
    if layout != DICOM:
        result = import_layout(layout, src, choice.options)
        return (pseudonymise(result, key) if key else result), []
    rules = PairingRules()
    if choice.rules is not None:
        rules = PairingRules.read_toml(choice.rules, "pairing rules")
    labels = read_labels(choice.labels) if choice.labels else None
    with progress_bar("headers", len(tree_files(src)), quiet=quiet) as advance:
        found = import_dicom(src, rules, labels, advance=advance)
    pairing, result = found.pairing, found.result
    if key is not None:
        pairing = renamed_rows(pairing, partial(pseudonym, key=key))
        result = pseudonymise(result, key)
    tables = [
        f"Series taken\n{chosen_table(pairing)}",
        f"Series left out\n{left_out_table(pairing)}",
    ]
    return result, tables


def _folds(result: ImportResult, output: Path) -> dict[Path, str]:
    """The published folds as they are to be written."""
    folder = output.with_name(f"{output.stem}-splits")
    return {
        folder / f"{name.replace('/', '-')}.json": splits_text(splits)
        for name, splits in result.splits.items()
    }


def _write(files: Mapping[Path, str], key_file: Path | None, key: bytes | None) -> str:
    """Write all of it; what was written, a line each."""
    lines = []
    if key_file is not None and key is not None and not key_file.exists():
        write_key(key, key_file)
        lines.append(f"new key: {key_file} (keep it: it leads from ids to pseudonyms)")
    for path, text in files.items():
        write_text(path, text)
        lines.append(f"{KINDS.get(path.suffix, KINDS['.csv'])}: {path}")
    return "\n".join(lines)


def _cut(table: str) -> str:
    lines = table.splitlines()
    more = len(lines) - TABLE_LINES
    return "\n".join([*lines[:TABLE_LINES], *([f"... and {more} more"] if more > 0 else [])])
