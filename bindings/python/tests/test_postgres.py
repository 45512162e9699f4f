"""Galleries in PostgreSQL: the answers of those in files, from a server of the test's own."""

import glob
import os
import pathlib
import pickle
import pwd
import shutil
import subprocess
import tempfile

import numpy as np
import pytest

import caface

from conftest import ROOT, needs

needs("_gallery_postgres")


def _as_user():
    """The server runs as nobody in particular: root may not."""
    if os.geteuid() != 0:
        return []
    names = {entry.pw_name for entry in pwd.getpwall()}
    name = "postgres" if "postgres" in names else "nobody"
    return ["setpriv", f"--reuid={name}", f"--regid={pwd.getpwnam(name).pw_gid}", "--clear-groups"]


@pytest.fixture(scope="module")
def server():
    """The address of a server on a socket in a folder, without its database's name in front."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if not found:
        pytest.skip("there is no PostgreSQL server here")
    programs, user = pathlib.Path(found[-1]).parent, _as_user()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="caface-pg-", dir="/tmp"))  # a socket's path is short
    if user:
        shutil.chown(folder, user[1].partition("=")[2])

    def run(*words):
        subprocess.run([*user, *map(str, words)], check=True, cwd="/", stdout=subprocess.DEVNULL)

    run(programs / "initdb", "-D", folder / "data", "-U", "admin", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
    settings = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off -c dynamic_shared_memory_type=mmap"
    try:
        run(programs / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log", "-o", settings, "start")
        yield f"host={folder}"
    finally:
        subprocess.run([*user, programs / "pg_ctl", "-D", folder / "data", "-m", "immediate", "-w", "stop"],
                       check=False, cwd="/", stdout=subprocess.DEVNULL)  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def address(server, request):
    """A gallery's place: a schema of the test's own, with a password that nothing may show."""
    schema = request.node.name.partition("[")[0].replace("test_", "t_")
    base = f"postgresql://admin:geheim@/postgres?{server}"
    psql = sorted(glob.glob("/usr/lib/postgresql/*/bin/psql"))[-1]
    subprocess.run([psql, "-X", "-q", base, "-c", f"CREATE SCHEMA {schema}"], check=True)
    return f"{base}&options=-csearch_path%3D{schema}"


def test_a_database_answers_as_a_file(address, restoring, gallery, probes, tmp_path):
    places = caface.Gallery.create(tmp_path / "g", restoring), caface.Gallery.create(address, restoring)
    for people in places:
        people.add_features(gallery)
        people.add("Ann", probes.features[:5], probes.styles[:5], names=list("abcde"))
        with people.transaction():
            people.rename("Ann", "Anna")
            people.add("Bob", probes.features[5:7], probes.styles[5:7])
            people.merge("Anna", "Bob")
        people.remove("7")
        people.calibrate(resamples=20)
    file, base = places
    assert list(file) == list(base) and len(base) == len(file) > 100
    assert np.array_equal(file.templates()[1], base.templates()[1])
    assert [p[:3] for p in file.pictures("Anna")] == [p[:3] for p in base.pictures("Anna")]
    assert file.set("Anna").to_bytes() == base.set("Anna").to_bytes()
    found = [[(m.name, m.similarity, m.far) for m in row] for row in file.search(probes.features[:9], 3)]
    assert found == [[(m.name, m.similarity, m.far) for m in row] for row in base.search(probes.features[:9], 3)]
    a, b = (people.calibrations()[0] for people in places)
    assert repr(a.rows) == repr(b.rows)  # NaN is not itself
    again = pickle.loads(pickle.dumps(base))
    assert len(again) == len(base) and again["Anna"].faces == 7
    reading = caface.Gallery(address)
    with pytest.raises(OSError):
        reading.remove("Anna")
    with pytest.raises(FileExistsError):
        caface.Gallery.create(address, restoring)


def test_crops_are_encoded_again(address, rng):
    pytest.importorskip("caface._vision")
    encoder = caface.Encoder(ROOT / "tests/fixtures/detect/face_112.onnx")
    people = caface.Gallery.create(address, keep_crops=True)
    crops = rng.integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    people.add_crops("Ann", crops, encoder)
    before = people["Ann"].template
    people.rebuild(caface.Encoder(ROOT / "tests/fixtures/detect/face_112.onnx", input_order="bgr"))
    assert not np.array_equal(people["Ann"].template, before)
    assert people.info["crops"] == 3 and people["Ann"].faces == 3


def test_nothing_shows_the_password(address, faces, server):
    people = caface.Gallery.create(address)
    people.add("Ann", faces[0])
    with pytest.raises(ValueError, match="kept crop") as caught:
        people.rebuild(None)
    told = [repr(people), str(caught.value)]
    people.close()
    told.append(repr(people))
    for wrong in (address.replace("/postgres?", "/nowhere?"), address.replace("host=/", "host=/nowhere/"),
                  address.replace("geheim@", "ge/he@im@") + "&bad=geheim"):  # fmt: skip
        with pytest.raises(caface.Error) as caught:
            caface.Gallery(wrong)
        told.append(str(caught.value))
    assert not [text for text in told if "geheim" in text or "he@im" in text]
    assert "postgresql://admin@/postgres:" in told[0] and "closed" in told[2]


def test_a_gallery_does_not_cross_a_fork(address, faces):
    people = caface.Gallery.create(address)
    people.add("Ann", faces[0])
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            len(people)
        except RuntimeError as error:
            os.write(writer, str(error).encode())
        del people
        os._exit(0)
    os.close(writer)
    assert b"process" in os.read(reader, 1000)
    os.wait()
    assert len(people) == 1
