"""A MODEL folder: written once, taken up to predict.

MODEL/model.safetensors (or member-<j>.safetensors)  model.json  README.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cystgrid.cohort.classes import CohortSettings
from cystgrid.cohort.splits import Member as CohortMember
from cystgrid.errors import ScanError
from cystgrid.models.registry import CHANNELS
from cystgrid.preparation.flow import read_flow
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.preparation.store import Store
from cystgrid.provenance import NOTICE, sha256_bytes, versions, write_text
from cystgrid.sealing import write_sealed
from cystgrid.training.member import Member, load_member
from cystgrid.training.model_card import CARD, SCHEMA, as_no_model, read_model_card
from cystgrid.training.model_page import model_page
from cystgrid.training.recipe import Recipe

README = "README.md"
REBUILT = ("cohort", "grid", "models")
"""What of the recipe a finished model still needs."""


@dataclass(frozen=True)
class DeployedModel:
    """A model taken up from its folder.

    Attributes:
        name: of the model in the study it came from.
        classes: in order of risk.
        cohort: its classes, and the labels that are one of them.
        preparation: how a scan must be prepared for it.
        cells: slices in a grid.
        members: fitted models, whose probabilities are averaged.
        sha256: of model.json, which pins every other file.
        calibration: what was learned from validation patients, as model.json has it, or None.
    """

    name: str
    inputs: str
    classes: tuple[str, ...]
    cohort: CohortSettings
    preparation: PreparationSettings
    cells: int
    members: tuple[Member, ...]
    sha256: str
    calibration: dict[str, Any] | None = None

    def probabilities(self, prepared: Sequence[PreparedPatient]) -> NDArray[np.float64]:
        """Mean class probabilities ``(patient, class)`` over the members.

        Raises:
            ScanError: a patient of whom there is no scan that the model sees.
        """
        for patient in prepared:
            self._refuse_unseen(patient)
        mean: NDArray[np.float64] = np.mean(
            [member.probabilities(prepared) for member in self.members], axis=0
        )
        return mean

    def _refuse_unseen(self, patient: PreparedPatient) -> None:
        """Refuse a patient of whom it would see nothing: any answer would be of somebody else."""
        wanted, names = CHANNELS[self.inputs], self.preparation.modalities
        there = {name for name, is_there in zip(names, patient.present, strict=True) if is_there}
        if wanted and not there & set(wanted):
            raise ScanError(
                " or ".join(wanted),
                got="nothing",
                expected="a scan, as the model sees no other",
                do="give such a scan, or take a model of other inputs",
            )


def write_model(
    folder: Path,
    store: Store,
    patients: Sequence[CohortMember],
    recipe: Recipe,
    made: Mapping[str, Any],
    records: Sequence[dict[str, Any]],
    calibration: dict[str, Any] | None,
) -> Path:
    """Write model.json and the card beside the members' weights.

    Args:
        folder: MODEL, in which the weights lie already.
        store: what it was trained on.
        patients: all that any member trained on or was selected by.
        recipe: of the training; its first model on the first of its inputs.
        made: what the model is made by (see ``model_before.made_by``).
        records: of the members, as ``save_member`` gave them.
        calibration: what was learned from validation patients, if anything was.

    Returns:
        Path of ``model.json``.
    """
    model, inputs = recipe.models.pairs()[0]
    pixels = recipe.grid.pixels or store.settings.cell
    card = {
        **made,
        "schema": SCHEMA,
        "notice": NOTICE,
        "architecture": recipe.models.architecture(model),
        "inputs": inputs,
        "channels": list(CHANNELS[inputs]),
        "modalities": list(store.modalities),
        "classes": list(recipe.classes),
        "pixels": pixels,
        "image": recipe.grid.side * pixels,
        "grid": recipe.grid.model_dump(),
        "models": recipe.models.of_one(model, inputs).model_dump(mode="json"),
        "cohort": recipe.cohort.model_dump(mode="json"),
        "preparation": store.settings.model_dump(mode="json"),
        "members": list(records),
        "calibration": calibration,
        "training_patients": {
            label: sum(member.label == label for member in patients) for label in recipe.classes
        },
        "training_patients_sha256": sorted(sha256_bytes(p.patient.encode()) for p in patients),
        "versions": versions(),
    }
    page = model_page(
        card,
        [store.entries[member.patient] for member in patients],
        read_flow(store.folder),
    )
    write_text(folder / README, page)
    write_sealed(folder / CARD, {**card, "files": {README: sha256_bytes(page.encode())}})
    return folder / CARD


def load_model(folder: Path, features: Path | None = None) -> DeployedModel:
    """Take up a MODEL folder; every file is checked by sha256.

    Args:
        folder: MODEL.
        features: table of the new patients, for a model that reads one.

    Raises:
        StoreError: no model there, or a file is missing, altered or of another version.
    """
    card = read_model_card(folder)
    path, content = folder / CARD, card.content
    with as_no_model(folder):
        recipe = Recipe.parse({name: content[name] for name in REBUILT}, str(path))
        recipe = recipe.model_copy(update={"models": recipe.models.on_features(features)})
        members = tuple(
            load_member(content, record, folder, recipe) for record in content["members"]
        )
    return DeployedModel(
        content["model"],
        content["inputs"],
        tuple(content["classes"]),
        recipe.cohort,
        card.preparation,
        recipe.grid.cells,
        members,
        card.sha256,
        content.get("calibration"),
    )
