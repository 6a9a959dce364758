"""What can be wrong with a journal, each with its path and what to do about it."""

from __future__ import annotations

import errno
import os
import sqlite3

from ..base.errors import JournalError

_ANOTHER = "give the path of a file that is not there yet"
_STORED = "What was stored before is in it all the same."

_BY_CODE = {
    sqlite3.SQLITE_FULL: f"could not be written, for the disk is full: make room and run again.  {_STORED}",
    sqlite3.SQLITE_IOERR: f"could not be read or written ({{error}}): look at the disk and its quota.  {_STORED}",
    sqlite3.SQLITE_READONLY: "cannot be written: let yourself write the file and its folder, or copy it elsewhere",
    sqlite3.SQLITE_PERM: "cannot be written: let yourself write the file and its folder, or copy it elsewhere",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: let yourself read and write the file and its folder",
    sqlite3.SQLITE_BUSY: "is locked by another program, which has left a transaction open: end that one",
    sqlite3.SQLITE_CORRUPT: (
        f"is damaged ({{error}}): save what can be read with  sqlite3 FILE .recover, and {_ANOTHER}"
    ),
    sqlite3.SQLITE_NOTADB: f"is no journal, but a file of another kind: {_ANOTHER}",
}
_OF_SYSTEM = {
    errno.ENOSPC: _BY_CODE[sqlite3.SQLITE_FULL],
    errno.EDQUOT: _BY_CODE[sqlite3.SQLITE_FULL],
    errno.EROFS: "cannot be made, for its folder is read-only: give a path where you may write",
    errno.EACCES: "cannot be made or opened, for want of permission: give a path where you may write",
    errno.EPERM: "cannot be made or opened, for want of permission: give a path where you may write",
    errno.ENOENT: "cannot be made, for its folder is not there: make that first",
    errno.ENOTDIR: "cannot be made, for what should be its folder is a file: give another path",
    errno.EISDIR: "is a folder: give the path of a file in it",
}


def told(path: str, error: Exception) -> JournalError:
    """What to raise where SQLite or the system has refused."""
    if isinstance(error, OSError):
        text = _OF_SYSTEM.get(error.errno or 0, "cannot be used ({error})")
    else:
        text = _BY_CODE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "cannot be used ({error})")
    found = JournalError(f"the journal {path!r} {text.replace('{error}', str(error))}")
    found.__cause__ = error
    return found


def not_there(path: str) -> JournalError:
    """There is no file to read."""
    return JournalError(f"the journal {path!r} is not there: give the path of a file that a run or save() has made")


def of_another_kind(path: str) -> JournalError:
    """The file is a database of something else."""
    return JournalError(f"{path!r} is no journal, but a database of another program: {_ANOTHER}")


def too_new(path: str, found: int, known: int) -> JournalError:
    """The file was written by a version to come."""
    return JournalError(
        f"the journal {path!r} was written by a newer threadfan (format {found}, and this one knows {known}): install "
        f"that version, or {_ANOTHER}"
    )


def in_the_way(file: str) -> JournalError:
    """What stands in the place of the file of claims is none."""
    return JournalError(
        f"{file!r}, where a journal notes what is under way, is a link or a file of another kind, and was left as it "
        "is: see who has put it there and remove it, or give a path in a folder where only you may write"
    )


def without_log(path: str) -> JournalError:
    """The file system gives no shared memory."""
    return JournalError(
        f"the journal {path!r} is on a file system where SQLite cannot keep a log (WAL): give a path on a local disk"
    )


# -- file systems of other machines ------------------------------------------------------------------------------------

_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs")
_MOUNTS = "/proc/self/mountinfo"


def remote(path: str, mounts: str = _MOUNTS) -> JournalError | None:
    """What to raise if the file would be on another machine, where locks and shared memory do not hold; else None.

    Args:
        mounts: where the system lists what is mounted; where there is no such list nothing is known.
    """
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    folder = os.path.dirname(os.path.realpath(path))
    kind, point = "", ""
    for line in lines:
        before, _, after = line.partition(" - ")
        mounted = before.split()[4].encode("utf-8", "surrogateescape").decode("unicode_escape")
        inside = folder == mounted or folder.startswith(mounted.rstrip("/") + "/")
        if inside and len(mounted) >= len(point):  # the last of those at one point hides the others
            kind, point = after.split()[0], mounted
    if kind not in _REMOTE:
        return None
    return JournalError(
        f"the journal {path!r} would be on {point!r}, a file system of another machine ({kind}), where neither locks "
        f"nor shared memory hold: give a path on a disk of this machine, and copy the file when the run has ended"
    )
