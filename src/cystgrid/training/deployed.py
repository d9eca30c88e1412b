"""A MODEL folder: written once, taken up to predict.

MODEL/model.safetensors (or member-<j>.safetensors)  model.json  README.md
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cystgrid.cohort.splits import Member as CohortMember
from cystgrid.errors import StoreError
from cystgrid.grids.tiling import GridSettings
from cystgrid.models.network import Shape
from cystgrid.models.registry import CHANNELS
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.preparation.store import Store
from cystgrid.provenance import NOTICE, sha256_bytes, versions, write_json, write_text
from cystgrid.training.member import Member, channel_positions, image_size, load_member
from cystgrid.training.recipe import Recipe

SCHEMA = 1
"""Of model.json."""


@dataclass(frozen=True)
class DeployedModel:
    """A model taken up from its folder.

    Attributes:
        name: of the model in the study it came from.
        classes: in order of risk.
        preparation: how a scan must be prepared for it.
        members: its networks.
        sha256: of model.json, which pins every other file.
    """

    name: str
    inputs: str
    classes: tuple[str, ...]
    preparation: PreparationSettings
    members: tuple[Member, ...]
    sha256: str

    @property
    def cells(self) -> int:
        """Slices in a grid."""
        return self.members[0].grid.cells

    def probabilities(self, prepared: Sequence[PreparedPatient]) -> NDArray[np.float64]:
        """Mean class probabilities ``(patient, class)`` over the members."""
        mean: NDArray[np.float64] = np.mean(
            [member.probabilities(prepared) for member in self.members], axis=0
        )
        return mean


def write_model(
    folder: Path,
    store: Store,
    patients: Sequence[CohortMember],
    recipe: Recipe,
    model: str,
    inputs: str,
    records: Sequence[dict[str, Any]],
) -> Path:
    """Write model.json and the card beside the members' weights.

    Args:
        folder: MODEL, in which the weights lie already.
        store: what it was trained on.
        patients: all that any member trained on or was selected by.
        recipe: of the training.
        model: name in the study.
        inputs: which modalities.
        records: of the members, as ``save_member`` gave them.

    Returns:
        Path of ``model.json``.
    """
    first = store.load(patients[0].patient)
    card = {
        "schema": SCHEMA,
        "notice": NOTICE,
        "model": model,
        "architecture": recipe.models.architecture(model),
        "inputs": inputs,
        "channels": list(CHANNELS[inputs]),
        "classes": list(recipe.classes),
        "image": image_size(recipe, first),
        "grid": recipe.grid.model_dump(),
        "preparation": store.settings.model_dump(mode="json"),
        "recipe": recipe.identity(model, inputs),
        "members": list(records),
        "training_patients": {
            label: sum(member.label == label for member in patients) for label in recipe.classes
        },
        "training_patients_sha256": sorted(sha256_bytes(p.patient.encode()) for p in patients),
        "prepared": store.digest,
        "versions": versions(),
    }
    write_text(folder / "README.md", _model_card(card))
    write_json(folder / "model.json", card)
    return folder / "model.json"


def _model_card(card: dict[str, Any]) -> str:
    """A page for people who find the folder."""
    counts = ", ".join(f"{count} {label}" for label, count in card["training_patients"].items())
    rows = "\n".join(
        f"| {record['weights']} | {record['selected_epoch']} "
        f"| {record['selected']['validation_balanced_accuracy']:.2f} |"
        for record in card["members"]
    )
    return f"""# {card["model"]} on {" and ".join(card["channels"]).upper()}

**{card["notice"]}**

Grades pancreatic cysts (IPMN) from MRI into {", ".join(card["classes"])}. Made with cystgrid
{card["versions"]["cystgrid"]}; `cystgrid predict` applies it, preparation included.

- Architecture: `{card["architecture"]}`.
- Input: grids of {card["grid"]["cells"]} slices, {card["image"]} x {card["image"]} pixels.
- Start: weights `{Path(card["recipe"]["weights"]).name}`.
- Trained on {counts} patients.

| member | epoch | balanced accuracy on its own validation fold |
|---|---|---|
{rows}

These figures chose the epoch, so they flatter. What to expect on new patients is what the nested
cross-validation of the same study says (`cystgrid crossval`).
"""


def load_model(folder: Path) -> DeployedModel:
    """Take up a MODEL folder; every file is checked by sha256.

    Raises:
        StoreError: no model there, or a file is missing, altered or of another version.
    """
    path = folder / "model.json"
    try:
        content = path.read_bytes()
        card = json.loads(content)
        if card["schema"] != SCHEMA:
            raise StoreError(
                path,
                got=f"schema {card['schema']}",
                expected=f"schema {SCHEMA}",
                do="use the version of cystgrid that made it",
            )
        preparation = PreparationSettings.parse(card["preparation"], str(path))
        grid = GridSettings.parse(card["grid"], str(path))
        shape = Shape.of(len(card["channels"]), len(card["classes"]), grid, preparation.cell)
        channels = channel_positions(preparation.modalities, card["inputs"])
        members = tuple(
            load_member(
                record,
                folder,
                architecture=card["architecture"],
                inputs=card["inputs"],
                shape=shape,
                channels=channels,
                grid=grid,
            )
            for record in card["members"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            path,
            got="no such file" if isinstance(error, FileNotFoundError) else "something else",
            expected="the model.json of a model",
            do="give the folder that `cystgrid train` wrote",
        ) from error
    return DeployedModel(
        card["model"],
        card["inputs"],
        tuple(card["classes"]),
        preparation,
        members,
        sha256_bytes(content),
    )
