"""Every model behind its name: its entry, and how it is built."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cystgrid.errors import SettingsError
from cystgrid.models.entries import (
    CHANNELS,
    FEATURES,
    MODEL_NAMES,
    MODELS,
    TIMM,
    VIT,
    Family,
    Inputs,
    ModelEntry,
    entry_of,
)
from cystgrid.models.named_weights import KEYWORDS
from cystgrid.models.published import check_fetched
from cystgrid.models.settings import ModelSettings

if TYPE_CHECKING:  # a study is read without torch, which takes seconds to import
    from cystgrid.models.classical import Estimator
    from cystgrid.models.network import Network, Shape

__all__ = [
    "CHANNELS",
    "FEATURES",
    "KEYWORDS",
    "MODELS",
    "MODEL_NAMES",
    "TIMM",
    "VIT",
    "Family",
    "Inputs",
    "ModelEntry",
    "ModelSettings",
    "build_estimator",
    "build_model",
    "build_network",
    "entry_of",
]

LATE = "late"


def build_network(models: ModelSettings, name: str, inputs: str, shape: Shape) -> Network:
    """Build the network that a study names, with all that its settings say of it.

    Args:
        models: the study's.
        name: of the model in the study.
        inputs: one that it takes.
        shape: channels, classes and sizes.

    Raises:
        SettingsError: it cannot be built on these inputs or at this size.
        WeightsError: the weights cannot be had or do not fit.
    """
    network = build_model(models.architecture(name), inputs, shape, models.weights_of(name))
    check_fetched(models, name)
    if models.normalisation_of(name) == "unit":
        network.normalise_with(0.0, 1.0)
    return network.learn_absent() if models.absent == "learned" else network


def build_model(architecture: str, inputs: str, shape: Shape, weights: str) -> Network:
    """Build a registered network.

    Args:
        architecture: a network's key in ``MODELS``, or ``timm:`` and a name.
        inputs: one of those that it takes.
        shape: channels, classes and sizes.
        weights: ``hub``, ``none`` or a path.

    Raises:
        SettingsError: it cannot be built on these inputs or at this size.
        WeightsError: the weights cannot be had or do not fit.
    """
    entry = _entry(architecture, "network", inputs)
    builder: Callable[[str, str, Shape, str], Network] = _imported(entry)
    if inputs == LATE:
        return _late(builder, architecture, shape, weights)
    return builder(architecture, inputs, shape, weights)


def _late(
    builder: Callable[[str, str, Shape, str], Network],
    architecture: str,
    shape: Shape,
    weights: str,
) -> Network:
    """Two networks of one channel, each with the same start, behind one head."""
    from dataclasses import replace

    from cystgrid.models.fusion import MODALITIES, fuse

    single = replace(shape, channels=1)
    t1, t2 = (builder(architecture, modality, single, weights) for modality in MODALITIES)
    return fuse(t1, t2, shape)


def build_estimator(models: ModelSettings, name: str, inputs: str, cells: int) -> Estimator:
    """Build the classical model that a study names, to be fitted.

    Args:
        models: the study's.
        name: of the model in the study.
        inputs: one that it takes.
        cells: slices in a grid.

    Raises:
        SettingsError: it does not take these inputs.
    """
    entry = _entry(models.architecture(name), "classical", inputs)
    make: Callable[..., Estimator] = _imported(entry)
    if entry.sees != "image":
        return make()
    return make(
        extractor=models.extractor,
        weights=models.weights_of(name),
        unit=models.normalisation_of(name) == "unit",
        cells=cells,
    )


def _entry(name: str, family: Family, inputs: str) -> ModelEntry:
    """A model's entry, after a look at whether it can be built so.

    Raises:
        SettingsError: no such model of this family, inputs that it does not take, or a package
            that is not installed.
    """
    try:
        entry = entry_of(name)
    except ValueError as error:
        raise SettingsError(
            "models.names", got=name, expected=str(error), do="choose one of them"
        ) from error
    if entry.family != family:
        raise SettingsError(
            "models.names",
            got=f"{name}, a {entry.family} model",
            expected=f"a {family} model",
            do="build it as what it is",
        )
    if inputs not in entry.inputs:
        raise SettingsError(
            "models.inputs",
            got=f"{inputs} for {name}",
            expected=f"one of {', '.join(entry.inputs)}",
            do="choose other inputs or another model",
        )
    entry.require()
    return entry


def _imported(entry: ModelEntry) -> Any:
    """The builder that an entry names."""
    module, _, function = entry.build.partition(":")
    return getattr(import_module(module), function)
