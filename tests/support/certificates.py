"""A certificate authority of the tests' own, made once in a run by the openssl command."""

import atexit
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


@functools.cache
def certificates():
    """The files of the authority's certificate, the server's certificate, and its key; for loopback names only."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl command to make certificates with")
    folder = Path(tempfile.mkdtemp(prefix="threadfan-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    authority, authority_key = folder / "authority.pem", folder / "authority.key"
    server, server_key = folder / "server.pem", folder / "server.key"
    new = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    identified = ["-addext", "subjectKeyIdentifier=hash"]
    _run(
        *[*new, *identified, "-subj", "/CN=threadfan tests", "-keyout", authority_key, "-out", authority],
        *["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"],
    )
    _run(
        *[*new, *identified, "-subj", "/CN=localhost", "-keyout", server_key, "-out", server],
        *["-CA", authority, "-CAkey", authority_key, "-addext", "basicConstraints=critical,CA:FALSE"],
        *["-addext", "authorityKeyIdentifier=keyid", "-addext", "extendedKeyUsage=serverAuth"],
        *["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"],
    )
    return str(authority), str(server), str(server_key)


def _run(*command):
    # A file of settings would repeat some of the extensions that the command line gives.
    done = subprocess.run([*command, "-config", "/dev/null"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
