#include "files/protobuf.h"

cafi_pb cafi_pb_begin(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;

    return (cafi_pb){.at = at, .end = size ? at + size : at, .base = at};
}

static size_t left(const cafi_pb *reader)
{
    return reader->at ? (size_t)(reader->end - reader->at) : 0;
}

static size_t offset(const cafi_pb *reader)
{
    return reader->at ? (size_t)(reader->at - reader->base) : 0;
}

/* Seven bits a byte, low first; the tenth byte holds only bit 63. */
static caface_status read_varint(cafi_pb *reader, uint64_t *out, caface_error *err)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        unsigned char byte = 0;

        if (!left(reader))
            return cafi_fail(err, CAFACE_EFORMAT, "protobuf: number cut short at byte %zu",
                             offset(reader));
        byte = *reader->at;
        if (shift == 63 && byte > 1)
            break;
        reader->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return CAFACE_OK;
        }
    }
    return cafi_fail(err, CAFACE_EFORMAT, "protobuf: number of more than 64 bits at byte %zu",
                     offset(reader));
}

static uint64_t read_little(const unsigned char *bytes, size_t n)
{
    uint64_t value = 0;

    for (size_t i = n; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static caface_status read_fixed(cafi_pb *reader, size_t n, uint64_t *out, caface_error *err)
{
    if (left(reader) < n)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "protobuf: %zu bytes left at byte %zu, a number needs %zu", left(reader),
                         offset(reader), n);
    *out = read_little(reader->at, n);
    reader->at += n;
    return CAFACE_OK;
}

static caface_status read_bytes(cafi_pb *reader, cafi_pb *out, caface_error *err)
{
    uint64_t size = 0;
    caface_status st = read_varint(reader, &size, err);

    if (st)
        return st;
    if (size > left(reader))
        return cafi_fail(err, CAFACE_EFORMAT,
                         "protobuf: %zu bytes left at byte %zu, the field has %llu", left(reader),
                         offset(reader), (unsigned long long)size);
    *out = (cafi_pb){.at = reader->at, .end = reader->at + size, .base = reader->base};
    reader->at += size;
    return CAFACE_OK;
}

caface_status cafi_pb_next(cafi_pb *reader, cafi_pb_field *field, bool *more, caface_error *err)
{
    size_t start = offset(reader);
    uint64_t key = 0;
    caface_status st = CAFACE_OK;

    *field = (cafi_pb_field){0};
    *more = left(reader) > 0;
    if (!*more)
        return CAFACE_OK;
    if ((st = read_varint(reader, &key, err)))
        return st;
    if (key >> 3 == 0 || key >> 3 > 0x1fffffff)
        return cafi_fail(err, CAFACE_EFORMAT, "protobuf: field number %llu at byte %zu",
                         (unsigned long long)(key >> 3), start);
    field->number = (uint32_t)(key >> 3);
    switch (key & 7) {
    case CAFI_PB_VARINT:
        field->wire = CAFI_PB_VARINT;
        return read_varint(reader, &field->value, err);
    case CAFI_PB_FIXED64:
        field->wire = CAFI_PB_FIXED64;
        return read_fixed(reader, 8, &field->value, err);
    case CAFI_PB_BYTES:
        field->wire = CAFI_PB_BYTES;
        return read_bytes(reader, &field->bytes, err);
    case CAFI_PB_FIXED32:
        field->wire = CAFI_PB_FIXED32;
        return read_fixed(reader, 4, &field->value, err);
    default:
        return cafi_fail(err, CAFACE_EFORMAT, "protobuf: wire type %u at byte %zu",
                         (unsigned)(key & 7), start);
    }
}

caface_status cafi_pb_expect(const cafi_pb_field *field, cafi_pb_wire wire, const char *what,
                             caface_error *err)
{
    if (field->wire != wire)
        return cafi_fail(err, CAFACE_EFORMAT, "%s has wire type %d, not %d", what, (int)field->wire,
                         (int)wire);
    return CAFACE_OK;
}

caface_status cafi_pb_count(const cafi_pb_field *field, cafi_pb_wire width, const char *what,
                            size_t *count, caface_error *err)
{
    size_t size = left(&field->bytes);
    size_t each = width == CAFI_PB_FIXED64 ? 8 : 4;
    cafi_pb at = field->bytes;

    *count = 1;
    if (field->wire == width)
        return CAFACE_OK;
    if (field->wire != CAFI_PB_BYTES)
        return cafi_pb_expect(field, width, what, err);
    *count = 0;
    if (width != CAFI_PB_VARINT) {
        *count = size / each;
        if (size % each)
            return cafi_fail(err, CAFACE_EFORMAT, "%s has %zu bytes, not a multiple of %zu", what,
                             size, each);
        return CAFACE_OK;
    }
    while (left(&at)) {
        uint64_t value = 0;
        caface_status st = read_varint(&at, &value, err);

        if (st)
            return st;
        (*count)++;
    }
    return CAFACE_OK;
}

uint64_t cafi_pb_number(const cafi_pb_field *field, cafi_pb_wire width, cafi_pb *at)
{
    uint64_t value = 0;

    if (field->wire == width)
        return field->value;
    if (width == CAFI_PB_VARINT)
        (void)read_varint(at, &value, NULL);
    else
        (void)read_fixed(at, width == CAFI_PB_FIXED64 ? 8 : 4, &value, NULL);
    return value;
}
