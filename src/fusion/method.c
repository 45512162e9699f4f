#include "fusion/method.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sized.h"
#include "base/text.h"
#include "files/index.h"

typedef struct method_row {
    const char *name;
    bool is_network; /* takes @CHUNK */
    bool has_power;  /* takes :POWER */
} method_row;

#define SCORED "+score"

static const method_row methods[] = {
    [CAFACE_METHOD_CAFACE] = {"caface", true, false},
    [CAFACE_METHOD_AVERAGE] = {"average", false, false},
    [CAFACE_METHOD_UNIT] = {"unit", false, false},
    [CAFACE_METHOD_NORM] = {"norm", false, true},
    [CAFACE_METHOD_MEDIA] = {"media", false, false},
    [CAFACE_METHOD_RESTORE] = {"restore", true, false},
};
#define METHODS (sizeof methods / sizeof *methods)

const char *caface_method_name(caface_method method)
{
    return (unsigned)method < METHODS ? methods[method].name : NULL;
}

int caface_method_is_network(caface_method method)
{
    return (unsigned)method < METHODS && methods[method].is_network;
}

bool cafi_method_is_network(caface_method method)
{
    return caface_method_is_network(method);
}

/* "caface, average, unit, norm and media". */
static const char *known_methods(cafi_buf *buf)
{
    for (size_t i = 0; i < METHODS; i++)
        cafi_buf_printf(buf, "%s%s", !i ? "" : i + 1 == METHODS ? " and " : ", ", methods[i].name);
    return buf->failed ? "those of `caface fuse --help`" : buf->data;
}

static caface_status find_method(caface_method *out, const char *name, size_t size,
                                 caface_error *err)
{
    cafi_buf buf = {0};

    for (size_t i = 0; i < METHODS; i++)
        if (strlen(methods[i].name) == size && memcmp(methods[i].name, name, size) == 0) {
            *out = (caface_method)i;
            return CAFACE_OK;
        }
    cafi_fail(err, CAFACE_EINVAL, "unknown method %.*s: %s are known", (int)(size < 80 ? size : 80),
              name, known_methods(&buf));
    cafi_buf_free(&buf);
    return CAFACE_EINVAL;
}

caface_status caface_method_parse(caface_method *out, const char *name, caface_error *err)
{
    if (!out || !name)
        return cafi_fail(err, CAFACE_EINVAL, "method_parse: null argument");
    return find_method(out, name, strlen(name), err);
}

static caface_status read_power(double *out, const char *text, size_t size, caface_error *err)
{
    char number[32];
    char *end = NULL;
    double power = 0;

    snprintf(number, sizeof number, "%.*s", (int)(size < 31 ? size : 31), text);
    power = cafi_strtod(number, &end);
    if (size > 31 || end == number || *end ||
        !(power >= -CAFI_MAX_POWER && power <= CAFI_MAX_POWER))
        return cafi_fail(err, CAFACE_EINVAL,
                         "method norm:%.*s: the power must be a number from -%d to %d",
                         (int)(size < 80 ? size : 80), text, CAFI_MAX_POWER, CAFI_MAX_POWER);
    *out = power;
    return CAFACE_OK;
}

static caface_status read_chunk(size_t *out, const char *method, const char *text, size_t size,
                                caface_error *err)
{
    int64_t value = 0;

    if (!cafi_parse_int64(text, size, &value) || value < 0 || value > CAFACE_MAX_CHUNK)
        return cafi_fail(err, CAFACE_EINVAL,
                         "method %s@%.*s: the chunk must be a whole number from 0 to %d", method,
                         (int)(size < 80 ? size : 80), text, CAFACE_MAX_CHUNK);
    *out = (size_t)value;
    return CAFACE_OK;
}

/* Bytes of text in front of a ':' or '@'. */
static size_t name_length(const char *text, size_t size)
{
    size_t n = 0;

    while (n < size && text[n] != ':' && text[n] != '@')
        n++;
    return n;
}

/* Does the text end in +score? */
static bool asks_for_scores(const char *text, size_t size)
{
    size_t tail = strlen(SCORED);

    return size > tail && memcmp(text + size - tail, SCORED, tail) == 0;
}

static caface_status check_scores(const method_row *row, bool has_scores, caface_error *err)
{
    if (row->is_network)
        return cafi_fail(err, CAFACE_EINVAL,
                         "method %s%s: scores are for average, media, unit and norm", row->name,
                         SCORED);
    return has_scores ? CAFACE_OK
                      : cafi_fail(err, CAFACE_EINVAL, "method %s%s: there are no scores here",
                                  row->name, SCORED);
}

caface_status cafi_way_parse(cafi_way *way, cafi_way_said *said, const char *text, size_t length,
                             caface_error *err)
{
    bool scored = asks_for_scores(text, length);
    size_t size = scored ? length - strlen(SCORED) : length;
    size_t name = name_length(text, size);
    const char *tail = text + name + 1;
    size_t left = name < size ? size - name - 1 : 0;
    cafi_way found = *way;
    cafi_way_said says = {name < size && text[name] == ':', name < size && text[name] == '@'};
    const method_row *row = NULL;
    caface_status st = CAFACE_OK;

    if (name == strlen("media-average") && memcmp(text, "media-average", name) == 0)
        st = find_method(&found.method, "media", strlen("media"), err);
    else
        st = find_method(&found.method, text, name, err);
    if (st)
        return st;
    row = &methods[found.method];
    if (says.power && row->has_power)
        st = read_power(&found.power, tail, left, err);
    else if (says.chunk && row->is_network)
        st = read_chunk(&found.chunk, row->name, tail, left, err);
    else if (says.power || says.chunk)
        st = cafi_fail(err, CAFACE_EINVAL,
                       "method %.*s: %s takes no %s; norm:POWER, caface@CHUNK and restore@CHUNK do",
                       (int)(size < 80 ? size : 80), text, row->name,
                       says.power ? "power" : "chunk");
    if (!st && scored)
        st = check_scores(row, said != NULL, err);
    if (st)
        return st;
    found.scored = scored;
    *way = found;
    if (said)
        *said = says;
    return CAFACE_OK;
}

char *cafi_way_text(const cafi_way *way, char text[CAFI_WAY_TEXT])
{
    const char *name = caface_method_name(way->method);

    if (cafi_method_is_network(way->method))
        snprintf(text, CAFI_WAY_TEXT, "%s@%zu", name, way->chunk);
    else if (way->method == CAFACE_METHOD_NORM && way->power != 1)
        cafi_format(text, CAFI_WAY_TEXT, "%s:%.10g", name, way->power);
    else
        snprintf(text, CAFI_WAY_TEXT, "%s", name ? name : "unknown");
    if (way->scored)
        snprintf(text + strlen(text), CAFI_WAY_TEXT - strlen(text), "%s", SCORED);
    return text;
}

bool cafi_way_equal(const cafi_way *a, const cafi_way *b)
{
    if (a->method != b->method || a->scored != b->scored)
        return false;
    if (cafi_method_is_network(a->method))
        return a->chunk == b->chunk;
    return a->method != CAFACE_METHOD_NORM || !(a->power < b->power || a->power > b->power);
}
