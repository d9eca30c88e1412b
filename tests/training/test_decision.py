"""Decision fusion: one weight a fold, learned on inner folds only."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cystgrid.errors import SettingsError
from cystgrid.training.decision import best_weight, fuse, fused_name

CLASSES = ("low", "high")


def answers(model, skill, seed, *, inner, inputs="early"):
    """Probabilities of 24 patients in 3 folds; ``skill`` moves them towards the truth."""
    rng = np.random.default_rng(seed)
    rows = []
    for outer in range(3):
        for n in range(24):
            if (n % 3 == outer) == inner:
                continue
            truth = n % 2
            p = np.clip(rng.random() * (1 - skill) + skill * truth, 0.01, 0.99)
            place = {"inner_fold": n % 3} if inner else {}
            rows.append({"model": model, "inputs": inputs, "outer_fold": outer, **place,
                         "patient": f"p{n:02}", "p_low": 1 - p, "p_high": p,
                         **({"label": CLASSES[truth]} if inner else {})})  # fmt: skip
    return pd.DataFrame(rows)


def both(skills=(0.3, 0.6)):
    models = [("a", skills[0], 1), ("b", skills[1], 2)]
    return (
        pd.concat([answers(*model, inner=False) for model in models]),
        pd.concat([answers(*model, inner=True) for model in models]),
    )


PAIR = ("a", "early"), ("b", "early")


def test_the_weight_is_the_best_of_a_fine_grid():
    rng = np.random.default_rng(0)
    a, b = rng.dirichlet([1, 1, 1], 40), rng.dirichlet([1, 1, 1], 40)
    truth = rng.integers(0, 3, 40)
    rows = np.arange(40)

    def loss(w):
        return -np.log((w * a + (1 - w) * b)[rows, truth]).mean()

    grid = np.linspace(0, 1, 10001)
    assert best_weight(a, b, truth) == pytest.approx(min(grid, key=loss), abs=2e-4)


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_swapping_the_models_swaps_the_weight_and_never_does_worse_than_either(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.dirichlet([1, 1], 15), rng.dirichlet([1, 1], 15)
    truth = rng.integers(0, 2, 15)
    w = best_weight(a, b, truth)

    def loss(p):
        return -np.log(np.maximum(p[np.arange(15), truth], 1e-12)).mean()

    mixed = loss(w * a + (1 - w) * b)
    assert mixed <= min(loss(a), loss(b)) + 1e-12
    v = best_weight(b, a, truth)
    assert loss(v * b + (1 - v) * a) == pytest.approx(mixed, abs=1e-9)


def test_rows_are_mixed_with_their_folds_weight():
    predictions, validations = both()
    fused, inner, weights = fuse(*PAIR, predictions, validations, CLASSES)
    assert [w.outer for w in weights] == [0, 1, 2]
    assert (fused["model"] == "a+b").all()
    assert len(fused) == 24
    assert len(inner) == 48
    by_fold = {w.outer: w.weight for w in weights}
    a, b = (
        predictions[predictions["model"] == name].set_index("patient")["p_high"] for name in "ab"
    )
    for row in fused.itertuples():
        w = by_fold[row.outer_fold]
        assert row.p_high == pytest.approx(w * a[row.patient] + (1 - w) * b[row.patient], abs=1e-12)
        assert row.p_low + row.p_high == pytest.approx(1)


def test_nothing_of_the_outer_fold_touches_its_weight():
    predictions, validations = both()
    before = fuse(*PAIR, predictions, validations, CLASSES)[2]
    for weight in before:
        tested = set(predictions[predictions["outer_fold"] == weight.outer]["patient"])
        assert not tested & set(weight.patients)
    flipped = predictions.assign(p_low=predictions["p_high"], p_high=predictions["p_low"])
    assert fuse(*PAIR, flipped, validations, CLASSES)[2] == before
    other = validations.assign(label="high")
    assert fuse(*PAIR, predictions, other, CLASSES)[2] != before, "the control must trip"


def test_only_patients_of_both_are_fused_and_an_unknown_model_is_refused():
    predictions, validations = both()
    less = predictions[~((predictions["model"] == "b") & (predictions["patient"] == "p00"))]
    assert len(fuse(*PAIR, less, validations, CLASSES)[0]) == 23
    with pytest.raises(SettingsError, match="c on early"):
        fuse(("c", "early"), PAIR[1], predictions, validations, CLASSES)


def test_names():
    assert fused_name(("vit", "early"), ("features-forest", "none")) == (
        "vit+features-forest", "early",
    )  # fmt: skip
    assert fused_name(("vit", "t1"), ("vit", "t2")) == ("vit+vit", "t1+t2")
    assert fused_name(("majority", "none"), ("site-only", "none"))[1] == "none"
