"""Which models a study compares, on which inputs, started from what."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from cystgrid.errors import SettingsError
from cystgrid.models.entries import FEATURES, MODELS, NO_IMAGE, VIT, Inputs, ModelEntry, entry_of
from cystgrid.models.feature_table import FeatureSettings
from cystgrid.models.named_weights import HUB, KEYWORDS, PHANTOM, check_sha256, no_weights_at
from cystgrid.models.shipped import shipped_architectures, shipped_sha256
from cystgrid.provenance import sha256_file
from cystgrid.settings import Settings

Normalisation = Literal["imagenet", "unit"]
Extractor = Literal["alexnet", "densenet121", "resnet18", "mobilenet_v2", "efficientnet_b5"]
InputsByModel = dict[str, tuple[Inputs, ...]]

GIVEN_LATER = "given by --features"
"""Stands for the table of features in a finished model."""

Sha256 = Annotated[str, StringConstraints(to_lower=True, pattern="^[0-9a-fA-F]{64}$")]

Pair = tuple[str, str]
"""A model and its inputs."""

DEFAULT = "default"
"""Key, in a table by model, for the models that it does not name."""


class ModelSettings(Settings):
    """Which models, on which inputs, started from which weights.

    Attributes:
        names: models to compare; ``features`` means both of those on tables of features, and
            ``timm:NAME`` any plain vision transformer of timm's.
        inputs: ``early`` (T1 and T2 as channels), ``t1``, ``t2``, ``late`` (a network each, their
            features concatenated), ``intermediate`` (a stem each; the inflated networks). One list
            for all models, of which each takes what it can, or a table by model name, in which
            ``default`` serves the others. Models that see no image run once, whatever it says.
        vit: the size that the name ``vit`` stands for.
        weights: ``hub`` (timm's or torchvision's), ``phantom`` (the start that comes with the
            package), ``none`` (from scratch) or a path; one for all models, or a table by model
            name, in which ``default`` serves the others.
        sha256: what the file of a model's weights must have, by model name: of a path before any
            work, of what a hub gave when the network is built. Without it a hub is believed, but
            for the digits that torchvision's names of files end with.
        normalisation: ``imagenet`` (mean and deviation that the published network of this name
            expects) or ``unit`` (0-1 as it is, for weights in which the normalisation is folded
            in); one for all models or a table by model name with ``default``.
        absent: what stands in for a scan that a patient lacks: ``zero`` (black) or ``learned`` (a
            grey value for each channel, trained with the weights).
        extractor: the network whose features ``cnn-svm`` and ``hussein-cca`` use.
        features: the table for the ``features`` models.
        fusions: pairs of models whose answers are fused as well, with a weight that the inner folds
            learn; each as ``model`` or ``model:inputs``.
    """

    names: tuple[str, ...] = Field(default=(VIT, "resnet18"), min_length=1)
    inputs: tuple[Inputs, ...] | InputsByModel = Field(default=("early",), min_length=1)
    vit: Literal["tiny", "small", "base", "large"] = "base"
    weights: str | dict[str, str] = "hub"
    sha256: dict[str, Sha256] = Field(default_factory=dict)
    normalisation: Normalisation | dict[str, Normalisation] = "imagenet"
    absent: Literal["zero", "learned"] = "zero"
    extractor: Extractor = "alexnet"
    features: FeatureSettings | None = None
    fusions: tuple[tuple[str, str], ...] = ()

    @field_validator("names")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        both = tuple(name for name in MODELS if name.startswith(f"{FEATURES}-"))
        whole = [each for name in names for each in (both if name == FEATURES else (name,))]
        for name in whole:
            entry_of(name)
        return tuple(dict.fromkeys(whole))

    @field_validator("inputs")
    @classmethod
    def _taken(
        cls, inputs: tuple[Inputs, ...] | InputsByModel, info: ValidationInfo
    ) -> tuple[Inputs, ...] | InputsByModel:
        if isinstance(inputs, dict):
            _refuse_unknown_keys(inputs)
            for name, asked in inputs.items():
                for each in asked if name != DEFAULT else ():
                    _refuse_untaken(name, (each,))
        names = info.data.get("names", ())
        for name in names:
            _refuse_untaken(name, _inputs_of(inputs, name))
        if not isinstance(inputs, dict):
            _refuse_unused(names, inputs)
        return inputs

    @field_validator("weights", "normalisation")
    @classmethod
    def _for_models(cls, value: str | dict[str, str]) -> str | dict[str, str]:
        if isinstance(value, dict):
            _refuse_unknown_keys(value)
        return value

    @model_validator(mode="after")
    def _hashes_are_of_files(self) -> ModelSettings:
        _refuse_unknown_keys(self.sha256)
        for name in self.sha256:
            weights, entry = self.weights_of(name), self.entry(name)
            if weights not in KEYWORDS or (weights == HUB and entry.family == "network"):
                continue
            raise ValueError(f"weights of {name} that are a file, or a hub's for a network")
        return self

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every model with each of its inputs, in the study's order.

        Raises:
            SettingsError: a model on features, and no table of them.
        """
        for name in self.names:
            if self.entry(name).sees == "features" and self.features is None:
                raise SettingsError(
                    "models.features",
                    got=f"no table for {name}",
                    expected="file and columns of a table of features",
                    do="name them in the study, or leave this model out",
                )
        return tuple(
            (name, inputs)
            for name in self.names
            for inputs in _inputs_of(self.inputs, name)
            if inputs in entry_of(name).inputs
        )

    def fusion_pairs(self) -> tuple[tuple[Pair, Pair], ...]:
        """The two (model, inputs) of every decision fusion.

        Raises:
            SettingsError: one of the two is not run, or runs on several inputs and names none.
        """
        return tuple((self._one_of(first), self._one_of(second)) for first, second in self.fusions)

    def fusions_among(self, names: Collection[str]) -> tuple[tuple[str, str], ...]:
        """The decision fusions of which both models are among ``names``."""

        def has(asked: str) -> bool:
            return any(asked == name or asked.startswith(f"{name}:") for name in names)

        return tuple(pair for pair in self.fusions if all(map(has, pair)))

    def _one_of(self, asked: str) -> Pair:
        known = self.pairs()
        found = meant(asked, known)
        if len(found) != 1:
            raise SettingsError(
                "models.fusions",
                got=f"{asked}, which is {len(found)} of the models that are run",
                expected=f"one of {', '.join(map(':'.join, known))}",
                do="name the model, and its inputs where it has several",
            )
        return found[0]

    def of_one(self, name: str, inputs: str) -> ModelSettings:
        """What a finished model still needs of these settings; no path of this machine is left."""
        features = self.features
        if features is not None:
            features = features.model_copy(update={"file": GIVEN_LATER})
        return self.model_copy(
            update={
                "names": (name,),
                "inputs": {name: (inputs,)},
                "weights": "none",
                "sha256": {},
                "features": features if self.entry(name).sees == "features" else None,
                "fusions": (),
            }
        )

    def on_features(self, table: Path | None) -> ModelSettings:
        """The same with another table of the same columns; None leaves it as it is.

        Raises:
            SettingsError: no columns are listed.
        """
        if table is None:
            return self
        if self.features is None:
            raise SettingsError(
                "models.features.columns",
                got="none",
                expected="the columns of the table that may enter",
                do="list them in the study",
            )
        placed = os.path.abspath(table)  # noqa: PTH100 - keeps links
        return self.model_copy(
            update={"features": self.features.model_copy(update={"file": placed})}
        )

    def entry(self, name: str) -> ModelEntry:
        """The registry's entry behind a model's name in the study."""
        return entry_of(self.architecture(name))

    def weights_of(self, name: str) -> str:
        """The weights that the study names for a model."""
        return _by_model(self.weights, name, "hub")

    def normalisation_of(self, name: str) -> str:
        """The normalisation that the study names for a model."""
        return _by_model(self.normalisation, name, "imagenet")

    def architecture(self, name: str) -> str:
        """The registered name behind a model's name in the study."""
        return f"vit_{self.vit}" if name == VIT else name

    def identity(self, name: str) -> dict[str, Any]:
        """All of these settings that decide what a model becomes, as JSON; files by their bytes."""
        entry = self.entry(name)
        found: dict[str, Any] = {"architecture": self.architecture(name)}
        if entry.sees == "image":
            weights = self.weights_of(name)
            found["weights"] = _bytes_of(weights, self.architecture(name))
            if weights == HUB and name in self.sha256:
                found["weights"] = f"{HUB} {self.sha256[name]}"
            found["normalisation"] = self.normalisation_of(name)
        if entry.family == "network":
            found["absent"] = self.absent
        elif entry.sees == "image":
            found["extractor"] = self.extractor
        if entry.sees == "features" and self.features is not None:
            found["features"] = self.features.identity()
        return found

    def beside(self, folder: Path) -> ModelSettings:
        """The same with relative paths taken from ``folder``, the study file's."""

        def placed(weights: str) -> str:
            return weights if weights in KEYWORDS else os.path.abspath(folder / weights)  # noqa: PTH100 - keeps links

        weights = (
            placed(self.weights)
            if isinstance(self.weights, str)
            else {name: placed(value) for name, value in self.weights.items()}
        )
        features = None if self.features is None else self.features.beside(folder)
        return self.model_copy(update={"weights": weights, "features": features})

    def files(self, name: str) -> tuple[Path, ...]:
        """Every file that training a model reads, as the study names it; it may not be there."""
        entry, found = self.entry(name), []
        if entry.sees == "image" and self.weights_of(name) not in KEYWORDS:
            found.append(Path(self.weights_of(name)))
        if entry.sees == "features" and self.features is not None:
            found.append(Path(self.features.file))
        return tuple(found)

    def check_weights(self) -> None:
        """Refuse, before any work, weights that lie nowhere or are others than the study says.

        Raises:
            WeightsError: a model of the study is started from a file that is not there, or of
                another sha256.
        """
        for name in self.names:
            weights = Path(self.weights_of(name))
            asked = self.entry(name).sees == "image" and str(weights) not in KEYWORDS
            if asked and not weights.is_file():
                raise no_weights_at(weights)
            if asked:
                check_sha256(weights, self.sha256.get(name, ""))

    def relocated(self, places: Mapping[Path, Path]) -> ModelSettings:
        """The same files at other places, on another machine; what is not in ``places`` stays."""

        def moved(file: str) -> str:
            return str(places.get(Path(file), file))

        weights = (
            moved(self.weights)
            if isinstance(self.weights, str)
            else {name: moved(value) for name, value in self.weights.items()}
        )
        features = self.features
        if features is not None:
            features = features.model_copy(update={"file": moved(features.file)})
        return self.model_copy(update={"weights": weights, "features": features})


