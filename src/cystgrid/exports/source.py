"""The model that is exported, in the arithmetic of exports, and the patients it is held to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from cystgrid.errors import UsageError
from cystgrid.exports.cases import Case, cases_for
from cystgrid.exports.graph import Ensemble, Preparation, exact_members
from cystgrid.models.registry import CHANNELS
from cystgrid.service import Service
from cystgrid.training.deployed import DeployedModel, load_model
from cystgrid.training.model_card import read_model_card
from cystgrid.training.network_member import NetworkMember


@dataclass(frozen=True, eq=False)
class Source:
    """A deployed model of networks.

    Attributes:
        model: as it answers.
        exact: the same in float32, on the processor.
        card: content of its model.json.
    """

    model: DeployedModel
    exact: DeployedModel
    card: dict[str, Any]

    @classmethod
    def take_up(cls, folder: Path) -> Self:
        """Load MODEL.

        Raises:
            StoreError: there is no model, or it is damaged.
            UsageError: it is no network.
        """
        card = read_model_card(folder).content
        model = load_model(folder)
        members = Service.of(model).members
        if not members:
            raise UsageError(
                "MODEL",
                got=f"{model.name}, which is no network",
                expected="a transformer or a convolutional network",
                do="train one of those: other software has no form for this kind of model",
            )
        return cls(model, replace(model, members=exact_members(members)), card)

    @property
    def members(self) -> tuple[NetworkMember, ...]:
        """In float32, on the processor."""
        return tuple(each for each in self.exact.members if isinstance(each, NetworkMember))

    @property
    def channels(self) -> tuple[str, ...]:
        """Modalities that the model sees, in the order of its channels."""
        return CHANNELS[self.model.inputs]

    @property
    def prepared(self) -> int:
        """Pixels along a prepared cell's side."""
        return self.model.preparation.cell

    @property
    def bfloat16(self) -> bool:
        """Whether the model itself answers in bfloat16."""
        return any(record["precision"] == "bfloat16" for record in self.card["members"])

    def preparation(self) -> Preparation:
        """Prepared crops to what its networks take."""
        return Preparation(self.members, self.prepared).eval()

    def ensemble(self) -> Ensemble:
        """What its networks take to probabilities."""
        return Ensemble([member.network for member in self.members]).eval()

    @cached_property
    def cases(self) -> list[Case]:
        """Patients that every export is tried on."""
        first = self.members[0]
        count = first.network.form.count(first.grid.cells)
        return cases_for(len(self.model.preparation.modalities), count, self.prepared)

    @cached_property
    def expected(self) -> NDArray[np.float64]:
        """Probabilities ``(case, class)`` by cystgrid's own path, in float32."""
        return self.exact.probabilities([case.prepared for case in self.cases])

    def from_answers(self) -> float:
        """Largest difference between the model as it answers on this machine and in float32."""
        answers = self.model.probabilities([case.prepared for case in self.cases])
        return float(np.abs(answers - self.expected).max())

    def tensors(self, cases: list[Case]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Crop, percentiles and slices of cases together, the flatter ones' last slices repeated.

        Returns:
            ``(batch, channel, slice, row, column)`` float32, ``(batch, channel, landmark)`` float64
            and ``(batch,)`` int64.
        """
        rows = list(self.members[0].channels)
        depths = [case.prepared.crop.shape[1] for case in cases]
        deepest = max(depths)
        crops = [
            np.pad(
                case.prepared.crop[rows],
                ((0, 0), (0, deepest - depth), (0, 0), (0, 0)),
                mode="edge",
            )
            for case, depth in zip(cases, depths, strict=True)
        ]
        percentiles = np.stack([case.prepared.percentiles[rows] for case in cases])
        return (
            torch.from_numpy(np.stack(crops)),
            torch.from_numpy(percentiles),
            torch.tensor(depths, dtype=torch.int64),
        )
