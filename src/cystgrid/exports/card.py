"""What an export says of itself: export.json and metadata for machines, README.md for people."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from cystgrid.exports.checking import Check
from cystgrid.exports.source import Source
from cystgrid.preparation.standardise import PERCENTILES
from cystgrid.provenance import NOTICE

SCHEMA = 1
"""Of export.json."""

PACKAGES = ("cystgrid", "torch", "torchvision", "timm", "monai", "numpy", "onnx",
            "onnxruntime", "onnxscript")  # fmt: skip
"""Whose versions decide what an export is."""


def about(source: Source, kind: str) -> dict[str, Any]:
    """The facts that every export carries, whatever its form."""
    card, first = source.card, source.members[0]
    form = first.network.form
    return {
        "notice": NOTICE,
        "kind": kind,
        "model": card["model"],
        "architecture": card["architecture"],
        "model_sha256": source.model.sha256,
        "classes": list(source.model.classes),
        "channels": list(source.channels),
        "members": len(source.members),
        "form": form.kind,
        "slices": form.count(first.grid.cells),
        "prepared_pixels": source.prepared,
        "pixels": first.grid.pixels or source.prepared,
        "landmark_percentiles": list(PERCENTILES),
        "standards": [m.standard[list(m.channels)].tolist() for m in source.members],
        "arithmetic": "float32",
        "trained_in": card["members"][0]["precision"],
        "calibration": source.model.calibration,
        "training_patients": card["training_patients"],
        "preparation": card["preparation"],
        "versions": {name: _version(name) for name in PACKAGES},
    }


def readme(source: Source, facts: dict[str, Any], check: Check, use: str) -> str:
    """A page for people who find the folder.

    Args:
        source: the model.
        facts: from ``about``.
        check: of the round trip.
        use: how to run it, in Markdown.
    """
    counts = ", ".join(f"{count} {name}" for name, count in facts["training_patients"].items())
    seen = " and ".join(facts["channels"]).upper()
    return f"""# {facts["model"]} on {seen}, for {facts["kind"]}

**{NOTICE}**

Grades pancreatic cysts (IPMN) from MRI into {", ".join(facts["classes"])}. Exported by cystgrid
{facts["versions"]["cystgrid"]} from the model whose model.json has the sha256
`{facts["model_sha256"]}`.

- Architecture: `{facts["architecture"]}`, {facts["members"]} member(s).
- Trained on {counts} patients.
- {_calibration(facts["calibration"])}

{use}

## What it was held to
On {check.cases} made-up patients (ordinary crops, too few slices, scans of one value, missing
scans, landmarks that coincide) its probabilities differ by at most {check.largest:.1e} from those
of the model in float32.{_bfloat16(check)}

What to expect on new patients is what a nested cross-validation says (`cystgrid crossval`). Scans
must be prepared as the model's training scans were: `cystgrid prepare`, with the settings under
`preparation` in export.json.
"""


def _calibration(calibration: dict[str, Any] | None) -> str:
    if calibration is None:
        return "Probabilities were not calibrated."
    return (
        f"The probabilities are as the network gives them; `softmax(log(p) / "
        f"{calibration['temperature']:.3f})` calibrates them (learned from "
        f"{calibration['patients']} validation patients)."
    )


def _bfloat16(check: Check) -> str:
    if not check.answers:
        return ""
    return (
        " cystgrid itself answers with this model in bfloat16: up to\n"
        f"{check.answers:.1e} from that."
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
