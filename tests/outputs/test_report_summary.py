"""The summary's highest scores: methods that print the same figure are named together."""

import numpy as np
import pandas as pd

from cystgrid.outputs.report.assemble import highest


def table(*accuracies):
    rows = [
        {"method": name, "pooled_accuracy": value, "pooled_accuracy_low": value - 0.1,
         "pooled_accuracy_high": value + 0.1}
        for name, value in zip("abc", accuracies, strict=False)
    ]  # fmt: skip
    empty = dict.fromkeys(("pooled_balanced_accuracy", "pooled_auc"), np.nan)
    return pd.DataFrame(rows).assign(**empty)


def test_equal_methods_are_named_as_such():
    (row,) = highest(table(0.4501, 0.4499, 0.3))
    told = "0.45, by 2 methods alike: a [0.35, 0.55]; b [0.35, 0.55]"
    assert row == ("Highest pooled accuracy", told)


def test_one_best_method_stands_alone():
    assert highest(table(0.40, 0.45)) == (("Highest pooled accuracy", "0.45: b [0.35, 0.55]"),)


def test_a_score_that_nobody_has_is_not_told_of():
    assert highest(table(np.nan, np.nan)) == ()
