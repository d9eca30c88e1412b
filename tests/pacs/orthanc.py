"""A real archive for the tests: Debian's Orthanc on free loopback ports."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
TITLE, OURS = "ORTHANC", "CYSTGRID"
PASSWORD = "s3cret-0f-the-tests"
PASSWORD_ENV = "CYSTGRID_TEST_PASSWORD"

INSTALLED = shutil.which("Orthanc") is not None and PLUGIN.exists()
MISSING = "no Orthanc here: apt-get install orthanc orthanc-dicomweb"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Orthanc:
    """One archive, that can be stopped and started again on what it holds."""

    def __init__(self, folder: Path, **options):
        self.folder = folder
        self.http, self.dicom = free_port(), free_port()
        self.process = None
        folder.mkdir(parents=True, exist_ok=True)
        config = {
            "Name": "tests",
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "Plugins": [str(PLUGIN)],
            "HttpPort": self.http,
            "DicomPort": self.dicom,
            "DicomAet": TITLE,
            "DicomCheckCalledAet": True,
            "DicomModalities": {"ours": [OURS, "127.0.0.1", 104]},
            "DicomAlwaysAllowStore": False,
            "DicomAlwaysAllowEcho": False,
            "DicomAlwaysAllowFind": False,
            "DicomAlwaysAllowGet": True,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {"alice": PASSWORD},
            "OverwriteInstances": True,  # the worst case: whoever stores twice, replaces
            "StableAge": 1,
            "ConcurrentJobs": 1,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            **options,
        }
        (folder / "orthanc.json").write_text(json.dumps(config), "utf-8")

    def start(self):
        assert self.process is None
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["Orthanc", str(self.folder / "orthanc.json")], stdout=log, stderr=log
            )
        for _ in range(300):
            if self.process.poll() is not None:
                break
            try:
                self.rest("/system")
                return self
            except OSError:
                time.sleep(0.1)
        self.stop()
        raise RuntimeError((self.folder / "log").read_text("utf-8")[-3000:])

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def rest(self, path, data=None, method=None):
        """Orthanc's own interface: another way to see what it holds."""
        manager = urllib.request.HTTPPasswordMgrWithPriorAuth()
        address = f"http://127.0.0.1:{self.http}"
        manager.add_password(None, address, "alice", PASSWORD, is_authenticated=True)
        opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(manager))
        request = urllib.request.Request(address + path, data, method=method)
        with opener.open(request, timeout=10) as answer:
            content = answer.read()
        try:
            return json.loads(content)
        except ValueError:
            return content

    def clear(self):
        for patient in self.rest("/patients"):
            self.rest(f"/patients/{patient}", method="DELETE")

        self.rest("/changes", method="DELETE")

    def arrivals(self):
        """How many instances came since it was cleared; one that came twice counts twice."""
        changes = self.rest("/changes?limit=100000")["Changes"]
        return sum(one["ChangeType"] == "NewInstance" for one in changes)

    def put(self, paths):
        """Store files past cystgrid."""
        for path in paths:
            self.rest("/instances", Path(path).read_bytes(), "POST")

    def uids(self):
        """Every SOPInstanceUID that it holds, sorted; one that it holds twice stands twice."""
        found = self.rest("/instances?expand")
        return sorted(one["MainDicomTags"]["SOPInstanceUID"] for one in found)

    def content(self, uid):
        (one,) = self.rest("/tools/lookup", uid.encode(), "POST")
        return self.rest(f"/instances/{one['ID']}/file")

    def settings(self, folder, protocol, more=""):
        """A settings file for cystgrid."""
        path = folder / f"{protocol}.toml"
        path.write_text(
            f'''protocol = "{protocol}"
[dicomweb]
url = "http://127.0.0.1:{self.http}/dicom-web"
user = "alice"
password_env = "{PASSWORD_ENV}"
[dimse]
host = "127.0.0.1"
port = {self.dicom}
called = "{TITLE}"
calling = "{OURS}"
[patience]
connect_seconds = 5
answer_seconds = 10
attempts = 3
first_wait_seconds = 0.05
longest_wait_seconds = 0.2
{more}''',
            "utf-8",
        )
        return path
