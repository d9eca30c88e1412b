"""What choosing on the test fold would add: that protocol beside the honest figure."""

from __future__ import annotations

import pandas as pd

from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.predictions import Predictions
from cystgrid.evaluation.rendering import Column, TableFile, plain, printed
from cystgrid.evaluation.tables import wording
from cystgrid.evaluation.tables.overall import HEADINGS
from cystgrid.evaluation.uncertainty.pooled import SUMMARY
from cystgrid.provenance import NOTICE


def optimism(evaluation: Evaluation, peer: Predictions) -> TableFile | None:
    """One row a method that both protocols have; None if there is none.

    The CSV holds ``method,patients``, then for accuracy, balanced accuracy and AUC the means over
    outer folds ``<score>_honest,<score>_peer,<score>_optimism``.

    Args:
        evaluation: of the honest predictions.
        peer: of the same methods, each fold's epoch, and settings if several compete, chosen on
            its own test patients.
    """
    other = Evaluation(peer, evaluation.settings)
    known = {(method.model, method.inputs): method for method in other.methods}
    lines = []
    for method in evaluation.methods:
        same = known.get((method.model, method.inputs))
        if same is None:
            continue
        line: dict[str, object] = {
            "method": method.name, "patients": same.rows["patient"].nunique(),
        }  # fmt: skip
        for score in SUMMARY:
            honest, optimistic = (
                wording.mean_and_sd(e.fold_scores.query("method == @name")[score])[0]
                for e, name in ((evaluation, method.name), (other, same.name))
            )
            line |= {
                f"{score}_honest": honest,
                f"{score}_peer": optimistic,
                f"{score}_optimism": optimistic - honest,
            }
        lines.append(line)
    if not lines:
        return None
    data = pd.DataFrame(lines)
    columns: dict[str, Column] = {
        f"{HEADINGS[score]} {kind}": plain(data[f"{score}_{kind}"])
        for score in SUMMARY
        for kind in ("honest", "peer", "optimism")
    }
    caption = [
        f"Optimism of a protocol, on {wording.cohort(evaluation)}; means over outer folds",
        "Honest: epoch, and settings where several compete, chosen on inner validation patients; "
        "an answer is the mean of a fold's inner models. Peer: the same chosen on the test fold "
        "itself, as published code does, by one training on all other patients; it is no estimate "
        "of anything. Optimism: peer less honest, whatever of these makes it",
        "Nothing is bold",
        NOTICE,
    ]
    return TableFile("optimism", data, printed({"Method": data["method"]}, columns, caption))
