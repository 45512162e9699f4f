#include "dataset/record_shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/status.h"
#include "files/bytes.h"
#include "files/json.h"
#include "files/mapped.h"
#include "files/tensor.h"

/* Stages of the styles in a row, by its width: names and channels. */
typedef struct known_width {
    size_t width;
    const char *standard; /* what is chosen without being asked for */
    char name[4];
    size_t channels[4];
} known_width;

static const known_width widths[] = {
    {1280, "3,5", "35", {128, 256}},
    {2432, "3,5", "1357", {64, 128, 256, 512}},
    {2336, "3,4", "34", {128, 784}},
};

static const size_t known_sets[][2] = {{16, 1280}, {4, 1280}, {5, 2432},
                                       {6, 2432},  {6, 2336}, {16, 2336}};

/* The authors' sets: each size in bytes occurs once. */
static bool known_size(cafi_record_shape *out, size_t bytes)
{
    for (size_t i = 0; i < sizeof known_sets / sizeof *known_sets; i++)
        for (size_t size = 2; size <= 4; size += 2)
            if (known_sets[i][0] * known_sets[i][1] * size == bytes) {
                *out = (cafi_record_shape){.bytes = bytes,
                                           .half = size == 2,
                                           .variants = known_sets[i][0],
                                           .width = known_sets[i][1],
                                           .C = 512};
                return true;
            }
    return false;
}

/* Adds stage `name` to the choice; false when the row has none of that name, or it
 * is chosen already. */
static bool choose(cafi_record_shape *out, const known_width *known, char name)
{
    size_t first = 0;

    for (size_t i = 0; i < 4 && known->channels[i]; i++) {
        if (known->name[i] == name) {
            for (size_t k = 0; k < out->parts; k++)
                if (out->first[k] == first)
                    return false; /* twice */
            out->first[out->parts] = first;
            out->count[out->parts++] = known->channels[i];
            out->S += known->channels[i];
            return true;
        }
        first += known->channels[i];
    }
    return false;
}

static caface_status choose_stages(cafi_record_shape *out, const char *folder, const char *styles,
                                   caface_error *err)
{
    const known_width *known = widths;

    while (known->width != out->width)
        known++;
    for (const char *at = styles ? styles : known->standard;; at += 2) {
        if (!choose(out, known, *at) || (at[1] && at[1] != ','))
            return cafi_fail(err, CAFACE_EINVAL,
                             "%s: styles %.40s: rows of %zu numbers have stages %.4s, each once",
                             folder, styles, out->width, known->name);
        if (!at[1])
            return CAFACE_OK;
    }
}

static caface_status from_info(cafi_record_shape *out, const char *path, const cafi_value *info,
                               size_t bytes, caface_error *err)
{
    int64_t C = 0;
    int64_t S = 0;
    int64_t variants = 0;
    const char *dtype = cafi_value_text(info, "dtype");
    size_t numbers = 0;

    if (!cafi_value_int(info, "C", &C) || !cafi_value_int(info, "S", &S) ||
        !cafi_value_int(info, "variants", &variants) || !dtype ||
        (strcmp(dtype, "f16") != 0 && strcmp(dtype, "f32") != 0) || C < 1 || S < 1 ||
        variants < 1 || C > 65536 || S > 65536 || variants > 65536)
        return cafi_fail(
            err, CAFACE_EFORMAT,
            "%s: needs C, S, variants (1 to 65536) and dtype (f16, f32) of the records", path);
    if (!cafi_mul_size((size_t)variants, (size_t)(C + 2 * S), &numbers) || numbers > SIZE_MAX / 4)
        return cafi_fail(err, CAFACE_ELIMIT, "%s: %lld variants of %lld + 2 x %lld numbers", path,
                         (long long)variants, (long long)C, (long long)S);
    *out = (cafi_record_shape){.bytes = bytes,
                               .half = !strcmp(dtype, "f16"),
                               .variants = (size_t)variants,
                               .width = (size_t)(C + 2 * S),
                               .C = (size_t)C,
                               .S = (size_t)S,
                               .parts = 1,
                               .count = {(size_t)S}};
    if (numbers * (out->half ? 2 : 4) != bytes)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "%s: %lld variants of %lld + 2 x %lld numbers in %.8s need %zu bytes, the "
                         "first record holds %zu",
                         path, (long long)variants, (long long)C, (long long)S, dtype,
                         numbers * (out->half ? 2 : 4), bytes);
    return CAFACE_OK;
}

static caface_status read_info(cafi_record_shape *out, const char *path, size_t bytes,
                               caface_error *err)
{
    cafi_mapped map;
    cafi_value info = {0};
    caface_status st = cafi_mapped_open(&map, path, err);

    if (st)
        return cafi_prefix(err, st, path);
    st = cafi_json_parse(&info, (const char *)map.data, map.size, err);
    if (st)
        st = cafi_prefix(err, st, path);
    else
        st = from_info(out, path, &info, bytes, err);
    cafi_value_clear(&info);
    cafi_mapped_close(&map);
    return st;
}

caface_status cafi_record_shape_find(cafi_record_shape *out, const char *folder, size_t bytes,
                                     const char *styles, caface_error *err)
{
    cafi_buf path = {0};
    struct stat info;
    caface_status st = CAFACE_OK;

    cafi_buf_printf(&path, "%s/set.json", folder);
    if (path.failed)
        return cafi_fail_memory(err, strlen(folder));
    if (stat(path.data, &info) == 0) {
        st = styles
                 ? cafi_fail(err, CAFACE_EINVAL,
                             "%s: stages of styles can be chosen in the authors' sets only", folder)
                 : read_info(out, path.data, bytes, err);
    } else if (!known_size(out, bytes)) {
        st = cafi_fail(err, CAFACE_EFORMAT,
                       "%s: records of %zu bytes have none of the authors' shapes (such as 16 x "
                       "1280 numbers of 2 bytes: 40960), and no set.json tells theirs",
                       folder, bytes);
    } else {
        st = choose_stages(out, folder, styles, err);
    }
    cafi_buf_free(&path);
    return st;
}

static void read_numbers(const cafi_record_shape *shape, const unsigned char *body, size_t first,
                         size_t count, float *out)
{
    for (size_t i = 0; i < count; i++) {
        if (shape->half) {
            out[i] = cafi_f16_to_f32(cafi_le16(body + 2 * (first + i)));
        } else {
            uint32_t bits = cafi_le32(body + 4 * (first + i));
            memcpy(&out[i], &bits, sizeof bits);
        }
    }
}

void cafi_record_shape_row(const cafi_record_shape *shape, const unsigned char *body,
                           size_t variant, float *feature, float *style)
{
    size_t row = variant * shape->width;

    read_numbers(shape, body, row, shape->C, feature);
    for (size_t i = 0; i < shape->parts; i++) {
        read_numbers(shape, body, row + shape->C + 2 * shape->first[i], 2 * shape->count[i], style);
        style += 2 * shape->count[i];
    }
}
