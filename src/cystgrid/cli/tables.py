"""The verb that evaluates anybody's predictions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cystgrid.cli.common import Debug, Quiet, app, names, say, show, verb

if TYPE_CHECKING:
    from cystgrid.evaluation.settings import EvaluationSettings

FILES, FORM, CHOICES = "Files", "Another form of file", "Choices"
"""What the options of the help are listed under."""


def _file(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel=FILES)


def _form(text: str, *flags: str) -> Any:
    return typer.Option(*flags, help=text, rich_help_panel=FORM)


@app.command(
    epilog="Example: cystgrid tables run, or: cystgrid tables theirs.csv -o tables "
    "--patient-column id --label-column truth --probability-columns benign=p0,malignant=p1"
)
@verb
def tables(
    source: Annotated[
        Path, typer.Argument(metavar="RUN|PREDICTIONS.CSV", help="A run, or any predictions.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder, pictures in figures/ there. "
            "Default: tables/ and figures/ beside the predictions.",
        ),
    ] = None,
    patients: Annotated[
        Path | None, _file("patient,center,sex,age,modalities. Default: the run's patients.csv.")
    ] = None,
    validation: Annotated[
        Path | None, _file("Inner validation predictions. Default: the run's validation.csv.")
    ] = None,
    peer: Annotated[
        Path | None,
        _file("Predictions with test-chosen epochs. Default: the run's predictions-peer.csv."),
    ] = None,
    costs: Annotated[
        Path | None, _file("label and a column a class: what an answer costs. Default: grades off.")
    ] = None,
    classes: Annotated[
        str, _form("Classes in the order of risk, by commas. Default: the file's.")
    ] = "",
    patient_column: Annotated[str, _form("Its name in the file.")] = "patient",
    label_column: Annotated[str, _form("Its name in the file.")] = "label",
    predicted_column: Annotated[
        str, _form("Its name in the file; without one the most probable class is the answer.")
    ] = "predicted",
    model_column: Annotated[str, _form("Its name in the file.")] = "model",
    fold_column: Annotated[str, _form("Its name in the file.")] = "outer_fold",
    probability_columns: Annotated[
        str, _form("CLASS=COLUMN, by commas. Default: the columns p_CLASS.")
    ] = "",
    positive: Annotated[
        str, _form("Of two classes, the one that --probability-column is of.")
    ] = "",
    probability_column: Annotated[
        str, _form("The only one, with --positive or --long.")
    ] = "probability",
    long: Annotated[bool, _form("A row holds one patient and one class.", "--long")] = False,
    class_column: Annotated[str, _form("With --long: the class of a row.")] = "class",
    normalise: Annotated[
        bool, _form("Divide rounded probabilities by their sum.", "--normalise")
    ] = False,
    error_rate: Annotated[
        float, typer.Option(help="Share of prediction sets that may miss.", rich_help_panel=CHOICES)
    ] = 0.1,
    specificity: Annotated[
        float, typer.Option(help="At which sensitivity is told.", rich_help_panel=CHOICES)
    ] = 0.9,
    age_bands: Annotated[
        str,
        typer.Option(
            help="Ages at which a band begins, by commas. Default: terciles.",
            rich_help_panel=CHOICES,
        ),
    ] = "",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write tables and figures of any predictions, ours or not."""
    from cystgrid.evaluation.costs import read_costs
    from cystgrid.evaluation.forms import Form
    from cystgrid.evaluation.predictions import read_predictions
    from cystgrid.results import Companions, on_record, write_evaluation

    form = Form(
        patient=patient_column,
        label=label_column,
        predicted=predicted_column,
        model=model_column,
        fold=fold_column,
        probabilities=_pairs(probability_columns),
        positive=positive,
        probability=probability_column,
        long=long,
        class_column=class_column,
        classes=names(classes),
        normalise=normalise,
    )
    path, companions = Companions.found(
        source, Companions(validation=validation, peer=peer, patients=patients)
    )
    predictions = read_predictions(path, form)
    settings = _settings(
        costs=read_costs(costs, predictions.classes) if costs else None,
        error_rate=error_rate,
        specificity=specificity,
        age_bands=_ages(age_bands),
    )
    with on_record(source, output) as made:
        results = write_evaluation(
            predictions,
            output or path.parent / "tables",
            (output or path.parent) / "figures",
            companions,
            settings,
            quiet=quiet,
        )
        made += [*results.written, *results.removed]
    show(quiet, results.table1)
    for note in [*results.notes, *results.removal_notes]:
        say(quiet, f"note: {note}")
    say(quiet, "\n".join(str(one) for one in results.written))


def _settings(**values: object) -> EvaluationSettings:
    """The choices; an impossible one is wrong usage."""
    from cystgrid.errors import SettingsError, UsageError
    from cystgrid.evaluation.settings import EvaluationSettings

    try:
        return EvaluationSettings.parse(values, "options")
    except SettingsError as error:
        where = "--" + error.where.split()[-1].replace("_", "-")
        raise UsageError(where, got=error.got, expected=error.expected, do=error.do) from error


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """``a=p1,b=p2``."""
    found = [pair.partition("=") for pair in names(text)]
    if not all(name.strip() and column.strip() for name, _, column in found):
        raise typer.BadParameter(f"--probability-columns {text!r}: expected CLASS=COLUMN,...")
    return tuple((name.strip(), column.strip()) for name, _, column in found)


def _ages(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(age) for age in names(text))
    except ValueError:
        raise typer.BadParameter(f"--age-bands {text!r}: expected numbers of years") from None
