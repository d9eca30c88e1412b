"""The answer as a TID 1500 structured report: class, probabilities, by what, from which scans."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from highdicom import sr
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.codedict import codes

from cystgrid.outputs.dicom.codes import (
    GRADE,
    INTENDED_USE,
    IPMN,
    PANCREAS,
    RESEARCH_ONLY,
    class_code,
    probability_code,
)
from cystgrid.outputs.dicom.making import MAKER, Making
from cystgrid.provenance import NOTICE

SERIES = 4


def structured_report(
    classes: Sequence[str],
    probabilities: NDArray[np.float64],
    model: str,
    told: Sequence[str],
    others: Sequence[Dataset],
    making: Making,
) -> sr.Comprehensive3DSR:
    """Make it.

    Args:
        classes: of the model, in order of risk.
        probabilities: ``(class,)``.
        model: its name.
        told: what a reader should know: flags of the scans, how it was calibrated.
        others: our other objects of this study, which the report names as evidence.
        making: identity and sources.
    """
    best = int(probabilities.argmax())
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(making.uid("finding"), "pancreas"),
        algorithm_id=sr.AlgorithmIdentification(
            MAKER, making.version, _parameters(model, told, making)
        ),
        finding_type=IPMN,
        finding_sites=[sr.FindingSite(PANCREAS)],
        measurements=[
            sr.Measurement(
                name=probability_code(name, number),
                value=round(float(probabilities[number]), 6),
                unit=codes.UCUM.NoUnits,
            )
            for number, name in enumerate(classes)
        ],
        qualitative_evaluations=[
            sr.QualitativeEvaluation(GRADE, class_code(classes[best], best)),
            sr.QualitativeEvaluation(INTENDED_USE, RESEARCH_ONLY),
        ],
        source_images=[
            sr.SourceImageForMeasurementGroup.from_source_image(image)
            for image in making.sources.everything
        ],
    )
    content = sr.MeasurementReport(
        observation_context=_observer(making),
        procedure_reported=codes.SCT.ImagingProcedure,
        imaging_measurements=[group],
        title=codes.DCM.ImagingMeasurementReport,
    )
    made = sr.Comprehensive3DSR(
        evidence=[*making.sources.everything, *others],
        content=content[0],
        is_complete=True,
        is_final=False,
        is_verified=False,
        **making.object("structured report", SERIES),
    )
    making.finish(made, "report")
    made.ManufacturerModelName = MAKER
    made.SoftwareVersions = making.version
    return made


def _parameters(model: str, told: Sequence[str], making: Making) -> list[str]:
    return [
        NOTICE,
        f"model {model}",
        f"model.json sha256 {making.model_sha256}",
        *told,
    ]


def _observer(making: Making) -> sr.ObservationContext:
    """A program observed, and no person."""
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=making.uid("observer"), name=MAKER, manufacturer_name=MAKER, model_name=making.version
    )
    return sr.ObservationContext(
        observer_device_context=sr.ObserverContext(codes.DCM.Device, device)
    )


def content_tree(report: Dataset) -> str:
    """A report's content, one line an item, indented."""
    return "\n".join(_lines(report, 0))


def _lines(item: Dataset, depth: int) -> list[str]:
    name = item.ConceptNameCodeSequence[0].CodeMeaning if "ConceptNameCodeSequence" in item else ""
    lines = [f"{'  ' * depth}{item.ValueType}: {name}{_value(item)}"]
    for child in item.get("ContentSequence", ()):
        lines += _lines(child, depth + 1)
    return lines


def _value(item: Dataset) -> str:
    if item.ValueType == "NUM":
        measured = item.MeasuredValueSequence[0]
        unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
        return f" = {measured.NumericValue} [{unit}]"
    if item.ValueType == "CODE":
        code = item.ConceptCodeSequence[0]
        return f" = {code.CodeMeaning} ({code.CodeValue}, {code.CodingSchemeDesignator})"
    if item.ValueType == "IMAGE":
        return f" = {item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID}"
    for keyword in ("TextValue", "UID", "PersonName"):
        if keyword in item:
            return f" = {item[keyword].value}"
    return ""
