#include "faces/listed_input.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sha256.h"
#include "base/text.h"
#include "faces/align.h"
#include "files/names.h"
#include "media/image.h"

enum { SOURCE, TEMPLATE, MEDIA, SCORE, LANDMARKS, SIZE, CHANGED, DIGEST, COLUMNS };

static const char *const columns[COLUMNS] = {"source",    "template", "media",   "score",
                                             "landmarks", "size",     "changed", "digest"};

static void digest_of(const void *bytes, size_t size, cafi_short_digest out)
{
    unsigned char digest[CAFI_SHA256_SIZE];
    char text[CAFI_SHA256_TEXT];

    cafi_sha256_of(bytes, size, digest);
    memcpy(out, cafi_sha256_hex(digest, text), sizeof(cafi_short_digest) - 1);
    out[sizeof(cafi_short_digest) - 1] = '\0';
}

static void landmark_digest(const cafi_listed_face *face, cafi_short_digest out)
{
    digest_of(face->landmark, sizeof face->landmark, out);
}

/* FOLDER/NAME, the caller's to free. */
static caface_status path_of(const cafi_listed_input *in, size_t index, cafi_buf *path,
                             caface_error *err)
{
    path->size = 0;
    cafi_buf_printf(path, "%s/%s", in->folder, cafi_landmark_name(in->list, index));
    return path->failed ? cafi_fail_memory(err, path->size) : CAFACE_OK;
}

/* ---- a picture ----------------------------------------------------------- */

static const char *name(void *ctx, size_t index)
{
    cafi_listed_input *in = ctx;

    return path_of(in, index, &in->path, NULL) ? cafi_landmark_name(in->list, index)
                                               : in->path.data;
}

static caface_status align(const cafi_listed_face *face, const unsigned char *bytes, size_t size,
                           uint8_t *crop, caface_error *err)
{
    cafi_image image = {0};
    cafi_view view;
    cafi_similarity_map map;
    caface_status st = cafi_image_decode(&image, bytes, size, err);

    if (st)
        return st;
    view = cafi_image_view(&image);
    if (!(st = cafi_align_map_in_crop(&map, face->landmark, err)))
        cafi_align_warp(crop, &view, &map);
    cafi_image_clear(&image);
    return st;
}

/* Runs in the feed's threads; each picture's place in files is its own. */
static caface_status read_face(void *ctx, size_t index, cafi_crops *crops, caface_error *err)
{
    const cafi_listed_input *in = ctx;
    cafi_listed_file file = {0};
    cafi_buf path = {0};
    unsigned char *bytes = NULL;
    size_t size = 0;
    caface_status st = path_of(in, index, &path, err);

    if (!st && !(st = cafi_image_load(&bytes, &size, &file.changed, path.data, err)) &&
        !(st = cafi_crops_reserve(crops, 1, CAFI_CROP_BYTES, err)))
        st = align(&in->list->faces[index], bytes, size, crops->rgb, err);
    if (!st) {
        crops->count = 1;
        file.size = (int64_t)size;
        digest_of(bytes, size, file.digest);
        in->files[index] = file;
    }
    free(bytes);
    cafi_buf_free(&path);
    return st;
}

static void row_fields(void *ctx, size_t index, bool failed, const char **fields)
{
    cafi_listed_input *in = ctx;
    const cafi_listed_face *face = &in->list->faces[index];
    const cafi_listed_file *file = &in->files[index];

    snprintf(in->text[0], sizeof in->text[0], "%lld", (long long)face->template_id);
    snprintf(in->text[1], sizeof in->text[1], "%lld", (long long)face->media);
    cafi_format(in->text[2], sizeof in->text[2], "%.9g", face->score);
    landmark_digest(face, in->text[3]);
    snprintf(in->text[4], sizeof in->text[4], "%lld", (long long)file->size);
    snprintf(in->text[5], sizeof in->text[5], "%lld", (long long)file->changed);
    fields[SOURCE] = cafi_landmark_name(in->list, index);
    fields[TEMPLATE] = in->text[0];
    fields[MEDIA] = in->text[1];
    fields[SCORE] = isnan(face->score) ? NULL : in->text[2];
    fields[LANDMARKS] = in->text[3];
    fields[SIZE] = failed ? NULL : in->text[4];
    fields[CHANGED] = failed ? NULL : in->text[5];
    fields[DIGEST] = failed ? NULL : file->digest;
}

/* ---- an old set ------------------------------------------------------------ */

typedef struct matching {
    cafi_listed_input *in;
    const cafi_index *index;
    int column[COLUMNS];
    cafi_names rows; /* of the sources */
    size_t *row_of;
} matching;

static const char *old_text(const matching *m, int column, size_t row)
{
    return cafi_index_text(m->index, (size_t)m->column[column], row);
}

static bool is_number(const matching *m, int column, size_t row, int64_t value)
{
    const char *text = old_text(m, column, row);
    int64_t old = 0;

    return cafi_parse_int64(text, strlen(text), &old) && old == value;
}

