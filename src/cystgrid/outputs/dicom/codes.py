"""The codes in our DICOM objects: standard ones where there are any, else of our own scheme."""

from __future__ import annotations

import re

from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes

from cystgrid.provenance import NOTICE

SCHEME = "99CYSTGRID"
"""Coding scheme designator of our own codes: "99" marks a private one (PS3.16, 8)."""

KNOWN_CLASSES = {
    "normal": codes.SCT.Normal,
    "low": codes.SCT.LowRisk,
    "high": codes.SCT.HighRisk,
}
"""Classes that SNOMED CT has words for."""

KNOWN_METHODS = {"grad-cam": codes.DCM.GradientWeightedClassActivation}
"""Ways to make a map that DICOM has a code for."""

PANCREAS = codes.SCT.Pancreas
LONGEST_VALUE, LONGEST_MEANING = 16, 64
"""Characters of SH and LO (PS3.5, 6.2)."""


def own(value: str, meaning: str) -> CodedConcept:
    """A code of our own."""
    return CodedConcept(value[:LONGEST_VALUE], SCHEME, meaning[:LONGEST_MEANING])


IPMN = own("IPMN", "Intraductal papillary mucinous neoplasm")
GRADE = own("IPMN-RISK", "Predicted risk class of IPMN")
INTENDED_USE = own("INTENDED-USE", "Intended use")
RESEARCH_ONLY = own("RESEARCH-ONLY", NOTICE)
RELEVANCE = own("RELEVANCE", "Relevance, in multiples of the even share")


def class_code(name: str, number: int) -> CodedConcept:
    """A class of the model, as a value.

    Args:
        name: of the class.
        number: its place in the model's order: two long names may begin alike.
    """
    if name in KNOWN_CLASSES:
        return CodedConcept.from_code(KNOWN_CLASSES[name])
    return own(f"CLASS-{number}", name)


def probability_code(name: str, number: int) -> CodedConcept:
    """What a class's probability is called."""
    return own(f"PROBABILITY-{number}", f"Probability of {name}")


def method_code(name: str) -> CodedConcept:
    """A way to make a map."""
    if name in KNOWN_METHODS:
        return CodedConcept.from_code(KNOWN_METHODS[name])
    return own(re.sub(r"[^A-Z0-9-]", "-", name.upper()), f"Relevance map by {name}")
