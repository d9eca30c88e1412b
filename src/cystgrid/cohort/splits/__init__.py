"""Nested folds by patient or by centre: lists of names, decided before any voxel is read."""

from cystgrid.cohort.splits.assign import assign_folds
from cystgrid.cohort.splits.centers import center_folds
from cystgrid.cohort.splits.file import (
    check_disjoint,
    read_splits,
    splits_digest,
    splits_text,
    write_splits,
)
from cystgrid.cohort.splits.folds import InnerFold, Member, OuterFold, Splits
from cystgrid.cohort.splits.nested import nested_splits, splits_of_folds, validation_splits
from cystgrid.cohort.splits.peer import peer_folds
from cystgrid.cohort.splits.settings import CopiesRule, SplitSettings

__all__ = [
    "CopiesRule",
    "InnerFold",
    "Member",
    "OuterFold",
    "SplitSettings",
    "Splits",
    "assign_folds",
    "center_folds",
    "check_disjoint",
    "nested_splits",
    "peer_folds",
    "read_splits",
    "splits_digest",
    "splits_of_folds",
    "splits_text",
    "validation_splits",
    "write_splits",
]