/* Is the file the one that the row was made of? */
static bool is_same_file(const matching *m, size_t row, const char *path)
{
    struct stat info;
    unsigned char *bytes = NULL;
    size_t size = 0;
    cafi_short_digest digest;

    if (stat(path, &info) || !is_number(m, SIZE, row, (int64_t)info.st_size))
        return false;
    if (is_number(m, CHANGED, row,
                  (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec))
        return true;
    if (cafi_image_load(&bytes, &size, NULL, path, NULL))
        return false;
    digest_of(bytes, size, digest);
    free(bytes);
    return strcmp(digest, old_text(m, DIGEST, row)) == 0;
}

static caface_status match_task(void *ctx, size_t index, size_t worker, caface_error *err)
{
    const matching *m = ctx;
    const cafi_listed_face *face = &m->in->list->faces[index];
    const char *source = cafi_landmark_name(m->in->list, index);
    size_t row = cafi_names_find(&m->rows, source, strlen(source));
    cafi_short_digest landmarks;
    cafi_buf path = {0};
    caface_status st = CAFACE_OK;

    (void)worker;
    if (row == CAFI_NO_NAME || !is_number(m, TEMPLATE, row, face->template_id) ||
        !is_number(m, MEDIA, row, face->media))
        return CAFACE_OK;
    landmark_digest(face, landmarks);
    if (strcmp(landmarks, old_text(m, LANDMARKS, row)) != 0)
        return CAFACE_OK;
    if (!(st = path_of(m->in, index, &path, err)) &&
        (!*old_text(m, DIGEST, row) || is_same_file(m, row, path.data)))
        m->row_of[index] = row;
    cafi_buf_free(&path);
    return st;
}

/* Rows that failed are tried again. */
static caface_status try_failed(matching *m, cafi_encode_result *result, caface_error *err)
{
    cafi_crops crops = {0};
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < m->in->list->count; i++) {
        caface_error why = {CAFACE_OK, ""};

        if (m->row_of[i] == SIZE_MAX || *old_text(m, DIGEST, m->row_of[i]))
            continue;
        if (!read_face(m->in, i, &crops, &why))
            m->row_of[i] = SIZE_MAX;
        else if (why.status == CAFACE_ENOMEM)
            st = cafi_fail(err, why.status, "%s", why.message);
        else
            st = cafi_encode_result_failed(result, name(m->in, i), why.message, err);
    }
    cafi_crops_free(&crops);
    return st;
}

static caface_status match(void *ctx, const cafi_feature_set *old, size_t *row_of,
                           cafi_encode_result *result, caface_error *err)
{
    cafi_listed_input *in = ctx;
    matching m = {.in = in, .index = old->index, .row_of = row_of};
    size_t existing = 0;
    caface_status st = CAFACE_OK;

    for (int c = 0; c < COLUMNS; c++)
        if (!old->index || (m.column[c] = cafi_index_column(old->index, columns[c])) < 0)
            return cafi_fail(err, CAFACE_EMODEL,
                             "it has no column %s, so it was not made from listed pictures",
                             columns[c]);
    for (size_t row = 0; !st && row < old->N; row++) {
        const char *source = old_text(&m, SOURCE, row);

        st = cafi_names_add(&m.rows, source, strlen(source), row, &existing, err);
    }
    if (!st)
        st = cafi_pool_run(in->pool, in->list->count, match_task, &m, err);
    if (!st)
        st = try_failed(&m, result, err);
    cafi_names_free(&m.rows);
    return st;
}

/* ---- the input --------------------------------------------------------------- */

caface_status cafi_listed_input_new(cafi_encode_input *out, cafi_listed_input *listed,
                                    const cafi_landmark_list *list, const char *folder,
                                    const cafi_encoder *encoder, cafi_pool *pool, caface_error *err)
{
    size_t height = 0, width = 0;

    *listed = (cafi_listed_input){.list = list, .folder = folder, .pool = pool};
    *out = (cafi_encode_input){.count = list->count,
                               .columns = columns,
                               .column_count = COLUMNS,
                               .keep_failed = true,
                               .ctx = listed,
                               .name = name,
                               .read = read_face,
                               .fields = row_fields,
                               .match = match};
    cafi_encoder_input_size(encoder, &height, &width);
    if (height != CAFI_CROP_SIDE || width != CAFI_CROP_SIDE)
        return cafi_fail(err, CAFACE_EUNSUPPORTED,
                         "the network takes crops of %zux%zu, faces are aligned to %dx%d", width,
                         height, CAFI_CROP_SIDE, CAFI_CROP_SIDE);
    return CAFI_NEW(&listed->files, list->count, err);
}

void cafi_listed_input_free(cafi_listed_input *listed)
{
    free(listed->files);
    cafi_buf_free(&listed->path);
    *listed = (cafi_listed_input){0};
}
