"""The lines to an archive: TLS, tokens, redirections."""

import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import certifi
import pytest

from cystgrid.errors import ArchiveDeniedError, ArchiveDownError, ArchiveError
from cystgrid.pacs.archive import open_archive
from cystgrid.pacs.rows import Query
from cystgrid.pacs.settings import PacsSettings
from pacs.orthanc import INSTALLED, MISSING, PASSWORD, PASSWORD_ENV, Orthanc
from pacs.test_archive import write_study

TOKEN = "t0ken-of-the-tests"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A self-signed certificate of localhost, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    folder = tmp_path_factory.mktemp("certificates")
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def encrypted(certificates, tmp_path_factory):
    """An Orthanc that speaks DIMSE over TLS, to whoever shows the certificate that it knows."""
    if not INSTALLED:
        pytest.skip(MISSING)
    orthanc = Orthanc(
        tmp_path_factory.mktemp("encrypted"),
        DicomTlsEnabled=True,
        DicomTlsCertificate=str(certificates / "cert.pem"),
        DicomTlsPrivateKey=str(certificates / "key.pem"),
        DicomTlsTrustedCertificates=str(certificates / "cert.pem"),
        DicomTlsRemoteCertificateRequired=True,
    ).start()
    yield orthanc
    orthanc.stop()


def lines(certificates, *names):
    files = {"ca_file": "cert.pem", "cert_file": "cert.pem", "key_file": "key.pem"}
    return "".join(f'{name} = "{certificates / files[name]}"\n' for name in names)


def encrypted_archive(encrypted, folder, more):
    path = encrypted.settings(folder, "dimse")
    text = path.read_text("utf-8").replace('host = "127.0.0.1"', f'host = "localhost"\n{more}')
    path.write_text(text, "utf-8")
    return open_archive(PacsSettings.read(path))


def test_dimse_encrypted_from_end_to_end(encrypted, certificates, tmp_path, monkeypatch):
    monkeypatch.setenv(PASSWORD_ENV, PASSWORD)
    more = "tls = true\n" + lines(certificates, "ca_file", "cert_file", "key_file")
    archive = encrypted_archive(encrypted, tmp_path, more)
    study = write_study(tmp_path / "here")
    assert len(archive.send([tmp_path / "here"]).stored) == 6
    assert len(list(archive.fetch(study, tmp_path / "there").rglob("*.dcm"))) == 6


@pytest.mark.parametrize("names", [(), ("cert_file", "key_file"), ("ca_file",)])
def test_who_is_not_known_is_not_spoken_to(encrypted, certificates, tmp_path, names):
    archive = encrypted_archive(encrypted, tmp_path, "tls = true\n" + lines(certificates, *names))
    with pytest.raises(ArchiveDownError, match="tls"):
        archive.find(Query())


def test_plain_words_on_an_encrypted_line_are_given_up(encrypted, tmp_path):
    with pytest.raises(ArchiveDownError, match="tls"):
        encrypted_archive(encrypted, tmp_path, "").find(Query())


