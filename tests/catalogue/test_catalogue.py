"""Every case of bad input: what is promised is kept, and the page says what is said."""

import pytest

from catalogue.framework import Case
from catalogue.page import PAGE, all_cases, can_be_met, line, make_page
from catalogue.promises import broken, broken_by_command

CATALOGUE = range(1, 54)


@pytest.mark.parametrize("one", all_cases(), ids=lambda one: one.name)
def test_case(one, seen):
    if not can_be_met(one):
        pytest.skip("CYSTGRID_REAL_DATA is not set: no real scans here")
    promises = broken if isinstance(one, Case) else broken_by_command
    assert not promises(one, seen(one))


def test_all_cases_of_the_catalogue_are_there_once():
    names = [one.name for one in all_cases()]
    assert len(set(names)) == len(names)
    assert {one.number for one in all_cases()} == set(CATALOGUE)
    assert {one.number for one in all_cases() if one.page} == set(CATALOGUE)


def test_the_page_says_what_is_said(seen):
    lines = {one.name: line(one, seen(one)) for one in all_cases() if can_be_met(one)}
    committed = PAGE.read_text("utf-8")
    assert make_page(lines, committed) == committed, "run `make structure`"
