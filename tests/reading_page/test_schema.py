"""The HTTP interface against its own description: whatever the description allows is answered."""

import warnings

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from reading_page.conftest import HOST, TOKEN, app_of, give, opened, read

schemathesis = pytest.importorskip("schemathesis")
HEADERS = {"Host": HOST, "Origin": f"http://{HOST}", "Authorization": f"Bearer {TOKEN}"}
REQUESTS = 10
"""Of each address, beside hypothesis' own first tries."""


@pytest.fixture(scope="module")
def schema(world, tmp_path_factory):
    """The description of a page that has read a study, and the study's id."""
    folder = tmp_path_factory.mktemp("schema")
    with opened(world / "model", folder) as client:
        job = give(client, world / "new/scans/P001")
        assert read(client, job)["state"] == "done"
    app = app_of(world / "model", folder)
    return schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=HEADERS), job


def test_no_request_that_the_description_allows_is_a_fault(schema, record_property):
    (description, job), made = schema, 0
    for operation in (each.ok() for each in description.get_all_operations()):
        if operation.method == "delete":
            continue  # the study is still needed
        case = operation.as_strategy()

        @settings(
            max_examples=REQUESTS,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(case)
        def ask(case):
            nonlocal made
            made += 1
            if "job" in case.path_parameters and made % 2:
                case.path_parameters["job"] = job
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                answer = case.call(headers=HEADERS, base_url=f"http://{HOST}")
            assert answer.status_code < 500 or answer.status_code == 503, case.as_curl_command()

        ask()
    assert made > 100
    record_property("figure", f"{made} requests that the description allows, none a fault")
