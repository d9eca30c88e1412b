"""Files of folds as others wrote them; how one is laid out is told by what stands in it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cystgrid.cohort.sheets import Table, read_csv, read_json
from cystgrid.errors import CohortError, path_text

ROLES = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
NUMBERED = re.compile(r"fold[^0-9]{0,2}([0-9]{1,4})(?![0-9])", re.IGNORECASE)
FOLD_NAMES = ("fold", "split")
CSV_FORMS = (
    "ids and a column 'fold'; ids, 'fold' and one of train/val/test; ids and columns fold0, "
    "fold1, ... of train/val/test; or columns fold0, fold1, ... or fold0_train, fold0_test, ... "
    "of ids"
)
JSON_FORM = '{"folds": [{"train": [...], "test": [...], "val": [...]}]}'


@dataclass
class Fold:
    """One fold as it is written: ids by their role, in the file's order."""

    test: list[str] = field(default_factory=list)
    train: list[str] = field(default_factory=list)
    validation: list[str] = field(default_factory=list)

    def add(self, role: str, ids: Sequence[str]) -> None:
        """Add ids to the side ``test``, ``train`` or ``validation``."""
        {"test": self.test, "train": self.train, "validation": self.validation}[role].extend(ids)


@dataclass(frozen=True)
class Ids:
    """How ids are told and compared.

    Attributes:
        key: brings an id as it is written to the form in which it is known.
        known: keys that belong to the data set; columns of ids are told by them.
    """

    key: Callable[[str], str]
    known: Collection[str]

    def are_in(self, cells: Sequence[str]) -> bool:
        """Whether most cells are ids; some may be of scans nobody has."""
        filled = [cell for cell in cells if cell]
        return 2 * sum(self.key(cell) in self.known for cell in filled) > len(filled)


def read_folds(path: Path, ids: Ids) -> list[Fold]:
    """Read a CSV or JSON file of folds.

    Args:
        path: a ``.json`` of ``JSON_FORM`` whose items are ids or hold one as ``image``; or a CSV
            in one of ``CSV_FORMS``. A row that names two ids (T1 and T2) counts for both.
        ids: how ids are told.

    Returns:
        The folds in order of their numbers, with keys of ids.

    Raises:
        CohortError: no such file, or none of these forms.
    """
    if path.suffix.lower() == ".json":
        return _json_folds(path, ids)
    table = read_csv(path)
    folds: dict[int, Fold] = defaultdict(Fold)
    id_columns = [c for c in range(len(table.header)) if ids.are_in(table.column(c))]
    role_columns = [c for c in range(len(table.header)) if _all_roles(table.column(c))]
    fold_columns = [c for c, name in enumerate(table.header) if _is_fold(name, table.column(c))]
    if any(_number(table.header[c]) is not None for c in id_columns):
        _lists(table, id_columns, ids, folds)
    elif (
        id_columns
        and role_columns
        and all(_number(table.header[c]) is not None for c in role_columns)
    ):
        _roles_by_fold(table, id_columns, role_columns, ids, folds)
    elif id_columns and len(fold_columns) == 1 and len(role_columns) <= 1:
        _rows(table, id_columns, fold_columns[0], role_columns, ids, folds)
    else:
        raise CohortError(
            f"{path_text(path)}: header",
            got=f"{len(table.header)} columns, {len(id_columns)} of them of known ids, in no known "
            "form",
            expected=CSV_FORMS,
            do="bring the folds to one of these forms",
        )
    return [folds[number] for number in sorted(folds)]


def _json_folds(path: Path, ids: Ids) -> list[Fold]:
    raw = read_json(path)
    try:
        return [
            Fold(*([ids.key(_image(item)) for item in fold.get(side, [])] for side in _JSON_SIDES))
            for fold in raw["folds"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise CohortError(
            path, got="JSON of another form", expected=JSON_FORM, do="give a file of folds"
        ) from error


_JSON_SIDES = ("test", "train", "val")


def _image(item: Any) -> str:
    """The id of an entry: itself, or what it holds as ``image``."""
    found = item["image"] if isinstance(item, dict) else item
    if not isinstance(found, str):
        raise TypeError("no id")
    return found


def _lists(table: Table, columns: Sequence[int], ids: Ids, folds: dict[int, Fold]) -> None:
    for column in columns:
        number = _number(table.header[column])
        words = re.findall(r"[a-z]+", table.header[column].casefold())
        role = next((ROLES[word] for word in words if word in ROLES), "test")
        if number is not None:
            folds[number].add(role, [ids.key(cell) for cell in table.column(column) if cell])


def _roles_by_fold(
    table: Table,
    id_columns: Sequence[int],
    role_columns: Sequence[int],
    ids: Ids,
    folds: dict[int, Fold],
) -> None:
    for column in role_columns:
        number = _number(table.header[column])
        for row in table.rows:
            if number is not None and row[column]:
                folds[number].add(ROLES[row[column].casefold()], _keys(row, id_columns, ids))


def _rows(
    table: Table,
    id_columns: Sequence[int],
    fold_column: int,
    role_columns: Sequence[int],
    ids: Ids,
    folds: dict[int, Fold],
) -> None:
    for row in table.rows:
        role = ROLES.get(row[role_columns[0]].casefold(), "") if role_columns else "test"
        if row[fold_column] and role:
            folds[int(float(row[fold_column]))].add(role, _keys(row, id_columns, ids))


def _keys(row: Sequence[str], columns: Sequence[int], ids: Ids) -> list[str]:
    return list(dict.fromkeys(ids.key(row[column]) for column in columns if row[column]))


def _number(name: str) -> int | None:
    found = NUMBERED.search(name)
    return int(found[1]) if found else None


def _is_fold(name: str, cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell]
    named = any(word in name.casefold() for word in FOLD_NAMES)
    return named and bool(filled) and all(re.fullmatch(r"[0-9]{1,4}(\.0*)?", c) for c in filled)


def _all_roles(cells: Sequence[str]) -> bool:
    filled = [cell.casefold() for cell in cells if cell]
    return bool(filled) and all(cell in ROLES for cell in filled)
