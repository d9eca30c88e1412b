from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

CLASSES = ("normal", "low", "high")
FrameMaker = Callable[..., pd.DataFrame]


@pytest.fixture
def make_frame() -> FrameMaker:
    """Random predictions; ``signal`` is how far a method sees the truth."""

    def make(
        methods: Sequence[tuple[str, str, float]] = (("vit", "early", 0.3), ("cnn", "early", 2.0)),
        patients: int = 60,
        folds: int = 5,
        seed: int = 0,
    ) -> pd.DataFrame:
        generator = np.random.default_rng(seed)
        truth = generator.integers(0, len(CLASSES), patients)
        fold = np.arange(patients) % folds
        parts = []
        for model, inputs, signal in methods:
            scores = generator.normal(size=(patients, len(CLASSES)))
            scores[np.arange(patients), truth] += signal
            values = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
            part = pd.DataFrame(
                {
                    "model": model,
                    "inputs": inputs,
                    "outer_fold": fold,
                    "patient": [f"P{number:03d}" for number in range(patients)],
                    "center": "A",
                    "label": [CLASSES[code] for code in truth],
                    "predicted": [CLASSES[code] for code in values.argmax(axis=1)],
                }
            )
            for code, name in enumerate(CLASSES):
                part[f"p_{name}"] = values[:, code]
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    return make
