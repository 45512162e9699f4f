#define _GNU_SOURCE /* memmem */
#include "files/origin.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"

#define TAPS "taps "
#define AND " + "
#define MOST_WAYS 16

/* A part of a text; p is NULL where there is none. */
typedef struct part {
    const char *p;
    size_t n;
} part;

static bool same(part a, part b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

/* The ways of an encoding, and its taps. */
static void split(const char *text, part *ways, part *taps)
{
    const char *at = NULL;

    *ways = *taps = (part){0};
    if (!text || !*text)
        return;
    if (strncmp(text, TAPS, strlen(TAPS)) == 0)
        at = text;
    else if ((at = strstr(text, " " TAPS)))
        *ways = (part){text, (size_t)(at++ - text)};
    else
        *ways = (part){text, strlen(text)};
    if (at)
        *taps = (part){at + strlen(TAPS), strlen(at + strlen(TAPS))};
}

static caface_status taps_text(cafi_buf *buf, const char *const *taps, size_t count, size_t room,
                               caface_error *err)
{
    cafi_buf names = {0};
    unsigned char digest[CAFI_SHA256_SIZE];
    char hex[CAFI_SHA256_TEXT];

    for (size_t i = 0; i < count; i++)
        cafi_buf_printf(&names, "%s%s", i ? ", " : "", taps[i]);
    if (names.size > room && !names.failed) {
        cafi_sha256_of(names.data, names.size, digest);
        cafi_buf_printf(buf, "sha256:%s", cafi_sha256_hex(digest, hex));
    } else {
        cafi_buf_append(buf, names.data, names.size);
    }
    buf->failed = buf->failed || names.failed;
    cafi_buf_free(&names);
    return buf->failed ? cafi_fail_memory(err, buf->size) : CAFACE_OK;
}

/* What was appended is the caller's; nothing is NULL. */
static caface_status take(char **out, cafi_buf *buf, caface_status st, caface_error *err)
{
    if (!st && buf->failed)
        st = cafi_fail_memory(err, buf->size);
    if (!st && buf->size)
        *out = buf->data;
    else
        cafi_buf_free(buf);
    return st;
}

caface_status cafi_encoding_make(char **out, const char *precision, bool flip,
                                 const char *const *taps, size_t tap_count, caface_error *err)
{
    cafi_buf buf = {0};
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (precision)
        cafi_buf_printf(&buf, "%s", precision);
    if (flip)
        cafi_buf_printf(&buf, "%sflip", buf.size ? " " : "");
    if (tap_count) {
        cafi_buf_printf(&buf, "%s" TAPS, buf.size ? " " : "");
        st = taps_text(&buf, taps, tap_count, CAFI_ENCODING_TEXT / 2, err);
    }
    return take(out, &buf, st, err);
}

/* The ways of one text, added to those that are there, in order and once each. */
static bool add_ways(part *ways, size_t *count, part text)
{
    while (text.p) {
        const char *end = text.n ? memmem(text.p, text.n, AND, strlen(AND)) : NULL;
        part way = {text.p, end ? (size_t)(end - text.p) : text.n};
        size_t at = 0;

        while (at < *count && !same(ways[at], way)) {
            size_t n = ways[at].n < way.n ? ways[at].n : way.n;
            int order = memcmp(ways[at].p, way.p, n);

            if (order > 0 || (order == 0 && ways[at].n > way.n))
                break;
            at++;
        }
        if (at == *count || !same(ways[at], way)) {
            if (*count == MOST_WAYS)
                return false;
            memmove(&ways[at + 1], &ways[at], (*count - at) * sizeof *ways);
            ways[at] = way;
            ++*count;
        }
        if (!end)
            break;
        text = (part){end + strlen(AND), text.n - way.n - strlen(AND)};
    }
    return true;
}

static caface_status check_taps(part mine, part theirs, const char *name, caface_error *err)
{
    if (!mine.p || !theirs.p || same(mine, theirs))
        return CAFACE_OK;
    return cafi_fail(err, CAFACE_EMODEL,
                     "%s: made with the taps %.*s, what it would join with %.*s", name,
                     (int)(theirs.n < 200 ? theirs.n : 200), theirs.p,
                     (int)(mine.n < 200 ? mine.n : 200), mine.p);
}

caface_status cafi_encoding_join(char **out, const char *mine, const char *theirs, bool styles,
                                 const char *name, caface_error *err)
{
    const char *const texts[2] = {mine, theirs};
    part ways[MOST_WAYS + 1], own[2], taps[2];
    size_t count = 0;
    bool fits = true;
    cafi_buf buf = {0};
    caface_status st = CAFACE_OK;

    *out = NULL;
    for (size_t i = 0; i < 2; i++) {
        split(texts[i], &own[i], &taps[i]);
        fits = fits && (!texts[i] || strlen(texts[i]) <= CAFI_ENCODING_TEXT) &&
               add_ways(ways, &count, own[i]);
    }
    if (!fits)
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: what it says of its encoding is too long: more than %d bytes, or "
                         "more than %d ways",
                         name, CAFI_ENCODING_TEXT, MOST_WAYS);
    if (styles && (st = check_taps(taps[0], taps[1], name, err)))
        return st;
    for (size_t i = 0; i < count; i++)
        cafi_buf_printf(&buf, "%s%.*s", i ? AND : "", (int)ways[i].n, ways[i].p);
    if (styles && (taps[0].p || taps[1].p)) {
        part t = taps[0].p ? taps[0] : taps[1];

        cafi_buf_printf(&buf, "%s" TAPS "%.*s", buf.size ? " " : "", (int)t.n, t.p);
    }
    if (buf.size > CAFI_ENCODING_TEXT)
        st = cafi_fail(err, CAFACE_EINVAL, "%s: its encoding would take %zu bytes, at most %d",
                       name, buf.size, CAFI_ENCODING_TEXT);
    return take(out, &buf, st, err);
}

