#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* endian.h */
#endif
#include "rows.h"

#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <caface/features.h>
#include <caface/model.h>

static caface_status fail(caface_error *err, caface_status status, const char *what, size_t has,
                          size_t wants)
{
    err->status = status;
    if (status == CAFACE_ENOMEM)
        snprintf(err->message, sizeof err->message, "out of memory");
    else
        snprintf(err->message, sizeof err->message, "%s: %zu numbers, %zu are needed", what, has,
                 wants);
    return status;
}

/* A blob that is neither. */
static caface_status fail_blob(caface_error *err, const char *what, size_t size, size_t width)
{
    err->status = CAFACE_EINVAL;
    snprintf(err->message, sizeof err->message,
             "%s: %zu bytes; %zu numbers are %zu bytes of f32 or %zu of f16", what, size, width,
             4 * width, 2 * width);
    return err->status;
}

static caface_status fail_size(caface_error *err, size_t width, const cafx_numbers *numbers,
                               const char *what)
{
    return numbers->is_blob ? fail_blob(err, what, numbers->size, width)
                            : fail(err, CAFACE_EINVAL, what, numbers->size / 4, width);
}

static caface_status fail_finite(caface_error *err, const char *what)
{
    err->status = CAFACE_EINVAL;
    snprintf(err->message, sizeof err->message, "%s: it holds NaN or Inf", what);
    return err->status;
}

/* Not all bits of an exponent set, as NaN and Inf have them. */
static bool is_all_finite(const float *values, size_t n)
{
    uint32_t bad = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t bits;

        memcpy(&bits, values + i, sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return !bad;
}

static bool is_finite_half(const unsigned char *bytes, size_t n)
{
    uint16_t bad = 0;

    for (size_t i = 0; i < n; i++) {
        uint16_t bits;

        memcpy(&bits, bytes + 2 * i, sizeof bits);
        bits = le16toh(bits);
        bad |= (bits & 0x7c00u) == 0x7c00u;
    }
    return !bad;
}

/* Little-endian numbers to the machine's own order, and back. */
static void swap_little(float *out, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;

        memcpy(&bits, bytes + 4 * i, sizeof bits);
        bits = le32toh(bits);
        memcpy(out + i, &bits, sizeof bits);
    }
}

static caface_status read_numbers(float *out, bool *finite, size_t width,
                                  const cafx_numbers *numbers, const char *what, caface_error *err)
{
    if (numbers->is_blob && numbers->size == 2 * width)
        caface_halves_to_floats(out, numbers->bytes, width);
    else if (numbers->is_blob && numbers->size == 4 * width)
        swap_little(out, numbers->bytes, width);
    else if (numbers->size == 4 * width)
        memcpy(out, numbers->bytes, numbers->size);
    else
        return fail_size(err, width, numbers, what);
    *finite = is_all_finite(out, width);
    return CAFACE_OK;
}

caface_status cafx_read(float *out, size_t width, const cafx_numbers *numbers, const char *what,
                        caface_error *err)
{
    bool finite = true;
    caface_status st = read_numbers(out, &finite, width, numbers, what, err);

    return st || finite ? st : fail_finite(err, what);
}

caface_status cafx_is_finite(bool *finite, size_t width, const cafx_numbers *numbers,
                             const char *what, caface_error *err)
{
    float part[256];
    size_t size = numbers->is_blob && numbers->size == 2 * width ? 2 : 4;

    if (numbers->size != size * width)
        return read_numbers(part, finite, width, numbers, what, err);
    *finite = true;
    for (size_t i = 0; i < width && *finite; i += 256) {
        size_t n = width - i < 256 ? width - i : 256;
        cafx_numbers some = {(const unsigned char *)numbers->bytes + size * i, size * n,
                             numbers->is_blob};

        (void)read_numbers(part, finite, n, &some, what, err);
    }
    return CAFACE_OK;
}

