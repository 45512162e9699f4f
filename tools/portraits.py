#!/usr/bin/env python3
"""portraits.py CAFACE PHOTOGRAPHS [--paste CROPS] [--sides 100,400] [--turn] [--keep DIR] DETECTOR[+LANDMARKS]...

Does a detector find a face of every size? From each photograph's faces that MTCNN-like detectors place
well (the first DETECTOR's, 60 pixels and more, at most --people), portraits are cut in which the face has
20, 40, 60, 80 and 95 % of the height, scaled to each side, and searched. --paste CROPS: the faces are those of
aligned crops (a folder for each person), with a soft oval edge or as a card, on PHOTOGRAPHS, plain colours, gradients,
noise, stripes and checks. Found: a box with an IoU above 0.6 with the one that the same detector has in the
photograph (pasted: on plain grey, the face at 0.6 of 320 pixels). False: any other box, but for those on somebody else whom any of the detectors sees in
the photograph. --turn: turned by 90, 180 and 270 degrees, with --rotate auto; right: found and upright. --keep
writes the pictures that went wrong, the wanted box green, and wrong.jsonl. Intervals of 95 % are over people. Needs NumPy and Pillow."""
import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SHARES = (0.2, 0.4, 0.6, 0.8, 0.95)
SIDES = (100, 200, 400, 720, 1280, 2560, 4000, 6000)
LEAST = 60
GREY = (128, 128, 128)
SHAPES = ((1, 1), (0.75, 1), (1, 0.75))


def detect(tool, detector, paths, *more):
    command = [tool, "detect", "--json", "--detector", detector.split("+")[0], *more]
    if "+" in detector:
        command += ["--landmarks", detector.split("+")[1]]
    done = subprocess.run([*command, *map(str, paths)], capture_output=True, check=False)
    return json.loads(done.stdout)["images"] if paths else []


def iou(a, b):
    w = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area = lambda r: (r[2] - r[0]) * (r[3] - r[1])
    return w * h / (area(a) + area(b) - w * h)


def overlaps(a, b):
    return b[0] < a[2] and b[2] > a[0] and b[1] < a[3] and b[3] > a[1]


# --- portraits cut from photographs ---------------------------------------------------------------


def cut(photo, box, share):
    """The part of a photograph in which the face has that share of the height, around it as far as
    there is picture."""
    height = (box[3] - box[1]) / share
    width = min(height, photo.width)
    height = min(height, photo.height)
    x = min(max((box[0] + box[2] - width) / 2, 0), photo.width - width)
    y = min(max((box[1] + box[3] - height) / 2, 0), photo.height - height)
    return (x, y, x + width, y + height)


def people_of_photographs(a):
    """(photograph, each detector's box, boxes of others)."""
    photos = sorted(p for p in a.photographs.iterdir() if p.is_file())
    seen = [detect(a.tool, d, photos, "--rotate", "none") for d in a.detector]
    people = []
    for i, path in enumerate(photos):
        for face in seen[0][i]["faces"]:
            boxes = [max((f["box"] for f in s[i]["faces"]), key=lambda b: iou(b, face["box"]), default=None) for s in seen]
            if face["box"][3] - face["box"][1] >= LEAST and all(b and iou(b, face["box"]) > 0.4 for b in boxes):
                others = [f["box"] for s in seen for f in s[i]["faces"] if iou(f["box"], face["box"]) < 0.3]
                people.append((path, boxes, others))
    return sorted(people, key=lambda p: p[1][0][1] - p[1][0][3])[:a.people]


def cut_portraits(people, side):
    """Yields (person, share, picture, each detector's box)."""
    for k, (path, boxes, others) in enumerate(people):
        with Image.open(path) as photo:
            photo = photo.convert("RGB")
            for share in SHARES:
                part = cut(photo, boxes[0], share)
                if any(overlaps(part, b) for b in others):
                    continue  # somebody else is in it: no portrait
                scale = side / max(part[2] - part[0], part[3] - part[1])
                size = [max(1, round((part[i + 2] - part[i]) * scale)) for i in (0, 1)]
                yield k, share, photo.resize(size, Image.BICUBIC, part), [[(b[i] - part[i % 2]) * scale for i in range(4)] for b in boxes]


# --- crops pasted on backgrounds ------------------------------------------------------------------


