"""The paper's Figures 2 and 3 for any run: each patient explained by networks that never saw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from cystgrid.checksums import put_on_record
from cystgrid.errors import UsageError
from cystgrid.explaining import check_options
from cystgrid.explanations.checks.lesions import lesion_slices
from cystgrid.explanations.options import Options
from cystgrid.explanations.patient_map import PatientMap, patient_map
from cystgrid.explanations.placing import Window
from cystgrid.explanations.relevance import ROLLOUT
from cystgrid.grids.forms import Form
from cystgrid.models.registry import CHANNELS, VIT, entry_of
from cystgrid.outputs.relevance import draw_relevance
from cystgrid.outputs.relevance_figures import Case, Graded, comparison_rows, correct_rows
from cystgrid.preparation.store import Store
from cystgrid.progress import Advance, progress_bar
from cystgrid.provenance import NOTICE, write_text
from cystgrid.run_answers import run_answers
from cystgrid.service import checked_method
from cystgrid.training.decision import Pair
from cystgrid.training.job import PROBABILITY
from cystgrid.training.network_member import NetworkMember
from cystgrid.training.out_of_fold import HeldOut, RunRecord, held_out, read_run

FIGURES = (2, 3)
FIRST_CNNS = ("alexnet", "densenet121")
"""Beside the transformer in the paper's Fig. 2; where a run has not both, its next CNNs."""

BESIDE = 2
"""Networks beside the transformer in Fig. 2."""

Verdict = Literal["correct", "wrong"]


def run_figure(
    run_folder: Path,
    prepared: Path,
    output: Path,
    figure: int,
    *,
    models: Sequence[str] = (),
    method: str = "",
    options: Options | None = None,
    quiet: bool = False,
) -> str:
    """Draw Fig. 2 or Fig. 3 of a run: OUT/figure<n>.png, and its cases as figure<n>.csv.

    Args:
        run_folder: RUN.
        prepared: PREPARED, as the run was trained on.
        output: OUT.
        figure: 2, several models side by side on a correct and a wrong case; 3, one model's
            surest correct case of each class.
        models: names in the run, ``vit`` or ``vit-late``; the last one chooses Fig. 2's cases.
            None for the transformer, in Fig. 2 with two CNNs before it.
        method: of every map; empty for rollout on transformers and Grad-CAM on CNNs.
        options: of rollout.
        quiet: no progress bar.

    Returns:
        What was drawn, as text for a terminal.

    Raises:
        UsageError: no such figure, model or method, or no case to show.
        StoreError: no run of these data, or a training that is missing or altered.
    """
    if figure not in FIGURES:
        raise UsageError(
            "--figure", got=figure, expected="2 or 3", do="choose one of the paper's two"
        )
    store = Store.open(prepared)
    run = read_run(run_folder, store)
    pairs = chosen_networks(run, models, figure)
    rows = run_answers(run, pairs)
    made = Explainer(run, method, options or Options())
    cases = _surest(run, rows) if figure == 3 else _compared(made, rows, pairs)
    drawn: list[Case] = []
    with progress_bar("explaining", sum(len(each.rows) for each in cases), quiet=quiet) as advance:
        for each in cases:
            graded = tuple(made.graded(row, advance) for row in each.rows)
            drawn.append(Case(store.load(each.patient), each.label, graded))
    made.check_options_used()
    arrange = correct_rows if figure == 3 else comparison_rows
    path = output / f"figure{figure}.png"
    footnote = _chosen_how(figure, pairs, cases, run)
    table = _table(drawn)
    with put_on_record(run_folder, [path, path.with_suffix(".csv")]) as told:
        draw_relevance(arrange(drawn, store.modalities), path, footnote)
        write_text(path.with_suffix(".csv"), table.to_csv(index=False))
    lines = [f"{row.patient}, {row.model}: {row.shares}" for row in table.itertuples()]
    return "\n".join([*lines, footnote, *told, NOTICE, str(path)])


@dataclass(frozen=True)
class _Chosen:
    """A patient to show: the rows of predictions.csv of each model that is shown."""

    patient: str
    label: str
    verdict: Verdict
    rows: tuple[pd.Series, ...]


class Explainer:
    """Networks of a run's outer folds, taken up once each, and the maps that they make.

    Args:
        run: from ``read_run``.
        method: of every map; empty for each network's own default.
        options: of rollout.
    """

    def __init__(self, run: RunRecord, method: str, options: Options) -> None:
        self.run, self.method, self.options = run, method, options
        self.methods: set[str] = set()
        self._folds: dict[tuple[Pair, int], HeldOut] = {}
        self._forms: dict[Pair, Form] = {}

    def graded(self, row: pd.Series, advance: Advance) -> Graded:
        """One model's answer for a patient, with its map for the class it answered."""
        pair = (str(row["model"]), str(row["inputs"]))
        members = self._members(pair, int(row["outer_fold"]))
        method = checked_method(members[0], self.method, pair[0])
        self.methods.add(method)
        classes = self.run.recipes[pair].classes
        target = classes.index(str(row["predicted"]))
        options = self.options if method == ROLLOUT else Options()
        prepared = self.run.store.load(str(row["patient"]))
        made: PatientMap = patient_map(
            members, prepared, method, target, CHANNELS[pair[1]], options
        )
        advance(1)
        return Graded(
            "-".join(pair), classes[target], float(row[PROBABILITY.format(classes[target])]), made
        )

    def _members(self, pair: Pair, outer: int) -> tuple[NetworkMember, ...]:
        if (pair, outer) not in self._folds:
            self._folds[pair, outer] = held_out(self.run, *pair, outer)
        return self._folds[pair, outer].members

    def shows_lesion(self, row: pd.Series) -> bool:
        """Whether a known lesion lies in the slices that a network sees of a patient."""
        prepared = self.run.store.load(str(row["patient"]))
        if prepared.lesion is None:
            return False
        pair = (str(row["model"]), str(row["inputs"]))
        if pair not in self._forms:  # the same in every fold: one is taken up, not all
            self._forms[pair] = self._members(pair, int(row["outer_fold"]))[0].network.form
        cells, depth = self.run.recipes[pair].grid.cells, prepared.crop.shape[1]
        return lesion_slices(prepared, Window.shown(self._forms[pair], cells, depth)) is not None

    def check_options_used(self) -> None:
        """Refuse options of rollout where no map was made by it."""
        if ROLLOUT not in self.methods:
            check_options(self.options, ", ".join(sorted(self.methods)))


