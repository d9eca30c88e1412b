"""What a series' header says about its contrast: T1, T2 or neither, and why one thinks so.

Two independent witnesses are heard: words of the description, and the numbers of the sequence
(TR, TE, TI, flip angle). Where they contradict each other, the answer is *other*: nobody's word is
taken against the physics, and no guess is made silently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from cystgrid.scans.protocol_words import (
    AFTER_CONTRAST_WORDS,
    BEFORE_CONTRAST_WORDS,
    DIXON_WORDS,
    FAT_SUPPRESSION_WORDS,
    OTHER_KINDS,
    T1_WORDS,
    T2_WORDS,
    meanings,
    protocol_words,
    shown,
)

Weighting = Literal["t1", "t2", "other"]
Contrast = Literal["no", "yes", "unclear"]

# Spin echo: short TR and TE give T1, long TR and short TE proton density, long TE T2 weighting
# (Nitz and Reimer, Eur Radiol 9:1032, 1999). Where *short* ends is our choice, wide enough for
# turbo spin echo trains at 1.5 and 3 T, with gaps between the classes in which numbers decide
# nothing. Single-shot sequences state any TR, so T2 rests on TE alone.
T1_SPIN_ECHO_TR_MS, T1_SPIN_ECHO_TE_MS = 1000.0, 35.0
PROTON_DENSITY_TR_MS, PROTON_DENSITY_TE_MS = 1500.0, 45.0
T2_SPIN_ECHO_TE_MS = 60.0
CHOLANGIOGRAPHY_TE_MS = 300.0
"""Beyond it only fluid is left; T2 scans of the abdomen have 60 to 200 ms."""

# Gradient echo: a small flip angle leaves little T1 weighting, which is why fat is quantified with
# one (Bydder et al., Magn Reson Imaging 26:347, 2008); a short TR with a large angle is balanced.
# The bounds are our choice, around usual abdominal protocols: spoiled 3-D (VIBE, LAVA, THRIVE) with
# TR 3-8 ms, TE 1-5 ms and 9-30 degrees, spoiled 2-D (FLASH, dual echo) with TR 80-250 ms and 50-90.
T1_GRADIENT_TE_MS = 8.0
T2_STAR_TE_MS = 12.0
T1_GRADIENT_TR_MS = 300.0
LEAST_T1_FLIP = 6.0
BALANCED_TR_MS, BALANCED_FLIP = 8.0, 38.0

_DERIVED_TYPES = {
    "ADC": "diffusion", "TRACEW": "diffusion", "DIFFUSION": "diffusion", "FA": "diffusion",
    "MPR": "reformatted", "REFORMATTED": "reformatted", "CURVED": "reformatted",
    "MIP": "projection", "MNIP": "projection", "MINIP": "projection",
    "PROJECTION IMAGE": "projection", "PROJECTION": "projection", "SUB": "subtraction",
    "SUBTRACT": "subtraction", "SUBTRACTION": "subtraction", "SUBTRACTED": "subtraction",
    "LOCALIZER": "localiser", "SCREEN SAVE": "screen capture", "CSA REPORT": "report",
    "T1 MAP": "map", "T2 MAP": "map", "T2_STAR MAP": "map", "R2_STAR MAP": "map", "MAP": "map",
    "FAT_FRACTION": "map", "PHASE MAP": "phase image", "P": "phase image", "REAL": "real part",
    "R": "real part", "IMAGINARY": "imaginary part", "I": "imaginary part",
    "PHASE": "phase image", "B0": "map", "B0 MAP": "map", "B1 MAP": "map",
}  # fmt: skip
"""Values of ImageType or FrameType (PS3.3 C.8.3.1.1.1, C.8.13.3.1.1 and vendors' own)."""

_SEPARATED = frozenset(("WATER", "FAT", "IN_PHASE", "OUT_PHASE", "OPP_PHASE", "DIXON", "W", "F",
                        "IP", "OP"))  # fmt: skip
_FAT_IMAGE = frozenset(("FAT", "F"))
_WATER_IMAGE = frozenset(("WATER", "W"))
_STATED_OTHER = {
    "DIFFUSION": "diffusion", "FLOW_ENCODED": "flow", "FLUID_ATTENUATED": "FLAIR",
    "PERFUSION": "perfusion", "PROTON_DENSITY": "proton density", "STIR": "STIR",
    "TAGGING": "tagging", "T2_STAR": "T2*", "TOF": "angiography",
}  # fmt: skip
"""Acquisition Contrast (PS3.3 C.8.13.3.1.4)."""

_NO_AGENT = frozenset(("", "no", "none", "n", "0", "nil", "nein", "without", "ohne"))


@dataclass(frozen=True)
class Acquisition:
    """What one series states about how it was made; times in ms, angles in degrees.

    Attributes:
        description: ``SeriesDescription``; compared, and never shown but for protocol words.
        protocol: ``ProtocolName``, likewise.
        sequence: ``SequenceName`` or ``PulseSequenceName``, likewise.
        agent: ``ContrastBolusAgent``, likewise.
        technique: ``ScanningSequence``'s values (SE, GR, EP, IR, RM).
        variant: ``SequenceVariant``'s values (SP spoiled, SS steady state, ...).
        options: ``ScanOptions``' values.
        image_type: ``ImageType``'s or ``FrameType``'s values.
        stated: ``AcquisitionContrast`` of enhanced MR.
        suppression: ``SpectrallySelectedSuppression`` and ``...Excitation`` of enhanced MR.
        free_precession: whether enhanced MR states a free-precession steady state.
        tr, te, ti, flip: repetition, shortest echo and inversion time, flip angle; None if unknown.
        b_value: largest ``DiffusionBValue``, None if there is none.
    """

    description: str = field(default="", repr=False)
    protocol: str = field(default="", repr=False)
    sequence: str = field(default="", repr=False)
    agent: str = field(default="", repr=False)
    technique: frozenset[str] = field(default=frozenset(), repr=False)
    variant: frozenset[str] = field(default=frozenset(), repr=False)
    options: frozenset[str] = field(default=frozenset(), repr=False)
    image_type: tuple[str, ...] = field(default=(), repr=False)
    stated: str = field(default="", repr=False)
    suppression: frozenset[str] = field(default=frozenset(), repr=False)
    free_precession: bool = False
    tr: float | None = None
    te: float | None = None
    ti: float | None = None
    flip: float | None = None
    b_value: float | None = None

    @property
    def source(self) -> str:
        """Which text the words are taken from.

        The protocol's name counts only where the description has no known word: some scanners
        write the name of the whole examination there.
        """
        return "description" if protocol_words(self.description) else "protocol"

    @property
    def text(self) -> str:
        """That text; never to be shown."""
        return self.description if self.source == "description" else self.protocol

    @property
    def words(self) -> tuple[str, ...]:
        """Its protocol words, in their order; these may be shown."""
        return protocol_words(self.text)

    @property
    def meanings(self) -> frozenset[str]:
        """What the words mean."""
        return meanings(self.words)


@dataclass(frozen=True)
class Guess:
    """A weighting, and one short sentence on what it rests."""

    weighting: Weighting
    why: str


def guess_weighting(acquisition: Acquisition) -> Guess:
    """T1, T2, or neither.

    Localisers, diffusion, cholangiography, projections, reformatted and subtracted images, maps,
    fat-only images and balanced steady-state sequences are *other*, whatever else they say; so are
    series whose words and numbers contradict each other.
    """
    kind = _other_kind(acquisition)
    if kind is not None:
        return Guess("other", kind)
    said, by = _by_words(acquisition)
    measured, numbers = _by_numbers(acquisition)
    if said == measured and said is not None:
        return Guess(_weighting(said), f"{by}; {numbers}")
    if said is None and measured is None:
        return Guess("other", f"{by or 'no word decides'}; {numbers or 'no TR and TE'}")
    if measured is None:
        return Guess(_weighting(said), by + (f"; {numbers} does not decide" if numbers else ""))
    if said is None:
        found = _weighting(measured)
        return Guess(found, numbers if found == measured else f"{measured}: {numbers}")
    return Guess("other", f"contradiction: {by}, but {numbers} is {_name(measured)}")


def contrast_given(acquisition: Acquisition) -> Contrast:
    """Whether the scan was made after contrast agent was given.

    ``ContrastBolusAgent`` is often stated for a whole examination, so a name that says *pre* makes
    it ``unclear`` rather than ``yes``.
    """
    words = acquisition.meanings
    before, after = bool(words & BEFORE_CONTRAST_WORDS), bool(words & AFTER_CONTRAST_WORDS)
    agent = acquisition.agent.strip().lower() not in _NO_AGENT
    if before:
        return "unclear" if after or agent else "no"
    return "yes" if after or agent else "no"


def fat_suppressed(acquisition: Acquisition) -> bool:
    """Whether fat is dark: saturated, not excited, inverted, or taken out (Dixon)."""
    words = acquisition.meanings
    return bool(
        words & FAT_SUPPRESSION_WORDS
        or re.search(r"(?i)fat[ _-]?(sat|sup)", acquisition.text)
        or acquisition.options & {"FS", "SPECIR", "FATSAT", "FAT_SAT"}
        or acquisition.suppression & {"FAT", "FAT_AND_WATER", "WATER"}
        or set(acquisition.image_type[2:]) & _WATER_IMAGE
        or (words & DIXON_WORDS and words & {"water", "w"})
    )


def is_localiser(acquisition: Acquisition) -> bool:
    """Whether the series says that it was made to plan others."""
    return "LOCALIZER" in acquisition.image_type or bool(
        acquisition.meanings & OTHER_KINDS["localiser"]
    )


def _other_kind(acquisition: Acquisition) -> str | None:
    """Why the series is no T1 or T2 scan, whatever its words and numbers."""
    if acquisition.b_value:
        return f"diffusion: b-value {acquisition.b_value:g}"
    words = acquisition.meanings
    for kind, of_kind in OTHER_KINDS.items():
        if words & of_kind:
            return f"{kind}: {acquisition.source} says {shown(sorted(words & of_kind))}"
    if words & DIXON_WORDS and _only_fat(acquisition):
        return f"fat image: {acquisition.source} says so"
    if "EP" in acquisition.technique:
        return "echo-planar: ScanningSequence says EP"
    if acquisition.stated in _STATED_OTHER:
        kind = _STATED_OTHER[acquisition.stated]
        return f"{kind}: AcquisitionContrast says {acquisition.stated}"
    return _other_type(acquisition.image_type) or _balanced(acquisition)


def _other_type(image_type: tuple[str, ...]) -> str | None:
    for value in image_type:
        if value in _DERIVED_TYPES:
            return f"{_DERIVED_TYPES[value]}: ImageType says {value}"
    kinds = set(image_type[2:])
    if kinds & _FAT_IMAGE and not kinds & _WATER_IMAGE:
        return "fat image: ImageType says FAT"
    if image_type[:2] == ("DERIVED", "SECONDARY") and not kinds & _SEPARATED:
        return "derived: ImageType says DERIVED, SECONDARY"
    return None


def _only_fat(acquisition: Acquisition) -> bool:
    """A Dixon image of fat: the word *fat* or *f* that is not part of *fat sat*."""
    text = re.sub(r"(?i)fat[ _-]?(sat|sup)\w*", " ", acquisition.text)
    words = set(protocol_words(text))
    return bool(words & {"fat", "f"}) and not words & {"water", "w"}


def _balanced(acquisition: Acquisition) -> str | None:
    """Balanced steady state shows T2 over T1 and is neither; scanners call it *gradient echo*."""
    tr, flip = acquisition.tr, acquisition.flip
    if "SP" in acquisition.variant or "SE" in acquisition.technique:
        return None
    name = acquisition.sequence.lower()
    if acquisition.free_precession or re.search(r"\*?tfi\d|b-?tfe|b-?ffe|fiesta", name):
        return "balanced steady state: the sequence says so"
    if tr is not None and flip is not None and 0 < tr < BALANCED_TR_MS and flip > BALANCED_FLIP:
        return f"balanced steady state: {_numbers(acquisition)}"
    return None


def _by_words(acquisition: Acquisition) -> tuple[str | None, str]:
    """Weighting by words (None where they say nothing or both), and what they say."""
    words, known = acquisition.words, acquisition.meanings
    t1, t2 = known & T1_WORDS, known & T2_WORDS
    if t1 or t2:
        by = f"{acquisition.source} says {_quoted(words, t1 | t2)}"
        return ("t1" if not t2 else "t2" if not t1 else None), by
    if "pd" in known:
        return "proton density", f"{acquisition.source} says {_quoted(words, {'pd'})}"
    if acquisition.stated in ("T1", "T2"):
        return acquisition.stated.lower(), f"AcquisitionContrast says {acquisition.stated}"
    return None, ""


def _quoted(words: Iterable[str], meant: frozenset[str] | set[str]) -> str:
    return shown(word for word in words if meanings([word]) & meant)


def _by_numbers(acquisition: Acquisition) -> tuple[str | None, str]:
    """Weighting by the sequence's numbers (None where they do not decide), and the numbers."""
    if acquisition.te is None or acquisition.tr is None:
        return None, ""
    if acquisition.te > CHOLANGIOGRAPHY_TE_MS:
        return "heavily T2-weighted, as in cholangiography", _numbers(acquisition)
    spin = acquisition.technique & {"SE"} and not acquisition.technique & {"GR"}
    gradient = acquisition.technique & {"GR"} and not acquisition.technique & {"SE"}
    if spin:
        return _spin_echo(acquisition, acquisition.tr, acquisition.te), _numbers(acquisition)
    if gradient:
        return _gradient_echo(acquisition, acquisition.tr, acquisition.te), _numbers(acquisition)
    # RM, several techniques or none: only what holds for both kinds
    either = {
        _spin_echo(acquisition, acquisition.tr, acquisition.te),
        _gradient_echo(acquisition, acquisition.tr, acquisition.te),
    } - {None}
    if acquisition.te >= T2_SPIN_ECHO_TE_MS:
        either = {"t2"}  # no gradient echo image waits that long
    return (either.pop() if len(either) == 1 else None), _numbers(acquisition)


def _spin_echo(acquisition: Acquisition, tr: float, te: float) -> str | None:
    inversion = acquisition.ti is not None and 80 <= acquisition.ti <= 260
    if inversion and "IR" in acquisition.technique and te < T2_SPIN_ECHO_TE_MS:
        return "STIR"
    if te >= T2_SPIN_ECHO_TE_MS:
        return "t2"
    if 0 < tr <= T1_SPIN_ECHO_TR_MS and te <= T1_SPIN_ECHO_TE_MS:
        return "t1"
    if tr >= PROTON_DENSITY_TR_MS and te < PROTON_DENSITY_TE_MS:
        return "proton density"
    return None


def _gradient_echo(acquisition: Acquisition, tr: float, te: float) -> str | None:
    if te >= T2_STAR_TE_MS:
        return "T2*"
    prepared = acquisition.ti is not None and acquisition.ti > 0  # TR may be that of the inversions
    short = te <= T1_GRADIENT_TE_MS and (prepared or 0 < tr <= T1_GRADIENT_TR_MS)
    if not short or acquisition.flip is None:
        return None
    if acquisition.flip < LEAST_T1_FLIP and not prepared:
        return "proton density"
    return "t1"


def _weighting(found: str | None) -> Weighting:
    return "t1" if found == "t1" else "t2" if found == "t2" else "other"


def _name(measured: str) -> str:
    return measured.upper() if measured in ("t1", "t2") else measured


def _numbers(acquisition: Acquisition) -> str:
    parts = [
        f"{name} {value:.3g}{unit}" if value < 1000 else f"{name} {value:.0f}{unit}"
        for name, value, unit in (
            ("TR", acquisition.tr, " ms"),
            ("TE", acquisition.te, " ms"),
            ("TI", acquisition.ti or None, " ms"),
            ("flip", acquisition.flip, "°"),
        )
        if value is not None
    ]
    return ", ".join(parts)
