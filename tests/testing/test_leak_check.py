"""The check that stands around every test."""

import os
import socket
import threading

import pytest

from threadfan.testing import no_leaks


def test_nothing_left_is_fine():
    """A block that ends its threads and closes what it opens passes."""
    with no_leaks(), socket.socket():
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()


def test_thread_that_is_about_to_end_may():
    """A thread that ends soon after the block is waited for."""
    go = threading.Event()
    with no_leaks():
        threading.Thread(target=go.wait).start()
        go.set()


def test_thread_that_stays_is_named_with_its_place():
    """A thread that is left is reported by its name and where it stands."""
    go = threading.Event()
    try:
        with pytest.raises(AssertionError, match=r"the thread straggler, in .*threading.py:\d+"), no_leaks(patience=0):
            threading.Thread(target=go.wait, name="straggler").start()
    finally:
        go.set()


def test_thread_that_is_spared_may_stay():
    """Threads that belong to the process are none of a test's."""
    go = threading.Event()
    with no_leaks(patience=0, spare=lambda thread: thread.name == "resident"):
        threading.Thread(target=go.wait, name="resident").start()
    go.set()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors are not listed here")
def test_descriptor_that_stays_is_named():
    """A socket that is left open is reported, and not when descriptors are none of the block's concern."""
    with pytest.raises(AssertionError, match=r"descriptor .*socket"), no_leaks():
        left = socket.socket()
    with no_leaks(descriptors=False):
        other = socket.socket()
    left.close()
    other.close()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors are not listed here")
def test_a_connection_that_stays_is_named_by_its_peer():
    """By which its owner is found; looking does not close it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(AssertionError, match=rf"descriptor .*socket:\[\d+\] to 127\.0\.0\.1:{port}"), no_leaks():
            left = socket.create_connection(("127.0.0.1", port))
        left.send(b"x")
        left.close()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors are not listed here")
def test_a_descriptor_that_the_interpreter_keeps_is_no_leak(tmp_path):
    """At the first use of ctypes libffi may open its own file for good, and nobody can close it."""
    with no_leaks():
        kept = (tmp_path / "libffi.so.8.5.0").open("w")
    kept.close()


def test_error_in_the_block_comes_through():
    """What the block raises is not hidden by what it leaves."""
    with pytest.raises(ValueError, match="mine"), no_leaks():
        raise ValueError("mine")