def is_transformer(model: str) -> bool:
    """Whether a model of the registry is one of the paper's transformers."""
    return entry_of(model).build == entry_of(VIT).build


def chosen_networks(run: RunRecord, models: Sequence[str], figure: int) -> list[Pair]:
    """Which networks are shown, in the figure's order.

    Raises:
        UsageError: a run without a network, no such network, or several for Fig. 3.
    """
    if models:
        pairs = list(dict.fromkeys(_named(run, name) for name in models))
        if figure == 3 and len(pairs) > 1:
            raise UsageError(
                "--models", got=f"{len(pairs)} networks for figure 3", expected="one",
                do="give one, or compare them in --figure 2",
            )  # fmt: skip
        return pairs
    if not run.recipes:
        raise UsageError(
            "RUN", got="a run without a network", expected="a transformer or a CNN",
            do="cross-validate a network: other models have no map of an image",
        )  # fmt: skip
    names = list(dict.fromkeys(model for model, _ in run.recipes))
    transformers = [name for name in names if is_transformer(name)]
    others = [name for name in names if name not in transformers]
    others.sort(key=lambda name: name not in FIRST_CNNS)
    last = (transformers or others)[0]
    if figure == 3:
        return [_named(run, last)]
    return [_named(run, name) for name in [*[n for n in others if n != last][:BESIDE], last]]


def _named(run: RunRecord, name: str) -> Pair:
    """A network by ``model-inputs`` or ``model``: then its early fusion, else its first inputs."""
    found = run.named(name)
    return next((pair for pair in found if pair[1] == "early"), found[0])


def _surest(run: RunRecord, rows: pd.DataFrame) -> list[_Chosen]:
    """Of each class, the correct case with the highest probability.

    Raises:
        UsageError: no prediction is correct.
    """
    (pair,) = dict.fromkeys(zip(rows["model"], rows["inputs"], strict=True))
    correct = rows[rows["label"] == rows["predicted"]]
    found = []
    for name in run.recipes[pair].classes:
        of_class = correct[correct["label"] == name]
        if len(of_class):
            row = of_class.iloc[int(of_class[PROBABILITY.format(name)].to_numpy(float).argmax())]
            found.append(_Chosen(str(row["patient"]), name, "correct", (row,)))
    if not found:
        raise _no_case("correct", pair)
    return found


def _compared(made: Explainer, rows: pd.DataFrame, pairs: Sequence[Pair]) -> list[_Chosen]:
    """The first case that the last model gets right, and the first that it gets wrong.

    Raises:
        UsageError: no patient was graded by all models.
    """
    by_patient = {
        str(patient): {(r["model"], r["inputs"]): r for _, r in group.iterrows()}
        for patient, group in rows.groupby("patient", sort=True)
    }
    whole = {patient: each for patient, each in by_patient.items() if len(each) == len(pairs)}
    found = []
    for verdict in ("correct", "wrong"):
        fitting = [
            patient
            for patient, each in whole.items()
            if (each[pairs[-1]]["label"] == each[pairs[-1]]["predicted"]) == (verdict == "correct")
        ]
        if fitting:
            known = (p for p in fitting if made.shows_lesion(whole[p][pairs[-1]]))
            patient = next(known, fitting[0])
            label = str(whole[patient][pairs[-1]]["label"])
            shown = tuple(whole[patient][pair] for pair in pairs)
            found.append(_Chosen(patient, label, verdict, shown))
    if not found:
        raise _no_case("whole", pairs[-1])
    return found


def _no_case(kind: str, pair: Pair) -> UsageError:
    return UsageError(
        "--figure", got=f"no {kind} case of {'-'.join(pair)}", expected="one at least",
        do="choose other --models",
    )  # fmt: skip


def _chosen_how(
    figure: int, pairs: Sequence[Pair], cases: Sequence[_Chosen], run: RunRecord
) -> str:
    """How the cases were chosen, and what is missing: for below the figure."""
    name = "-".join(pairs[-1])
    if figure == 3:
        missing = [c for c in run.recipes[pairs[-1]].classes if c not in {e.label for e in cases}]
        text = f"Of each class the correct case of {name} with the highest probability."
        return f"{text} No correct case of {' and '.join(missing)}." if missing else text
    text = (f"The first patient by id that {name} gets right, and the first that it gets wrong, "
            "with a known lesion in view where there is one.")  # fmt: skip
    missing = [v for v in ("correct", "wrong") if v not in {each.verdict for each in cases}]
    return f"{text} No {missing[0]} case." if missing else text


def _table(cases: Sequence[Case]) -> pd.DataFrame:
    """The figure in numbers, a row a map."""
    return pd.DataFrame(
        {
            "patient": case.prepared.patient,
            "label": case.label,
            "model": graded.model,
            "predicted": graded.predicted,
            "probability": graded.probability,
            "method": graded.made.method.name,
            "shares": graded.made.shares.sentence(),
            "notice": NOTICE,
        }
        for case in cases
        for graded in case.graded
    )
