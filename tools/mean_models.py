#!/usr/bin/env python3
"""mean_models.py OUT.safetensors MODEL.safetensors...

The mean of several fusion models of one run (`caface train --keep-all`), number by number; what
is no float (counts of batches) and the file's metadata are those of the last one. Needs NumPy.
"""
import json
import struct
import sys

import numpy


def load(path):
    """The header, its bytes, and the numbers behind it."""
    with open(path, "rb") as file:
        data = file.read()
    size = 8 + struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:size]), data[:size], data[size:]


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    models = [load(path) for path in sys.argv[2:]]
    header, head, last = models[-1]
    out = bytearray(last)
    for name, tensor in header.items():
        if name == "__metadata__" or tensor["dtype"] != "F32":
            continue
        rows = []
        for path, (other, _, numbers) in zip(sys.argv[2:], models):
            if name not in other or other[name]["shape"] != tensor["shape"]:
                sys.exit(f"mean_models.py: {path} has no {name} of shape {tensor['shape']}")
            first, end = other[name]["data_offsets"]
            rows.append(numpy.frombuffer(numbers[first:end], "<f4").astype(numpy.float64))
        first, end = tensor["data_offsets"]
        out[first:end] = numpy.mean(rows, 0).astype("<f4").tobytes()
    with open(sys.argv[1], "wb") as file:
        file.write(head + out)


if __name__ == "__main__":
    main()
