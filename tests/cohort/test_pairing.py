"""Which series are taken: by rules a user can edit, with a reason for every other one."""

import tomllib
from dataclasses import replace
from itertools import permutations

import pytest

from cystgrid.cohort.pairing import pair_series
from cystgrid.cohort.pairing_rules import DEFAULT_RULES_TOML, PairingRules
from cystgrid.errors import SettingsError
from cystgrid.scans.survey import survey
from studies_on_disk import CANARY, CORONAL, DWI, HASTE, VIBE, write_series


def rules(**values):
    return PairingRules.parse(values, "rules.toml")


def taken(pairing):
    return [
        (pair.t1 and pair.t1.number, pair.t2 and pair.t2.number)
        for pair in sorted(pairing.pairs, key=lambda pair: (pair.group, pair.study_uid))
    ]


def why_not(pairing):
    return {v.series.number: v.reason for v in pairing.verdicts if not v.chosen_as}


def study(folder, **more):
    """A usual study: localiser, T2 in two planes, T1 before and after contrast, diffusion."""
    write_series(folder, "loc", VIBE, number=1, slices=3, SeriesDescription="localizer", **more)
    write_series(folder, "cor", HASTE, number=2, orientation=CORONAL, **more)
    write_series(folder, "t2", HASTE, number=3, **more)
    write_series(folder, "t1", VIBE, number=4, slices=30, gap=3.0, **more)
    write_series(
        folder, "art", VIBE, number=5, slices=40, gap=3.0, SeriesDescription="t1 vibe art", **more
    )
    write_series(folder, "dwi", DWI, number=6, **more)
    write_series(folder, "few", HASTE, number=7, slices=3, **more)


def test_default_file_says_what_the_defaults_are():
    assert PairingRules.parse(tomllib.loads(DEFAULT_RULES_TOML), "default") == PairingRules()


