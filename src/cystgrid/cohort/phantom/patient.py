"""One phantom patient: everything that is in the body, in mm, RAS+, before any scanner sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cystgrid.cohort.phantom import gut, torso, vessels, viscera
from cystgrid.cohort.phantom.contrast import Tissue
from cystgrid.cohort.phantom.disease import LABELS, Disease, Label
from cystgrid.cohort.phantom.fields import Waves
from cystgrid.cohort.phantom.lesions import draw_disease
from cystgrid.cohort.phantom.organ import Organ
from cystgrid.cohort.phantom.pancreas import Gland, draw_gland
from cystgrid.cohort.phantom.shapes import Solid, Tube
from cystgrid.cohort.phantom.torso import Build, Torso

CROWDING = (Tissue.GUT_WALL, Tissue.LIVER, Tissue.RENAL_CORTEX, Tissue.SPLEEN)
"""Organs that a cyst pushes aside rather than grows into."""
AGE_MEAN, AGE_DEVIATION, AGE_RANGE = 65.3, 11.9, (30, 90)
MALE_SHARE = 0.42
"""Age and sex of the 139 patients of Proietto Salanitri et al. 2022, the paper behind cystgrid."""


@dataclass(frozen=True, eq=False)
class Patient:
    """A body.

    Attributes:
        age: years.
        sex: "F" or "M".
        build: size.
        torso: surfaces that hold the rest.
        organs: in the order they are painted, later over earlier.
        gland: the pancreas without its lesions.
        disease: its duct and its lesions.
        wobble: undulation of surfaces, 30 to 70 mm long.
        texture: of tissues, 5 to 14 mm long.
    """

    age: int
    sex: str
    build: Build
    torso: Torso
    organs: tuple[Organ, ...]
    gland: Gland
    disease: Disease
    wobble: Waves
    texture: Waves


def class_of(index: int) -> Label:
    """Classes take turns, so that any number of patients is balanced."""
    return LABELS[index % len(LABELS)]


def draw_patient(seed: np.random.SeedSequence, index: int) -> Patient:
    """The patient of a seed; only the lesions depend on the class.

    Args:
        seed: this patient's own; its children are drawn in a fixed order.
        index: counts the cohort's patients from 0.
    """
    person, body, lesion, field = (np.random.default_rng(child) for child in seed.spawn(4))
    age = int(np.clip(round(person.normal(AGE_MEAN, AGE_DEVIATION)), *AGE_RANGE))
    sex = "M" if person.uniform() < MALE_SHARE else "F"
    build = torso.draw_build(person)
    frame = torso.draw_torso(body, build)
    gland = draw_gland(body, build, age)
    before, after = _organs(body, build, frame, gland)
    crowd = [*after, *(organ for organ in before if organ.tissue in CROWDING)]
    taken = tuple(shape for organ in crowd for shape in organ.solids if isinstance(shape, Solid))
    spine = Tube(np.array([[0, 0, z] for z in np.arange(-150.0, 150, 5)]), np.full(60, 21.0))
    disease = draw_disease(lesion, class_of(index), index // len(LABELS), gland, (*taken, spine))
    return Patient(
        age, sex, build, frame, (*before, *after), gland, disease,
        wobble=Waves.draw(field, 30, 70, 24),
        texture=Waves.draw(field, 5, 14, 48),
    )  # fmt: skip


def _organs(
    random: np.random.Generator, build: Build, frame: Torso, gland: Gland
) -> tuple[list[Organ], list[Organ]]:
    """All organs but the pancreas, in painting order, in two parts: organs, then great vessels."""
    liver = viscera.liver(random, build)
    before = [
        torso.seams(frame),
        *torso.ribs(random, build, frame),
        *torso.back_muscles(random, build),
        *torso.spine(random, build),
        *viscera.heart(random, build),
        vessels.mesenteric_vessels(random, build),
        *gut.small_bowel(random, build, gland.parenchyma),
        *gut.colon(random, build),
        viscera.spleen(random, build),
        liver,
        vessels.liver_vessels(random, build, liver),
        *viscera.hepatic_cysts(random, build),
        *viscera.kidneys(random, build),
        *viscera.adrenals(random, build),
        viscera.gallbladder(random, build),
        *gut.stomach_and_duodenum(random, build, gland.parenchyma[:1]),
    ]
    after = [
        *vessels.great_vessels(random, build),
        vessels.portal_system(build, gland.splenic_vein),
        vessels.bile_duct(random, build, gland.duct[0]),
    ]
    return before, after
