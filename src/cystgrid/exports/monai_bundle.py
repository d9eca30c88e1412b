"""A deployed model as a MONAI bundle that runs without cystgrid.

OUT/configs/metadata.json, inference.json   what it is, how it runs
OUT/models/preprocessing.ts, model.ts       prepared crops to 0-1 images, images to probabilities
OUT/scripts/predict.py                      grades a folder that ``cystgrid prepare`` wrote
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from cystgrid.exports import bundle_script
from cystgrid.exports.checking import Check, check_exported
from cystgrid.exports.source import Source
from cystgrid.exports.torchscript import read_script, write_script
from cystgrid.extras import require
from cystgrid.provenance import NOTICE, write_json, write_text

NETWORK = "network_def"
META, CONFIG = "configs/metadata.json", "configs/inference.json"
MODEL, PREPROCESSING = "models/model.ts", "models/preprocessing.ts"

VERSION = "1.0.0"
"""Of a bundle that has no older one."""

META_SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
    "meta_schema_20240725.json"
)


def write_bundle(source: Source, folder: Path, about: dict[str, Any]) -> Check:
    """Write a bundle into ``folder``, ask its files what they say, and let MONAI verify it.

    Args:
        source: the model.
        folder: there already, empty.
        about: what the bundle says of itself beside what MONAI asks for.

    Raises:
        SettingsError: MONAI is not installed.
        StoreError: the bundle says something else than the model.
    """
    require("export", "--to monai-bundle", "monai")
    given = source.tensors([source.cases[1], source.cases[2]])
    preparation, ensemble = source.preparation(), source.ensemble()
    image = preparation(*given)
    write_script(preparation, given, folder / PREPROCESSING)
    write_script(ensemble, (image,), folder / MODEL)
    write_json(folder / META, _metadata(source, about, list(image.shape)))
    write_json(folder / CONFIG, _inference(source))
    script = Path(bundle_script.__file__).read_text("utf-8")
    write_text(folder / "scripts/__init__.py", f'"""{NOTICE}"""\n')
    write_text(folder / "scripts/predict.py", script)
    first, then = read_script(folder / PREPROCESSING), read_script(folder / MODEL)

    def run(crop: Tensor, percentiles: Tensor, slices: Tensor) -> Tensor:
        answers: Tensor = then(first(crop, percentiles, slices))
        return answers

    check = check_exported(source, run, MODEL)
    _verify(folder)
    return check


def _verify(folder: Path) -> None:
    """MONAI's own look at whether the network is what metadata.json says."""
    from monai.bundle import verify_net_in_out  # takes seconds to import

    with _quiet():
        verify_net_in_out(
            net_id=NETWORK,
            meta_file=str(folder / META),
            config_file=str(folder / CONFIG),
            device="cpu",
            bundle_root=str(folder),
        )


def _inference(source: Source) -> dict[str, Any]:
    """The bundle's program, in MONAI's language of configs."""
    root = "@bundle_root + '/"
    return {
        "imports": ["$import torch", "$from scripts.predict import write_predictions"],
        "bundle_root": ".",
        "dataset_dir": f"${root}prepared'",
        "output_dir": f"${root}eval'",
        "device": "$torch.device('cpu')",
        "classes": list(source.model.classes),
        "channels": list(source.members[0].channels),
        "notice": NOTICE,
        NETWORK: f"$torch.jit.load({root}{MODEL}', map_location=@device)",
        "preprocessing": f"$torch.jit.load({root}{PREPROCESSING}', map_location='cpu')",
        "run": [
            f"$write_predictions(@{NETWORK}, @preprocessing, @dataset_dir, "
            "@output_dir, @classes, @channels, @device, @notice)"
        ],
    }


def _metadata(source: Source, about: dict[str, Any], image: list[int]) -> dict[str, Any]:
    """What MONAI asks of a bundle, and under ``cystgrid`` all that an export says of itself."""
    versions = about["versions"]
    seen = " and ".join(source.channels).upper()
    return {
        "schema": META_SCHEMA,
        "version": VERSION,
        "changelog": {VERSION: "exported by cystgrid"},
        "monai_version": versions["monai"],
        "pytorch_version": versions["torch"],
        "numpy_version": versions["numpy"],
        "required_packages_version": {},
        "name": f"cystgrid {about['model']} on {seen}",
        "task": "Risk of pancreatic cysts (IPMN) from MRI",
        "description": f"{NOTICE} Grades pancreatic cysts into "
        f"{', '.join(source.model.classes)} from {seen}.",
        "authors": "the user of cystgrid who trained it",
        "copyright": "of the model: its trainer's",
        "intended_use": NOTICE,
        "image_classes": f"{seen} of prepared crops, each scan in 0-1",
        "pred_classes": dict(enumerate_text(source.model.classes)),
        "network_data_format": {
            "inputs": {"image": _image_format(source, image)},
            "outputs": {"pred": _answer_format(source)},
        },
        "cystgrid": about,
    }


def _image_format(source: Source, image: list[int]) -> dict[str, Any]:
    names = [
        f"member {number}: {name}"
        for number in range(len(source.members))
        for name in source.channels
    ]
    return {
        "type": "image",
        "format": "magnitude",
        "modality": "MR",
        "num_channels": image[1],
        "spatial_shape": image[2:],
        "dtype": "float32",
        "value_range": [0, 1],
        "is_patch_data": False,
        "channel_def": dict(enumerate_text(names)),
    }


def _answer_format(source: Source) -> dict[str, Any]:
    return {
        "type": "probabilities",
        "format": "classes",
        "num_channels": len(source.model.classes),
        "spatial_shape": [],
        "dtype": "float32",
        "value_range": [0, 1],
        "is_patch_data": False,
        "channel_def": dict(enumerate_text(source.model.classes)),
    }


def enumerate_text(names: Any) -> Iterator[tuple[str, str]]:
    """Names by their number, as JSON's keys are texts."""
    return ((str(number), name) for number, name in enumerate(names))


@contextmanager
def _quiet() -> Iterator[None]:
    """Within it, MONAI does not warn that a config can run code: we wrote this one."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
