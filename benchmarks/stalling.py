"""Servers that stall, plain and with TLS; `threadfan.testing.MessagesServer` does the hanging and the dripping."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

OPENSSL = shutil.which("openssl")
"""The command that makes certificates; without it there is no TLS to measure."""


@contextmanager
def stalling(*certificate: Path) -> Iterator[int]:
    """The port of a server in a process of its own; with TLS if there is a certificate and its key."""
    command = [sys.executable, "-m", "benchmarks.children.stall", *map(str, certificate)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdin is not None  # noqa: S101 -- for the type checker
        assert process.stdout is not None  # noqa: S101 -- the same
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


@contextmanager
def certificate() -> Iterator[tuple[Path, Path]]:
    """A certificate for ``localhost`` that signs itself, which a client can trust as it is, and its key.

    Raises:
        RuntimeError: The openssl command failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        made, key = Path(folder, "server.pem"), Path(folder, "server.key")
        new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        extensions = ("subjectAltName=DNS:localhost", "keyUsage=critical,digitalSignature,keyCertSign")
        options = [option for extension in extensions for option in ("-addext", extension)]
        done = subprocess.run(
            [str(OPENSSL), *new, "-subj", "/CN=localhost", "-keyout", key, "-out", made, *options],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"openssl cannot make a certificate: {done.stderr.strip()}")
        yield made, key
