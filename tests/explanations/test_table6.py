"""Table VI: means, intervals that cover, apart by answer, and what is bold."""

import numpy as np
import pandas as pd
import pytest

from cystgrid.explanations.battery import CHECKS, LESION_CHECKS
from cystgrid.explanations.table import PRINTED, mean_interval, table6, table6_by_answer


def figures(seed=0, patients=20):
    """Checks of two models; brightness is made the best at average precision."""
    rng = np.random.default_rng(seed)
    rows = []
    for model in ("vit_tiny", "mobilenet_v2"):
        for method in ("rollout", "grad-cam", "noise", "brightness"):
            for number in range(patients):
                row = dict(zip(CHECKS, rng.random(len(CHECKS)), strict=True))
                row["average_precision"] += method == "brightness"
                row["randomisation"] = 1.0 if method == "brightness" else 0.0
                if number % 4 == 0:
                    row |= dict.fromkeys(LESION_CHECKS, float("nan"))
                right = number % 3 > 0
                rows.append(
                    {"model": model, "inputs": "early", "method": method, "patient": f"p{number}",
                     "correct": right, **row}
                )  # fmt: skip
    return pd.DataFrame(rows)


def test_means_and_counts_are_those_of_the_rows():
    checks = figures()
    data = table6(checks).data.set_index(["model", "method"])
    for keys, rows in checks.groupby(["model", "method"]):
        for check in CHECKS:
            assert data.loc[keys, check] == pytest.approx(rows[check].mean())
            low, high = data.loc[keys, f"{check}_low"], data.loc[keys, f"{check}_high"]
            assert low <= data.loc[keys, check] <= high
        assert (data.loc[keys, "patients"], data.loc[keys, "with_lesion"]) == (20, 15)
    assert data["control"].groupby("method").first().to_dict() == {
        "brightness": True, "grad-cam": False, "noise": True, "rollout": False,
    }  # fmt: skip


def test_right_and_wrong_make_up_the_whole():
    checks = figures()
    whole, apart = table6(checks).data, table6_by_answer(checks).data
    sums = apart.groupby(["model", "method"], sort=False)["patients"].sum()
    assert sums.tolist() == whole["patients"].tolist()
    part = apart[(apart["answer"] == "wrong") & (apart["method"] == "rollout")]
    wrong = checks[~checks["correct"] & (checks["method"] == "rollout")]
    expected = wrong.groupby("model", sort=False)["stability"].mean().tolist()
    assert part["stability"].tolist() == pytest.approx(expected)
    assert apart["model"].tolist() == ["vit_tiny"] * 8 + ["mobilenet_v2"] * 8


def test_the_best_is_bold_in_each_model_even_if_it_is_a_control():
    printed = table6(figures()).printed
    column = printed.headings.index("Average precision")
    bold = [row for row, cells in zip(printed.rows, printed.cells, strict=True)
            if cells[column].best]  # fmt: skip
    expected = "brightness (control)"
    assert bold == [("vit_tiny early", expected), ("mobilenet_v2 early", expected)]
    randomised = printed.headings.index("Randomised")
    assert not any(cells[randomised].best for cells in printed.cells)


def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    rng = np.random.default_rng(4)
    covered = [
        interval.low <= 1.0 <= interval.high
        for interval in (mean_interval(rng.exponential(size=40)) for _ in range(120))
    ]
    assert 0.86 <= np.mean(covered) <= 0.99


def test_the_interval_is_near_that_of_students_for_even_data():
    values = np.random.default_rng(0).normal(size=60)
    found = mean_interval(values)
    half = 1.96 * values.std(ddof=1) / 60**0.5
    assert found.low == pytest.approx(values.mean() - half, abs=0.05)
    assert found.high == pytest.approx(values.mean() + half, abs=0.05)


def test_undefined_figures_are_left_out_and_lone_ones_have_no_interval():
    nothing = mean_interval(np.full(3, np.nan))
    assert np.isnan([nothing.estimate, nothing.low, nothing.high]).all()
    lone = mean_interval(np.array([0.5, np.nan]))
    assert lone.estimate == 0.5
    assert np.isnan([lone.low, lone.high]).all()
    same = mean_interval(np.ones(5))
    assert (same.estimate, same.low, same.high) == (1, 1, 1)


def test_the_files_say_chance_and_notice(tmp_path):
    for table in (table6(figures()), table6_by_answer(figures())):
        paths = table.write(tmp_path)
        text = paths[1].read_text()
        assert "Research use only" in text
        assert "Chance: pointing game" in text
        assert all(heading in text for heading in PRINTED.values())
        assert paths[2].read_text().count(r"\toprule") == 1


def test_without_lesions_the_other_checks_are_still_there():
    checks = figures()
    checks[list(LESION_CHECKS)] = np.nan
    printed = table6(checks).printed
    assert "No window shows a known lesion" in printed.notes[0]
    assert printed.cells[0][printed.headings.index("Pointing game")].value == "--"
    assert printed.cells[0][printed.headings.index("Stability")].value != "--"
