/* The public side of feature sets. */
#include "caface/features.h"

#include <stdlib.h>
#include <string.h>

#include "base/sized.h"
#include "files/bytes.h"
#include "files/feature_set.h"
#include "files/feature_set_write.h"
#include "math/kernels.h"

caface_status caface_features_open(caface_features **out, const char *path, caface_error *err)
{
    if (out)
        *out = NULL;
    if (!out || !path)
        return cafi_fail(err, CAFACE_EINVAL, "features_open: null argument");
    return cafi_feature_set_open(out, path, err);
}

caface_status caface_features_open_arrays(caface_features **out, const char *features,
                                          const char *styles, caface_error *err)
{
    if (out)
        *out = NULL;
    if (!out || !features)
        return cafi_fail(err, CAFACE_EINVAL, "features_open_arrays: null argument");
    return cafi_feature_set_from_files(out, features, styles, err);
}

caface_status caface_features_wrap(caface_features **out, size_t n, const float *feat, size_t C,
                                   const float *style, size_t S, const float *compact, size_t E,
                                   caface_error *err)
{
    if (out)
        *out = NULL;
    if (!out || !feat || !C || (style && !S) || (compact && !E))
        return cafi_fail(err, CAFACE_EINVAL, "features_wrap: null argument, or a width of 0");
    return cafi_feature_set_wrap(out, n, feat, C, style, S, compact, E, err);
}

void caface_features_close(caface_features *features)
{
    cafi_feature_set_close(features);
}

void caface_features_get_info_sized(const caface_features *features, caface_features_info *info,
                                    size_t size)
{
    const cafi_value *complete = cafi_value_get(&features->info, "complete");
    caface_features_info own = {
        .n = features->N,
        .C = features->C,
        .S = features->S,
        .compact = features->compact,
        .columns = features->index ? cafi_index_columns(features->index) : 0,
        .is_complete = !complete || complete->kind != CAFI_BOOL || complete->u.boolean,
        .backbone = cafi_feature_set_backbone(features),
        .fusion = cafi_feature_set_fusion(features),
        .input = cafi_feature_set_input(features),
        .encoding = cafi_feature_set_encoding(features)};

    cafi_sized_out(info, size, &own, sizeof own);
}

caface_status caface_features_read(const caface_features *features, size_t first, size_t n,
                                   float *feat, float *style, float *compact, caface_error *err)
{
    if (!features)
        return cafi_fail(err, CAFACE_EINVAL, "features_read: null argument");
    if (first > features->N || n > features->N - first)
        return cafi_fail(err, CAFACE_EINVAL, "%s: rows %zu to %zu are asked for, it has %zu",
                         features->path, first, first + n, features->N);
    if ((style && !features->S) || (compact && !features->compact))
        return cafi_fail(err, CAFACE_EINVAL, "%s: there are no %s styles in it", features->path,
                         style && !features->S ? "raw" : "compact");
    if (feat)
        cafi_feature_set_rows(features, first, n, feat, NULL);
    if (style)
        cafi_feature_set_styles(features, first, n, style);
    if (compact)
        cafi_feature_set_compact(features, first, n, compact);
    return CAFACE_OK;
}

static const float *view_of(const cafi_tensor *t)
{
    return t && t->dtype == CAFI_F32 && cafi_tensor_is_contiguous(t) &&
                   (uintptr_t)t->data % sizeof(float) == 0
               ? (const float *)(const void *)t->data
               : NULL;
}

void caface_features_view(const caface_features *features, const float **feat, const float **style,
                          const float **compact)
{
    if (feat)
        *feat = view_of(features->features);
    if (style)
        *style = view_of(features->styles);
    if (compact)
        *compact = view_of(features->compact_rows);
}

static bool has_column(const caface_features *features, int column)
{
    return features->index && column >= 0 && (size_t)column < cafi_index_columns(features->index);
}

int caface_features_column(const caface_features *features, const char *name)
{
    return features->index && name ? cafi_index_column(features->index, name) : -1;
}

const char *caface_features_column_name(const caface_features *features, int column)
{
    return has_column(features, column) ? cafi_index_name(features->index, (size_t)column) : NULL;
}

const char *caface_features_text(const caface_features *features, int column, size_t row)
{
    return has_column(features, column) && row < features->N
               ? cafi_index_text(features->index, (size_t)column, row)
               : NULL;
}