class Web:
    """A web server that answers by ``answer(path) -> (status, headers, body)``."""

    def __init__(self, answer, tls=None):
        self.seen = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                web.seen.append((self.path, dict(self.headers)))
                status, headers, body = answer(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        at = "https://localhost" if tls else "http://127.0.0.1"
        self.url = f"{at}:{self.server.server_port}"


@pytest.fixture
def web():
    servers = []

    def make(answer, tls=None):
        servers.append(Web(answer, tls))
        return servers[-1]

    yield make
    for each in servers:
        each.server.shutdown()
        each.server.server_close()


def with_token(url, folder, monkeypatch, more=""):
    monkeypatch.setenv("TEST_TOKEN", TOKEN)
    path = folder / "pacs.toml"
    path.write_text(
        f'protocol = "dicomweb"\n[dicomweb]\nurl = "{url}"\ntoken_env = "TEST_TOKEN"\n{more}'
        "[patience]\nattempts = 2\nfirst_wait_seconds = 0\nanswer_seconds = 2\n"
    )
    return open_archive(PacsSettings.read(path))


JSON = {"Content-Type": "application/dicom+json"}


def test_a_token_is_sent_and_a_netrc_does_not_replace_it(web, tmp_path, monkeypatch):
    server = web(lambda path: (200, JSON, b"[]"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert with_token(server.url, tmp_path, monkeypatch).find(Query()) == []
    assert [headers["Authorization"] for _, headers in server.seen] == [f"Bearer {TOKEN}"]


def test_https_with_certificates_on_both_sides(web, certificates, tmp_path, monkeypatch):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    tls.load_verify_locations(certificates / "cert.pem")
    tls.verify_mode = ssl.CERT_REQUIRED
    server = web(lambda path: (200, JSON, b"[]"), tls)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())  # ca_file counts
    both = lines(certificates, "ca_file", "cert_file", "key_file")
    assert with_token(server.url, tmp_path, monkeypatch, both).find(Query()) == []
    assert len(server.seen) == 1
    for names in ((), ("ca_file",), ("cert_file", "key_file")):
        with pytest.raises(ArchiveError):
            with_token(server.url, tmp_path, monkeypatch, lines(certificates, *names)).find(Query())
    assert len(server.seen) == 1
    with pytest.raises(ArchiveDeniedError, match="a certificate that cannot be trusted"):
        with_token(server.url, tmp_path, monkeypatch).find(Query())


def test_a_redirection_is_not_followed(web, tmp_path, monkeypatch):
    inside = web(lambda path: (200, JSON, b"[]"))
    server = web(lambda path: (302, {"Location": f"{inside.url}/latest/meta-data"}, b""))
    with pytest.raises(ArchiveDeniedError, match="a redirection"):
        with_token(server.url, tmp_path, monkeypatch).find(Query())
    assert inside.seen == []


@pytest.mark.parametrize(
    ("status", "kind", "asked"),
    [
        (401, ArchiveDeniedError, 1), (403, ArchiveDeniedError, 1), (404, ArchiveError, 1),
        (429, ArchiveDownError, 2), (503, ArchiveDownError, 2),
    ],
)  # fmt: skip
def test_what_may_pass_is_asked_again_and_nothing_else(
    web, tmp_path, monkeypatch, status, kind, asked, caplog
):
    server = web(lambda path: (status, {}, TOKEN.encode()))
    with pytest.raises(ArchiveError, match=f"HTTP {status}") as error:
        with_token(server.url, tmp_path, monkeypatch).find(Query(patient="Quimby"))
    assert caplog.text == ""  # an address with a PatientID in it, say
    assert "Quimby" not in str(error.value)
    assert type(error.value) is kind
    assert len(server.seen) == asked
    assert TOKEN not in str(error.value)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>", b"{", b'"text"', b"[1]", b'[{"0020000D": {"vr": "UI"}}]',
        b'[{"0020000D": {"vr": "UI", "Value": ["../../x"]}}]', b'[{"0020000D": 7}]', b"\xff\xfe[]",
    ],
)  # fmt: skip
def test_an_answer_that_is_no_dicom_is_a_clear_error(web, tmp_path, monkeypatch, recwarn, body):
    server = web(lambda path: (200, JSON, body))
    with pytest.raises(ArchiveError, match=r"no DICOM|without StudyInstanceUID"):
        with_token(server.url, tmp_path, monkeypatch).find(Query())
    assert len(server.seen) == 1
    assert [str(each.message) for each in recwarn] == []  # they would repeat the value


def test_of_a_list_with_odd_studies_the_others_are_had(web, tmp_path, monkeypatch):
    answers = [
        b'{"0020000D": {"vr": "UI", "Value": ["1.2"]}, "00080061": {"vr": "US", "Value": [5]}}',
        b'{"00080020": {"vr": "DA", "Value": ["20240102"]},'
        b' "00100020": {"vr": "LO", "Value": ["Quimby"]}}',
        b'{"0020000D": 7}',
        b'{"0020000D": {"vr": "UI", "Value": ["1.3"]},'
        b' "00201208": {"vr": "FD", "Value": [Infinity]}}',
    ]
    server = web(lambda path: (200, JSON, b"[" + b",".join(answers) + b"]"))
    odd = []
    rows = with_token(server.url, tmp_path, monkeypatch).find(Query(), odd.append)
    assert [(row.study_uid, row.instances) for row in rows] == [("1.2", None), ("1.3", None)]
    told = [str(error) for error in odd]
    assert len(told) == 2
    assert "no DICOM" in told[0]
    assert "got a study of 20240102 without StudyInstanceUID" in told[1]
    assert len(server.seen) == 2


def test_an_archive_that_pages_without_end_is_read_to_the_limit(web, tmp_path, monkeypatch):
    same = b'[{"0020000D": {"vr": "UI", "Value": ["1.2.3"]}}]'
    server = web(lambda path: (200, JSON, same))
    rows = with_token(server.url, tmp_path, monkeypatch).find(Query())
    assert [row.study_uid for row in rows] == ["1.2.3"]
    assert len(server.seen) == 2
