"""Attacks on a page that runs: raw requests, each refused, and the page as it was afterwards."""

import gzip
import socket
import time

import pytest

from reading_page.live import serving

MIB = 2**20
LIMITS = "max_upload_bytes = 1_000_000\nmax_files = 50\n"


@pytest.fixture(scope="module")
def live(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("attacked")
    (folder / "limits.toml").write_text(LIMITS)
    with serving(world / "model", folder / "studies", "--settings", folder / "limits.toml") as one:
        yield one


@pytest.fixture(autouse=True)
def afterwards(live):
    """Whatever was tried, the page answers as before, and has not grown."""
    before = live.memory
    yield
    assert live.ask("/api/model")[0] == 200
    assert live.memory - before < 60 * MIB


def form(live, **headers):
    origin = {"Origin": f"http://127.0.0.1:{live.port}"}
    return {"Content_Type": "multipart/form-data; boundary=x", **origin, **headers}


def test_no_other_address_of_this_machine_listens(live):
    others = {each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in (others | {"127.0.0.2"}) - {"127.0.0.1"}:
        with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
            socket.create_connection((address, live.port), 2).close()


@pytest.mark.parametrize(
    "host", ["evil", "localhost.evil.com", "127.0.0.1.evil.com", "127.0.0.1", "[::1]:80", ""]
)
def test_another_host_is_refused_with_the_right_token_too(live, host):
    status, _, body = live.ask("/", Host=host)
    assert status in (400, 421)
    assert b"Studies" not in body


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://127.0.0.1", "file://"])
@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "text/plain"]
)
def test_no_other_page_posts(live, origin, kind):
    for path in ("/api/studies", "/studies", "/studies/0123456789abcdef/run"):
        status, headers, _ = live.ask(path, "POST", body=b"{}", Origin=origin, Content_Type=kind)
        assert status == 403
        assert "access-control-allow-origin" not in headers
    status, headers, _ = live.ask("/api/studies", "OPTIONS", Origin=origin,
                                  Access_Control_Request_Method="POST")  # fmt: skip
    assert status == 403
    assert "access-control-allow-origin" not in headers


def test_a_token_of_another_start_is_none(live):
    for wrong in ("", "x" * 43, live.token[:-1], live.token + "x", live.token.swapcase()):
        assert live.ask("/", token=False, Cookie=f"cystgrid-{live.port}={wrong}")[0] == 401
        assert live.ask(f"/?token={wrong}", token=False)[0] == 401


@pytest.mark.parametrize(
    "path",
    ["/static/../../../../etc/passwd", "/static/%2e%2e/%2e%2e/app.py", "/static/..%5c..%5capp.py",
     "/static//etc/passwd", "/static/%00page.css", "/static/page.css%00.png", "//etc/passwd",
     "/static/../static-other/x", "/studies/../../etc/passwd", "/studies/%2e%2e%2f%2e%2e",
     "/api/studies/..%2f..%2fetc/report.pdf", "/api/studies/0123456789abcdef/pictures/../../x.png",
     "http://evil.example/", "/api/studies/0123456789abcdef/scans/s1/axial/0.png?on=../../x"],
)  # fmt: skip
def test_no_path_leads_out(live, path):
    status, _, body = live.ask(path)
    assert status in (400, 404, 422)
    assert b"root:" not in body
    assert b"import" not in body


def test_what_is_reflected_is_text(live):
    for path in ("/studies/%3Cscript%3Ealert(1)%3C/script%3E", "/compare?earlier=%3Cscript%3E",
                 "/studies/0123456789abcdef?stored=%3Cimg%20onerror=x%3E"):  # fmt: skip
        _, headers, body = live.ask(path)
        assert b"<script>alert" not in body
        assert b"<img onerror" not in body
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]


def test_four_gigabytes_that_are_only_claimed_are_refused_at_once(live):
    begun = time.monotonic()
    status, _, _ = live.ask("/api/studies", "POST", Content_Length=str(4 * 2**30), **form(live))
    assert status == 413
    assert time.monotonic() - begun < 2


def test_a_body_without_an_end_is_refused(live):
    lines = ["POST /api/studies HTTP/1.1", f"Host: 127.0.0.1:{live.port}",
             f"Cookie: cystgrid-{live.port}={live.token}", f"Origin: http://127.0.0.1:{live.port}",
             "Transfer-Encoding: chunked",
             "Content-Type: multipart/form-data; boundary=x"]  # fmt: skip
    head = "\r\n".join([*lines, "", ""])
    first = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    chunk = b"%x\r\n" % MIB + bytes(MIB) + b"\r\n"
    pieces = [head.encode(), b"%x\r\n" % len(first) + first + b"\r\n", *[chunk] * 64]
    assert live.raw(*pieces)[0] in (0, 413)  # refused, and closed under what still comes


def test_a_packed_body_is_not_unpacked(live):
    bomb = gzip.compress(bytes(200 * MIB))
    status, _, _ = live.ask(
        "/api/studies", "POST", body=bomb, Content_Encoding="gzip", **form(live)
    )
    assert status in (400, 413)


@pytest.mark.parametrize(
    "headers",
    [{"Content_Length": "-1"}, {"Content_Length": "1e9"}, {"Content_Length": "+5"},
     {"Transfer_Encoding": "gzip, chunked", "Content_Length": "5"}, {"X": "a" * 100_000}],
)  # fmt: skip
def test_heads_that_lie_are_refused(live, headers):
    assert live.ask("/api/studies", "POST", **form(live, **headers))[0] in (400, 413, 431, 501)


def test_connections_that_never_ask_are_closed_and_others_are_served(live):
    """Slow loris: heads that come a byte at a time."""
    lines = [socket.create_connection(("127.0.0.1", live.port), 30) for _ in range(60)]
    for line in lines:
        line.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-a: ")
    begun = time.monotonic()
    assert live.ask("/api/model")[0] == 200
    assert time.monotonic() - begun < 2
    ended = 0
    for line in lines:
        line.settimeout(max(20 - (time.monotonic() - begun), 0.1))
        try:
            line.sendall(b"b")
            ended += line.recv(1) == b""
        except (BrokenPipeError, ConnectionResetError):
            ended += 1
        line.close()
    assert ended == 60


def test_nothing_through_the_interface_loads_a_model_or_a_pickle(live):
    """There is no such address; a pickle that is uploaded is a file that is no scan."""
    paths = live.ask("/api/openapi.json")[2].decode()
    assert "model_path" not in paths
    assert "weights" not in paths
    canary = b"cos\nsystem\n(S'touch /tmp/cystgrid-canary'\ntR."
    body = (b'--x\r\nContent-Disposition: form-data; name="files"; filename="t1.nii.gz"\r\n\r\n'
            + canary + b"\r\n--x--\r\n")  # fmt: skip
    status, _, told = live.ask("/api/studies", "POST", body=body, **form(live))
    assert status == 400
    assert b"/tmp" not in told
