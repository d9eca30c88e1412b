"""A release's bill of materials, CycloneDX 1.6 as JSON: what is in it, and what it asks for.

In it are cystgrid itself and the npm packages of the page's viewer, which lie in the wheel; beside
it every package that cystgrid or an extra asks for, in the version of requirements.lock. Made from
the repository's own files alone, so that the same commit gives the same bytes.
"""

from __future__ import annotations

import base64
import json
import re
import tomllib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SPEC = "1.6"
NAMESPACE = uuid.UUID("6f6b1a0e-4c0d-5c7e-9d0f-2b7a3c9f5e11")
"""Of the serial numbers; any fixed one serves."""

DEVELOPERS = "dev"
"""The extra that no release needs."""

PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+)(?: ; (?P<marker>[^\\\n]+?))?(?: \\)?$")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")

Component = dict[str, Any]


@dataclass(frozen=True)
class Pin:
    """One package of the lock.

    Attributes:
        name: as the lock writes it.
        version: the only one.
        hashes: sha256 of every file of that version.
        wanted_by: packages of the lock that ask for it; the project's own name among them.
        marker: for which machines; empty for all.
    """

    name: str
    version: str
    hashes: tuple[str, ...]
    wanted_by: tuple[str, ...]
    marker: str = ""

    @property
    def purl(self) -> str:
        """Its package URL, which names no index."""
        return f"pkg:pypi/{self.name}@{self.version}"


def read_lock(text: str) -> list[Pin]:
    """The pins of a lock as `make lock` writes it."""
    pins: list[Pin] = []
    for block in re.split(r"\n(?=[\w.-]+==)", text):
        lines = block.splitlines()
        head = PIN.match(lines[0])
        if head is None:
            continue  # the comment at the top
        via = [re.sub(r"^\s*#\s*(via\b)?\s*", "", line) for line in lines if "#" in line]
        wanted_by = tuple(words.split()[0] for words in via if words)
        pins.append(
            Pin(head["name"], head["version"], tuple(HASH.findall(block)), wanted_by,
                head["marker"] or "")
        )  # fmt: skip
    return pins


def normal(name: str) -> str:
    """A distribution's name as the lock writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def asked_for(project: Mapping[str, Any]) -> dict[str, set[str]]:
    """Which of its packages the project names, by extra; ``""`` holds what it requires."""
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {
        extra: {normal(re.split(r"[^\w.-]", text)[0]) for text in texts} - {project["name"]}
        for extra, texts in groups.items()
    }


def brought(pins: Iterable[Pin], roots: set[str]) -> list[Pin]:
    """These packages, and all that they ask for in turn."""
    known = {pin.name: pin for pin in pins}
    wants: dict[str, set[str]] = {}
    for pin in known.values():
        for owner in pin.wanted_by:
            wants.setdefault(owner, set()).add(pin.name)
    left, found = set(roots), set()
    while left:
        name = left.pop()
        found.add(name)
        left |= wants.get(name, set()) - found
    return [known[name] for name in sorted(found)]


def of_python(pin: Pin, scope: str) -> Component:
    """A package of the index; the hashes of its files stand beside its package URL."""
    made: Component = {
        "type": "library",
        "bom-ref": pin.purl,
        "name": pin.name,
        "version": pin.version,
        "scope": scope,
        "purl": pin.purl,
        "externalReferences": [
            {
                "type": "distribution",
                "url": pin.purl,
                "comment": "sha256 of every file of this version",
                "hashes": [{"alg": "SHA-256", "content": each} for each in pin.hashes],
            }
        ],
    }
    if pin.marker:
        made["properties"] = [{"name": "cystgrid:marker", "value": pin.marker}]
    return made


def in_the_viewer(lock: Mapping[str, Any]) -> list[Component]:
    """The npm packages that the viewer is bundled from, by frontend/package-lock.json."""
    found = []
    for place, each in lock["packages"].items():
        if not place or each.get("dev") or each.get("optional"):
            continue
        name = place.rpartition("node_modules/")[2]
        purl = f"pkg:npm/{name.replace('@', '%40')}@{each['version']}"
        algorithm, _, digest = each["integrity"].partition("-")
        content = base64.b64decode(digest).hex()
        found.append(
            {
                "type": "library",
                "bom-ref": purl,
                "name": name,
                "version": each["version"],
                "scope": "required",
                "hashes": [{"alg": algorithm.upper().replace("SHA", "SHA-"), "content": content}],
                "licenses": [{"license": {"id": each["license"]}}],
                "purl": purl,
            }
        )
    return found


def bill(root: Path, files: Mapping[str, str], made: datetime) -> dict[str, Any]:
    """The bill of materials.

    Args:
        root: of the repository.
        files: sha256 of the release's own files by name.
        made: the time of the commit.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    pins = read_lock((root / "requirements.lock").read_text("utf-8"))
    asked = asked_for(project)
    required = brought(pins, asked[""])
    every = brought(pins, set().union(*(asked[extra] for extra in asked if extra != DEVELOPERS)))
    viewer = in_the_viewer(json.loads((root / "frontend/package-lock.json").read_text("utf-8")))
    own = f"pkg:pypi/{project['name']}@{project['version']}"
    needed = {pin.name for pin in required}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, json.dumps(files, sort_keys=True))}",
        "version": 1,
        "metadata": {
            "timestamp": made.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "component": _itself(project, own, files, viewer),
        },
        "components": [
            of_python(pin, "required" if pin.name in needed else "optional") for pin in every
        ],
        "dependencies": _graph(own, asked, every, viewer),
    }


def _itself(
    project: Mapping[str, Any], own: str, files: Mapping[str, str], viewer: list[Component]
) -> Component:
    """The release, with its files and what lies in them."""
    return {
        "type": "application",
        "bom-ref": own,
        "name": project["name"],
        "version": project["version"],
        "description": project["description"],
        "licenses": [{"license": {"id": project["license"]}}],
        "purl": own,
        "components": [
            *(
                {
                    "type": "file",
                    "bom-ref": f"file:{name}",
                    "name": name,
                    "hashes": [{"alg": "SHA-256", "content": sha256}],
                }
                for name, sha256 in sorted(files.items())
            ),
            *viewer,
        ],
    }


def _graph(
    own: str, asked: Mapping[str, set[str]], every: list[Pin], viewer: list[Component]
) -> list[dict[str, Any]]:
    """Who asks for whom."""
    direct = set().union(*(asked[extra] for extra in asked if extra != DEVELOPERS))
    edges: dict[str, set[str]] = {own: {each["bom-ref"] for each in viewer}}
    purls = {pin.name: pin.purl for pin in every}
    for pin in every:
        edges.setdefault(pin.purl, set())
        if pin.name in direct:
            edges[own].add(pin.purl)
        for owner in pin.wanted_by:
            if owner in purls:
                edges.setdefault(purls[owner], set()).add(pin.purl)
    return [{"ref": ref, "dependsOn": sorted(edges[ref])} for ref in sorted(edges)]
