"""Extension modules that need libraries of the system: loaded when they are used."""

from __future__ import annotations

import importlib
from typing import Any, Dict

from ._errors import MissingLibraryError

# what Debian 12 and 13 call the libraries; others are named as the system names them
_PACKAGES = {
    "libdnnl": "libdnnl2 (Debian 12) or libdnnl3 (Debian 13)",
    "libjpeg": "libjpeg62-turbo",
    "libpng16": "libpng16-16 (Debian 12) or libpng16-16t64 (Debian 13)",
    "libavformat": "libavformat59 (Debian 12) or libavformat61 (Debian 13)",
    "libavcodec": "libavcodec59 (Debian 12) or libavcodec61 (Debian 13)",
    "libavutil": "libavutil57 (Debian 12) or libavutil59 (Debian 13)",
    "libswscale": "libswscale6 (Debian 12) or libswscale8 (Debian 13)",
    "libsqlite3": "libsqlite3-0",
    "libopenblas": "libopenblas0-pthread",
}
# what they are for, and what a build without them was built without
_MODULES = {
    "_vision": ("pictures and video", "oneDNN, libjpeg-turbo or libpng"),
    "_gallery": ("galleries", "SQLite"),
}
_loaded: Dict[str, Any] = {}


def load(name: str) -> Any:
    """The extension module of a name, or one sentence about the library that it lacks."""
    if name not in _loaded:
        what, without = _MODULES[name]
        try:
            _loaded[name] = importlib.import_module(f"caface.{name}")
        except ImportError as reason:
            text = str(reason)
            library = text.split(":")[0]
            package = next((p for start, p in _PACKAGES.items() if library.startswith(start)), None)
            if ".so" in library and "cannot open" in text:
                hint = f": apt install {package}" if package else ""
                raise MissingLibraryError(
                    f"{what} need {library}, which is not on this system{hint}"
                ) from None
            raise MissingLibraryError(
                f"{what} are not in this build of caface ({text}); it was built without {without}"
            ) from None
    return _loaded[name]
