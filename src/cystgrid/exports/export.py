"""What the verb `export` does: a MODEL in another software's form, held to what the model says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from cystgrid.exports.card import SCHEMA, about, readme
from cystgrid.exports.checking import Check
from cystgrid.exports.monai_bundle import CONFIG, META, NETWORK, write_bundle
from cystgrid.exports.onnx import describe_inputs, describe_output, write_onnx
from cystgrid.exports.place import RECORD, new_place
from cystgrid.exports.source import Source
from cystgrid.exports.timm_folder import member_name, write_timm
from cystgrid.progress import progress_bar
from cystgrid.provenance import NOTICE, sha256_file, write_json, write_text
from cystgrid.training.device import reproducible

Kind = Literal["onnx", "monai-bundle", "timm"]
KINDS: tuple[Kind, ...] = get_args(Kind)

STEPS = 3
"""Of the progress bar: the model is loaded, written and tried, described."""


@dataclass(frozen=True)
class ExportReport:
    """What was written.

    Attributes:
        folder: of the export.
        kind: of software.
        check: what the round trip found.
        bytes: of all files.
    """

    folder: Path
    kind: Kind
    check: Check
    bytes: int

    def text(self) -> str:
        """For a terminal."""
        check = self.check
        lines = [
            f"{self.kind}: {self.folder} ({self.bytes / 1e6:.1f} MB)",
            f"largest difference from the model in float32: {check.largest:.1e} "
            f"({check.cases} made-up patients)",
        ]
        if check.answers:
            lines.append(
                f"the model itself answers in bfloat16, up to {check.answers:.1e} from that"
            )
        return "\n".join([*lines, NOTICE])


def export_model(model: Path, to: Kind, output: Path, *, quiet: bool = False) -> ExportReport:
    """Write a trained model for other software, and hold it to what the model says.

    Args:
        model: MODEL, a folder that ``cystgrid train`` wrote.
        to: which software.
        output: a new folder, or an older export, which is replaced.
        quiet: no progress bar.

    Raises:
        StoreError: no model there, something else in ``output``, or an export that says something
            else than the model: nothing is left of it then.
        UsageError: a model that is no network, or that the software has no form for.
        SettingsError: a package that the export needs is not installed.
    """
    with (
        progress_bar(f"export to {to}", STEPS, quiet=quiet) as advance,
        new_place(output) as folder,
        reproducible(threads=1),
    ):
        source = Source.take_up(model)
        facts = about(source, to)
        advance(1)
        check, use = WRITERS[to](source, folder, facts)
        advance(1)
        write_text(folder / "README.md", readme(source, facts, check, use))
        files = {
            path.relative_to(folder).as_posix(): sha256_file(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        record = {"schema": SCHEMA, **facts, "check": check.record(), "files": files}
        write_json(folder / RECORD, record)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        advance(1)
    return ExportReport(output, to, check, size)


def _onnx(source: Source, folder: Path, facts: dict[str, Any]) -> tuple[Check, str]:
    check = write_onnx(source, folder, facts)
    inputs = "\n".join(f"- `{name}`: {words}" for name, words in describe_inputs(source).items())
    return (
        check,
        f"""## Use
`onnxruntime.InferenceSession("model.onnx").run(["probabilities"], inputs)`, with

{inputs}

gives `probabilities`: {describe_output(source)}.

Standardisation by landmarks, the 0-1 scale, the grid, the network's own normalisation and the mean
over members are in the graph; correction, smoothing and cropping are not.""",
    )


def _bundle(source: Source, folder: Path, facts: dict[str, Any]) -> tuple[Check, str]:
    check = write_bundle(source, folder, facts)
    files = f"--meta_file {META} --config_file {CONFIG}"
    return (
        check,
        f"""## Use
In this folder, with `pip install 'monai[fire]'`; cystgrid need not be installed:

    python -m monai.bundle run {files} --dataset_dir PREPARED --output_dir OUT
    python -m monai.bundle verify_net_in_out {NETWORK} {files} --device cpu

PREPARED is a folder that `cystgrid prepare` wrote; OUT/predictions.csv has a row a patient. Both
files in `models` are TorchScript, which holds a program: run bundles only from people you trust.
They were made for the processor, and tried there.""",
    )


def _timm(source: Source, folder: Path, facts: dict[str, Any]) -> tuple[Check, str]:
    check = write_timm(source, folder, facts)
    return (
        check,
        f"""## Use
`timm.create_model("local-dir:{member_name(source, 0)}", pretrained=True)`, a folder a member;
probabilities are the mean over members of the softmax of its scores.

It takes `(batch, channel, height, width)`: {" and ".join(source.channels).upper()}, the central
{facts["slices"]} slices of a prepared crop in a square grid, row by row from the top left. First
each scan is mapped from its own landmarks to those of `standards` of its member (`cystgrid` in
config.json), then its whole crop to 0-1, then `mean` and `std` of `pretrained_cfg` are applied; a
scan that there is not is `absent` (0-1) throughout.
timm knows none of these steps: `--to onnx` and `--to monai-bundle` have them inside.""",
    )


WRITERS: dict[Kind, Callable[[Source, Path, dict[str, Any]], tuple[Check, str]]] = {
    "onnx": _onnx,
    "monai-bundle": _bundle,
    "timm": _timm,
}
"""Each writes its files into an empty folder, tries them, and says how to use them."""
