"""meson-python, and a name that says what the wheel is.

The extension modules keep to the limited API of Python 3.9 (src/common.h), so one wheel serves
that version and every later one. meson-python names a wheel after the Python that built it; some
versions have an option for this, Debian 12's has not.
"""

import base64
import hashlib
import os
import zipfile

import mesonpy

TAG = "cp39-abi3"

build_sdist = mesonpy.build_sdist
build_editable = getattr(mesonpy, "build_editable", None)
get_requires_for_build_sdist = mesonpy.get_requires_for_build_sdist
get_requires_for_build_wheel = mesonpy.get_requires_for_build_wheel


def _record_line(name, data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}"


def _retag(path):
    """The same wheel under the name of the limited API; returns its file name."""
    folder, old = os.path.split(path)
    name, version, _, _, platform = old[: -len(".whl")].split("-")
    new = f"{name}-{version}-{TAG}-{platform}.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path) as wheel:
        entries = [(entry, wheel.read(entry)) for entry in wheel.infolist()]
    records = []
    with zipfile.ZipFile(os.path.join(folder, new + ".part"), "w", zipfile.ZIP_DEFLATED) as out:
        for entry, data in entries:
            if entry.filename == f"{info}/RECORD":
                continue
            if entry.filename == f"{info}/WHEEL":
                lines = data.decode().splitlines()
                lines = [f"Tag: {TAG}-{platform}" if x.startswith("Tag:") else x for x in lines]
                data = "\n".join(lines).encode() + b"\n"
            entry.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(entry, data)
            records.append(_record_line(entry.filename, data))
        records.append(f"{info}/RECORD,,")
        out.writestr(f"{info}/RECORD", "\n".join(records) + "\n")
    os.remove(path)
    os.replace(os.path.join(folder, new + ".part"), os.path.join(folder, new))
    return new


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = mesonpy.build_wheel(wheel_directory, config_settings, metadata_directory)
    return _retag(os.path.join(wheel_directory, name))
