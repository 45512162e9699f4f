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
        return numbers->is_blob ? fail_blob(err, what, numbers->size, width)
                                : fail(err, CAFACE_EINVAL, what, numbers->size / 4, width);
    *finite = is_all_finite(out, width);
    return CAFACE_OK;
}

caface_status cafx_read(float *out, size_t width, const cafx_numbers *numbers, const char *what,
                        caface_error *err)
{
    bool finite = true;
    caface_status st = read_numbers(out, &finite, width, numbers, what, err);

    if (st || finite)
        return st;
    err->status = CAFACE_EINVAL;
    snprintf(err->message, sizeof err->message, "%s: it holds NaN or Inf", what);
    return err->status;
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

caface_status cafx_begin(cafx_group *group, const caface_model *model,
                         const caface_set_options *options, cafx_resize resize, void *context,
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
    if (is_network) {
        caface_model_info info;

        caface_model_get_info(model, &info);
        group->model = model;
        group->style_width = 2 * info.S;
    }
    group->resize = resize;
    group->context = context;
    return CAFACE_OK;
}

size_t cafx_count(const cafx_group *group)
{
    return (group->set ? caface_set_count(group->set) : 0) + group->waiting;
}

static caface_status make_room(cafx_group *g, caface_error *err)
{
    size_t room = g->room ? 2 * g->room : 4;
    float *feat = NULL;
    float *style = NULL;

    if (g->waiting < g->room)
        return CAFACE_OK;
    if (g->room == CAFX_ROWS)
        return cafx_push(g, err);
    feat = g->resize(g->context, g->feat, room * g->options.width * sizeof *feat);
    if (feat)
        g->feat = feat;
    if (g->style_width)
        style = g->resize(g->context, g->style, room * g->style_width * sizeof *style);
    if (style)
        g->style = style;
    if (!feat || (g->style_width && !style))
        return fail(err, CAFACE_ENOMEM, "", 0, 0);
    g->room = room;
    return CAFACE_OK;
}

caface_status cafx_add(cafx_group *group, const cafx_numbers *feature, const cafx_numbers *style,
                       caface_error *err)
{
    float *feat = NULL;
    char what[64];
    caface_status st = make_room(group, err);

    if (st)
        return st;
    feat = group->feat + group->waiting * group->options.width;
    st = cafx_read(feat, group->options.width, feature, "feature", err);
    if (!st && group->style_width)
        st = cafx_read(group->style + group->waiting * group->style_width, group->style_width,
                       style, "style", err);
    if (st) {
        caface_error own = *err;

        snprintf(what, sizeof what, "face %zu of the group", cafx_count(group) + 1);
        snprintf(err->message, sizeof err->message, "%s: %.*s", what, CAFACE_ERROR_SIZE - 70,
                 own.message);
        return st;
    }
    group->waiting++;
    return CAFACE_OK;
}

static caface_status push_to(const cafx_group *group, caface_set **set, caface_error *err)
{
    caface_set *fresh = NULL;
    caface_status st = CAFACE_OK;

    if (!*set && (st = caface_set_new(&fresh, group->model, &group->options, err)))
        return st;
    st = caface_set_push(*set ? *set : fresh, group->feat, group->style_width ? group->style : NULL,
                         group->waiting, err);
    if (st)
        caface_set_free(fresh);
    else if (fresh)
        *set = fresh;
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
    group->mixes = !st && !mixed && cafx_is_mixed(group->set);
    return st;
}

bool cafx_is_mixed(const caface_set *set)
{
    caface_set_options o;

    caface_set_get_options(set, &o);
    return o.encoding && strstr(o.encoding, " + ");
}

void cafx_adopt(cafx_group *group, const caface_model *model, caface_set *set)
{
    caface_model_info info;

    caface_set_get_options(set, &group->options);
    group->options.backbone = group->options.input = NULL; /* the set's own */
    group->options.encoding = NULL;
    group->model = NULL;
    group->style_width = 0;
    if (group->options.method == CAFACE_METHOD_CAFACE ||
        group->options.method == CAFACE_METHOD_RESTORE) {
        caface_model_get_info(model, &info);
        group->model = model;
        group->style_width = 2 * info.S;
    }
    group->set = set;
}