def meant(asked: str, pairs: Iterable[Pair]) -> list[Pair]:
    """Those of ``pairs`` that a fusion's ``model`` or ``model:inputs`` may mean."""
    return [pair for pair in pairs if asked in (pair[0], ":".join(pair))]


def _bytes_of(weights: str, architecture: str) -> str:
    """The sha256 of weights that lie here; ``hub``, ``none`` and a file that is gone by name."""
    if weights == PHANTOM and architecture in shipped_architectures():
        return shipped_sha256(architecture)
    path = Path(weights)
    return sha256_file(path) if weights not in KEYWORDS and path.is_file() else weights


def _by_model(value: str | dict[str, Any], name: str, otherwise: str) -> str:
    if isinstance(value, str):
        return value
    return str(value.get(name, value.get(DEFAULT, otherwise)))


def _inputs_of(inputs: tuple[Inputs, ...] | InputsByModel, name: str) -> tuple[str, ...]:
    """What the study asks a model to take; nothing is asked of one that sees no image."""
    if isinstance(inputs, dict):
        asked: tuple[str, ...] = inputs.get(name, inputs.get(DEFAULT, ("early",)))
    else:
        asked = inputs
    return NO_IMAGE if entry_of(name).inputs == NO_IMAGE else asked


def _refuse_untaken(name: str, asked: tuple[str, ...]) -> None:
    """A model that takes none of what it is asked to."""
    takes = entry_of(name).inputs
    if not set(asked) & set(takes):
        raise ValueError(f"inputs that {name} takes: {', '.join(takes)}")


def _refuse_unused(names: Iterable[str], asked: tuple[str, ...]) -> None:
    """An input that no model takes would be a setting without effect."""
    shown = [name for name in names if entry_of(name).inputs != NO_IMAGE]
    for each in asked if shown else ():
        if not any(each in entry_of(name).inputs for name in shown):
            takes = "; ".join(f"{name} takes {', '.join(entry_of(name).inputs)}" for name in shown)
            raise ValueError(f"no {each!r} here: {takes}")


def _refuse_unknown_keys(names: Iterable[str]) -> None:
    for name in names:
        if name != DEFAULT:
            try:
                entry_of(name)
            except ValueError as error:
                raise ValueError(f"as keys {DEFAULT} or {error}") from error
