"""What of a machine can change a training's bytes: its device, its arithmetic, its software."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch

from cystgrid.provenance import digest, sha256_file, versions
from cystgrid.training.device import Precision, resolve_precision, training_device


@dataclass(frozen=True)
class Site:
    """Where trainings run, as far as their bytes depend on it.

    Attributes:
        device: type of the device, ``cpu`` or ``cuda``.
        auto: what the precision ``auto`` means there.
        processor: name of the GPU, or the instructions that torch takes on the processor.
        code: digest of cystgrid's own source, since a version may have many.
        versions: of Python, the platform and the packages that can change a number.
    """

    device: str
    auto: Precision
    processor: str
    code: str
    versions: dict[str, str]

    def precision(self, wanted: str) -> Precision:
        """What a recipe's precision means there."""
        return self.auto if wanted == "auto" else cast(Precision, wanted)

    def difference(self, other: Site) -> tuple[str, str, str] | None:
        """The first thing in which another site differs: its name, its value here and there.

        The platform's name (a kernel's version, say) changes no number and may differ.
        """
        mine, theirs = self.facts(), other.facts()
        for name, value in mine.items():
            if theirs.get(name) != value:
                return name, value, theirs.get(name, "none")
        return None

    def facts(self) -> dict[str, str]:
        """All that decides bytes, by name, in words."""
        packages = {name: value for name, value in self.versions.items() if name != "platform"}
        return {
            "device": self.device,
            "precision": self.auto,
            "processor": self.processor,
            **packages,
            "cystgrid's source": self.code[:12],
        }


def this_site() -> Site:
    """The site of this process."""
    device = training_device()
    cuda = device.type == "cuda"
    return Site(
        device.type,
        resolve_precision("auto", device),
        torch.cuda.get_device_name() if cuda else torch.backends.cpu.get_cpu_capability(),
        code_digest(),
        versions(),
    )


@functools.cache
def code_digest() -> str:
    """Hex sha256 over cystgrid's source files, by their place in the package."""
    package = Path(__file__).parents[1]
    files = sorted(package.rglob("*.py"))
    return digest({path.relative_to(package).as_posix(): sha256_file(path) for path in files})
