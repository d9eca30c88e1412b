"""What came out: the run's own tables and figures, each number from the file that is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cystgrid.outputs.report.model import Block, Figure, Listing, Prose, Section, Table
from cystgrid.outputs.report.pictures import figure
from cystgrid.outputs.report.printed import printed_table


@dataclass(frozen=True)
class Drawn:
    """A figure of RUN/figures.

    Attributes:
        name: of the file, without suffix.
        title: above it.
        alt: what it shows, in words.
        of_scans: it shows scans.
    """

    name: str
    title: str
    alt: str
    of_scans: bool = False


@dataclass(frozen=True)
class Part:
    """One section made of tables and figures.

    Attributes:
        key, title: of the section.
        tables: names in RUN/tables, and titles.
        figures: of RUN/figures.
        folded: names of tables that are closed at first.
        without: what is said where the first table is not there.
    """

    key: str
    title: str
    tables: tuple[tuple[str, str], ...]
    figures: tuple[Drawn, ...] = ()
    folded: frozenset[str] = field(default_factory=frozenset)
    without: str = "Run cystgrid tables RUN, then this report again."


PARTS = (
    Part(
        "performance",
        "Performance out of fold",
        (
            ("table1", "Table I: all methods"),
            ("table2", "Table II: kinds of input"),
            ("all_metrics", "All metrics"),
            ("optimism", "What choosing on the test fold would have flattered"),
        ),
        (
            Drawn("forest", "Pooled scores with intervals",
                  "A dot a method with its 95 % interval, for accuracy, balanced accuracy and AUC. "
                  "The figures stand in Table I."),
            Drawn("folds", "Scores in every outer fold",
                  "A dot for each method's score in each outer fold. Means and deviations stand in "
                  "Table I."),
            Drawn("confusion", "Confusion matrices",
                  "For each method a square: rows are true classes, columns are answers, each "
                  "field with its number of patients. Recall and precision stand in Table III."),
        ),
        frozenset({"all_metrics"}),
    ),
    Part(
        "classes",
        "Performance class by class",
        (("table3", "Table III: each class against the others"),),
        (
            Drawn("roc", "ROC curves, class by class",
                  "For each method the sensitivity over 1 - specificity, a line a class. Areas "
                  "stand in Table III."),
            Drawn("precision-recall", "Precision-recall curves, class by class",
                  "For each method the precision over recall, a line a class. Average precisions "
                  "stand in Table III."),
        ),
    ),
    Part(
        "comparisons",
        "Methods against each other",
        (("table4", "Table IV: every pair of methods"),),
        without="One method has nobody to be compared with, or the run has no tables yet.",
    ),
    Part(
        "calibration",
        "Calibration, prediction sets and decisions",
        (
            ("calibration", "Calibration before and after temperature scaling"),
            ("conformal_coverage", "Prediction sets: how often they hold the truth"),
        ),
        (
            Drawn("reliability", "Reliability",
                  "For each method the share of patients of a class over its predicted "
                  "probability, before and after temperature scaling; the diagonal is perfect."),
            Drawn("decisions", "Decision curves, one class",
                  "For each method the net benefit over the threshold probability, beside treating "
                  "everybody and nobody. Every point stands in tables/decision_curves.csv."),
            Drawn("decisions-at-least", "Decision curves, a class or a higher one",
                  "The same for the answer that a patient has a class or a higher one."),
        ),
        frozenset({"conformal_coverage"}),
        "There are no validation predictions in the run: nothing can be said of calibration.",
    ),
    Part(
        "subgroups",
        "Subgroups",
        (("table5", "Table V: centre, sex, age, modalities"),),
        without="Neither centre, sex, age nor modalities are known, or the run has no tables yet.",
    ),
)  # fmt: skip

EXPLANATIONS = Part(
    "explanations",
    "What answers rest on",
    (("table6", "Table VI: can these maps be trusted?"),),
    (
        Drawn("figure3", "Surest correct cases",
              "A row a class: the scans of its surest correct case, and the map of one model "
              "laid on them. The words for each map stand in figures/figure3.csv.", of_scans=True),
        Drawn("figure2", "Models side by side",
              "A right and a wrong case: scans, then the map of every model. The words for each "
              "map stand in figures/figure2.csv.", of_scans=True),
    ),
    without="These maps were not checked: cystgrid explain RUN PREPARED --check writes Table VI.",
)  # fmt: skip

NO_MAPS = (
    "No figure of explanations is in the run: cystgrid explain RUN PREPARED --figure 3 draws one "
    "for a run with a network."
)


def result_sections(run: Path) -> list[Section]:
    """Performance, classes, comparisons, calibration and subgroups."""
    return [_section(run, part) for part in PARTS]


def explanation_section(run: Path, cases_explained: int) -> Section:
    """Maps of the run, and whether they were checked.

    Args:
        run: RUN.
        cases_explained: maps in the gallery.
    """
    made = _section(run, EXPLANATIONS)
    figures = [block for block in made.blocks if isinstance(block, Figure)]
    blocks = list(made.blocks)
    if not figures:
        blocks.append(Prose(NO_MAPS, "warning"))
    if cases_explained:
        blocks.append(Prose(f"{cases_explained} cases of the gallery below carry a map."))
    return Section(made.key, made.title, tuple(blocks), bool(figures or cases_explained))


def _section(run: Path, part: Part) -> Section:
    tables = _tables(run, part)
    blocks: list[Block] = list(tables)
    if not tables or tables[0].name != part.tables[0][0]:
        blocks.insert(0, Prose(part.without, "warning"))
    blocks += _figures(run, part.figures)
    if part.key == "performance":
        blocks += _notes(run)
    return Section(part.key, part.title, tuple(blocks), bool(tables))


def _tables(run: Path, part: Part) -> list[Table]:
    found = (
        printed_table(run, name, title, folded=name in part.folded) for name, title in part.tables
    )
    return [table for table in found if table is not None]


def _figures(run: Path, drawn: Sequence[Drawn]) -> list[Figure]:
    found = (figure(run, each.name, each.title, each.alt, of_scans=each.of_scans) for each in drawn)
    return [one for one in found if one is not None]


def _notes(run: Path) -> list[Block]:
    """What the evaluation had to say of what is not there."""
    path = run / "tables" / "notes.txt"
    lines = tuple(path.read_text("utf-8").splitlines()) if path.is_file() else ()
    return [Listing(lines)] if lines else []
