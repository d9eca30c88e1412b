"""Who is let in: whoever has this start's token, from our own address, and nobody else."""

import re

import pytest
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from cystgrid.page.settings import PageSettings
from reading_page.conftest import HOST, TOKEN, app_of, opened


@pytest.fixture
def app(world, tmp_path):
    return app_of(world / "model", tmp_path / "studies")


def addresses(app):
    """Method and an address for every route there is, found by walking them."""
    found = []
    for route in flat(app.routes):
        if isinstance(route, Mount):
            found.append(("GET", f"{route.path}/page.css"))
        else:
            path = re.sub(r"\{[^}]*\}", "0", route.path)
            found += [(method, path) for method in route.methods]
    return found


def flat(routes):
    for route in routes:
        if isinstance(route, Route | Mount):
            yield route
        else:  # a router that was included
            inner = getattr(route, "original_router", route)
            prefix = getattr(getattr(route, "include_context", None), "prefix", "")
            for one in flat(inner.routes):
                yield Route(prefix + one.path, lambda: None, methods=one.methods)


def test_every_route_asks_for_the_token(app):
    client = TestClient(app, base_url=f"http://{HOST}")
    routes = addresses(app)
    assert len(routes) > 25
    for path in ("/api/openapi.json", "/api/studies", "/static/page.css", "/studies/0/run"):
        assert path in {each for _, each in routes}
    for method, path in routes:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "cystgrid-8765=wrong"}):
            answer = client.request(method, path, headers=headers)
            assert answer.status_code == 401, (method, path)
            assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost:8765.evil"]
)
def test_another_name_for_this_machine_is_not_answered(app, host):
    client = TestClient(app, base_url=f"http://{HOST}")
    answer = client.get("/", params={"token": TOKEN}, headers={"Host": host})
    assert answer.status_code == 421
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("origin", ["http://evil.example", "null", f"https://{HOST}", ""])
def test_another_page_can_change_nothing(page, origin):
    answer = page.post("/api/studies", headers={"Origin": origin}, files=[("files", ("a", b"a"))])
    assert answer.status_code == 403


def test_the_link_becomes_a_cookie_that_scripts_and_other_pages_cannot_have(app):
    client = TestClient(app, base_url=f"http://{HOST}", follow_redirects=False)
    answer = client.get("/", params={"token": TOKEN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/", params={"token": "wrong"}).status_code == 401
    away = client.get("//evil.example/x", params={"token": TOKEN})
    assert not away.headers["location"].startswith("//")


def test_a_program_shows_the_token_in_a_header(app):
    client = TestClient(app, base_url=f"http://{HOST}")
    assert client.get("/api/model", headers={"Authorization": f"Bearer {TOKEN}"}).is_success


def test_pages_allow_no_script_and_no_style_but_our_files(page):
    answer = page.get("/")
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=", answer.text)


def test_a_body_is_counted_as_it_comes(world, tmp_path):
    """Its length is not believed: a chunked body states none."""
    with opened(world / "model", tmp_path / "s", PageSettings(max_upload_bytes=10_000)) as client:
        edge = "x"
        head = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'

        def pieces():
            yield head.encode()
            for _ in range(20):
                yield bytes(1000)

        kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        answer = client.post("/api/studies", content=pieces(), headers=kind)
        assert answer.status_code == 413
        assert not list((tmp_path / "s").glob("*/files"))


def test_a_fault_tells_neither_path_nor_traceback(page, world, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError(f"secret of {world}")

    monkeypatch.setattr("cystgrid.page.jobs.Jobs.all", broken)
    for path in ("/", "/api/studies"):
        answer = page.get(path)
        assert answer.status_code == 500
        assert "RuntimeError" in answer.text
        assert "secret" not in answer.text + caplog.text
        assert str(world) not in answer.text + caplog.text
