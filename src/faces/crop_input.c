#include "faces/crop_input.h"

#include <stdio.h>
#include <string.h>

#include "files/names.h"
#include "media/image.h"

enum { SOURCE, TEMPLATE, LABEL, COLUMNS };

static const char *name(void *ctx, size_t index)
{
    const cafi_crop_input *in = ctx;

    return cafi_sources_at(in->sources, index).path;
}

/* Runs in the feed's threads: reads what never changes. */
static caface_status read_crop(void *ctx, size_t index, cafi_crops *crops, caface_error *err)
{
    const cafi_crop_input *in = ctx;
    const char *path = cafi_sources_at(in->sources, index).path;
    size_t bytes = in->height * in->width * 3;
    cafi_image image = {0};
    caface_status st = CAFACE_OK;

    if (!cafi_is_utf8(path, strlen(path)))
        return cafi_fail(err, CAFACE_EFORMAT, "the name is no UTF-8 text");
    if ((st = cafi_sources_read(in->sources, index, &image, err)))
        return st;
    if (image.width != in->width || image.height != in->height)
        st = cafi_fail(err, CAFACE_EFORMAT,
                       "%s: %zux%zu pixels; this model takes aligned crops of %zux%zu: give "
                       "--detector FILE to have the faces found and aligned first",
                       path, image.width, image.height, in->width, in->height);
    if (!st)
        st = cafi_crops_reserve(crops, 1, bytes, err);
    if (!st) {
        memcpy(crops->rgb, image.rgb, bytes);
        crops->count = 1;
    }
    cafi_image_clear(&image);
    return st;
}

static void row_fields(void *ctx, size_t index, bool failed, const char **fields)
{
    cafi_crop_input *in = ctx;
    cafi_source source = cafi_sources_at(in->sources, index);

    (void)failed;
    fields[SOURCE] = source.path;
    if (!cafi_sources_labelled(in->sources))
        return;
    snprintf(in->template_id, sizeof in->template_id, "%lld", (long long)source.template_id);
    fields[TEMPLATE] = in->template_id;
    fields[LABEL] = source.label;
}

/* Both are in the same order, so one walk through both does it. */
static caface_status match(void *ctx, const cafi_feature_set *old, size_t *row_of,
                           cafi_encode_result *result, caface_error *err)
{
    const cafi_crop_input *in = ctx;
    size_t n = cafi_sources_count(in->sources);
    int column = old->index ? cafi_index_column(old->index, "source") : -1;
    size_t row = 0;

    (void)result;
    if (column < 0)
        return cafi_fail(err, CAFACE_EMODEL, "it has no column source");
    for (size_t i = 0; i < n; i++)
        if (row < old->N && strcmp(cafi_index_text(old->index, (size_t)column, row),
                                   cafi_sources_at(in->sources, i).path) == 0)
            row_of[i] = row++;
    if (row < old->N)
        return cafi_fail(
            err, CAFACE_EMODEL,
            "row %zu is of %s, which is not among the pictures now, or in another place", row,
            cafi_index_text(old->index, (size_t)column, row));
    return CAFACE_OK;
}

cafi_encode_input cafi_crop_input_new(cafi_crop_input *crops, const cafi_sources *sources,
                                      const cafi_encoder *encoder)
{
    static const char *const columns[COLUMNS] = {"source", "template", "label"};

    *crops = (cafi_crop_input){.sources = sources};
    cafi_encoder_input_size(encoder, &crops->height, &crops->width);
    return (cafi_encode_input){.count = cafi_sources_count(sources),
                               .columns = columns,
                               .column_count = cafi_sources_labelled(sources) ? COLUMNS : 1,
                               .ctx = crops,
                               .name = name,
                               .read = read_crop,
                               .fields = row_fields,
                               .match = match,
                               .names_alone = true};
}
