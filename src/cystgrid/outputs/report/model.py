"""What a report consists of, whoever fills it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cystgrid.cohort.cells import inert
from cystgrid.outputs.quality.model import Count, Mark


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: as it is shown.
        strong: set in bold.
        mark: how it stands out.
        link: key of the section that it leads to; empty for none.
    """

    text: str
    strong: bool = False
    mark: Mark = ""
    link: str = ""


@dataclass(frozen=True)
class Head:
    """A column's head; numbers are set flush right."""

    name: str
    number: bool = False


@dataclass(frozen=True)
class Table:
    """A table that a reader can sort and take away.

    Attributes:
        name: of the file that it is exported as, unique in a report.
        title: above it.
        heads: as many as each row has cells.
        rows: the cells; the first of each names its row.
        source: file that every number comes from.
        csv: what an export holds.
        notes: below it.
        folded: closed at first.
    """

    kind: ClassVar[str] = "table"
    name: str
    title: str
    heads: tuple[Head, ...]
    rows: tuple[tuple[Cell, ...], ...]
    source: str
    csv: str
    notes: tuple[str, ...] = ()
    folded: bool = False


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes:
        name: of its file, unique in a report.
        title: above it.
        uri: ``data:`` URI.
        width, height: pixels of a screen that it is meant for.
        alt: what it shows, in words.
        source: file that it was made from.
    """

    kind: ClassVar[str] = "figure"
    name: str
    title: str
    uri: str
    width: int
    height: int
    alt: str
    source: str


@dataclass(frozen=True)
class Facts:
    """Names and what they are, with the files that say so."""

    kind: ClassVar[str] = "facts"
    rows: tuple[tuple[str, str], ...]
    source: str


@dataclass(frozen=True)
class Prose:
    """A paragraph; with a mark, one that must not be overlooked."""

    kind: ClassVar[str] = "prose"
    text: str
    mark: Mark = ""


@dataclass(frozen=True)
class Listing:
    """Sentences, one below the other."""

    kind: ClassVar[str] = "listing"
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """A file, word for word, closed at first."""

    kind: ClassVar[str] = "code"
    title: str
    text: str
    source: str


@dataclass(frozen=True)
class Layer:
    """One scan of a case: its slices in a square, row by row.

    Attributes:
        name: such as ``T1``.
        uri: ``data:`` URI of the slices; empty for a scan that there is not.
        width, height: pixels of the picture.
        alt: what it shows, in words.
        outline: path of an SVG whose unit is half a pixel, of a known lesion; empty for none.
        map_uri: ``data:`` URI of the map to lay on it; empty for none.
        map_name: what the map is.
    """

    name: str
    uri: str
    width: int
    height: int
    alt: str
    outline: str = ""
    map_uri: str = ""
    map_name: str = ""


@dataclass(frozen=True)
class Answer:
    """What one method said of a case."""

    method: str
    predicted: str
    probability: str
    right: bool


@dataclass(frozen=True)
class Case:
    """One patient of the gallery.

    Attributes:
        patient, label, center: as the run has them.
        answer: of the method whose cases are shown.
        answers: of every method, for the opened case.
        side: cells along a side of the pictures.
        layers: its scans.
        heights: where the slices lie, in words.
        notes: flags, and what the map says.
    """

    patient: str
    label: str
    center: str
    answer: Answer
    answers: tuple[Answer, ...]
    side: int
    layers: tuple[Layer, ...]
    heights: str
    notes: tuple[str, ...]

    def view(self, layer: Layer) -> str:
        """The middle slice of a scan's picture, as the ``viewBox`` of an SVG."""
        row, column = divmod(self.side * self.side // 2, self.side)
        width, height = layer.width / self.side, layer.height / self.side
        return f"{column * width:g} {row * height:g} {width:g} {height:g}"

    def edges(self, layer: Layer) -> str:
        """Lines between the slices of a scan's picture, as the path of an SVG."""
        steps = range(1, self.side)
        across = (f"M{n * layer.width / self.side:g} 0v{layer.height}" for n in steps)
        down = (f"M0 {n * layer.height / self.side:g}h{layer.width}" for n in steps)
        return "".join([*across, *down])

    @property
    def explained(self) -> bool:
        """Whether a map lies on it."""
        return any(layer.map_uri for layer in self.layers)


@dataclass(frozen=True)
class Gallery:
    """Cases as cards; each opens to its slices."""

    kind: ClassVar[str] = "gallery"
    method: str
    cases: tuple[Case, ...]
    legend: str
    scale_uri: str
    source: str


Block = Table | Figure | Facts | Prose | Listing | Code | Gallery


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        key: of its address and of the checklists' data.
        title: its heading.
        blocks: in order.
        answered: whether it holds what a checklist would look for in it.
    """

    key: str
    title: str
    blocks: tuple[Block, ...]
    answered: bool = True


@dataclass(frozen=True)
class Item:
    """One item of a checklist.

    Attributes:
        number: as the checklist counts.
        part: of the paper that it belongs to.
        asks: what it asks for, in our words.
        section: key of the section that answers it; empty for none.
        authors: what is left to the authors; empty for nothing.
    """

    number: str
    part: str
    asks: str
    section: str = ""
    authors: str = ""


@dataclass(frozen=True)
class Checklist:
    """A checklist of the field, held against a report.

    Attributes:
        key: such as ``claim``.
        name: such as ``CLAIM 2024``.
        citation: who made it.
        items: in its order; one whose section has nothing to show has lost it.
    """

    key: str
    name: str
    citation: str
    items: tuple[Item, ...]

    def numbers(self, section: str) -> tuple[str, ...]:
        """The items that a section answers, or begins to."""
        return tuple(item.number for item in self.items if item.section == section)


@dataclass(frozen=True)
class Report:
    """A whole page.

    Attributes:
        title: of the page.
        intro: what it is about.
        warnings: what must be read before any number.
        counts: figures at the top.
        sections: in order.
        checklists: held against them.
    """

    title: str
    intro: str
    warnings: tuple[str, ...]
    counts: tuple[Count, ...]
    sections: tuple[Section, ...]
    checklists: tuple[Checklist, ...] = ()


def table_of(
    name: str,
    title: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[Cell | str]],
    source: str,
    *,
    numbers: int = 0,
    notes: tuple[str, ...] = (),
    folded: bool = False,
) -> Table:
    """A table whose export is what it shows.

    Args:
        name: as in ``Table``.
        title: as there.
        heads: names of the columns.
        rows: cells, or their texts.
        source: as there.
        numbers: the columns from this one on are numbers; 0 for none.
        notes: as there.
        folded: as there.
    """
    cells = tuple(tuple(Cell(c) if isinstance(c, str) else c for c in row) for row in rows)
    columns = tuple(Head(h, bool(numbers) and n >= numbers) for n, h in enumerate(heads))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([inert(cell.text) for cell in row] for row in cells)
    return Table(name, title, columns, cells, source, text.getvalue(), notes, folded)
