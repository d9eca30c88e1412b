"""The bill of materials: valid CycloneDX, whole, and of this repository's own pins."""

import json
import tomllib
from datetime import UTC, datetime

import pytest

from bare_process import PROJECT, brought
from release.lock import ROOT
from release.sbom import bill, normal, read_lock

cyclonedx_json = pytest.importorskip("cyclonedx.validation.json", reason="no cyclonedx-python-lib")
from cyclonedx.schema import SchemaVersion  # noqa: E402

FILES = {"cystgrid-0.1.0-py3-none-any.whl": "a" * 64, "cystgrid-0.1.0.tar.gz": "b" * 64}
MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def materials():
    return bill(ROOT, FILES, MADE)


def faults(materials):
    validator = cyclonedx_json.JsonStrictValidator(SchemaVersion.V1_6)
    return validator.validate_str(json.dumps(materials))


def test_it_is_valid_and_the_control_is_not(materials):
    assert faults(materials) is None
    assert faults({**materials, "version": "one"}) is not None


def test_it_says_the_same_twice(materials):
    assert json.dumps(bill(ROOT, FILES, MADE)) == json.dumps(materials)
    assert bill(ROOT, {}, MADE)["serialNumber"] != materials["serialNumber"]


def test_it_has_what_the_installed_packages_say_that_they_need(materials):
    """An independent walk, through the metadata of what is installed here."""
    listed = {each["name"]: each["scope"] for each in materials["components"]}
    required = {name for name, scope in listed.items() if scope == "required"}
    assert {normal(name) for name in brought(PROJECT["dependencies"])} <= required
    everything = brought(["cystgrid[all]"]) - {"cystgrid"}
    assert {normal(name) for name in everything} <= set(listed)
    assert "pytest" not in listed


def test_its_hashes_are_the_locks(materials):
    pins = {pin.name: pin for pin in read_lock((ROOT / "requirements.lock").read_text("utf-8"))}
    for each in materials["components"]:
        (files,) = each["externalReferences"]
        assert each["version"] == pins[each["name"]].version
        assert tuple(digest["content"] for digest in files["hashes"]) == pins[each["name"]].hashes


def test_the_release_holds_its_files_and_the_viewers_packages(materials):
    inside = {each["name"]: each for each in materials["metadata"]["component"]["components"]}
    assert {name: inside[name]["hashes"][0]["content"] for name in FILES} == FILES
    wanted = json.loads((ROOT / "frontend/package.json").read_text("utf-8"))
    assert set(wanted["dependencies"]) <= set(inside)
    assert not set(wanted["devDependencies"]) & set(inside), "tools are not in the viewer"
    assert all(len(each["hashes"][0]["content"]) in (64, 128) for each in inside.values())


def test_every_edge_ends_at_a_component(materials):
    inside = materials["metadata"]["component"]
    refs = {each["bom-ref"] for each in (*materials["components"], *inside["components"], inside)}
    for edge in materials["dependencies"]:
        assert {edge["ref"], *edge["dependsOn"]} <= refs
    own = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert f"pkg:pypi/cystgrid@{own}" in {edge["ref"] for edge in materials["dependencies"]}
