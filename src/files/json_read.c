#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "files/json.h"
#include "files/names.h"

typedef struct parser {
    const char *text;
    size_t size, at;
    int depth;
    size_t values;
    caface_error *err;
} parser;

static caface_status wrong(const parser *p, const char *what)
{
    return cafi_fail(p->err, CAFACE_EFORMAT, "JSON byte %zu: %s", p->at, what);
}

static void skip_space(parser *p)
{
    while (p->at < p->size && p->text[p->at] && strchr(" \t\r\n", p->text[p->at]))
        p->at++;
}

static int peek(const parser *p)
{
    return p->at < p->size ? (unsigned char)p->text[p->at] : -1;
}

static caface_status literal(parser *p, const char *word)
{
    size_t n = strlen(word);

    if (p->size - p->at < n || memcmp(p->text + p->at, word, n) != 0)
        return wrong(p, "not a JSON value");
    p->at += n;
    return CAFACE_OK;
}

/* ---- strings ----------------------------------------------------------- */

static bool hex4(const parser *p, size_t at, unsigned *out)
{
    *out = 0;
    if (p->size - at < 4)
        return false;
    for (size_t i = at; i < at + 4; i++) {
        char c = p->text[i];

        if (c >= '0' && c <= '9')
            *out = *out * 16 + (unsigned)(c - '0');
        else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            *out = *out * 16 + (unsigned)((c | 32) - 'a') + 10;
        else
            return false;
    }
    return true;
}

static void put_utf8(cafi_buf *out, unsigned code)
{
    char bytes[4];
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = n; i-- > 1; code >>= 6)
        bytes[i] = (char)(0x80 | (code & 0x3f));
    bytes[0] = (char)(lead[n] | code);
    cafi_buf_append(out, bytes, n);
}

/* After "\u". */
static caface_status unicode_escape(parser *p, cafi_buf *out)
{
    unsigned code = 0;
    unsigned low = 0;

    if (!hex4(p, p->at, &code))
        return wrong(p, "\\u needs four hexadecimal digits");
    p->at += 4;
    if (code >= 0xdc00 && code < 0xe000)
        return wrong(p, "a low surrogate without a high one");
    if (code >= 0xd800 && code < 0xdc00) {
        if (p->size - p->at < 6 || p->text[p->at] != '\\' || p->text[p->at + 1] != 'u' ||
            !hex4(p, p->at + 2, &low) || low < 0xdc00 || low >= 0xe000)
            return wrong(p, "a high surrogate without a low one");
        p->at += 6;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    put_utf8(out, code);
    return CAFACE_OK;
}

static caface_status escape(parser *p, cafi_buf *out)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    int c = peek(p);
    const char *found = c > 0 ? strchr(names, c) : NULL;

    if (c == 'u') {
        p->at++;
        return unicode_escape(p, out);
    }
    if (!found)
        return wrong(p, "no such escape");
    cafi_buf_append(out, &values[found - names], 1);
    p->at++;
    return CAFACE_OK;
}

/* The opening quote is the next byte. */
static caface_status string(parser *p, cafi_buf *out)
{
    caface_status st = CAFACE_OK;
    size_t start = ++p->at;

    for (;;) {
        int c = peek(p);

        if (c < 0)
            return wrong(p, "a string does not end");
        if (c != '"' && c != '\\' && c >= 0x20) {
            p->at++;
            continue;
        }
        if (c < 0x20)
            return wrong(p, "a control character in a string");
        if (!cafi_is_utf8(p->text + start, p->at - start))
            return wrong(p, "a string before this is not UTF-8");
        cafi_buf_append(out, p->text + start, p->at - start);
        p->at++;
        if (c == '"')
            break;
        if ((st = escape(p, out)))
            return st;
        start = p->at;
    }
    cafi_buf_append(out, "", 0); /* so that an empty string has its NUL */
    if (out->failed)
        return cafi_fail_memory(p->err, out->size);
    cafi_buf_trim(out);
    return CAFACE_OK;
}

/* ---- numbers ----------------------------------------------------------- */

static size_t digits(parser *p)
{
    size_t start = p->at;

    while (peek(p) >= '0' && peek(p) <= '9')
        p->at++;
    return p->at - start;
}

static caface_status number(parser *p, cafi_value *out)
{
    size_t start = p->at;
    bool whole = true;
    char text[512];
    size_t n = 0;

    if (peek(p) == '-')
        p->at++;
    if (peek(p) == '0')
        p->at++;
    else if (!digits(p))
        return wrong(p, "a number needs a digit");
    if (peek(p) == '.') {
        whole = false;
        p->at++;
        if (!digits(p))
            return wrong(p, "a number needs a digit after the point");
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        whole = false;
        p->at++;
        if (peek(p) == '+' || peek(p) == '-')
            p->at++;
        if (!digits(p))
            return wrong(p, "a number needs a digit in its exponent");
    }
    n = p->at - start;
    if (n >= sizeof text)
        return cafi_fail(p->err, CAFACE_ELIMIT,
                         "JSON byte %zu: a number of %zu characters, limit %zu", start, n,
                         sizeof text - 1);
    memcpy(text, p->text + start, n);
    text[n] = '\0';
    if (whole) {
        errno = 0;
        out->u.integer = strtoll(text, NULL, 10);
        out->kind = CAFI_INT;
        if (!errno && strcmp(text, "-0") != 0)
            return CAFACE_OK;
    }
    out->kind = CAFI_REAL;
    out->u.real = cafi_strtod(text, NULL);
    if (!isfinite(out->u.real))
        return wrong(p, "a number beyond the range of a double");
    return CAFACE_OK;
}