caface_status caface_features_integers(const caface_features *features, int column, int64_t *out,
                                       caface_error *err)
{
    if (!features || !out)
        return cafi_fail(err, CAFACE_EINVAL, "features_integers: null argument");
    if (!has_column(features, column))
        return cafi_fail(err, CAFACE_EINVAL, "%s: there is no column of number %d", features->path,
                         column);
    return cafi_index_integers(features->index, (size_t)column, out, err);
}

caface_status caface_features_reals(const caface_features *features, int column, float *out,
                                    caface_error *err)
{
    if (!features || !out)
        return cafi_fail(err, CAFACE_EINVAL, "features_reals: null argument");
    if (!has_column(features, column))
        return cafi_fail(err, CAFACE_EINVAL, "%s: there is no column of number %d", features->path,
                         column);
    return cafi_index_reals(features->index, (size_t)column, out, err);
}

/* --- writing ------------------------------------------------------------------- */

struct caface_features_writer {
    cafi_set_writer *writer;
    cafi_set_layout layout;
    cafi_set_info info;
    char *text[6]; /* what info's members point at */
    const char **taps;
    cafi_feature_set *old; /* of extend: whose set.json is carried on */
};

#define LAYOUT_LEAST offsetof(caface_features_layout, S)

void caface_features_layout_init_sized(caface_features_layout *layout, size_t size)
{
    caface_features_layout own = {.size = size};

    cafi_sized_out(layout, size, &own, sizeof own);
}

static void writer_free(caface_features_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < sizeof w->text / sizeof *w->text; i++)
        free(w->text[i]);
    free((void *)w->taps);
    cafi_feature_set_close(w->old);
    free(w);
}

/* *to becomes a copy of text, or stays NULL. */
static caface_status keep_text(caface_features_writer *w, size_t place, const char **to,
                               const char *text, caface_error *err)
{
    caface_status st = text ? cafi_strdup(&w->text[place], text, err) : CAFACE_OK;

    *to = w->text[place];
    return st;
}

static caface_status keep_layout(caface_features_writer *w, const caface_features_layout *layout,
                                 caface_error *err)
{
    caface_status st = CAFACE_OK;

    w->layout = (cafi_set_layout){.C = layout->C,
                                  .S = layout->S,
                                  .compact = layout->compact,
                                  .dtype = layout->is_half ? CAFI_F16 : CAFI_F32,
                                  .columns = layout->columns,
                                  .column_count = layout->columns ? layout->column_count : 0};
    if ((st = keep_text(w, 0, &w->info.backbone, layout->backbone, err)) ||
        (st = keep_text(w, 1, &w->info.fusion, layout->fusion, err)) ||
        (st = keep_text(w, 2, &w->info.input, layout->input, err)) ||
        (st = keep_text(w, 4, &w->info.encoding, layout->encoding, err)))
        return st;
    return keep_text(w, 3, &w->info.command, layout->command, err);
}

caface_status caface_features_create(caface_features_writer **out, const char *path,
                                     const caface_features_layout *layout, caface_error *err)
{
    caface_features_layout own = {0};
    caface_features_writer *w = NULL;
    caface_status st = CAFACE_OK;

    if (out)
        *out = NULL;
    if (!out || !path || !layout)
        return cafi_fail(err, CAFACE_EINVAL, "features_create: null argument");
    st =
        cafi_sized_in(&own, sizeof own, layout, layout->size, LAYOUT_LEAST, "features_create", err);
    if (st || (st = CAFI_NEW(&w, 1, err)))
        return st;
    if (!(st = keep_layout(w, &own, err)))
        st = cafi_set_begin(&w->writer, path, &w->layout, err);
    if (st) {
        writer_free(w);
        return st;
    }
    *out = w;
    return CAFACE_OK;
}

