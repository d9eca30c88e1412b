"""What a verb does with a cohort: import it, check it, prepare it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cystgrid.cohort.dicom_tree import chosen_table, import_dicom, left_out_table
from cystgrid.cohort.importing import ImportResult, summary, write_manifest
from cystgrid.cohort.layouts import LAYOUTS, import_layout
from cystgrid.cohort.manifest import read_manifest
from cystgrid.cohort.pairing import renamed_rows
from cystgrid.cohort.pairing_rules import PairingRules
from cystgrid.cohort.pseudonyms import make_key, pseudonym, pseudonymise, read_key
from cystgrid.cohort.splits import write_splits
from cystgrid.cohort.study_labels import read_labels
from cystgrid.errors import CystgridError, SettingsError
from cystgrid.outputs.preparation import draw_cohort_corrections
from cystgrid.outputs.quality.check_page import write_check_page
from cystgrid.outputs.quality.prepared_page import Refusal, prepared_facts, write_prepared_page
from cystgrid.outputs.registration import draw_cohort_alignments
from cystgrid.preparation.check import CohortCheck, check_cohort
from cystgrid.preparation.cohort import PreparationReport, prepare_cohort
from cystgrid.preparation.store import Store
from cystgrid.progress import progress_bar
from cystgrid.provenance import write_text
from cystgrid.scans.survey import series_table, summary_line, survey, tree_files
from cystgrid.study import Study

DICOM = "dicom"
"""The layout that is no data set's: any tree of studies, paired by rules."""

TABLE_LINES = 40
"""Of each table on a terminal; the report beside the manifest holds all."""

QUALITY_PAGE = "quality.html"
"""In PREPARED."""


@dataclass(frozen=True)
class ImportChoice:
    """What a user may say about an import.

    Attributes:
        options: of the layout, by name.
        rules: pairing rules (TOML), for ``dicom``.
        labels: table of labels (CSV), for ``dicom``.
        key: key file of pseudonyms, made if it is not there.
        overwrite: whether another manifest may be replaced.
        dry_run: show everything and write nothing.
    """

    options: Mapping[str, str] = field(default_factory=dict)
    rules: Path | None = None
    labels: Path | None = None
    key: Path | None = None
    overwrite: bool = False
    dry_run: bool = False


def run_import(
    layout: str, src: Path, output: Path, choice: ImportChoice, *, quiet: bool = False
) -> str:
    """Import a data set; write the manifest, published folds and a report beside it.

    Args:
        layout: a key of ``LAYOUTS``, or ``dicom``.
        src: the data set.
        output: the manifest; ``STEM-import.txt`` and ``STEM-splits/`` are written beside it.
        choice: what the user says about it.
        quiet: no progress bar.

    Returns:
        What was found, chosen and left out and why, for a terminal.
    """
    new_key = choice.key is not None and not choice.key.exists()
    key = _key(choice)
    try:
        result, tables = _imported(layout, src, choice, key, quiet)
        account = summary(result)
        written = [] if choice.dry_run else _write(result, output, choice, tables, account)
    except CystgridError:
        if new_key and choice.key is not None:
            choice.key.unlink(missing_ok=True)  # a key of nothing
        raise
    shown = [_cut(table) for table in tables]
    return "\n\n".join([*shown, "\n".join([account, *written])])


def _key(choice: ImportChoice) -> bytes | None:
    if choice.key is None:
        return None
    if choice.key.exists() or choice.dry_run:
        return read_key(choice.key)
    return make_key(choice.key)


def _imported(
    layout: str, src: Path, choice: ImportChoice, key: bytes | None, quiet: bool
) -> tuple[ImportResult, list[str]]:
    """The import under pseudonyms if there is a key, and tables of series for a DICOM tree."""
    if layout != DICOM:
        _check_layout(layout, choice)
        result = import_layout(layout, src, choice.options)
        return (pseudonymise(result, key) if key else result), []
    if choice.options:
        raise SettingsError(
            "--option", got=next(iter(choice.options)), expected="no option for dicom",
            do="write rules in a file: `cystgrid cohort rules`",
        )  # fmt: skip
    rules = (
        PairingRules.read_toml(choice.rules, "pairing rules") if choice.rules else PairingRules()
    )
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


def _check_layout(layout: str, choice: ImportChoice) -> None:
    for name, given in (("--rules", choice.rules), ("--labels", choice.labels)):
        if given is not None and layout in LAYOUTS:
            raise SettingsError(
                name, got=f"a file for the layout {layout}", expected="the layout dicom",
                do="leave it out: this layout holds labels and pairs of its own",
            )  # fmt: skip


def _write(
    result: ImportResult, output: Path, choice: ImportChoice, tables: list[str], account: str
) -> list[str]:
    """Manifest, folds and report; what was written, a line each."""
    write_manifest(result, output, choice.overwrite)
    written = [f"manifest: {output}"]
    for name, splits in result.splits.items():
        path = output.with_name(f"{output.stem}-splits") / f"{name.replace('/', '-')}.json"
        write_splits(splits, path)
        written.append(f"folds for `crossval --splits`: {path}")
    report = output.with_name(f"{output.stem}-import.txt")
    write_text(report, "\n\n".join([*tables, account]) + "\n")
    return [*written, f"report: {report}"]


def _cut(table: str) -> str:
    lines = table.splitlines()
    more = len(lines) - TABLE_LINES
    return "\n".join([*lines[:TABLE_LINES], *([f"... and {more} more"] if more > 0 else [])])


def run_series(tree: Path, *, quiet: bool = False) -> str:
    """Every series of a DICOM tree, with the UID to name it by."""
    with progress_bar("headers", len(tree_files(tree)), quiet=quiet) as advance:
        found = survey(tree, advance=advance)
    return f"{series_table(found)}\n{summary_line(found)}"


def run_check(
    cohort: Path, study: Study, output: Path | None, *, workers: int, quiet: bool = False
) -> CohortCheck:
    """Read every file of a cohort; write the quality page where ``output`` says."""
    check = check_cohort(cohort, study.cohort, study.preparation, workers=workers, quiet=quiet)
    if output is not None:
        write_check_page(check, output)
    return check


def run_prepare(
    cohort: Path,
    prepared: Path,
    study: Study,
    *,
    pictures: Path | None = None,
    workers: int = 0,
    quiet: bool = False,
) -> tuple[PreparationReport, dict[str, int]]:
    """Prepare a cohort, and write PREPARED/quality.html.

    Returns:
        What was done, and how many patients were left out, by label.
    """
    manifest = read_manifest(cohort, study.cohort)
    report = prepare_cohort(manifest, prepared, study.preparation, workers=workers, quiet=quiet)
    if pictures is not None:
        draw_cohort_corrections(manifest, study.preparation, pictures, quiet=quiet)
        draw_cohort_alignments(manifest, study.preparation, pictures, quiet=quiet)
    line_of = {patient.patient: patient.line for patient in manifest.patients}
    store = Store.open(prepared)
    write_prepared_page(
        [prepared_facts(store.load(p), store.modalities, line_of[p]) for p in store.patients],
        [Refusal(patient, reason, line_of[patient]) for patient, reason in report.refused],
        prepared / QUALITY_PAGE,
    )
    return report, manifest.excluded
