"""What a verb does with a cohort: list its series, check it, prepare it."""

from __future__ import annotations

from pathlib import Path

from cystgrid.checksums import forget_sums, record_sums
from cystgrid.cohort.manifest import Manifest, read_manifest
from cystgrid.insertion.cohort import InsertionReport, insert_cohort
from cystgrid.locking import sole_writer
from cystgrid.outputs.preparation import draw_cohort_corrections
from cystgrid.outputs.quality.check_page import write_check_page
from cystgrid.outputs.quality.page import MARK as PAGE_MARK
from cystgrid.outputs.quality.prepared_page import Refusal, prepared_facts, write_prepared_page
from cystgrid.outputs.registration import draw_cohort_alignments
from cystgrid.preparation.check import CohortCheck, check_cohort
from cystgrid.preparation.cohort import PreparationReport, prepare_cohort
from cystgrid.preparation.flow import CohortFlow, write_flow
from cystgrid.preparation.store import INDEX, Store
from cystgrid.progress import progress_bar
from cystgrid.provenance import refuse_other_kind, refuse_others_file
from cystgrid.scans.survey import series_table, summary_line, survey, tree_files
from cystgrid.study import Study

QUALITY_PAGE = "quality.html"
"""In PREPARED."""


def run_series(tree: Path, *, quiet: bool = False) -> str:
    """Every series of a DICOM tree, with the UID to name it by."""
    with progress_bar("headers", len(tree_files(tree)), quiet=quiet) as advance:
        found = survey(tree, advance=advance)
    return f"{series_table(found)}\n{summary_line(found)}"


def run_check(
    cohort: Path, study: Study, output: Path | None, *, workers: int, quiet: bool = False
) -> CohortCheck:
    """Read every file of a cohort; write the quality page where ``output`` says."""
    if output is not None:  # before minutes of work
        refuse_others_file(output, PAGE_MARK, "choose another name")
    check = check_cohort(cohort, study.cohort, study.preparation, workers=workers, quiet=quiet)
    if output is not None:
        write_check_page(check, output)
    return check


def run_insert(
    cohort: Path,
    folder: Path,
    study: Study,
    *,
    copies: int,
    seed: int,
    workers: int = 0,
    quiet: bool = False,
) -> InsertionReport:
    """Draw lesions with known truth into the normal scans of a cohort."""
    manifest = read_manifest(cohort, study.cohort)
    return insert_cohort(
        manifest,
        folder,
        study.cohort,
        study.preparation,
        copies=copies,
        seed=seed,
        workers=workers,
        quiet=quiet,
    )


def run_prepare(
    cohort: Path,
    prepared: Path,
    study: Study,
    *,
    pictures: Path | None = None,
    workers: int = 0,
    quiet: bool = False,
) -> tuple[PreparationReport, Manifest]:
    """Prepare a cohort, and write PREPARED/cohort.json and PREPARED/quality.html.

    Returns:
        What was done, and the manifest: whose labels were left out or are another class.
    """
    manifest = read_manifest(cohort, study.cohort)
    refuse_other_kind(prepared, INDEX)
    with sole_writer(prepared):
        forget_sums(prepared)
        report = prepare_cohort(manifest, prepared, study.preparation, workers=workers, quiet=quiet)
        flow = write_flow(CohortFlow.of(manifest, report), prepared)
        if pictures is not None:
            draw_cohort_corrections(manifest, study.preparation, pictures, quiet=quiet)
            draw_cohort_alignments(manifest, study.preparation, pictures, quiet=quiet)
        record_sums(prepared, [flow, _write_page(prepared, manifest, report)])
    return report, manifest


def _write_page(prepared: Path, manifest: Manifest, report: PreparationReport) -> Path:
    line_of = {patient.patient: patient.line for patient in manifest.patients}
    store = Store.open(prepared)
    write_prepared_page(
        [prepared_facts(store.load(p), store.modalities, line_of[p]) for p in store.patients],
        [Refusal(patient, reason, line_of[patient]) for patient, reason in report.refused],
        prepared / QUALITY_PAGE,
    )
    return prepared / QUALITY_PAGE