/* set.json of the set that goes on: its texts are borrowed from it. */
static caface_status carry_info_on(caface_features_writer *w, caface_error *err)
{
    const cafi_value *info = &w->old->info;
    const cafi_value *taps = cafi_value_get(info, "taps");
    const cafi_value *flip = cafi_value_get(info, "flip");
    const cafi_value *complete = cafi_value_get(info, "complete");
    caface_status st = CAFACE_OK;

    w->info.backbone = cafi_value_text(info, "backbone");
    w->info.fusion = cafi_value_text(info, "fusion");
    w->info.input = cafi_value_text(info, "input");
    w->info.encoding = cafi_value_text(info, "encoding");
    w->info.precision = cafi_value_text(info, "precision");
    w->info.detection = cafi_value_text(info, "detection");
    w->info.command = cafi_value_text(info, "command");
    w->info.flip = flip && flip->kind == CAFI_BOOL && flip->u.boolean;
    w->info.partial = complete && complete->kind == CAFI_BOOL && !complete->u.boolean;
    if (!taps || taps->kind != CAFI_LIST || !taps->u.list.count)
        return CAFACE_OK;
    if ((st = CAFI_NEW(&w->taps, taps->u.list.count, err)))
        return st;
    for (size_t i = 0; i < taps->u.list.count; i++)
        if (taps->u.list.items[i].kind == CAFI_STRING)
            w->taps[w->info.tap_count++] = taps->u.list.items[i].u.text.data;
    w->info.taps = w->taps;
    return CAFACE_OK;
}

caface_status caface_features_extend(caface_features_writer **out, const char *path,
                                     caface_error *err)
{
    caface_features_writer *w = NULL;
    const char **columns = NULL;
    size_t count = 0;
    caface_status st = CAFACE_OK;

    if (out)
        *out = NULL;
    if (!out || !path)
        return cafi_fail(err, CAFACE_EINVAL, "features_extend: null argument");
    if ((st = CAFI_NEW(&w, 1, err)))
        return st;
    if ((st = cafi_feature_set_open(&w->old, path, err)) || (st = carry_info_on(w, err)))
        goto done;
    count = w->old->index ? cafi_index_columns(w->old->index) : 0;
    if ((st = CAFI_NEW(&columns, count, err)))
        goto done;
    for (size_t c = 0; c < count; c++)
        columns[c] = cafi_index_name(w->old->index, c);
    w->layout =
        (cafi_set_layout){.C = w->old->C,
                          .S = w->old->S,
                          .compact = w->old->compact,
                          .dtype = w->old->features->dtype == CAFI_F16 ? CAFI_F16 : CAFI_F32,
                          .columns = columns,
                          .column_count = count};
    if (!(st = cafi_set_begin(&w->writer, path, &w->layout, err)))
        st = cafi_set_append_set(w->writer, w->old, 0, w->old->N, err);
done:
    free((void *)columns);
    if (st) {
        cafi_set_abort(w->writer);
        writer_free(w);
        return st;
    }
    *out = w;
    return CAFACE_OK;
}

caface_status caface_features_append(caface_features_writer *w, size_t n, const float *feat,
                                     const float *style, const float *compact,
                                     const char *const *fields, caface_error *err)
{
    if (!w)
        return cafi_fail(err, CAFACE_EINVAL, "features_append: null argument");
    if (!n)
        return CAFACE_OK;
    if (!feat || !style != !w->layout.S || !compact != !w->layout.compact ||
        !fields != !w->layout.column_count)
        return cafi_fail(err, CAFACE_EINVAL,
                         "features_append: %s: the arrays that are given are not those of the "
                         "layout (S = %zu, compact = %zu, %zu columns)",
                         cafi_set_path(w->writer), w->layout.S, w->layout.compact,
                         w->layout.column_count);
    return cafi_set_append(w->writer, n, feat, style, compact, fields, err);
}

caface_status caface_features_commit(caface_features_writer *w, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (!w)
        return cafi_fail(err, CAFACE_EINVAL, "features_commit: null argument");
    st = cafi_set_commit(w->writer, &w->info, err);
    writer_free(w);
    return st;
}

void caface_features_abort(caface_features_writer *w)
{
    if (!w)
        return;
    cafi_set_abort(w->writer);
    writer_free(w);
}

void caface_halves_to_floats(float *out, const void *halves, size_t n)
{
    const unsigned char *from = halves;
    uint16_t block[256];

    for (size_t i = 0, part = 0; i < n; i += part) {
        part = n - i < 256 ? n - i : 256;
        cafi_put_numbers((unsigned char *)block, from + 2 * i, part, sizeof *block);
        cafi_kernels_get()->widen(out + i, block, part);
    }
}
