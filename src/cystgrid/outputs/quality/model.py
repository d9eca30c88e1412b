"""What a quality page consists of, whoever fills it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mark = Literal["", "problem", "warning", "good"]
"""How something stands out; always said in words or by a sign as well, never by colour alone."""


@dataclass(frozen=True)
class Count:
    """One figure at the top of the page."""

    value: str
    name: str
    mark: Mark = ""


@dataclass(frozen=True)
class Cell:
    """One cell of a table; ``why`` is shown when it is pointed at."""

    text: str
    mark: Mark = ""
    why: str = ""


@dataclass(frozen=True)
class Column:
    """A column's head; numbers are set flush right, and a wide column takes what is left over."""

    name: str
    number: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        columns: as many as each row has cells.
        rows: the cells.
        title: above it; a table with ``folded`` shows the title alone until it is opened.
        folded: whether it is closed at first.
        note: below it.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    folded: bool = False
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page; without tables it says ``empty``."""

    title: str
    tables: tuple[Table, ...] = ()
    intro: str = ""
    empty: str = "None."


@dataclass(frozen=True)
class Picture:
    """A small picture with an outline on it.

    Attributes:
        name: such as ``T1``.
        uri: ``data:`` URI of the picture.
        width, height: pixels.
        outline: path of an SVG whose unit is half a pixel; empty for none.
        alt: what it shows, in words.
    """

    name: str
    uri: str
    width: int
    height: int
    outline: str
    alt: str


@dataclass(frozen=True)
class Note:
    """One thing to know of a patient."""

    mark: Mark
    text: str


@dataclass(frozen=True)
class Card:
    """One patient on the contact sheet."""

    patient: str
    label: str
    center: str
    line: int
    pictures: tuple[Picture, ...]
    facts: tuple[str, ...]
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class QualityPage:
    """A whole page.

    Attributes:
        title: of the page.
        intro: what was looked at, and when a reader should worry.
        counts: figures at the top.
        sections: in order of importance.
        cards: the contact sheet, in order.
        legend: how to read the pictures.
    """

    title: str
    intro: str
    counts: tuple[Count, ...]
    sections: tuple[Section, ...]
    cards: tuple[Card, ...]
    legend: str
