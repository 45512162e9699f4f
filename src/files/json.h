/* JSON, read (RFC 8259) and written. */
#ifndef CAFI_FILES_JSON_H
#define CAFI_FILES_JSON_H

#include "files/value.h"

/* Nested objects and arrays beyond this depth are refused (ELIMIT). */
#define CAFI_JSON_MAX_DEPTH 64
/* So are texts of more values than this, which bounds the memory they take. */
#define CAFI_JSON_MAX_VALUES (1 << 21)

/* Parses exactly one JSON text. Strings must be UTF-8; \u escapes become
 * UTF-8; a number without fraction or exponent that fits is an INT. EFORMAT
 * names the byte offset: anything RFC 8259 forbids, half a surrogate pair, an
 * object with the same member twice, a number beyond a double. ELIMIT: too
 * deep or too many values. *out is the caller's, to cafi_value_clear; nothing
 * is to be cleared after an error. */
caface_status cafi_json_parse(cafi_value *out, const char *text, size_t size, caface_error *err);

/* A writer over a buffer. Calls must nest properly; key is NULL inside arrays
 * and at the top. Reals are written with the fewest digits that read back as
 * the same double; NaN and infinities as null. */
typedef struct cafi_json {
    cafi_buf *out;
    bool need_comma;
} cafi_json;

void cafi_json_begin_object(cafi_json *json, const char *key);
void cafi_json_end_object(cafi_json *json);
void cafi_json_begin_array(cafi_json *json, const char *key);
void cafi_json_end_array(cafi_json *json);
void cafi_json_string(cafi_json *json, const char *key, const char *text);
void cafi_json_bytes(cafi_json *json, const char *key, const char *text, size_t size);
void cafi_json_int(cafi_json *json, const char *key, int64_t value);
void cafi_json_real(cafi_json *json, const char *key, double value);
/* As cafi_json_real, for a number that came from a float. */
void cafi_json_real32(cafi_json *json, const char *key, float value);
void cafi_json_bool(cafi_json *json, const char *key, bool value);
void cafi_json_null(cafi_json *json, const char *key);
void cafi_json_value(cafi_json *json, const char *key, const cafi_value *value);

#endif