def test_a_rules_file_is_read_and_its_mistakes_are_named(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text('study = "nearest"\n[t1]\nplanes = ["coronal"]\n')
    read = PairingRules.read_toml(path, "pairing rules")
    assert (read.study, read.t1.planes, read.t1.contrast) == ("nearest", ("coronal",), "none")
    assert read.t2 == PairingRules().t2
    for text, named in [
        ("[t1]\nplane = 3\n", "did you mean 'planes'"),
        ("[t1]\ninclude = ['(']\n", "regular expressions"),
        ("[t2]\nvolume = -1\n", "a number from 0"),
        ("[t2]\nmin_slices = 9\nmax_slices = 8\n", "no larger than max_slices"),
        ("t1 = [", "at its end: got invalid value"),
    ]:
        path.write_text(text)
        with pytest.raises(SettingsError, match=named.replace("(", r"\(")):
            PairingRules.read_toml(path, "pairing rules")


def test_one_pair_a_study_and_a_reason_for_every_other_series(tmp_path):
    study(tmp_path)
    pairing = pair_series(survey(tmp_path))
    assert taken(pairing) == [(4, 3)]
    reasons = why_not(pairing)
    assert reasons[1].startswith("localiser")
    assert reasons[2] == "T2: coronal"
    assert reasons[5] == "T1: after contrast agent"
    assert reasons[6].startswith("diffusion")
    assert reasons[7] == "T2: 3 slice(s)"
    assert len(pairing.verdicts) == 7
    assert pairing.pairs[0].remarks == ()


@pytest.mark.parametrize(
    ("changed", "numbers"),
    [
        ({"t1": {"contrast": "any", "prefer": ["most slices"]}}, (5, 3)),
        ({"t1": {"contrast": "any", "exclude": ["ART"]}}, (4, 3)),
        ({"t1": {"contrast": "any", "include": ["art$"]}}, (5, 3)),
        ({"t2": {"planes": ["coronal", "axial"], "prefer": ["plane"]}}, (4, 2)),
        ({"t2": {"min_slices": 1, "prefer": ["highest number"]}}, (4, 7)),
        ({"t2": {"assume": ["ep2d"]}, "t1": {}}, (4, 3)),
        ({"t2": {"assume": ["ep2d"], "include": ["ep2d"]}}, (4, 6)),
        ({"t1": {"max_slice_spacing": 2.0}, "need": "any"}, (None, 3)),
        ({"t1": {"fat_suppression": "exclude"}, "need": "any"}, (None, 3)),
        ({"t2": {"fat_suppression": "require"}, "need": "any"}, (4, None)),
    ],
)
def test_rules_decide(tmp_path, changed, numbers):
    study(tmp_path)
    assert taken(pair_series(survey(tmp_path), rules(**changed))) == [numbers]


def test_without_a_pair_a_study_is_left_out_with_the_reason(tmp_path):
    study(tmp_path)
    pairing = pair_series(survey(tmp_path), rules(t1={"max_slice_spacing": 2.0}))
    assert not pairing.pairs
    assert [why for _, why in pairing.unpaired] == ["no T1 series that fits the rules"]
    assert why_not(pairing)[3] == "T2: its study has no T1 that fits"
    assert why_not(pairing)[4] == "T1: slices 3 mm apart"


def test_second_choices_say_what_decided_and_ties_are_told(tmp_path):
    write_series(tmp_path, "a", HASTE, number=8)
    write_series(tmp_path, "b", HASTE, number=3)
    write_series(tmp_path, "c", HASTE, number=5, slices=20)
    write_series(tmp_path, "t1", VIBE, number=9)
    found = survey(tmp_path)
    pairing = pair_series(found)
    assert taken(pairing) == [(9, 5)]
    assert why_not(pairing)[3] == "T2: second choice, series 5 comes first by coverage"
    assert why_not(pairing)[8] == "T2: choice 3, series 5 comes first by coverage"
    assert pairing.pairs[0].remarks == ()
    alike = replace(found, series=tuple(s for s in found.series if s.number != 5))
    assert taken(pair_series(alike)) == [(9, 3)]
    (remark,) = pair_series(alike).pairs[0].remarks
    assert remark == "T2: several series alike by the rules, the lowest number was taken"


def test_the_order_of_series_does_not_matter(tmp_path):
    for name, number in (("a", 2), ("b", 2), ("c", 2)):
        write_series(tmp_path, name, HASTE, number=number)
    write_series(tmp_path, "t1", VIBE, number=9)
    found = survey(tmp_path)
    chosen = {
        tuple(pair_series(replace(found, series=order)).pairs)
        for order in permutations(found.series)
    }
    assert len(chosen) == 1
    assert "lowest UID" in next(iter(chosen))[0].remarks[0]


def test_volumes_are_refused_unless_one_is_chosen(tmp_path):
    def echoes(k, dataset):
        dataset.ImagePositionPatient = [0, 0, 5.0 * (k // 2)]
        dataset.EchoTime = "2.3" if k % 2 else "1.1"

    write_series(tmp_path, "t1", VIBE, slices=24, edit=echoes, number=4)
    write_series(tmp_path, "t2", HASTE, number=3)
    found = survey(tmp_path)
    refused = pair_series(found)
    assert not refused.pairs
    assert why_not(refused)[4] == "T1: 2 images at each position, differing in EchoTime"
    assert taken(pair_series(found, rules(t1={"volume": 1}))) == [(4, 3)]
    assert "no volume 2" in why_not(pair_series(found, rules(t1={"volume": 2})))[4]


def test_a_series_with_a_fault_is_never_taken(tmp_path):
    def gap(k, dataset):
        dataset.ImagePositionPatient = [0, 0, 5.0 * (k + (k > 5))]

    write_series(tmp_path, "t1", VIBE, number=4)
    write_series(tmp_path, "bad", HASTE, number=3, slices=30, edit=gap)
    write_series(tmp_path, "t2", HASTE, number=7)
    pairing = pair_series(survey(tmp_path))
    assert taken(pairing) == [(4, 7)]
    assert why_not(pairing)[3] == "T2: 1 missing slice(s): a gap of 10 mm, not 5 mm"


def test_nearest_study_lends_its_t1_and_that_is_told(tmp_path):
    write_series(tmp_path, "t2", HASTE, number=3, study="1", date="20240110")
    write_series(tmp_path, "t1", VIBE, number=4, study="2", date="20240102")
    write_series(tmp_path, "later", VIBE, number=5, study="3", date="20240131")
    write_series(tmp_path, "other", VIBE, number=6, study="4", date="20240110", patient="B")
    found = survey(tmp_path)
    assert not pair_series(found).pairs
    pairing = pair_series(found, rules(study="nearest"))
    assert taken(pairing) == [(4, 3)]
    assert pairing.pairs[0].remarks == ("T1 is of another study, 8 days away",)
    assert not pair_series(found, rules(study="nearest", max_days=7)).pairs


def test_names_of_rows_do_not_change_when_patients_are_added(tmp_path):
    study(tmp_path / "a", patient="A", study="1")
    alone = pair_series(survey(tmp_path)).pairs
    study(tmp_path / "b", patient="B", study="2")
    study(tmp_path / "c", patient="A", study="3")
    together = pair_series(survey(tmp_path)).pairs
    assert len(together) == 3
    assert alone[0].row in {pair.row for pair in together}
    assert len({pair.row for pair in together}) == 3
    assert len({pair.group for pair in together}) == 2


def test_rules_of_both_kinds_that_match_one_series_take_it_for_neither(tmp_path):
    study(tmp_path)
    both = rules(t1={"assume": ["haste_tra"]}, t2={"assume": ["haste"]}, need="any")
    pairing = pair_series(survey(tmp_path), both)
    assert why_not(pairing)[3] == "the assume rules of both T1 and T2 match"


def test_descriptions_are_matched_whole_and_never_shown(tmp_path):
    study(tmp_path)
    pairing = pair_series(survey(tmp_path), rules(t2={"include": [CANARY]}))
    assert taken(pairing) == [(4, 3)]
    assert CANARY not in repr(pairing)
