"""What a transformer's start is worth: the same fine-tuning from each, on few and more patients.

    python benchmarks/starts.py -o DIR --start none --start phantom [--start NAME=FILE ...]
                                [--real cohort.csv] [--sizes 30,60,120] [--grids 1800]

Two cohorts of drawn lesions. *phantom*: digital phantoms; whole centres are held out, so that the
scanners of the test fold are unseen. *real* (with ``--real``, a cohort of normal T2 scans): copies
with lesions inserted; whole subjects are held out, and the network sees T2 alone. Each fold trains
ViT-Tiny from every start on every number of patients, for the same number of grids, a fourth of
them selecting the epoch; the answers of all folds are judged together.

Writes DIR/starts.csv, DIR/starts.png (learning curves), predictions and all tables of each cohort,
and prints a Markdown table. Run again, it trains only what is not there.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.cohort.splits import InnerFold
from cystgrid.cohorts import run_insert, run_prepare
from cystgrid.evaluation.predictions import read_predictions
from cystgrid.grids.tiling import GridSettings
from cystgrid.models.named_weights import KEYWORDS
from cystgrid.models.settings import ModelSettings
from cystgrid.outputs.style import COLOURS, LINES, figure_style, write_figure
from cystgrid.preparation.entry import Entry
from cystgrid.preparation.store import Store
from cystgrid.processes import each, worker_count
from cystgrid.progress import progress_bar
from cystgrid.results import write_evaluation
from cystgrid.study import Study
from cystgrid.training.member import Task, train_member
from cystgrid.training.recipe import Recipe
from cystgrid.training.settings import TrainingSettings

FOLDS, SELECTING, LOOKS, SEED = 3, 4, 20, 70
"""Outer folds; one patient in so many selects the epoch; looks at them; of the cohorts."""

PATIENTS = 210
"""Phantoms: the smallest two thirds of whole centres still hold 120."""

MODEL, BATCH = "vit_tiny", 8
HEAD = "| cohort | patients | start | balanced accuracy (95 %) |\n|---|---|---|---|\n"
PREPARATION = """
[preparation]
modalities = [{modalities}]

