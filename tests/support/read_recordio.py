#!/usr/bin/python3
"""Reads PREFIX.rec by PREFIX.idx with nothing but struct, and prints for every record of
PREFIX.lst: key, label, path, and the SHA-256 of the body. An independent reader of RecordIO."""
import hashlib
import struct
import sys

MAGIC = 0xced7230a


def payload(data, at):
    parts = []
    while True:
        magic, word = struct.unpack_from('<II', data, at)
        part, length = word >> 29, word & 0x1fffffff
        assert magic == MAGIC and at % 4 == 0 and at + 8 + length <= len(data)
        parts.append(data[at + 8:at + 8 + length])
        at += 8 + (length + 3) // 4 * 4
        assert part in ((0, 1) if len(parts) == 1 else (2, 3))
        if part in (0, 3):
            return struct.pack('<I', MAGIC).join(parts)


prefix = sys.argv[1]
with open(prefix + '.rec', 'rb') as f:
    records = f.read()
with open(prefix + '.idx', encoding='utf-8') as f:
    offsets = dict(map(int, line.split('\t')) for line in f)
with open(prefix + '.lst', encoding='utf-8') as f:
    for line in f:
        key, label, path = line.rstrip('\n').split('\t')
        body = payload(records, offsets[int(key)])
        flag, value, ident, _ = struct.unpack_from('<IfQQ', body)
        assert flag == 0 and ident == int(key) and value == float(label)
        print(key, value, path, hashlib.sha256(body[24:]).hexdigest())