bool cafi_encoding_is_new(const char *a, const char *b)
{
    part of_a, of_b, taps, ways[MOST_WAYS + 1];
    size_t count = 0, known = 0;

    split(a, &of_a, &taps);
    split(b, &of_b, &taps);
    if (!of_a.p || !of_b.p || !add_ways(ways, &count, of_b))
        return false;
    known = count;
    return !add_ways(ways, &count, of_a) || count > known;
}

int cafi_encoding_ways(const char *text)
{
    part ways, taps;

    split(text, &ways, &taps);
    return (int)(ways.n < CAFI_ENCODING_TEXT ? ways.n : CAFI_ENCODING_TEXT);
}

cafi_origin cafi_origin_of(const char *path, const cafi_value *info)
{
    return (cafi_origin){path, cafi_value_text(info, "backbone"), cafi_value_text(info, "input"),
                         cafi_value_text(info, "encoding")};
}

cafi_value cafi_origin_value(cafi_origin_room *room, cafi_origin origin)
{
    static char names[3][9] = {"backbone", "input", "encoding"};
    const char *const texts[3] = {origin.backbone, origin.input, origin.encoding};
    size_t n = 0;

    for (size_t i = 0; i < 3; i++) {
        if (!texts[i])
            continue;
        room->keys[n] = names[i];
        room->items[n++] = (cafi_value){.kind = CAFI_STRING,
                                        .u.text = {(char *)(uintptr_t)texts[i], strlen(texts[i])}};
    }
    return (cafi_value){.kind = CAFI_DICT, .u.list = {room->items, room->keys, n}};
}

static caface_status check(const char *what, cafi_origin a, part of_a, cafi_origin b, part of_b,
                           bool *unknown, caface_error *err)
{
    if (!of_a.p || !of_b.p) {
        *unknown = true;
        return CAFACE_OK;
    }
    if (same(of_a, of_b))
        return CAFACE_OK;
    return cafi_fail(err, CAFACE_EMODEL, "%s: made with the %s %.*s, %s with %.*s", a.path, what,
                     (int)(of_a.n < 200 ? of_a.n : 200), of_a.p, b.path,
                     (int)(of_b.n < 200 ? of_b.n : 200), of_b.p);
}

static part whole(const char *text)
{
    return (part){text, text ? strlen(text) : 0};
}

caface_status cafi_origin_check(cafi_origin a, cafi_origin b, bool styles, bool *unknown,
                                caface_error *err)
{
    part ways, taps[2];
    bool is_silent = false; /* of the taps: their names say nothing about features */
    caface_status st = CAFACE_OK;

    *unknown = false;
    split(a.encoding, &ways, &taps[0]);
    split(b.encoding, &ways, &taps[1]);
    if ((st = check("backbone", a, whole(a.backbone), b, whole(b.backbone), unknown, err)) ||
        (st = check("input", a, whole(a.input), b, whole(b.input), unknown, err)) || !styles)
        return st;
    return check("taps", a, taps[0], b, taps[1], &is_silent, err);
}
