"""The published code's protocol, as folds: for the figure that stands beside the honest one."""

from __future__ import annotations

from cystgrid.cohort.splits.folds import InnerFold, Splits


def peer_folds(splits: Splits) -> tuple[InnerFold, ...]:
    """Trainings that choose their epoch on the test fold, as the peers' released code does.

    **They leak, and are meant to.** ``validation`` is the test fold itself, so whatever is chosen
    by it (an epoch, a threshold) has seen the answers, and its figures flatter. Their difference
    from the nested figures of the same splits is that optimism; never report them alone, and never
    select anything by them.

    Args:
        splits: the honest ones.

    Returns:
        One training for each outer fold, in their order, on all of its training and validation
        patients.
    """
    return tuple(
        InnerFold(
            tuple(sorted({p for turn in fold.inner for p in (*turn.train, *turn.validation)})),
            fold.test,
        )
        for fold in splits.outer
    )
