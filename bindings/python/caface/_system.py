"""Extension modules that need libraries of the system: loaded when they are used."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import re
from typing import Any, Dict, List

from ._errors import MissingLibraryError

# which packages of Debian 12 and 13 have the libraries; others are named as the system names them
_PACKAGES = {
    "libdnnl.so.2": "libdnnl2",
    "libdnnl.so.3": "libdnnl3",
    "libdnnl.so.3.6": "libdnnl3.6",
    "libjpeg.so.62": "libjpeg62-turbo",
    "libpng16.so.16": "libpng16-16",
    "libavformat.so.59": "libavformat59",
    "libavcodec.so.59": "libavcodec59",
    "libavutil.so.57": "libavutil57",
    "libswscale.so.6": "libswscale6",
    "libavformat.so.61": "libavformat61",
    "libavcodec.so.61": "libavcodec61",
    "libavutil.so.59": "libavutil59",
    "libswscale.so.8": "libswscale8",
    "libsqlite3.so.0": "libsqlite3-0",
    "libopenblas.so.0": "libopenblas0",
    "libpq.so.5": "libpq5",
}
# of those that one release of Debian alone has, which
_RELEASES = {
    **dict.fromkeys(
        ("libdnnl.so.2", "libavformat.so.59", "libavcodec.so.59", "libavutil.so.57", "libswscale.so.6"),
        "12",
    ),
    **dict.fromkeys(
        ("libdnnl.so.3", "libdnnl.so.3.6", "libavformat.so.61", "libavcodec.so.61", "libavutil.so.59", "libswscale.so.8"),
        "13",
    ),
}
# what they are for, and what a build without them was built without
_MODULES = {
    "_vision": ("pictures, video and files", "oneDNN, libjpeg-turbo or libpng"),
    "_gallery": ("galleries", "SQLite"),
    "_gallery_postgres": ("galleries in PostgreSQL", "libpq"),
    "_train": ("models to be trained", "CBLAS"),
}
_loaded: Dict[str, Any] = {}


def _is_there(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _missing(name: str, first: str) -> List[str]:
    """All the libraries that a module asks for and the system lacks; of `first` it is known."""
    spec = importlib.util.find_spec(f"caface.{name}")
    names = {first}
    if spec and spec.origin:
        with open(spec.origin, "rb") as file:
            asked = re.findall(rb"\0(lib[\w+.-]+\.so\.[\d.]+)(?=\0)", file.read())
        names |= {text.decode() for text in asked if not _is_there(text.decode())}
    return sorted(names)


def _debian() -> str:
    """The release of Debian that this is, such as "12"; "": another system."""
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            told = dict(line.strip().split("=", 1) for line in file if "=" in line)
    except OSError:
        return ""
    return told.get("VERSION_ID", "").strip('"') if told.get("ID") == "debian" else ""


def _hint(missing: List[str]) -> str:
    """What can be done about missing libraries."""
    others = {release for m in missing for release in [_RELEASES.get(m)] if release}
    here = _debian()
    if here and others and here not in others:
        return f": this wheel was built on Debian {min(others)}; build one here, with ./run python"
    packages = [_PACKAGES[m] for m in missing if m in _PACKAGES]
    return f": apt install {' '.join(packages)}" if packages else ""


def load(name: str) -> Any:
    """The extension module of a name, or one sentence about the libraries that it lacks."""
    if name not in _loaded:
        what, without = _MODULES[name]
        try:
            _loaded[name] = importlib.import_module(f"caface.{name}")
        except ImportError as reason:
            text = str(reason)
            first = text.split(":")[0]
            if ".so" in first and "cannot open" in text:
                missing = _missing(name, first)
                are = "is" if len(missing) == 1 else "are"
                raise MissingLibraryError(
                    f"{what} need {', '.join(missing)}, which {are} not on this system{_hint(missing)}"
                ) from None
            raise MissingLibraryError(
                f"this build of caface is without {what} ({text}): {without} was not there"
            ) from None
    return _loaded[name]