/* ---- objects and arrays ------------------------------------------------ */

static caface_status value(parser *p, cafi_value *out);

static caface_status grow_list(parser *p, cafi_value *list, size_t *capacity)
{
    size_t bigger = *capacity ? *capacity * 2 : 4;
    caface_status st = CAFACE_OK;

    if (list->u.list.count < *capacity)
        return CAFACE_OK;
    st = CAFI_RESIZE(&list->u.list.items, bigger, p->err);
    if (!st && list->kind == CAFI_DICT)
        st = CAFI_RESIZE(&list->u.list.keys, bigger, p->err);
    if (!st)
        *capacity = bigger;
    return st;
}

/* "key" : for an object. Keys are C strings throughout, so NUL is refused. */
static caface_status key(parser *p, cafi_buf *out)
{
    caface_status st = CAFACE_OK;

    skip_space(p);
    if (peek(p) != '"')
        return wrong(p, "a member needs a name in quotes");
    if ((st = string(p, out)))
        return st;
    if (strlen(out->data) != out->size)
        return wrong(p, "a name that holds NUL");
    skip_space(p);
    if (peek(p) != ':')
        return wrong(p, "a colon is missing");
    p->at++;
    return CAFACE_OK;
}

static caface_status members(parser *p, cafi_value *out, char close, cafi_names *seen)
{
    size_t capacity = 0;
    size_t existing = 0;
    caface_status st = CAFACE_OK;

    p->at++;
    skip_space(p);
    if (peek(p) == close) {
        p->at++;
        return CAFACE_OK;
    }
    for (;;) {
        cafi_buf name = {0};
        size_t i = out->u.list.count;

        if ((st = grow_list(p, out, &capacity)))
            return st;
        if (out->kind == CAFI_DICT && (st = key(p, &name))) {
            cafi_buf_free(&name);
            return st;
        }
        out->u.list.items[i] = (cafi_value){.kind = CAFI_NULL};
        if (out->kind == CAFI_DICT)
            out->u.list.keys[i] = name.data;
        out->u.list.count++;
        if (name.data && (st = cafi_names_add(seen, name.data, name.size, i, &existing, p->err)))
            return st;
        if (name.data && existing != CAFI_NO_NAME)
            return cafi_fail(p->err, CAFACE_EFORMAT, "JSON byte %zu: member \"%.100s\" twice",
                             p->at, name.data);
        if ((st = value(p, &out->u.list.items[i])))
            return st;
        skip_space(p);
        if (peek(p) == close) {
            p->at++;
            return CAFACE_OK;
        }
        if (peek(p) != ',')
            return wrong(p, "a comma or a closing bracket is missing");
        p->at++;
    }
}

static caface_status container(parser *p, cafi_value *out, bool dict)
{
    cafi_names seen = {0};
    caface_status st = CAFACE_OK;

    if (++p->depth > CAFI_JSON_MAX_DEPTH)
        return cafi_fail(p->err, CAFACE_ELIMIT, "JSON byte %zu: nested deeper than %d", p->at,
                         CAFI_JSON_MAX_DEPTH);
    out->kind = dict ? CAFI_DICT : CAFI_LIST;
    out->u.list.items = NULL;
    out->u.list.keys = NULL;
    out->u.list.count = 0;
    st = members(p, out, dict ? '}' : ']', &seen);
    cafi_names_free(&seen);
    p->depth--;
    return st;
}

static caface_status value(parser *p, cafi_value *out)
{
    cafi_buf text = {0};
    caface_status st = CAFACE_OK;

    if (++p->values > CAFI_JSON_MAX_VALUES)
        return cafi_fail(p->err, CAFACE_ELIMIT, "JSON byte %zu: more than %d values", p->at,
                         CAFI_JSON_MAX_VALUES);
    skip_space(p);
    switch (peek(p)) {
    case '{':
        return container(p, out, true);
    case '[':
        return container(p, out, false);
    case '"':
        if ((st = string(p, &text))) {
            cafi_buf_free(&text);
            return st;
        }
        out->kind = CAFI_STRING;
        out->u.text.data = text.data;
        out->u.text.size = text.size;
        return CAFACE_OK;
    case 't':
    case 'f':
        out->u.boolean = peek(p) == 't';
        if (!(st = literal(p, out->u.boolean ? "true" : "false")))
            out->kind = CAFI_BOOL;
        return st;
    case 'n':
        return literal(p, "null");
    case -1:
        return wrong(p, "the text ends where a value is expected");
    default:
        return number(p, out);
    }
}

caface_status cafi_json_parse(cafi_value *out, const char *text, size_t size, caface_error *err)
{
    parser p = {.text = text, .size = size, .err = err};
    caface_status st = CAFACE_OK;

    *out = (cafi_value){.kind = CAFI_NULL};
    if (!(st = value(&p, out))) {
        skip_space(&p);
        if (p.at != size)
            st = wrong(&p, "text after the value");
    }
    if (st)
        cafi_value_clear(out);
    return st;
}
