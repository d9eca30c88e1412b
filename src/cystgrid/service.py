"""What every door asks of a model: one study in, its answer and its maps out, the same by each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from cystgrid.cohort.manifest import Patient
from cystgrid.errors import UsageError
from cystgrid.explanations.options import Options
from cystgrid.explanations.patient_map import patient_map
from cystgrid.explanations.relevance import METHODS, methods_for
from cystgrid.models.registry import CHANNELS
from cystgrid.outputs.explanation import Explanation
from cystgrid.preparation.patient import PreparedPatient, prepare_patient
from cystgrid.preparation.settings import Modality, reference_of
from cystgrid.scans.reading import read_as_stored
from cystgrid.training.answer import Answer
from cystgrid.training.deployed import DeployedModel, load_model
from cystgrid.training.network_member import NetworkMember

ALL = "all"
"""Instead of a class's name: a map for each class."""

LACKS = {"attention": "attention to follow", "maps": "maps near its end"}
"""What a network has not that a method needs, in words."""

SCANS_AT_A_TIME = 2
"""Of one patient: both are corrected side by side, to the same bytes."""

SCANS, ANSWER, MAP = "scans", "answer", "map"
"""Stages of one study, in order; the last one once a method."""

OnStage = Callable[[str, str], None]
"""Told each stage, and of a map its method, before it begins; may raise to end the reading."""


@dataclass(frozen=True, eq=False)
class Reading:
    """One study, read.

    Attributes:
        prepared: the patient as the model saw it.
        answer: what the model says.
        explanations: its maps, one a method; none for a model that is no network.
    """

    prepared: PreparedPatient
    answer: Answer
    explanations: tuple[Explanation, ...] = ()

    def map_by(self, method: str) -> Explanation | None:
        """The map of the predicted class by one method; None if none was made."""
        for made in self.explanations:
            for one in made.maps:
                if one.method.name == method and one.target == made.predicted:
                    return replace(made, maps=(one,))
        return None


@dataclass(frozen=True, eq=False)
class Service:
    """A model, taken up once, that answers one study after another.

    Attributes:
        model: every file of it checked.
        members: its networks; none for a model of another kind, which has no map to show.
    """

    model: DeployedModel
    members: tuple[NetworkMember, ...]

    @classmethod
    def take_up(cls, folder: Path) -> Self:
        """Load MODEL.

        Raises:
            StoreError: there is no model, or it is damaged.
        """
        return cls.of(load_model(folder))

    @classmethod
    def of(cls, model: DeployedModel) -> Self:
        """Of a model that was loaded."""
        members = tuple(each for each in model.members if isinstance(each, NetworkMember))
        return cls(model, members if len(members) == len(model.members) else ())

    @property
    def methods(self) -> tuple[str, ...]:
        """Ways to make a map that serve the model, the best default first."""
        return methods_for(self.members[0].network) if self.members else ()

    def read(
        self,
        patient: Patient,
        methods: Sequence[str] = (),
        wanted: str = "",
        on_stage: OnStage = lambda stage, method: None,
    ) -> Reading:
        """Prepare, grade and explain one study.

        Args:
            patient: whose scans.
            methods: of maps.
            wanted: the class that they explain, or ``all``; empty for the predicted one.
            on_stage: told each stage before it begins; what it raises ends the reading.

        Raises:
            CystgridError: the scans or the region cannot be used.
            UsageError: a method that does not serve the model.
        """
        on_stage(SCANS, "")
        prepared = prepare_patient(patient, self.model.preparation, threads=SCANS_AT_A_TIME)
        on_stage(ANSWER, "")
        answer = Answer.of(self.model, prepared)
        made = []
        for method in methods:
            on_stage(MAP, method)
            made.append(self.explain(patient, prepared, method, wanted))
        return Reading(prepared, answer, tuple(each for each in made if each is not None))

    def explain(
        self, patient: Patient, prepared: PreparedPatient, method: str = "", wanted: str = ""
    ) -> Explanation | None:
        """The map of a prepared patient; None if the model is no network.

        Args:
            patient: whose.
            prepared: the same, as ``prepare_patient`` gave it.
            method: empty for the best default.
            wanted: the class, or ``all``; empty for the predicted one.

        Raises:
            UsageError: a method that does not serve the model.
        """
        if not self.members:
            return None
        chosen = checked_method(self.members[0], method, self.model.name)
        return explain_patient(
            self.model, self.members, patient, prepared, chosen, wanted, Options()
        )

    def answers_map(self, patient: Patient, reading: Reading) -> Explanation | None:
        """The predicted class by the best default method: the reading's, or made now.

        None if the model is no network.
        """
        made = reading.map_by(self.methods[0]) if self.methods else None
        return made or self.explain(patient, reading.prepared)


def reference_modality(model: DeployedModel, prepared: PreparedPatient) -> Modality:
    """The scan, of those that the patient has, on whose grid maps lie."""
    names = model.preparation.modalities
    return reference_of(name for name, there in zip(names, prepared.present, strict=True) if there)


def explain_patient(
    model: DeployedModel,
    members: Sequence[NetworkMember],
    patient: Patient,
    prepared: PreparedPatient,
    method: str,
    wanted: str,
    options: Options,
) -> Explanation:
    """Grade one patient, and make its maps.

    Raises:
        CystgridError: the scan that maps are laid on cannot be read.
    """
    names, reference = model.preparation.modalities, reference_modality(model, prepared)
    path = patient.scan(reference)
    assert path is not None, "it was prepared from there"
    probabilities = model.probabilities([prepared])[0]
    targets = _targets(wanted, method, model.classes, int(probabilities.argmax()))
    channels = CHANNELS[model.inputs]
    maps = tuple(
        patient_map(members, prepared, method, target, channels, options) for target in targets
    )
    scan = read_as_stored(path, model.preparation.reading)
    return Explanation(prepared, scan, reference, names, model.classes, probabilities, maps)


def _targets(wanted: str, method: str, classes: Sequence[str], predicted: int) -> list[int]:
    """Numbers of the classes to explain: one where the method tells no classes apart."""
    if wanted == ALL and METHODS[method].class_specific:
        return list(range(len(classes)))
    return [classes.index(wanted)] if wanted and wanted != ALL else [predicted]


def networks_of(model: DeployedModel) -> tuple[NetworkMember, ...]:
    """The model's members, which must be networks.

    Raises:
        UsageError: it is a model of another kind, in which nothing can be explained on an image.
    """
    members = tuple(each for each in model.members if isinstance(each, NetworkMember))
    if len(members) < len(model.members):
        raise UsageError(
            "MODEL",
            got=f"{model.name}, which is no network",
            expected="a transformer or a convolutional network",
            do="train one of those: this model has no map of an image to show",
        )
    return members


def checked_method(member: NetworkMember, method: str, name: str) -> str:
    """The method asked for, or the best default.

    Raises:
        UsageError: no such method, or one that does not serve this network.
        SettingsError: a package that it needs is not installed.
    """
    serving = methods_for(member.network)
    if not method:
        return serving[0]
    if method not in serving:
        needs = METHODS[method].needs if method in METHODS else None
        lacks = LACKS.get(needs or "")  # a method that needs nothing serves every network
        raise UsageError(
            "--method",
            got=f"{method} for {name}, a model without {lacks}" if lacks else repr(method),
            expected=f"one of {', '.join(serving)}",
            do="choose one of those",
        )
    METHODS[method].require()
    return method
