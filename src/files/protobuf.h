/* The protobuf wire format, read: varints, fixed numbers and length-delimited
 * bytes, one field at a time, from borrowed memory.
 *
 * Nothing is allocated and nothing recurses: a message inside a message is a
 * reader of its own, and the caller, who knows the schema, decides how deep it
 * goes. Groups (wire types 3 and 4) are refused. Source: protobuf's public
 * description of the encoding. */
#ifndef CAFI_FILES_PROTOBUF_H
#define CAFI_FILES_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef enum cafi_pb_wire {
    CAFI_PB_VARINT = 0,
    CAFI_PB_FIXED64 = 1,
    CAFI_PB_BYTES = 2,
    CAFI_PB_FIXED32 = 5
} cafi_pb_wire;

/* A place in borrowed bytes. `base` is where the file begins, so that an error
 * names the offset in the file. */
typedef struct cafi_pb {
    const unsigned char *at;
    const unsigned char *end;
    const unsigned char *base;
} cafi_pb;

typedef struct cafi_pb_field {
    uint32_t number;
    cafi_pb_wire wire;
    uint64_t value; /* VARINT, FIXED64, FIXED32; 0 for BYTES */
    cafi_pb bytes;  /* BYTES: the payload, inside its parent */
} cafi_pb_field;

/* A reader of size bytes. bytes may be NULL when size is 0. */
cafi_pb cafi_pb_begin(const void *bytes, size_t size);

/* The next field, or *more = false at the end of the message. EFORMAT names the
 * byte offset: a field that is cut short, a varint of more than 64 bits, field
 * number 0, a wire type that does not exist. After an error the reader is not
 * to be used. */
caface_status cafi_pb_next(cafi_pb *reader, cafi_pb_field *field, bool *more, caface_error *err);

/* EFORMAT unless the field has this wire type; `what` names it in the
 * sentence ("node.op_type"). */
caface_status cafi_pb_expect(const cafi_pb_field *field, cafi_pb_wire wire, const char *what,
                             caface_error *err);

/* How many numbers of the given width a repeated field holds in this
 * occurrence: packed (BYTES) or one (the wire type of the width itself). For
 * VARINT every packed number is decoded once, so that a later
 * cafi_pb_number cannot fail. EFORMAT: another wire type, a ragged
 * length, a damaged varint. */
caface_status cafi_pb_count(const cafi_pb_field *field, cafi_pb_wire width, const char *what,
                            size_t *count, caface_error *err);

/* Numbers of an occurrence that cafi_pb_count accepted, one after another:
 * start with *at = field->bytes (unused for a single number). */
uint64_t cafi_pb_number(const cafi_pb_field *field, cafi_pb_wire width, cafi_pb *at);

#endif
