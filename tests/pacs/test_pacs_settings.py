"""Settings: what is refused, before anything is sent."""

import re
from pathlib import Path

import pytest

from cystgrid.errors import SettingsError
from cystgrid.pacs.archive import open_archive
from cystgrid.pacs.patience import Patience
from cystgrid.pacs.settings import PacsSettings

WEB = {"url": "https://pacs.example/dicom-web"}
DIMSE = {"host": "pacs.example", "port": 104, "called": "PACS"}


def read(folder, text):
    path = folder / "pacs.toml"
    path.write_text(text, "utf-8")
    return PacsSettings.read(path)


def toml(protocol, **tables):
    lines = [f'protocol = "{protocol}"']
    for name, values in tables.items():
        lines.append(f"[{name}]")
        lines += [
            f"{key} = {str(value).lower() if isinstance(value, (bool, int)) else repr(value)}"
            for key, value in values.items()
        ]
    return "\n".join(lines)


def test_what_is_left_out_has_its_default_and_paths_are_relative_to_the_file(tmp_path):
    settings = read(
        tmp_path,
        toml("dimse", dimse={**DIMSE, "tls": True, "ca_file": "ca.pem"}, watch={"roi_folder": "r"}),
    )
    assert settings.dimse is not None
    assert settings.dimse.calling == "CYSTGRID"
    assert settings.dimse.ca_file == tmp_path / "ca.pem"
    assert settings.watch.roi_folder == tmp_path / "r"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (toml("dicomweb", dimse=DIMSE), "a table [dicomweb]"),
        ('[dicomweb]\nurl = "https://a.example"\n', "protocol: got no such key, expected one, for"),
        (toml("ftp", dimse=DIMSE), "'dicomweb' or 'dimse'"),
        (toml("dicomweb", dicomweb={"url": "file:///etc/passwd"}), "http or https"),
        (toml("dicomweb", dicomweb={"url": "http://169.254.169.254/x"}), "link-local"),
        (toml("dicomweb", dicomweb={"url": "http://[fe80::1]/x"}), "link-local"),
        (toml("dicomweb", dicomweb={"url": "http://0.0.0.0/x"}), "link-local"),
        (toml("dimse", dimse={**DIMSE, "host": "169.254.169.254"}), "link-local"),
        (toml("dimse", dimse={**DIMSE, "host": "a b"}), "a host's name"),
        (toml("dimse", dimse={**DIMSE, "called": "A\\\\B"}), "an AE title"),
        (toml("dimse", dimse={**DIMSE, "called": "X" * 17}), "an AE title"),
        (toml("dimse", dimse={**DIMSE, "ca_file": "x"}), "tls = true"),
        (toml("dimse", dimse={**DIMSE, "prot": 1}), "did you mean 'port'"),
        (toml("dicomweb", dicomweb={**WEB, "user": "a"}), "user with password_env"),
        (toml("dicomweb", dicomweb={"url": "http://p/x", "token_env": "T"}), "https for"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path, text, told):
    with pytest.raises(SettingsError) as error:
        read(tmp_path, text)
    assert told in str(error.value)


def test_a_secret_in_the_address_is_refused_and_not_repeated(tmp_path):
    with pytest.raises(SettingsError, match="without user or password") as error:
        read(tmp_path, toml("dicomweb", dicomweb={"url": "https://a:hidden@pacs.example/x"}))
    assert "hidden" not in str(error.value)


def test_a_secret_in_place_of_its_variable_is_refused_and_not_repeated(tmp_path):
    with pytest.raises(SettingsError, match="never the secret itself") as error:
        read(tmp_path, toml("dicomweb", dicomweb={**WEB, "token_env": "hidden!"}))
    assert "hidden" not in str(error.value)


def test_a_secret_that_is_not_there_is_said_before_anything_is_sent(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_TOKEN", raising=False)
    settings = read(tmp_path, toml("dicomweb", dicomweb={**WEB, "token_env": "NO_SUCH_TOKEN"}))
    with pytest.raises(SettingsError, match="NO_SUCH_TOKEN"):
        open_archive(settings)


def test_a_secret_is_nowhere_in_what_can_be_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("A_TOKEN", "hidden-token")
    settings = read(tmp_path, toml("dicomweb", dicomweb={**WEB, "token_env": "A_TOKEN"}))
    archive = open_archive(settings)
    assert "hidden-token" not in repr(archive) + repr(settings) + archive.name


def test_the_settings_of_the_page_can_be_read(tmp_path):
    page = (Path(__file__).parents[2] / "docs/pacs.md").read_text("utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    settings = read(tmp_path, "\n".join(blocks))
    assert settings.dicomweb is not None
    assert settings.patience == Patience()
    uncommented = re.sub(r"^# (?=[a-z_]+ = )", "", blocks[0], flags=re.MULTILINE)
    without_user = re.sub(r"^(user|password_env) = .*\n", "", uncommented, flags=re.MULTILINE)
    assert read(tmp_path, without_user).dicomweb.token_env == "PACS_TOKEN"