bool cafx_to_half(unsigned char *out, const float *in, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits, whole, rest, shift = 13;
        uint16_t half;

        memcpy(&bits, in + i, sizeof bits);
        whole = bits & 0x7fffffffu;
        if (whole >= 0x477ff000u) /* rounds to 65536, Inf or NaN */
            return false;
        if (whole < 0x38800000u) { /* below 2^-14: a fraction of 2^-24 */
            uint32_t e = whole >> 23;

            shift = e < 102 ? 25 : 126 - e;
            whole = e < 102 ? 0 : (whole & 0x7fffffu) | 0x800000u;
        } else {
            whole -= 112u << 23;
        }
        rest = whole & ((1u << shift) - 1);
        whole >>= shift;
        whole += rest > 1u << (shift - 1) || (rest == 1u << (shift - 1) && (whole & 1));
        half = htole16((uint16_t)(whole | (bits >> 16 & 0x8000u)));
        memcpy(out + 2 * i, &half, sizeof half);
    }
    return true;
}

void cafx_to_little(float *values, size_t n)
{
    swap_little(values, (const unsigned char *)values, n);
}

static void use(cafx_group *group, const caface_model *model, const cafx_memory *memory)
{
    caface_model_info info;

    group->model = model;
    group->memory = *memory;
    group->feat.width = group->options.width;
    if (!model)
        return;
    caface_model_get_info(model, &info);
    group->style.width = 2 * info.S;
}

caface_status cafx_begin(cafx_group *group, const caface_model *model,
                         const caface_set_options *options, const cafx_memory *memory,
                         caface_error *err)
{
    bool is_network =
        options->method == CAFACE_METHOD_CAFACE || options->method == CAFACE_METHOD_RESTORE;
    caface_set *trial = NULL;
    caface_status st = caface_set_new(&trial, is_network ? model : NULL, options, err);

    if (st)
        return st;
    memset(group, 0, sizeof *group);
    group->options = *options;
    group->options.width = caface_set_width(trial);
    caface_set_free(trial);
    use(group, is_network ? model : NULL, memory);
    return CAFACE_OK;
}

size_t cafx_count(const cafx_group *group)
{
    return (group->set ? caface_set_count(group->set) : 0) + group->waiting;
}

static bool grow(cafx_group *g, cafx_waiting *w, size_t room)
{
    unsigned char *rows = NULL;

    if (!w->width)
        return true;
    rows = g->memory.resize(g->memory.context, w->rows, room * w->width * w->size);
    if (rows)
        w->rows = rows;
    return rows;
}

static caface_status make_room(cafx_group *g, caface_error *err)
{
    size_t room = g->room ? 2 * g->room : 4;

    if (g->waiting < g->room)
        return CAFACE_OK;
    if (g->room == CAFX_ROWS)
        return cafx_push(g, err);
    if (!grow(g, &g->feat, room) || !grow(g, &g->style, room))
        return fail(err, CAFACE_ENOMEM, "", 0, 0);
    g->room = room;
    return CAFACE_OK;
}

/* Bytes of each of the numbers; 0: they are not width of them. */
static size_t size_of(const cafx_numbers *numbers, size_t width)
{
    if (numbers->is_blob && numbers->size == 2 * width)
        return 2;
    return numbers->size == 4 * width ? 4 : 0;
}

/* Rows of one kind wait together. */
static caface_status keep_kind(cafx_group *g, size_t feat, size_t style, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (feat == g->feat.size && style == g->style.size)
        return CAFACE_OK;
    if (g->waiting && (st = cafx_push(g, err)))
        return st;
    if (!g->is_lent) /* room for as many of twice the size */
        g->room /= 2;
    g->feat.size = feat;
    g->style.size = style;
    return CAFACE_OK;
}

/* The next waiting row; the group does not count it yet. */
static caface_status write_row(const cafx_waiting *to, size_t at, const cafx_numbers *numbers,
                               const char *what, caface_error *err)
{
    unsigned char *row = to->rows + at * to->width * to->size;

    if (to->size == 4)
        return cafx_read((float *)(void *)row, to->width, numbers, what, err);
    memcpy(row, numbers->bytes, numbers->size);
    return is_finite_half(row, to->width) ? CAFACE_OK : fail_finite(err, what);
}

