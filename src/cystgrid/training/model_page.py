"""README.md of a MODEL folder: what it is, whom it learned from, and what it is not for."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cystgrid.models.registry import entry_of
from cystgrid.preparation.entry import Entry
from cystgrid.preparation.flow import CohortFlow

DIGITS = 16
"""Of a digest, as many as tell two apart."""

NOT_CLINICAL = {
    "phantoms": "It learned from digital phantoms, not from patients: its answers mean nothing "
    "clinical.",
    "drawn lesions": "It learned from lesions that were drawn into real scans: its answers mean "
    "nothing clinical.",
}


def model_page(card: dict[str, Any], people: Sequence[Entry], flow: CohortFlow | None) -> str:
    """A page for people who find the folder; nobody and no centre is named in it.

    Args:
        card: what model.json holds.
        people: all that any member trained on or was selected by.
        flow: whom their cohort began with; None where it is not recorded.
    """
    seen = " and ".join(name.upper() for name in card["channels"]) or "no image"
    warning = NOT_CLINICAL.get(flow.origin, "") if flow else ""
    return f"""# {card["model"]} on {seen}

**{card["notice"]}**{f" {warning}" if warning else ""}

Grades pancreatic cysts (IPMN) from MRI into {", ".join(card["classes"])}. Made with cystgrid
{card["versions"]["cystgrid"]}; `cystgrid predict` applies it, preparation included.

- Architecture: `{card["architecture"]}`, {entry_of(card["architecture"]).about}.
- Input: {_input(card)}.
- Start: weights `{Path(card["recipe"].get("weights", "none")).name}`.
- Prepared data: sha256 `{card["prepared"][:DIGITS]}`.

## What it is for, and what not

For research on scans like those it learned from, prepared by cystgrid in the same way. Not for
decisions about a patient, not without a region of the pancreas drawn or checked by somebody who
knows it, and not for other organs, sequences or questions. A class is a grade of the study that it
was trained in; what that rests on (pathology, follow-up, readers) is for its authors to say.

## Whom it learned from

{chr(10).join(_people(card, people, flow))}

## How good it is

| member | epoch | balanced accuracy on its own validation fold |
|---|---|---|
{_members(card)}

These figures chose the epoch, so they flatter. What to expect on new patients is what the nested
cross-validation of the same study says (`cystgrid crossval`, `cystgrid report`).
{_calibration(card)}

## Limits

{chr(10).join(_limits(card, people))}
"""


def _people(
    card: dict[str, Any], people: Sequence[Entry], flow: CohortFlow | None
) -> Iterator[str]:
    counts = ", ".join(f"{count} {label}" for label, count in card["training_patients"].items())
    yield f"- {counts} patients."
    sizes = sorted(Counter(each.center for each in people if each.center).values(), reverse=True)
    if sizes:
        yield f"- {len(sizes)} centre(s), with {', '.join(map(str, sizes))} patients."
    sexes = sorted(Counter(each.sex for each in people if each.sex).items())
    if sexes:
        yield f"- Sex: {', '.join(f'{name} {count}' for name, count in sexes)}."
    ages = sorted(float(each.age) for each in people if each.age.isdecimal())
    if ages:
        yield f"- Age: median {statistics.median(ages):g}, {ages[0]:g} to {ages[-1]:g} years."
    if flow is not None:
        left, refused = sum(flow.excluded.values()), len(flow.refused)
        yield f"- Of {flow.rows} patients in the manifest {left} were left out by their label,"
        yield f"  and {refused} could not be prepared."


def _members(card: dict[str, Any]) -> str:
    return "\n".join(
        f"| {record['weights']} | {record['selected_epoch']} "
        f"| {record['selected']['validation_balanced_accuracy']:.2f} |"
        for record in card["members"]
    )


def _calibration(card: dict[str, Any]) -> str:
    if card["calibration"] is None:
        return "Its probabilities are not calibrated."
    return "Its calibration, learned from validation patients, is in `model.json`."


def _limits(card: dict[str, Any], people: Sequence[Entry]) -> Iterator[str]:
    least = min(card["training_patients"], key=lambda label: card["training_patients"][label])
    yield f"- It has seen {card['training_patients'][least]} patients of class {least}."
    centers = {each.center for each in people if each.center}
    if len(centers) < 2:
        yield "- One centre, or none, is known: scanners elsewhere may look different to it."
    else:
        yield "- Scanners outside of its centres may look different to it."
    yield "- Nobody outside of its own cohort was tested in making it."


def _input(card: dict[str, Any]) -> str:
    """What one patient is to the model, in words."""
    sees = entry_of(card["architecture"]).sees
    if sees == "features":
        return "a row of a table: " + ", ".join(card["models"]["features"]["columns"])
    if sees != "image":
        return {"center": "the centre", "labels": "nothing"}[sees]
    names = " and ".join(name.upper() for name in card["channels"])
    cells, pixels = card["grid"]["cells"], card["pixels"]
    return f"{names}, slices of {pixels} x {pixels} pixels ({cells} of them where it takes grids)"
