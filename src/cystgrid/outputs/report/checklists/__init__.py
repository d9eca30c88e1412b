"""Checklists of the field as data, and what a report answers of them."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files

from cystgrid.outputs.report.model import Cell, Checklist, Item, Section, Table, table_of

FILES = ("claim-2024", "tripod-ai")
KEY = "checklists"
"""Of the section that lists them."""

WHOLE, PART, OPEN = "in this report", "in part", "the authors'"
NOT_HERE = "this run has nothing to show for it"


def read_checklists(sections: Sequence[Section]) -> tuple[Checklist, ...]:
    """Every checklist, each item with the section that answers it in this report, or none.

    Args:
        sections: of the report; one that is not ``answered`` answers nothing.
    """
    answering = {section.key for section in sections if section.answered}
    return tuple(_held_against(_read(name), answering) for name in FILES)


def _read(name: str) -> Checklist:
    text = (files("cystgrid.outputs.report.checklists") / f"{name}.toml").read_text("utf-8")
    raw = tomllib.loads(text)
    items = tuple(Item(**item) for item in raw["item"])
    return Checklist(raw["key"], raw["name"], raw["citation"], items)


def _held_against(checklist: Checklist, answering: set[str]) -> Checklist:
    items = []
    for item in checklist.items:
        if item.section and item.section not in answering:
            left = f"{NOT_HERE}; {item.authors}" if item.authors else NOT_HERE
            items.append(replace(item, section="", authors=left))
        else:
            items.append(item)
    return replace(checklist, items=tuple(items))


def standing(item: Item) -> str:
    """Whether an item is answered, in words."""
    if not item.section:
        return OPEN
    return PART if item.authors else WHOLE


def counted(checklist: Checklist) -> str:
    """How many items are answered, in words."""
    found = [standing(item) for item in checklist.items]
    whole, part, left = (found.count(each) for each in (WHOLE, PART, OPEN))
    return (
        f"{checklist.name}: of {len(found)} items, {whole} are answered here, {part} in part, "
        f"and {left} are the authors' to fill in."
    )


def checklist_table(checklist: Checklist, titles: dict[str, str]) -> Table:
    """The items, where each is answered, and what is left to the authors.

    Args:
        checklist: held against the report.
        titles: of the sections, by key.
    """
    rows = []
    for item in checklist.items:
        state = standing(item)
        mark: Cell = Cell(state, mark="good" if state == WHOLE else "")
        where = Cell(titles.get(item.section, ""), link=item.section)
        rows.append((Cell(item.number), item.part, item.asks, mark, where, item.authors))
    return table_of(
        checklist.key,
        f"{checklist.name}, item by item",
        ("Item", "Part", "Asks for", "Answered", "Where", "Left to the authors"),
        rows,
        f"{checklist.citation}. The wording is ours",
    )
