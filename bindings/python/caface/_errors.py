"""What goes wrong, as exceptions. Each is a `caface.Error` with a `.status`, and the built-in
exception that fits, so that `except FileNotFoundError` and `except caface.Error` both work."""

from __future__ import annotations

import errno as _errno
import os as _os


class Error(Exception):
    """Something that caface refused or could not do; the text is one sentence.

    `status` is the name of the library's status: "EINVAL" (an argument is wrong, ValueError too),
    "ENOMEM" (MemoryError), "EIO" (OSError: FileNotFoundError, PermissionError ...), "EFORMAT" (a
    damaged file, ValueError), "EMODEL" (model and data do not fit, ValueError), "ELIMIT" (beyond
    a documented limit, ValueError), "EUNSUPPORTED" (NotImplementedError), "ECANCELLED".
    """

    status: str = ""


class InvalidError(Error, ValueError):
    """EINVAL, EFORMAT, EMODEL and ELIMIT: wrong values, damaged files, what does not fit."""


class NoMemoryError(Error, MemoryError):
    """ENOMEM."""


class UnsupportedError(Error, NotImplementedError):
    """EUNSUPPORTED: valid, but not in this build, or not on this machine."""


class FileError(Error, OSError):
    """EIO: the system refused to open, read or write."""


class MissingFileError(FileError, FileNotFoundError):
    """EIO: there is no such file."""


class ForbiddenFileError(FileError, PermissionError):
    """EIO: permission is denied."""


class ExistingFileError(FileError, FileExistsError):
    """EIO: the file is there already."""


class FolderError(FileError, IsADirectoryError):
    """EIO: a folder where a file is wanted."""


class MissingLibraryError(Error, ImportError):
    """A library of the system, or a Python package, that a part of caface needs is not there."""

    status = "EUNSUPPORTED"


_CLASSES = {
    "EINVAL": InvalidError,
    "EFORMAT": InvalidError,
    "EMODEL": InvalidError,
    "ELIMIT": InvalidError,
    "ENOMEM": NoMemoryError,
    "EUNSUPPORTED": UnsupportedError,
    "EIO": FileError,
}
_FILE_CLASSES = {
    _errno.ENOENT: MissingFileError,
    _errno.EACCES: ForbiddenFileError,
    _errno.EPERM: ForbiddenFileError,
    _errno.EISDIR: FolderError,
}


def make(status: str, message: str) -> Error:
    """The exception of a status and its sentence."""
    kind = _CLASSES.get(status, Error)
    error_number = None
    if status == "EIO":
        for number, file_kind in _FILE_CLASSES.items():
            if _os.strerror(number) in message:
                kind, error_number = file_kind, number
        if message.endswith("is there already"):
            kind, error_number = ExistingFileError, _errno.EEXIST
        if message.endswith("is a folder, not a file"):
            kind, error_number = FolderError, _errno.EISDIR
    error = kind(message)
    error.status = status
    if error_number is not None and isinstance(error, OSError):
        error.errno = error_number
    return error