[preparation.n4]
shrink_mm = 20.0
iterations = [10, 8, 4]
"""
BOTH, T2_ALONE = '"t1", "t2"', '"t2"'


@dataclass(frozen=True)
class Setting:
    """One training.

    Attributes:
        prepared: the cohort's patients.
        inputs: what the network sees.
        start: name, and weights as a study names them.
        size, fold: patients to learn from, and the outer fold they lie outside of.
        inner, test: who trains and selects; who is answered.
        grids: seen in training.
        path: of the answers.
    """

    prepared: Path
    inputs: str
    start: tuple[str, str]
    size: int
    fold: int
    inner: InnerFold
    test: tuple[str, ...]
    grids: int
    path: Path


def outer_folds(entries: Sequence[Entry], unit: Callable[[Entry], str]) -> list[list[Entry]]:
    """Whole units (centres, subjects), the largest first, each to the fold that has fewest."""
    units: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        units[unit(entry)].append(entry)
    folds: list[list[Entry]] = [[] for _ in range(FOLDS)]
    for name in sorted(units, key=lambda name: (-len(units[name]), name)):
        min(folds, key=len).extend(units[name])
    return folds


def chosen(pool: Sequence[Entry], size: int, unit: Callable[[Entry], str]) -> InnerFold:
    """``size`` patients, as many of each class and unit as can be; every fourth selects.

    Classes take turns, and within a class the units do.
    """
    turns: dict[tuple[str, str], int] = defaultdict(int)
    ranked = []
    for entry in sorted(pool, key=lambda entry: entry.patient):
        key = (str(entry.label), unit(entry))
        ranked.append((turns[key], unit(entry), str(entry.label), entry.patient))
        turns[key] += 1
    by_class: dict[str, list[str]] = defaultdict(list)
    for _, _, label, patient in sorted(ranked):
        by_class[label].append(patient)
    each_class = size // len(by_class)
    train, select = [], []
    for names in by_class.values():
        if len(names) < each_class:
            raise SystemExit(f"got {len(names)} of a class, expected {each_class}: fewer --sizes")
        for number, name in enumerate(names[:each_class]):
            (select if number % SELECTING == 0 else train).append(name)
    return InnerFold(tuple(sorted(train)), tuple(sorted(select)))


def recipe_of(setting: Setting) -> Recipe:
    """The default recipe for a ViT, for as many epochs as make ``grids``."""
    epochs = max(setting.grids // len(setting.inner.train), 2)
    return Recipe(
        grid=GridSettings(gamma=0.3),
        models=ModelSettings(
            names=(MODEL,), inputs=(setting.inputs,), weights=setting.start[1]
        ),
        training=TrainingSettings(
            epochs=epochs,
            warmup=max(epochs // 10, 1),
            batch=BATCH,
            evaluate_every=max(epochs // LOOKS, 1),
        ),
    )  # fmt: skip


def answer(setting: Setting) -> float:
    """Train, answer the held-out patients, write the rows; returns the seconds."""
    began = time.perf_counter()
    store, recipe = Store.open(setting.prepared), recipe_of(setting)
    task = Task(setting.inner, recipe, MODEL, setting.inputs, setting.fold)
    member = train_member(store, task).member
    found = member.probabilities([store.load(name) for name in setting.test])
    rows = pd.DataFrame(found, columns=[f"p_{name}" for name in recipe.classes])
    rows.insert(0, "predicted", [recipe.classes[code] for code in found.argmax(axis=1)])
    rows.insert(0, "label", [store.entries[name].label for name in setting.test])
    rows.insert(0, "center", [store.entries[name].center for name in setting.test])
    rows.insert(0, "patient", list(setting.test))
    rows.insert(0, "outer_fold", setting.fold)
    rows.insert(0, "inputs", setting.inputs)
    rows.insert(0, "model", f"{setting.start[0]}, {setting.size} patients")
    setting.path.parent.mkdir(parents=True, exist_ok=True)
    half = setting.path.with_suffix(".part")
    rows.to_csv(half, index=False)
    half.replace(setting.path)
    return time.perf_counter() - began


def settings_of(
    cohort: str, prepared: Path, starts: Sequence[tuple[str, str]], asked: argparse.Namespace
) -> list[Setting]:
    """Every training of one cohort."""
    entries = list(Store.open(prepared).entries.values())

    def unit(entry: Entry) -> str:
        return entry.center if cohort == "phantom" else entry.group

    folds, made = outer_folds(entries, unit), []
    for fold, test in enumerate(folds):
        pool = [entry for other in folds if other is not test for entry in other]
        for size in asked.sizes:
            inner = chosen(pool, size, unit)
            for start in starts:
                path = asked.output / cohort / "answers" / f"{start[0]}-{size}-{fold}.csv"
                made.append(
                    Setting(
                        prepared, "early" if cohort == "phantom" else "t2", start, size, fold,
                        inner, tuple(entry.patient for entry in test), asked.grids, path,
                    )
                )  # fmt: skip
    return made


def prepared_cohorts(asked: argparse.Namespace, workers: int) -> dict[str, Path]:
    """Phantoms and, where real scans are given, their copies with lesions; made once."""
    folder = asked.output
    table = write_phantom_cohort(
        folder / "phantoms", patients=PATIENTS, seed=SEED, reduction=1.5, workers=workers
    )
    run_prepare(table, folder / "phantom-prepared", study_of(folder, BOTH), workers=workers)
    found = {"phantom": folder / "phantom-prepared"}
    if asked.real:
        study = study_of(folder, T2_ALONE)
        run_insert(
            asked.real, folder / "inserted", study, copies=asked.copies, seed=SEED, workers=workers
        )
        table = folder / "inserted" / "cohort.csv"
        run_prepare(table, folder / "real-prepared", study, workers=workers)
        found["real"] = folder / "real-prepared"
    return found


def study_of(folder: Path, modalities: str) -> Study:
    """How a cohort is prepared."""
    path = folder / "study.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PREPARATION.format(modalities=modalities), "utf-8")
    return Study.read(path)


def judged(cohort: str, settings: Sequence[Setting], folder: Path) -> pd.DataFrame:
    """All tables of one cohort's answers; returns ``cohort, start, patients`` and the accuracy."""
    answers = pd.concat([pd.read_csv(setting.path, dtype={"patient": str}) for setting in settings])
    path = folder / "predictions.csv"
    answers.to_csv(path, index=False)
    write_evaluation(read_predictions(path), folder / "tables", folder / "figures", quiet=True)
    table = pd.read_csv(folder / "tables" / "table1.csv").set_index("method")
    rows = []
    for start, size in dict.fromkeys((setting.start[0], setting.size) for setting in settings):
        method = f"{start}, {size} patients"
        found = table.loc[next(name for name in table.index if name.startswith(method))]
        score = "pooled_balanced_accuracy"
        rows.append((cohort, start, size, found[score], found[f"{score}_low"],
                     found[f"{score}_high"]))  # fmt: skip
    columns = ["cohort", "start", "patients", "balanced_accuracy", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def draw(found: pd.DataFrame, path: Path) -> None:
    """A panel a cohort, a line a start, bars its 95 % intervals."""
    cohorts, starts = list(dict.fromkeys(found["cohort"])), list(dict.fromkeys(found["start"]))
    with figure_style():
        figure = Figure(figsize=(3.9 * len(cohorts), 3.6), layout="constrained")
        panels = figure.subplots(1, len(cohorts), sharey=True, squeeze=False)[0]
        for panel, cohort in zip(panels, cohorts, strict=True):
            for number, start in enumerate(starts):
                rows = found.query("cohort == @cohort and start == @start")
                value = rows["balanced_accuracy"]
                panel.errorbar(
                    rows["patients"] * 1.02 ** (number - len(starts) / 2), value,
                    yerr=[value - rows["low"], rows["high"] - value], label=start, capsize=2,
                    color=COLOURS[number % len(COLOURS)], linestyle=LINES[number % len(LINES)],
                    marker="o", markersize=3,
                )  # fmt: skip
            panel.axhline(1 / 3, color="grey", linewidth=0.8, linestyle=":")
            sizes = sorted(set(found["patients"]))
            panel.set_xscale("log")
            panel.set_xticks(sizes, [str(size) for size in sizes])
            panel.minorticks_off()
            panel.set(title=cohort, xlabel="patients to learn from")
        panels[0].set_ylabel("balanced accuracy")
        panels[0].legend()
        write_figure(figure, path, "Drawn lesions, no disease; dotted: chance.")


def start_of(text: str) -> tuple[str, str]:
    """``none``, ``phantom``, ``hub``, or ``NAME=FILE``."""
    name, _, file = text.partition("=")
    if name in KEYWORDS and not file:
        return name, name
    if not file or not Path(file).is_file():
        raise argparse.ArgumentTypeError(f"got {text}, expected {', '.join(KEYWORDS)} or NAME=FILE")
    return name, str(Path(file).absolute())


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--start", type=start_of, action="append", required=True)
    parser.add_argument("--real", type=Path, help="cohort.csv of normal T2 scans")
    parser.add_argument("--copies", type=int, default=30, help="of each real subject")
    parser.add_argument("--sizes", type=lambda text: [int(n) for n in text.split(",")],
                        default=[30, 60, 120])  # fmt: skip
    parser.add_argument("--grids", type=int, default=1800, help="of each training")
    parser.add_argument("--workers", type=int)
    return parser.parse_args()


def main() -> None:
    """Run it all."""
    asked = arguments()
    workers = worker_count(asked.workers)
    cohorts = prepared_cohorts(asked, workers)
    settings = {
        name: settings_of(name, prepared, asked.start, asked) for name, prepared in cohorts.items()
    }
    left = [each for made in settings.values() for each in made if not each.path.is_file()]
    with progress_bar("trainings", len(left)) as advance:
        for _ in each(answer, left, workers):
            advance(1)
    found = pd.concat([judged(name, made, asked.output / name) for name, made in settings.items()])
    found.to_csv(asked.output / "starts.csv", index=False)
    draw(found, asked.output / "starts.png")
    sys.stdout.write(HEAD)
    for row in found.itertuples():
        sys.stdout.write(
            f"| {row.cohort} | {row.patients} | {row.start} | {row.balanced_accuracy:.3f} "
            f"({row.low:.3f} to {row.high:.3f}) |\n"
        )


if __name__ == "__main__":
    main()