static caface_status add(cafx_group *g, const cafx_numbers *feature, const cafx_numbers *style,
                         caface_error *err)
{
    size_t feat_size = size_of(feature, g->feat.width);
    size_t style_size = g->style.width ? size_of(style, g->style.width) : g->style.size;
    caface_status st = CAFACE_OK;

    if (!feat_size)
        return fail_size(err, g->feat.width, feature, "feature");
    if (g->style.width && !style_size)
        return fail_size(err, g->style.width, style, "style");
    if ((st = keep_kind(g, feat_size, style_size, err)) || (st = make_room(g, err)) ||
        (st = write_row(&g->feat, g->waiting, feature, "feature", err)))
        return st;
    return g->style.width ? write_row(&g->style, g->waiting, style, "style", err) : CAFACE_OK;
}

caface_status cafx_add(cafx_group *group, const cafx_numbers *feature, const cafx_numbers *style,
                       caface_error *err)
{
    caface_error own;
    caface_status st = add(group, feature, style, &own);

    if (!st) {
        group->waiting++;
        return st;
    }
    err->status = own.status;
    snprintf(err->message, sizeof err->message, "face %zu of the group: %.*s",
             cafx_count(group) + 1, CAFACE_ERROR_SIZE - 70, own.message);
    return st;
}

/* What waits, as f32; NULL: no memory. */
static const float *floats_of(const cafx_group *g, const cafx_waiting *w, float **room,
                              size_t *size)
{
    size_t need = CAFX_ROWS * w->width * sizeof(float);

    if (w->size != 2)
        return (const float *)(const void *)w->rows;
    if (*size < need) {
        float *grown = g->memory.resize(g->memory.work_context, *room, need);

        if (!grown)
            return NULL;
        *room = grown;
        *size = need;
    }
    caface_halves_to_floats(*room, w->rows, g->waiting * w->width);
    return *room;
}

static caface_status push_to(const cafx_group *group, caface_set **set, caface_error *err)
{
    cafx_work *work = group->memory.work;
    const float *feat = NULL, *style = NULL;
    caface_set *fresh = NULL;
    caface_status st = CAFACE_OK;

    if (group->waiting) {
        feat = floats_of(group, &group->feat, &work->feat, &work->feat_size);
        if (group->style.width)
            style = floats_of(group, &group->style, &work->style, &work->style_size);
        if (!feat || (group->style.width && !style))
            return fail(err, CAFACE_ENOMEM, "", 0, 0);
    }
    if (!*set && (st = caface_set_new(&fresh, group->model, &group->options, err)))
        return st;
    st = caface_set_push(*set ? *set : fresh, feat, style, group->waiting, err);
    if (st)
        caface_set_free(fresh);
    else if (fresh)
        *set = fresh;
    if (*set)
        caface_set_rest(*set);
    return st;
}

caface_status cafx_push(cafx_group *group, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (group->set && !group->waiting)
        return CAFACE_OK;
    if (!(st = push_to(group, &group->set, err)))
        group->waiting = 0;
    return st;
}

caface_status cafx_set_of(cafx_group *group, caface_set **set, bool *is_own, caface_error *err)
{
    caface_status st = CAFACE_OK;

    *set = NULL;
    *is_own = !group->set;
    if (*is_own)
        return push_to(group, set, err);
    st = cafx_push(group, err);
    *set = st ? NULL : group->set;
    return st;
}

caface_status cafx_merge(cafx_group *group, const caface_set *from, caface_error *err)
{
    bool mixed = false;
    caface_status st = cafx_push(group, err);

    if (st)
        return st;
    mixed = cafx_is_mixed(group->set) || cafx_is_mixed(from);
    st = caface_set_merge(group->set, from, err);
    caface_set_rest(group->set);
    group->mixes = !st && !mixed && cafx_is_mixed(group->set);
    return st;
}

bool cafx_is_mixed(const caface_set *set)
{
    caface_set_options o;

    caface_set_get_options(set, &o);
    return o.encoding && strstr(o.encoding, " + ");
}

void cafx_adopt(cafx_group *group, const caface_model *model, caface_set *set,
                const cafx_memory *memory)
{
    caface_method method = CAFACE_METHOD_AVERAGE;

    memset(group, 0, sizeof *group);
    caface_set_get_options(set, &group->options);
    group->options.backbone = group->options.input = NULL; /* the set's own */
    group->options.encoding = NULL;
    method = group->options.method;
    use(group, method == CAFACE_METHOD_CAFACE || method == CAFACE_METHOD_RESTORE ? model : NULL,
        memory);
    group->set = set;
}
