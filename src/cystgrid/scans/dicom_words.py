"""Words of DICOM headers that may be shown. Any other text of a header may be a person's name."""

from __future__ import annotations

SEQUENCE_WORDS = frozenset((
    "t1", "t1w", "t2", "t2w", "pd", "pdw", "flair", "stir", "dwi", "adc", "trace", "swi", "mrcp",
    "tse", "fse", "fspgr", "haste", "ssfse", "vibe", "lava", "thrive", "mprage", "blade",
    "propeller", "space", "cube", "trufi", "fiesta", "bffe", "tfe", "tfl", "ffe", "fl2d", "fl3d",
    "flash", "gre", "se", "epi", "ep2d", "dixon", "mdixon", "ideal", "opp", "in", "out", "ip",
    "op", "phase", "water", "fat", "w", "f", "fs", "spair", "spir", "nativ", "native", "pre",
    "post", "art", "arterial", "ven", "venous", "portal", "delayed", "tra", "ax", "axial", "cor",
    "coronal", "sag", "sagittal", "obl", "loc", "localizer", "localiser", "scout", "survey", "2d",
    "3d", "bh", "rt", "trig", "navi", "dyn", "p2", "mpr", "sub", "map", "sense",
))  # fmt: skip
"""Of a series' description."""

IMAGE_TYPE_WORDS = frozenset((
    "ORIGINAL", "DERIVED", "MIXED", "PRIMARY", "SECONDARY", "NONE", "OTHER", "MAGNITUDE", "PHASE",
    "REAL", "IMAGINARY", "COMPLEX", "M", "P", "R", "I", "MIN", "MAX", "MEAN", "M_FFE", "M_SE",
    "M_IR", "PHASE_FFE", "PHASE_SE", "PHASE MAP", "T1", "T2", "T2_STAR", "DIFFUSION", "ADC", "FA",
    "TRACE", "TRACEW", "B0", "PERFUSION", "VELOCITY", "FLOW_ENCODED", "SUBTRACTION", "ADDITION",
    "IN_PHASE", "OUT_PHASE", "OPP_PHASE", "INPHASE", "OUTPHASE", "IP", "OP", "W", "F", "WATER",
    "FAT", "FF", "DIXON", "FIELD_MAP", "T1 MAP", "T2 MAP", "T2_STAR MAP", "R2_STAR MAP", "MPR",
    "PROJECTION IMAGE", "MIP", "AVERAGE", "NORM", "ND", "DIS2D", "DIS3D", "MFSPLIT", "SUM", "FM",
))  # fmt: skip
"""Values of ImageType, FrameType and ComplexImageComponent, those of makers included."""