def background(kind, size, photos, rng):
    w, h = size
    if kind < 3:  # plain
        return Image.new("RGB", size, [(255, 255, 255), (20, 24, 30), tuple(rng.integers(40, 220, 3))][kind])
    y, x = np.mgrid[0:h, 0:w]
    ends = rng.integers(0, 255, (2, 3))
    if kind == 3:  # gradient
        part = ((x / w + y / h) / 2)[..., None]
    elif kind == 4:  # noise in grains
        part = np.asarray(Image.fromarray(rng.integers(0, 255, (max(2, h // 4), max(2, w // 4))).astype(np.uint8)).resize(size, Image.NEAREST))[..., None] / 255
    elif kind == 5:  # stripes
        part = ((x * 12 // w) % 2)[..., None]
    elif kind == 6:  # checks
        part = (((x * 9 // w) + (y * 9 // h)) % 2)[..., None]
    else:
        photo = photos[(kind - 7) % len(photos)]
        scale = max(w / photo.width, h / photo.height)
        return photo.resize((max(w, round(photo.width * scale)), max(h, round(photo.height * scale))), Image.BICUBIC).crop((0, 0, w, h))
    return Image.fromarray((ends[0] * part + ends[1] * (1 - part)).astype(np.uint8))


def paste(crop, at, side, picture, oval):
    """A crop, enlarged to `side`, its corner at `at`."""
    mask = Image.new("L", crop.size, 0 if oval else 255)
    if oval:
        ImageDraw.Draw(mask).ellipse((6, 4, 106, 116), fill=255)
        mask = mask.filter(ImageFilter.GaussianBlur(3))
    size = (max(1, round(side)),) * 2
    picture.paste(crop.resize(size, Image.BICUBIC), tuple(round(v) for v in at), mask.resize(size, Image.BICUBIC))


def people_of_crops(a, work):
    """(crop, each detector's box on it, in its sides): one crop of a person that all detectors find on plain grey."""
    rng = np.random.default_rng(a.seed)
    folders = sorted(p for p in a.paste.iterdir() if p.is_dir())
    picked = [folders[i] for i in rng.permutation(len(folders))[:2 * a.people]]
    crops = [Image.open(sorted(p.iterdir())[int(rng.integers(len(list(p.iterdir()))))]).convert("RGB") for p in picked]
    paths, side = [], 192
    for i, crop in enumerate(crops):
        picture = Image.new("RGB", (320, 320), GREY)
        paste(crop, (64, 64), side, picture, True)
        paths.append(f"{work}/crop-{i}.png")
        picture.save(paths[-1])
    seen = [detect(a.tool, d, paths, "--rotate", "none") for d in a.detector]
    people = []
    for i, crop in enumerate(crops):
        corners = np.asarray(crop)[[0, 0, -1, -1], [0, -1, 0, -1]]
        if all(len(s[i]["faces"]) == 1 and s[i]["faces"][0]["plausible"] and abs(s[i]["faces"][0]["roll"]) < 30 for s in seen) and corners.max(1).min() > 0 and len(people) < a.people:
            people.append((crop, [[(v - 64) / side for v in s[i]["faces"][0]["box"]] for s in seen]))
    return people


def pasted_portraits(people, side, a, photos):
    rng = np.random.default_rng([a.seed, side])
    kinds = 7 + len(photos)
    for k, (crop, boxes) in enumerate(people):
        for j, share in enumerate(SHARES):
            shape = SHAPES[(k + j) % 3]
            size = [max(1, round(side * s)) for s in shape]
            height = boxes[0][3] - boxes[0][1]
            big = share * size[1] / height
            box = [v * big for v in boxes[0]]
            if box[2] - box[0] > 0.95 * size[0]:
                continue
            x, y = [(rng.uniform(0, 1) * (size[i] - box[i + 2] + box[i]) - box[i]) for i in (0, 1)]
            picture = background((5 * k + j) % kinds, size, photos, rng)
            paste(crop, (x, y), big, picture, (k + j) % 4 != 3)
            yield k, share, picture, [[b[i] * big + (x, y)[i % 2] for i in range(4)] for b in boxes]


# --- counting -------------------------------------------------------------------------------------


def turned(box, turn, w, h):
    """A box in a picture that was turned clockwise, and is w x h now."""
    if turn == 90:
        return [w - box[3], box[0], w - box[1], box[2]]
    if turn == 180:
        return [w - box[2], h - box[3], w - box[0], h - box[1]]
    return [box[1], h - box[2], box[3], h - box[0]] if turn else box


def interval(values, people):
    """Percentiles over people drawn with replacement, or None of one person."""
    ids, values = np.array(people), np.array(values, dtype=float)
    sums = np.array([(values[ids == p].sum(), (ids == p).sum()) for p in sorted(set(people))])
    if len(sums) < 2:
        return None
    rng = np.random.default_rng(1)
    draws = sums[rng.integers(0, len(sums), (1000, len(sums)))].sum(1)
    return [round(float(v), 1) for v in np.percentile(100 * draws[:, 0] / draws[:, 1], (2.5, 97.5))]


def keep(a, detector, name, want, faces):
    a.keep.mkdir(parents=True, exist_ok=True)
    stem = f"{pathlib.Path(detector).stem}-{pathlib.Path(name).stem}"
    with open(a.keep / "wrong.jsonl", "a", encoding="utf-8") as f:
        print(json.dumps({"picture": stem, "want": want, "faces": faces}), file=f)
    with Image.open(name) as picture:
        picture = picture.convert("RGB")
        scale = 640 / max(picture.size)
        picture = picture.resize([max(1, round(v * scale)) for v in picture.size])
        draw = ImageDraw.Draw(picture)
        for box, colour in [(f["box"], "red") for f in faces] + [(want, "lime")]:
            draw.rectangle([v * scale for v in box], outline=colour, width=3)
        for f in faces:
            draw.text((f["box"][0] * scale + 4, f["box"][1] * scale + 4), f"{f['score']:.3f}", fill="yellow")
        picture.save(a.keep / f"{stem}.png")


def count(a, d, side, cases):
    detector = a.detector[d]
    right, false, upright, missed = [], [], [], {}
    pictures = detect(a.tool, detector, [c[0] for c in cases], "--rotate", "auto" if a.turn else "none")
    for (name, _, share, boxes, turn), picture in zip(cases, pictures):
        want = turned(boxes[d], turn, picture["width"], picture["height"])
        hits = [iou(f["box"], want) > 0.6 for f in picture["faces"]]
        right.append(any(hits))
        false.append(len(hits) > any(hits))
        upright.append(any(hits) and (picture["turn"] + turn) % 360 == 0)
        if not right[-1] or false[-1] or (a.turn and not upright[-1]):
            missed[f"{share}"] = missed.get(f"{share}", 0) + 1
            if a.keep:
                keep(a, detector, name, want, picture["faces"])
    people = [c[1] for c in cases]
    percent = lambda v: round(100 * float(np.mean(v)), 1)
    print(json.dumps({"side": side, "detector": pathlib.Path(detector).name, "portraits": len(cases), "found": percent(right),
                      "found_interval": interval(right, people), "false": percent(false), "false_interval": interval(false, people),
                      **({"upright": percent(upright), "upright_interval": interval(upright, people)} if a.turn else {}), "wrong_by_share": missed}), flush=True)
    return right, false, upright


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("tool")
    parse.add_argument("photographs", type=pathlib.Path)
    parse.add_argument("detector", nargs="+")
    parse.add_argument("--paste", type=pathlib.Path)
    parse.add_argument("--people", type=int, default=12)
    parse.add_argument("--seed", type=int, default=1)
    parse.add_argument("--sides", default=",".join(map(str, SIDES)))
    parse.add_argument("--turn", action="store_true")
    parse.add_argument("--keep", type=pathlib.Path)
    a = parse.parse_args()
    total = [[[], [], []] for _ in a.detector]
    whose = []
    with tempfile.TemporaryDirectory() as work:
        if a.paste:
            photos = [Image.open(p).convert("RGB") for p in sorted(a.photographs.iterdir()) if p.is_file()]
            people = people_of_crops(a, work)
        else:
            people = people_of_photographs(a)
        print(json.dumps({"people": len(people)}))
        for side in map(int, a.sides.split(",")):
            cases = []
            for k, share, picture, boxes in pasted_portraits(people, side, a, photos) if a.paste else cut_portraits(people, side):
                for turn in (90, 180, 270) if a.turn else (0,):
                    name = f"{work}/{k}-{int(share * 100)}-{side}-{turn}.png"
                    (picture.rotate(-turn, expand=True) if turn else picture).save(name, compress_level=1)
                    cases.append((name, k, share, boxes, turn))
            whose += [c[1] for c in cases]
            for d in range(len(a.detector)):
                for sums, more in zip(total[d], count(a, d, side, cases)):
                    sums.extend(more)
            for case in cases:
                pathlib.Path(case[0]).unlink()
    for detector, sums in zip(a.detector, total):
        kinds = ("found", "false", "upright")[:3 if a.turn else 2]
        print(json.dumps({"all": pathlib.Path(detector).name, "portraits": len(whose), **{k: [round(100 * float(np.mean(v)), 2), interval(v, whose)] for k, v in zip(kinds, sums)}}))


if __name__ == "__main__":
    main()
