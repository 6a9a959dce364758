"""`.ci/audit.py`: a known vulnerability of what the package needs fails the build, and no network does not."""

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path
from threading import Thread

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "audit.py"

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="the script is the repository's")


def audit(answer):
    """The end of the script with a database that answers so, and what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            queries = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
            asked.extend(queries)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer(queries))

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        # pytest itself stands for the package: it is installed in any case, with what it needs
        done = subprocess.run(
            [sys.executable, SCRIPT, "pytest", "--url", url], capture_output=True, text=True, timeout=60, check=False
        )
        thread.join()
    return done, asked


def test_nothing_is_known():
    """All that is needed is asked about, in the version that is installed."""
    done, asked = audit(lambda queries: json.dumps({"results": [{} for _ in queries]}).encode())
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"none is known of {len(asked)} packages\n"
    query = {"package": {"name": "packaging", "ecosystem": "PyPI"}, "version": metadata.version("packaging")}
    assert query in asked


def test_a_vulnerability_fails():
    """It is named, with the package."""
    found = [{"vulns": [{"id": "GHSA-0"}]}]
    done, asked = audit(lambda queries: json.dumps({"results": found + [{}] * (len(queries) - 1)}).encode())
    assert done.returncode == 1
    assert done.stdout == f"{asked[0]['package']['name']} {asked[0]['version']}: GHSA-0\n"


def test_what_is_no_database_is_no_failure():
    """A network that answers for it has told nothing, and that is said."""
    done, _ = audit(lambda queries: b"<html>please log in</html>")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("NOT CHECKED, http://127.0.0.1:")


def test_no_network_is_no_failure():
    """Nor has what cannot be reached."""
    done = subprocess.run(
        [sys.executable, SCRIPT, "pytest", "--url", "http://127.0.0.1:1/"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout[:12]) == (0, "NOT CHECKED,")
