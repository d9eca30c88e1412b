"""What `report` does: a run's files, and its patients' scans where they are at hand, as a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cystgrid.checksums import put_on_record
from cystgrid.errors import UsageError
from cystgrid.evaluation.predictions import Method
from cystgrid.explaining_runs import Explainer, chosen_networks
from cystgrid.explanations.options import Options
from cystgrid.explanations.patient_map import PatientMap
from cystgrid.outputs.report.assemble import PreparedFacts, report_of
from cystgrid.outputs.report.cases import featured, shown_method
from cystgrid.outputs.report.changes import TwoRuns, changes_report
from cystgrid.outputs.report.failures import first_repeat
from cystgrid.outputs.report.page import MARK, write_report
from cystgrid.outputs.report.run_files import RunFiles, read_run_files
from cystgrid.outputs.report.scans import scan_facts
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.store import INDEX, Store
from cystgrid.progress import progress_bar
from cystgrid.provenance import refuse_others_file
from cystgrid.training.out_of_fold import RunRecord, read_run

REPORT, COMPARISON = "report.html", "comparison.html"
"""In RUN; in RUN2 of two."""

BESIDE = "prepared"
"""Name of the folder beside RUN that is looked at where none is given."""

CASES = 2
"""Right and wrong cases of every class that carry a map."""


def run_report(
    run: Path,
    prepared: Path | None = None,
    output: Path | None = None,
    *,
    model: str = "",
    cases: int = CASES,
    quiet: bool = False,
) -> list[str]:
    """Write the report of a run.

    Args:
        run: RUN.
        prepared: PREPARED, as the run was trained on; None for the folder ``prepared`` beside the
            run, if it is that one.
        output: the page; None for RUN/report.html.
        model: whose cases are shown, as ``model`` or ``model-inputs``; empty for the network that
            the figures of explanations show.
        cases: right and wrong ones of every class that carry a map; 0 makes no maps.
        quiet: no progress bar.

    Returns:
        What has to be said of it, the page's path last.

    Raises:
        StoreError: no finished run there, or other prepared data.
        UsageError: no such model.
    """
    path = output or run / REPORT
    refuse_others_file(path, MARK, "choose another name")
    files = read_run_files(run)
    store, notes = _store(files, prepared)
    record = None if store is None else read_run(run, store)
    method = _method(files, record, model)
    facts = PreparedFacts()
    if store is not None and record is not None:
        maps = _maps(files, record, method, cases, quiet)
        known = [patient for patient in store.patients if patient in files.labels.index]
        scans = tuple(scan_facts(store.load(patient), store.modalities) for patient in known)
        facts = PreparedFacts(store, scans, _each(store, known), maps)
    report = report_of(files, method, facts)
    with put_on_record(run, [path]) as told:
        write_report(report, path)
    return [*notes, *told, str(path)]


def run_comparison(first: Path, second: Path, output: Path | None = None) -> list[str]:
    """Write the page that compares two runs.

    Args:
        first: RUN1.
        second: RUN2.
        output: the page; None for RUN2/comparison.html.

    Returns:
        What has to be said of it, the page's path last.

    Raises:
        StoreError: no finished runs, or two that cannot be compared.
    """
    path = output or second / COMPARISON
    refuse_others_file(path, MARK, "choose another name")
    runs = TwoRuns.of(read_run_files(first), read_run_files(second))
    report = changes_report(runs)
    with put_on_record(second, [path]) as told:
        write_report(report, path)
    return [*told, str(path)]


def _each(store: Store, patients: list[str]) -> Iterator[PreparedPatient]:
    return (store.load(patient) for patient in patients)


def _store(files: RunFiles, prepared: Path | None) -> tuple[Store | None, list[str]]:
    """The prepared patients, given or beside the run, and what is to be said where they are not."""
    if prepared is not None:
        return Store.open(prepared), []
    beside = files.folder.absolute().parent / BESIDE
    if (beside / INDEX).is_file():
        store = Store.open(beside)
        if store.digest == files.card["prepared"]:
            return store, [f"note: scans are those of {beside}"]
    return None, ["note: without --prepared PREPARED the report shows neither scans nor cases"]


def _method(files: RunFiles, record: RunRecord | None, model: str) -> Method:
    """Whose cases are shown.

    Raises:
        UsageError: the run has no predictions of such a model.
    """
    if model:
        names = {name: method for method in reversed(files.methods)
                 for name in (method.model, f"{method.model}-{method.inputs}")}  # fmt: skip
        if model not in names:
            raise UsageError(
                "--model", got=repr(model), expected=f"one of {', '.join(sorted(names))}",
                do="choose one of them",
            )  # fmt: skip
        return names[model]
    if record is not None and record.recipes:
        (pair,) = chosen_networks(record, (), 3)
        return shown_method(files, "-".join(pair))
    return shown_method(files)


def _maps(
    files: RunFiles, record: RunRecord, method: Method, cases: int, quiet: bool
) -> dict[str, PatientMap]:
    """Maps of the cases worth one; none where the method is no network of the run."""
    if (method.model, method.inputs) not in record.recipes or not cases:
        return {}
    rows = {str(row["patient"]): row for _, row in first_repeat(method).iterrows()}
    folds: dict[int, list[str]] = {}
    for patient in featured(files, method, cases):
        folds.setdefault(int(rows[patient]["outer_fold"]), []).append(patient)
    found = {}
    with progress_bar("explaining", sum(map(len, folds.values())), quiet=quiet) as advance:
        for _, patients in sorted(folds.items()):
            explainer = Explainer(record, "", Options())  # one fold's networks in memory, not all
            for patient in patients:
                found[patient] = explainer.graded(rows[patient], advance).made
    return found
