#!/usr/bin/env python3
"""portraits.py CAFACE PHOTOGRAPHS [--sides 100,400] [--turn] DETECTOR[+LANDMARKS]...

Does a detector find a face of every size? From each photograph's faces that MTCNN-like detectors place
well (the first DETECTOR's, 60 pixels and more, at most 12 people), portraits are cut in which the face has
20, 40, 60, 80 and 95 % of the height, scaled to each side, and searched. Found: a box with an IoU above
0.6 with the one that the same detector has in the photograph. False: any other box. --turn: turned by 90, 180
and 270 degrees, with --rotate auto; right: found and upright. Needs NumPy and Pillow."""
import argparse
import json
import pathlib
import subprocess
import tempfile

from PIL import Image

SHARES = (0.2, 0.4, 0.6, 0.8, 0.95)
SIDES = (100, 200, 400, 720, 1280, 2560, 4000, 6000)
LEAST, PEOPLE = 60, 12


def detect(tool, detector, paths, *more):
    command = [tool, "detect", "--json", "--detector", detector.split("+")[0], *more]
    if "+" in detector:
        command += ["--landmarks", detector.split("+")[1]]
    done = subprocess.run([*command, *map(str, paths)], capture_output=True, check=False)
    return json.loads(done.stdout)["images"]


def iou(a, b):
    w = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area = lambda r: (r[2] - r[0]) * (r[3] - r[1])
    return w * h / (area(a) + area(b) - w * h)


def cut(photo, box, share):
    """The part of a photograph in which the face has that share of the height, around it as far as
    there is picture, and the face's box in it."""
    height = (box[3] - box[1]) / share
    width = min(height, photo.width)
    height = min(height, photo.height)
    x = min(max((box[0] + box[2] - width) / 2, 0), photo.width - width)
    y = min(max((box[1] + box[3] - height) / 2, 0), photo.height - height)
    return (x, y, x + width, y + height)


def inside(part, box):
    return box[0] < part[2] and box[2] > part[0] and box[1] < part[3] and box[3] > part[1]


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("tool")
    parse.add_argument("photographs", type=pathlib.Path)
    parse.add_argument("detector", nargs="+")
    parse.add_argument("--sides", default=",".join(map(str, SIDES)))
    parse.add_argument("--turn", action="store_true")
    a = parse.parse_args()
    sides = [int(s) for s in a.sides.split(",")]
    photos = sorted(p for p in a.photographs.iterdir() if p.is_file())
    seen = [detect(a.tool, d, photos, "--rotate", "none") for d in a.detector]
    people = []
    for i, path in enumerate(photos):
        for face in seen[0][i]["faces"]:
            boxes = [max((f["box"] for f in s[i]["faces"]), key=lambda b: iou(b, face["box"]), default=None) for s in seen]
            if face["box"][3] - face["box"][1] >= LEAST and all(b and iou(b, face["box"]) > 0.4 for b in boxes):
                others = [f["box"] for f in seen[0][i]["faces"] if f is not face]
                people.append((path, boxes, others))
    people = sorted(people, key=lambda p: p[1][0][1] - p[1][0][3])[:PEOPLE]
    with tempfile.TemporaryDirectory() as work:
        for side in sides:
            cases = []
            for k, (path, boxes, others) in enumerate(people):
                with Image.open(path) as photo:
                    photo = photo.convert("RGB")
                    for share in SHARES:
                        part = cut(photo, boxes[0], share)
                        if any(inside(part, b) for b in others):
                            continue  # somebody else is in it: no portrait
                        scale = side / max(part[2] - part[0], part[3] - part[1])
                        size = [max(1, round((part[i + 2] - part[i]) * scale)) for i in (0, 1)]
                        picture = photo.resize(size, Image.BICUBIC, part)
                        for turn in (90, 180, 270) if a.turn else (0,):
                            name = f"{work}/{k}-{int(share * 100)}-{side}-{turn}.png"
                            (picture.rotate(-turn, expand=True) if turn else picture).save(name, compress_level=1)
                            cases.append((name, part, scale, boxes, share, turn))
            for d, detector in enumerate(a.detector):
                found = false = upright = 0
                missed = {}
                pictures = detect(a.tool, detector, [c[0] for c in cases], "--rotate", "auto" if a.turn else "none") if cases else []
                for case, picture in zip(cases, pictures):
                    _, part, scale, boxes, share, turn = case
                    b = boxes[d]
                    want = [(b[i] - part[i % 2]) * scale for i in range(4)]
                    w, h = picture["width"], picture["height"]
                    if turn == 90:
                        want = [w - want[3], want[0], w - want[1], want[2]]
                    elif turn == 180:
                        want = [w - want[2], h - want[3], w - want[0], h - want[1]]
                    elif turn == 270:
                        want = [want[1], h - want[2], want[3], h - want[0]]
                    hits = [iou(f["box"], want) > 0.6 for f in picture["faces"]]
                    found += any(hits)
                    false += len(hits) > any(hits)
                    upright += any(hits) and (picture["turn"] + turn) % 360 == 0
                    if not any(hits) or len(hits) > 1:
                        missed[f"{share}"] = missed.get(f"{share}", 0) + 1
                n = max(1, len(cases))
                print(json.dumps({"side": side, "detector": detector.split("/")[-1], "portraits": len(cases), "found": round(100 * found / n, 1),
                                  "false": round(100 * false / n, 1), **({"upright": round(100 * upright / n, 1)} if a.turn else {}),
                                  "wrong_by_share": missed}), flush=True)
            for case in cases:
                pathlib.Path(case[0]).unlink()


if __name__ == "__main__":
    main()
