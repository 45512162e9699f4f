#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/shown.h"
#include "base/text.h"
#include "files/json.h"
#include "files/names.h"

static void write_string(cafi_buf *out, const char *text, size_t size)
{
    bool utf8 = cafi_is_utf8(text, size);

    cafi_buf_append(out, "\"", 1);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        size_t control = c >= 0x80 && utf8 ? cafi_text_control(text + i, "") : 0;

        if (control) { /* the same text, and harmless on a terminal */
            cafi_buf_printf(out, "\\u%04x",
                            control == 2 ? (c & 0x1fu) << 6 | (text[i + 1] & 0x3fu)
                                         : (c & 0x0fu) << 12 | (text[i + 1] & 0x3fu) << 6 |
                                               (text[i + 2] & 0x3fu));
            i += control - 1;
        } else if (c == '"' || c == '\\')
            cafi_buf_printf(out, "\\%c", c);
        else if (c == '\n')
            cafi_buf_text(out, "\\n");
        else if (c == '\t')
            cafi_buf_text(out, "\\t");
        else if (c < 0x20 || c == 0x7f)
            cafi_buf_printf(out, "\\u%04x", c);
        else if (c >= 0x80 && !utf8) /* a path, say: JSON is UTF-8 nevertheless */
            cafi_buf_text(out, "\\ufffd");
        else
            cafi_buf_append(out, &text[i], 1);
    }
    cafi_buf_append(out, "\"", 1);
}

static void before(cafi_json *json, const char *key)
{
    if (json->need_comma)
        cafi_buf_append(json->out, ",", 1);
    json->need_comma = true;
    if (key) {
        write_string(json->out, key, strlen(key));
        cafi_buf_append(json->out, ":", 1);
    }
}

static void open_bracket(cafi_json *json, const char *key, const char *bracket)
{
    before(json, key);
    cafi_buf_text(json->out, bracket);
    json->need_comma = false;
}

static void close_bracket(cafi_json *json, const char *bracket)
{
    cafi_buf_text(json->out, bracket);
    json->need_comma = true;
}

void cafi_json_begin_object(cafi_json *json, const char *key)
{
    open_bracket(json, key, "{");
}

void cafi_json_end_object(cafi_json *json)
{
    close_bracket(json, "}");
}

void cafi_json_begin_array(cafi_json *json, const char *key)
{
    open_bracket(json, key, "[");
}

void cafi_json_end_array(cafi_json *json)
{
    close_bracket(json, "]");
}

void cafi_json_bytes(cafi_json *json, const char *key, const char *text, size_t size)
{
    before(json, key);
    write_string(json->out, text, size);
}

void cafi_json_string(cafi_json *json, const char *key, const char *text)
{
    cafi_json_bytes(json, key, text, strlen(text));
}

void cafi_json_int(cafi_json *json, const char *key, int64_t value)
{
    before(json, key);
    cafi_buf_printf(json->out, "%lld", (long long)value);
}

/* Fewest digits, up to 17, that read back the same. */
static void write_real(cafi_json *json, const char *key, double value, bool is_float)
{
    char text[40];

    if (!isfinite(value)) {
        cafi_json_null(json, key);
        return;
    }
    before(json, key);
    for (int digits = 1; digits <= 17; digits++) {
        cafi_format(text, sizeof text, "%.*g", digits, value);
        if (is_float ? cafi_strtof(text, NULL) == (float)value : cafi_strtod(text, NULL) == value)
            break;
    }
    if (!strpbrk(text, ".en"))
        strncat(text, ".0", sizeof text - strlen(text) - 1);
    cafi_buf_text(json->out, text);
}

void cafi_json_real(cafi_json *json, const char *key, double value)
{
    write_real(json, key, value, false);
}

void cafi_json_real32(cafi_json *json, const char *key, float value)
{
    write_real(json, key, (double)value, true);
}

void cafi_json_bool(cafi_json *json, const char *key, bool value)
{
    before(json, key);
    cafi_buf_text(json->out, value ? "true" : "false");
}

void cafi_json_null(cafi_json *json, const char *key)
{
    before(json, key);
    cafi_buf_text(json->out, "null");
}

void cafi_json_value(cafi_json *json, const char *key, const cafi_value *value)
{
    switch (value->kind) {
    case CAFI_NULL:
        cafi_json_null(json, key);
        break;
    case CAFI_BOOL:
        cafi_json_bool(json, key, value->u.boolean);
        break;
    case CAFI_INT:
        cafi_json_int(json, key, value->u.integer);
        break;
    case CAFI_REAL:
        cafi_json_real(json, key, value->u.real);
        break;
    case CAFI_STRING:
    case CAFI_OPAQUE:
        cafi_json_bytes(json, key, value->u.text.data, value->u.text.size);
        break;
    case CAFI_LIST:
        cafi_json_begin_array(json, key);
        for (size_t i = 0; i < value->u.list.count; i++)
            cafi_json_value(json, NULL, &value->u.list.items[i]);
        cafi_json_end_array(json);
        break;
    case CAFI_DICT:
        cafi_json_begin_object(json, key);
        for (size_t i = 0; i < value->u.list.count; i++)
            cafi_json_value(json, value->u.list.keys[i], &value->u.list.items[i]);
        cafi_json_end_object(json);
        break;
    }
}
