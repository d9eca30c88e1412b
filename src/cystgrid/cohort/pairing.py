"""One T1 and one T2 series for every study, by rules, with a reason for every series not taken."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from cystgrid.cohort.manifest import MODALITIES
from cystgrid.cohort.pairing_rules import Criterion, PairingRules, SeriesRules
from cystgrid.provenance import digest
from cystgrid.scans.survey import SeriesSummary, Survey

PATIENT_DIGITS, STUDY_DIGITS = 10, 6
"""Hex digits of a row's name; among 10,000 patients two are alike with probability 5e-5, and then
the import is refused."""

BY_NUMBER: tuple[Criterion, ...] = ("lowest number", "highest number")
"""Criteria that say nothing about the scan: what they decide is a tie, and is told."""


@dataclass(frozen=True)
class Verdict:
    """What became of one series.

    Attributes:
        series: the series.
        row: the row of its study.
        chosen_as: ``t1 of ROW``, for every row that took it; empty if none did.
        reason: why it was not taken, or why it was, for a table.
        short: the same without what only this series has, so that reasons can be counted.
    """

    series: SeriesSummary
    row: str
    chosen_as: tuple[str, ...]
    reason: str
    short: str


@dataclass(frozen=True)
class Pair:
    """One row of the manifest to be.

    Attributes:
        row: a neutral id, of patient and study.
        group: a neutral id of the patient, the same in all their rows.
        study_uid: the study of the T2 scan, or of the only scan there is.
        t1, t2: the series taken.
        remarks: ties and borrowed scans, a sentence each.
    """

    row: str
    group: str
    study_uid: str
    t1: SeriesSummary | None
    t2: SeriesSummary | None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pairing:
    """Every row, every series and every study without a pair, sorted by row."""

    pairs: tuple[Pair, ...]
    verdicts: tuple[Verdict, ...]
    unpaired: tuple[tuple[str, str], ...]


def renamed_rows(pairing: Pairing, name: Callable[[str], str]) -> Pairing:
    """The same with other ids of rows and groups."""
    pairs = [replace(one, row=name(one.row), group=name(one.group)) for one in pairing.pairs]
    verdicts = [
        replace(
            one,
            row=name(one.row),
            chosen_as=tuple(
                f"{modality} of {name(row)}"
                for modality, _, row in (taken.partition(" of ") for taken in one.chosen_as)
            ),
        )
        for one in pairing.verdicts
    ]
    unpaired = [(name(row), why) for row, why in pairing.unpaired]
    return Pairing(
        tuple(sorted(pairs, key=lambda one: one.row)),
        tuple(sorted(verdicts, key=lambda one: one.row)),
        tuple(sorted(unpaired)),
    )


def group_name(series: SeriesSummary) -> str:
    """A neutral id of the patient; it does not change when other patients are added."""
    return f"patient-{series.patient_key[:PATIENT_DIGITS]}"


def row_name(series: SeriesSummary) -> str:
    """A neutral id of patient and study."""
    return f"{group_name(series)}-{digest(series.study_uid)[:STUDY_DIGITS]}"


def pair_series(survey: Survey, rules: PairingRules | None = None) -> Pairing:
    """Take one T1 and one T2 series for every patient and study.

    A series UID under which several patients or studies lie is never a candidate. Neither the
    order of series nor file names matter; other patients do not matter to one patient's row.
    """
    rules = rules or PairingRules()
    studies: dict[str, list[SeriesSummary]] = defaultdict(list)
    for series in survey.series:
        studies[row_name(series)].append(series)
    ballots = {row: _Ballot(members, rules) for row, members in sorted(studies.items())}
    pairs: list[Pair] = []
    unpaired: list[tuple[str, str]] = []
    for row, ballot in ballots.items():
        pair = _pair(row, ballot, ballots, rules)
        lacks = [name.upper() for name in MODALITIES if getattr(pair, name) is None]
        if len(lacks) == len(MODALITIES):
            unpaired.append((row, "neither a T1 nor a T2 series that fits the rules"))
        elif lacks and rules.need == "both":
            unpaired.append((row, f"no {lacks[0]} series that fits the rules"))
        else:
            pairs.append(pair)
    return Pairing(tuple(pairs), tuple(_verdicts(ballots, pairs, rules)), tuple(unpaired))


@dataclass
class _Ballot:
    """One study's candidates, best first, and why the other series are none."""

    members: list[SeriesSummary]
    rules: PairingRules
    ranked: dict[str, list[SeriesSummary]] = field(init=False)
    refused: dict[str, tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self.ranked = {modality: [] for modality in MODALITIES}
        self.refused = {}
        for series in self.members:
            modality = weighting_by(self.rules, series)
            fault = _no_scan(series, modality, self.rules) or _no_candidate(
                series, self.rules.of(modality), modality.upper()
            )
            if fault is not None:
                self.refused[series.series_uid] = fault
            else:
                self.ranked[modality].append(series)
        for modality, candidates in self.ranked.items():
            candidates.sort(key=lambda one, m=modality: _rank(one, self.rules.of(m)))  # type: ignore[misc]

    def best(self, modality: str) -> SeriesSummary | None:
        return next(iter(self.ranked[modality]), None)

    @property
    def date(self) -> date | None:
        return _date(self.members[0].identity.study_date)


def weighting_by(rules: PairingRules, series: SeriesSummary) -> str:
    """``t1``, ``t2`` or ``other``: as the user's ``assume`` says, else as the header does."""
    assumed = _assumed(rules, series)
    if len(assumed) > 1:
        return "other"
    return assumed[0] if assumed else series.weighting


def _assumed(rules: PairingRules, series: SeriesSummary) -> list[str]:
    return [name for name in MODALITIES if _matches(rules.of(name).assume, series)]


def _pair(row: str, ballot: _Ballot, ballots: dict[str, _Ballot], rules: PairingRules) -> Pair:
    t1, t2 = ballot.best("t1"), ballot.best("t2")
    remarks = [
        remark
        for modality in MODALITIES
        if (remark := _tie(ballot.ranked[modality], modality, rules))
    ]
    if t1 is None and t2 is not None and rules.study == "nearest":
        t1, remark = _borrowed(ballot, ballots.values(), rules.max_days)
        remarks += [remark] if remark else []
    for name, series in (("T1", t1), ("T2", t2)):
        if (
            series is not None
            and series.contrast == "unclear"
            and rules.of(name.lower()).contrast == "none"
        ):
            remarks.append(f"{name}: the name says before contrast, another element says agent")
    first = ballot.members[0]
    return Pair(row, group_name(first), first.study_uid, t1, t2, tuple(remarks))


def _borrowed(
    ballot: _Ballot, others: Iterable[_Ballot], max_days: int
) -> tuple[SeriesSummary | None, str]:
    """The T1 series of the same patient's study nearest in date, the earlier one if two are."""
    own = ballot.date
    near: list[tuple[int, date, SeriesSummary]] = []
    for other in others:
        series, when = other.best("t1"), other.date
        same = other.members[0].patient_key == ballot.members[0].patient_key
        if same and series is not None and own and when and abs((when - own).days) <= max_days:
            near.append((abs((when - own).days), when, series))
    if not near:
        return None, ""
    days, _, series = min(near, key=lambda one: (one[0], one[1], one[2].series_uid))
    return series, f"T1 is of another study, {days} days away"


def _no_scan(series: SeriesSummary, modality: str, rules: PairingRules) -> tuple[str, str] | None:
    """Why the series is no volume of either weighting: the sentence, and its kind."""
    if series.kind != "MR":
        return f"no MR: {series.kind}", "no MR image"
    if len(_assumed(rules, series)) > 1:
        return ("the assume rules of both T1 and T2 match",) * 2
    if modality not in MODALITIES:
        kind = series.why.split(":")[0] if ":" in series.why else "nothing decides"
        return series.why, f"neither T1 nor T2 ({kind})"
    if series.faults:
        name = modality.upper()
        return f"{name}: {'; '.join(series.faults)}", f"{name}: cannot be read as one volume"
    return None


def _no_candidate(series: SeriesSummary, own: SeriesRules, name: str) -> tuple[str, str] | None:
    """Why the rules of its weighting do not let the series be chosen: sentence, kind."""
    bad_slices = not own.min_slices <= series.slices <= own.max_slices
    checks: tuple[tuple[bool, str, str], ...] = (
        (bool(own.include) and not _matches(own.include, series), "no include rule matches", ""),
        (_matches(own.exclude, series), "an exclude rule matches", ""),
        (series.plane not in own.planes, series.plane, ""),
        (bad_slices, f"{series.slices} slice(s)", "too few or too many slices"),
        (
            not series.spacing[2] <= own.max_slice_spacing,  # NaN, too
            f"slices {series.spacing[2]:.3g} mm apart",
            "slices too far apart",
        ),
        (own.contrast == "none" and series.contrast == "yes", "after contrast agent", ""),
        (own.fat_suppression == "require" and not series.fat_suppressed, "not fat-suppressed", ""),
        (own.fat_suppression == "exclude" and series.fat_suppressed, "fat-suppressed", ""),
        (*_volumes(series, own),),
    )
    for fails, sentence, kind in checks:
        if fails:
            return f"{name}: {sentence}", f"{name}: {kind or sentence}"
    return None


def _volumes(series: SeriesSummary, rules: SeriesRules) -> tuple[bool, str, str]:
    if series.volumes == 1:
        return False, "", ""
    several = f"{series.volumes} images at each position"
    if rules.volume == "refuse":
        told = f", differing in {', '.join(series.differ_in)}" if series.differ_in else ""
        return True, several + told, "several images at each position"
    missing = rules.volume >= series.volumes
    return missing, f"{several}, no volume {rules.volume}", "fewer images at each position"


def _matches(patterns: Iterable[str], series: SeriesSummary) -> bool:
    return any(re.search(pattern, series.text, re.IGNORECASE) for pattern in patterns)


def _rank(series: SeriesSummary, rules: SeriesRules) -> tuple[object, ...]:
    return (
        *(_score(series, name, rules) for name in rules.prefer),
        _number(series),
        series.series_uid,
    )


def _score(series: SeriesSummary, criterion: Criterion, rules: SeriesRules) -> float:
    """Smaller is better."""
    depth = series.spacing[2]
    scores: dict[Criterion, Callable[[], float]] = {
        "plane": lambda: [*rules.planes].index(series.plane),  # type: ignore[arg-type]
        "no contrast": lambda: ("no", "unclear", "yes").index(series.contrast),
        "fat-suppressed": lambda: not series.fat_suppressed,
        "not fat-suppressed": lambda: series.fat_suppressed,
        "one volume": lambda: series.volumes > 1,
        "most slices": lambda: -series.slices,
        "coverage": lambda: -round(series.slices * depth, 1),
        "thinnest": lambda: round(depth, 2),
        "finest": lambda: round(series.spacing[0] * series.spacing[1], 3),
        "lowest number": lambda: _number(series),
        "highest number": lambda: -_number(series),
    }
    return float(scores[criterion]())


def _decided_by(winner: SeriesSummary, loser: SeriesSummary, rules: SeriesRules) -> str:
    """The first criterion by which the two differ."""
    for name in rules.prefer:
        if _score(winner, name, rules) != _score(loser, name, rules):
            return name
    return "lowest number" if _number(winner) != _number(loser) else "lowest UID"


def _tie(ranked: Sequence[SeriesSummary], modality: str, rules: PairingRules) -> str:
    """What decided between candidates alike in all that matters; empty if nothing had to."""
    if len(ranked) < 2:
        return ""
    by = _decided_by(ranked[0], ranked[1], rules.of(modality))
    if by not in (*BY_NUMBER, "lowest UID"):
        return ""
    return f"{modality.upper()}: several series alike by the rules, the {by} was taken"


def _verdicts(
    ballots: dict[str, _Ballot], pairs: Sequence[Pair], rules: PairingRules
) -> Iterable[Verdict]:
    chosen: dict[str, list[str]] = defaultdict(list)
    for pair in pairs:
        for modality in MODALITIES:
            series = getattr(pair, modality)
            if series is not None:
                chosen[series.series_uid].append(f"{modality.upper()} of {pair.row}")
    for row, ballot in ballots.items():
        for series in ballot.members:
            taken = tuple(chosen[series.series_uid])
            reason, short = _explained(series, ballot, rules, bool(taken))
            yield Verdict(series, row, taken, reason, short)


def _explained(
    series: SeriesSummary, ballot: _Ballot, rules: PairingRules, taken: bool
) -> tuple[str, str]:
    if series.series_uid in ballot.refused:
        return ballot.refused[series.series_uid]
    modality = weighting_by(rules, series)
    ranked = ballot.ranked[modality]
    best = ranked[0]
    if series is not best:
        by = _decided_by(best, series, rules.of(modality))
        place = "second choice" if series is ranked[1] else f"choice {ranked.index(series) + 1}"
        number = "-" if best.number is None else best.number
        return (
            f"{modality.upper()}: {place}, series {number} comes first by {by}",
            f"{modality.upper()}: another series comes first",
        )
    if taken:
        beside = f"first of {len(ranked)}" if len(ranked) > 1 else "the only one that fits"
        by = "; assumed by a rule" if _assumed(rules, series) else ""
        return beside + by, beside
    other = next(name for name in MODALITIES if name != modality).upper()
    return (f"{modality.upper()}: its study has no {other} that fits",) * 2


def _number(series: SeriesSummary) -> float:
    return math.inf if series.number is None else float(series.number)


def _date(stated: str) -> date | None:
    try:
        return datetime.strptime(stated, "%Y%m%d").date()
    except ValueError:
        return None
