"""How one network is trained, and how one to deploy is made."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from cystgrid.settings import Settings


class TrainingSettings(Settings):
    """One training's recipe.

    Attributes:
        optimizer: ``adamw`` (decoupled decay), ``adam`` (the paper's) or ``sgd`` (momentum 0.9, as
            the code that the paper's authors published).
        learning_rate: of the head; layers below it have ``layer_decay`` times less, each.
        weight_decay: not applied to biases, norms, tokens and position embeddings.
        layer_decay: factor from a layer to the one below it; 1 gives all layers the same rate.
        schedule: ``cosine`` to zero after the warm-up, or ``constant``.
        warmup: epochs over which the rate rises linearly from zero.
        epochs: passes; in each, every training patient gives one random window.
        batch: grids in one step.
        class_weights: of the classes in the cross-entropy: ``none`` counts patients alike,
            ``balanced`` weighs each by the inverse of its class's frequency in training; numbers
            are taken as they are, one a class in the study's order.
        batch_norm: ``batch`` normalises by each batch's own statistics; ``frozen`` by those that
            the pretrained network came with, as is often done with few images a step.
        select: what chooses the epoch on the inner validation fold: ``balanced_accuracy`` (ties go
            to the lower loss, then to the earlier epoch) or ``loss``.
        evaluate_every: epochs between two looks at the validation fold; the last is always seen.
        patience: epochs without a better look after which a training ends; it can change which
            epoch is chosen (docs/recipes.md says how often). None trains all epochs.
        precision: ``auto`` takes bfloat16 products where the processor has instructions for them,
            else float32; what was taken is recorded. The weights that are trained and saved, norms
            and sums are float32 in both.
        threads: processor threads of one training. It is part of the recipe because sums in another
            order give other last digits.
        seed: of initial heads, windows, augmentation and order.
    """

    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(default=3e-4, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = Field(default=5, ge=0)
    epochs: int = Field(default=100, ge=1)
    batch: int = Field(default=8, ge=1)
    class_weights: Literal["none", "balanced"] | tuple[float, ...] = "none"
    batch_norm: Literal["batch", "frozen"] = "batch"
    select: Literal["balanced_accuracy", "loss"] = "balanced_accuracy"
    evaluate_every: int = Field(default=1, ge=1)
    patience: int | None = Field(default=None, ge=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)

    @field_validator("class_weights")
    @classmethod
    def _positive(cls, weights: str | tuple[float, ...]) -> str | tuple[float, ...]:
        if not isinstance(weights, str) and not (weights and all(0 < w < 1e6 for w in weights)):
            raise ValueError("positive numbers, one a class")
        return weights


class DeploySettings(Settings):
    """How a deployable model is made.

    Attributes:
        folds: the cohort is divided into so many; one selects a member's epoch.
        members: networks in the model, at most one a fold.
    """

    folds: int = Field(default=5, ge=2)
    members: int = Field(default=5, ge=1)
