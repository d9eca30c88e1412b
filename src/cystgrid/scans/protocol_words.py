"""Words of protocol names: what scanners' and technologists' series descriptions are made of.

Only these words of a description are ever shown. The rest may be a person's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cystgrid.scans.dicom_words import SEQUENCE_WORDS

T1_WORDS = frozenset((
    "t1", "vibe", "starvibe", "lava", "thrive", "fspgr", "spgr", "efgre3d", "flash", "mprage",
    "bravo", "disco", "quick3d",
))  # fmt: skip
"""T1 weighting, said outright or by the name of a sequence that has no other."""

T2_WORDS = frozenset(("t2", "haste", "ssfse", "sshtse", "ssh"))
"""T2 weighting, likewise; turbo spin echo alone can have either."""

OTHER_KINDS: dict[str, frozenset[str]] = {
    "localiser": frozenset((
        "loc", "localizer", "localiser", "localizers", "scout", "survey", "calibration", "calib",
        "3plane", "3pl", "planscan",
    )),
    "diffusion": frozenset((
        "dwi", "dwibs", "diff", "diffusion", "dti", "ivim", "trace", "tracew", "adc", "eadc",
        "bval", "calcbval", "zoomit",
    )),
    "MR cholangiography": frozenset(("mrcp", "cholangio", "cholangiography")),
    "projection": frozenset(("mip", "minip", "vrt", "projection")),
    "reformatted": frozenset(("mpr", "reformat", "reformatted", "curved")),
    "subtraction": frozenset(("sub", "subs", "subtraction", "subtracted")),
    "map": frozenset((
        "map", "maps", "b0map", "b1map", "t1map", "t2map", "r2star", "r2", "pdff", "ff", "fatfrac",
        "fraction", "fieldmap", "quant", "lic",
    )),
    "T2*": frozenset(("t2star",)),
    "balanced steady state": frozenset((
        "trufi", "truefisp", "trufisp", "fiesta", "bffe", "btfe", "bssfp", "balanced",
    )),
    "FLAIR": frozenset(("flair",)),
    "susceptibility": frozenset(("swi", "swan")),
    "angiography": frozenset(("mra", "tof", "angio", "twist", "tricks")),
    "elastography": frozenset(("elasto", "elastography")),
    "spectroscopy": frozenset(("spectro", "mrs", "press", "steam")),
}  # fmt: skip
"""Kinds of series that are no T1 or T2 scan of a stack of slices, whatever else their name says."""

FAT_SUPPRESSION_WORDS = frozenset((
    "fs", "fatsat", "fatsup", "spair", "spir", "stir", "chess", "proset", "specir", "aspir", "tirm",
))  # fmt: skip
DIXON_WORDS = frozenset(("dixon", "mdixon", "flex", "ideal", "qdixon"))
BEFORE_CONTRAST_WORDS = frozenset((
    "pre", "precontrast", "nativ", "native", "noncontrast", "nonenhanced", "unenhanced", "without",
    "ohne", "sans",
))  # fmt: skip
AFTER_CONTRAST_WORDS = frozenset((
    "post", "postcontrast", "gd", "gad", "gado", "gadolinium", "km", "ce", "enhanced", "art",
    "arterial", "ven", "venous", "portal", "pv", "delayed", "delay", "late", "equilibrium", "hbp",
    "hepatobiliary", "dyn", "dynamic", "dce", "pluscontrast",
))  # fmt: skip

_MORE_SHOWN = frozenset((
    "pd", "pdw", "abdomen", "liver", "pancreas", "sat", "sup", "supp", "suppressed", "grasp",
    "inphase", "outphase", "opphase", "opposed", "wip", "contrast", "kor", "transversal", "thin",
    "stack", "thick", "slab", "radial", "frfse", "fast", "single", "shot", "multi", "echo", "mbh",
    "sec", "min", "5min", "10min", "20min", "nav", "free", "breath", "breathing", "hold", "resp",
    "cs", "caipi", "arc", "asset", "grappa", "on", "off", "ph",
))  # fmt: skip
_WEIGHTED = {"t1w": "t1", "t1wi": "t1", "t2w": "t2", "t2wi": "t2", "pdw": "pd", "pdwi": "pd"}

SHOWN_WORDS = SEQUENCE_WORDS.union(
    T1_WORDS, T2_WORDS, FAT_SUPPRESSION_WORDS, DIXON_WORDS, BEFORE_CONTRAST_WORDS,
    AFTER_CONTRAST_WORDS, _MORE_SHOWN, _WEIGHTED, *OTHER_KINDS.values(),
)  # fmt: skip
"""Every word of a description that is shown."""

_JOINED = re.compile(r"(t1|t2|pd)(wi?)?([a-z0-9]+)")


def protocol_words(text: str) -> tuple[str, ...]:
    """The known words of a description or protocol name, lower case, in their order.

    Words written together are taken apart: ``T2WTSE`` is ``t2w tse``, ``eTHRIVE`` is ``thrive``.
    ``T2*`` is ``t2star``, ``w/o`` is ``without``, ``+C`` is ``pluscontrast``.
    """
    text = re.sub(r"(?i)\bt2\s?\*", " t2star ", text)
    text = re.sub(r"(?i)\bw/o\b", " without ", text)
    text = re.sub(r"(?i)(\+\s?(c|gd|gad|km)\b|\bc\s?\+)", " pluscontrast ", text)
    found: list[str] = []
    for token in re.split(r"[^A-Za-z0-9]+", text):
        found += _known(token)
    return tuple(found)


def _known(token: str) -> list[str]:
    """The token if it is known, or the known words it is joined from, or nothing."""
    word = token.lower()
    if word in SHOWN_WORDS:
        return [word]
    joined = _JOINED.fullmatch(word)
    if joined and joined[3] in SHOWN_WORDS:
        return [joined[1] + (joined[2] or ""), joined[3]]
    parts = re.split(r"(?<=[a-z0-9])(?=[A-Z])", token)
    return [known for part in parts for known in _known(part)] if len(parts) > 1 else []


def meanings(words: Iterable[str]) -> frozenset[str]:
    """The words without what only says *weighted*: ``t2w`` means ``t2``."""
    return frozenset(_WEIGHTED.get(word, word) for word in words)


def shown(words: Iterable[str]) -> str:
    """Each word once, in order, as it is shown in tables."""
    return " ".join(dict.fromkeys(words))
