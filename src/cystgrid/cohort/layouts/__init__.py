"""How known data sets lie on disk. A layout is one function in a file of its own, named here."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cystgrid.cohort.importing import ImportResult
from cystgrid.cohort.layouts.cyst_x import CystXOptions, read_cyst_x
from cystgrid.cohort.layouts.inn import InnOptions, read_inn
from cystgrid.cohort.layouts.nnunet import NnunetOptions, read_nnunet
from cystgrid.cohort.layouts.options import NoOptions
from cystgrid.cohort.layouts.pansegdata import read_pansegdata
from cystgrid.cohort.layouts.transformer_ipmn import (
    TransformerIpmnOptions,
    read_transformer_ipmn,
)
from cystgrid.cohort.layouts.yao import YaoOptions, read_yao
from cystgrid.errors import CohortError, SettingsError
from cystgrid.settings import Settings


@dataclass(frozen=True)
class Layout:
    """One known layout.

    Attributes:
        description: what it is, in one line.
        read: makes patients of a folder, given its options.
        options: what can be chosen, each with its default.
    """

    description: str
    read: Callable[[Path, Any], ImportResult]
    options: type[Settings]


LAYOUTS: dict[str, Layout] = {
    "cyst-x": Layout(
        "Cyst-X: T1, T2, pancreas masks, risk and published folds of seven centres",
        read_cyst_x,
        CystXOptions,
    ),
    "inn": Layout("INN: folders CAD-## a modality and IPMN_Ground_Truth.csv", read_inn, InnOptions),
    "transformer-ipmn": Layout(
        "Transformer-IPMN: a JSON file of folds that names images and labels",
        read_transformer_ipmn,
        TransformerIpmnOptions,
    ),
    "pansegdata": Layout(
        "PanSegData: T1 and T2 scans with pancreas masks, not paired, no risk",
        read_pansegdata,
        NoOptions,
    ),
    "nnunet": Layout(
        "nnU-Net: Dataset###_Name with imagesTr, labelsTr and dataset.json, no risk",
        read_nnunet,
        NnunetOptions,
    ),
    "yao": Layout(
        "Yao et al.: data/{t1,t2}/raw, segmentations and label.csv", read_yao, YaoOptions
    ),
}


def import_layout(name: str, src: Path, options: Mapping[str, str] | None = None) -> ImportResult:
    """Import the data set at ``src``.

    Args:
        name: a key of ``LAYOUTS``.
        src: the data set's folder (or file, where the layout is one).
        options: the layout's own options by name, as text.

    Raises:
        SettingsError: no such layout or option, or an impossible value.
        CohortError: the data set cannot be read; what does not concern all of it is left out and
            named in the result instead.
    """
    if name not in LAYOUTS:
        near = difflib.get_close_matches(name, LAYOUTS, n=1, cutoff=0.0)
        raise SettingsError(
            "layout",
            got=repr(name),
            expected="a known layout",
            do=f"did you mean {near[0]!r}? Available: {', '.join(LAYOUTS)}",
        )
    layout = LAYOUTS[name]
    chosen = layout.options.parse(dict(options or {}), f"options of {name}")
    if not src.exists():
        raise CohortError(
            src, got="nothing there", expected="the folder of the data set", do="check the path"
        )
    return layout.read(src.absolute(), chosen)
