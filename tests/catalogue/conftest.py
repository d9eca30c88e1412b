"""Each case is met once a session: its test and the page's test look at the same."""

import pytest

from catalogue.page import meet_any


@pytest.fixture(scope="session")
def seen(tmp_path_factory):
    """What came of a case."""
    known = {}

    def of(one):
        if one.name not in known:
            known[one.name] = meet_any(one, tmp_path_factory.mktemp(f"case-{one.name}"))
        return known[one.name]

    return of
