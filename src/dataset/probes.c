#include "dataset/probes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/text.h"
#include "dataset/augment.h"
#include "dataset/degrade.h"
#include "files/feature_set_write.h"
#include "files/output.h"

/* Rows that are made side by side, then encoded together. */
#define BATCH 64

/* A row to be made. */
typedef struct row {
    size_t image;
    size_t frame; /* 0: clean; else the number of the degraded frame */
    size_t template_id;
    size_t identity; /* class */
    double severity; /* of a degraded frame, once it is made */
} row;

typedef struct job {
    const cafi_face_list *faces;
    cafi_encoder *encoder;
    const cafi_probe_options *o;
    cafi_probe_result *result;
    row *rows;
    size_t count;
    size_t *identity; /* [result->identities] classes */
    size_t width, height;
    size_t first;            /* row of the batch */
    uint8_t *crops;          /* [BATCH][height][width][3] */
    float *features;         /* [BATCH][C] */
    float *styles;           /* [BATCH][S][2] */
    cafi_degrade **degrades; /* one a worker */
    cafi_buf *bufs;
} job;

/* --- choosing ----------------------------------------------------------------- */

/* The pictures of every class, in order: first [classes + 1] into order. */
static caface_status sort_by_class(const cafi_face_list *faces, size_t **first, size_t **order,
                                   caface_error *err)
{
    size_t classes = cafi_face_list_classes(faces);
    size_t n = cafi_face_list_count(faces);
    caface_status st = CAFACE_OK;

    if ((st = CAFI_NEW(first, classes + 2, err)) || (st = CAFI_NEW(order, n, err)))
        return st;
    for (size_t i = 0; i < n; i++)
        (*first)[cafi_face_list_class(faces, i) + 2]++;
    for (size_t c = 2; c <= classes; c++)
        (*first)[c] += (*first)[c - 1];
    for (size_t i = 0; i < n; i++)
        (*order)[(*first)[cafi_face_list_class(faces, i) + 1]++] = i;
    return CAFACE_OK;
}

static void shuffle(size_t *items, size_t n, cafi_rng rng)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = (size_t)cafi_rng_below(&rng, i);
        size_t keep = items[i - 1];

        items[i - 1] = items[k];
        items[k] = keep;
    }
}

/* Rows of one identity: its gallery, then its probe templates, whose frames take
 * the other pictures in turn. */
static void plan_identity(job *j, size_t class_number, const size_t *images, size_t n)
{
    const cafi_probe_options *o = j->o;
    size_t number = j->result->identities;
    size_t others = n - o->gallery;
    size_t taken = 0;

    j->identity[number] = class_number;
    for (size_t i = 0; i < o->gallery; i++)
        j->rows[j->count++] = (row){images[i], 0, number, class_number, 0};
    for (size_t s = 0; s < o->sets; s++)
        for (size_t f = 0; f < o->frames; f++, taken++)
            j->rows[j->count++] =
                (row){images[o->gallery + taken % others], taken + 1, s, class_number, 0};
    j->result->identities++;
}

static caface_status plan(job *j, caface_error *err)
{
    const cafi_probe_options *o = j->o;
    size_t classes = cafi_face_list_classes(j->faces);
    const char *const *names = cafi_face_list_class_names(j->faces);
    size_t *first = NULL;
    size_t *order = NULL;
    size_t each = 0;
    caface_status st = CAFACE_OK;

    if (!cafi_mul_size(o->sets, o->frames, &each) || !cafi_add_size(each, o->gallery, &each))
        return cafi_fail_memory(err, SIZE_MAX);
    if (!(st = sort_by_class(j->faces, &first, &order, err)) &&
        !(st = CAFI_NEW(&j->identity, classes, err)) && cafi_mul_size(each, sizeof *j->rows, &each))
        st = cafi_alloc(&j->rows, classes, each, err);
    for (size_t c = 0; !st && c < classes; c++) {
        size_t n = first[c + 1] - first[c];

        if (n <= o->gallery) {
            j->result->skipped++;
            continue;
        }
        shuffle(order + first[c], n, cafi_rng_at(o->seed, cafi_augment_key(names[c]), 0, 1));
        plan_identity(j, c, order + first[c], n);
    }
    free(first);
    free(order);
    if (!st && j->result->identities < 2)
        st = cafi_fail(err, CAFACE_EFORMAT,
                       "%zu identities with more than %zu pictures, at least 2 are needed",
                       j->result->identities, o->gallery);
    return st;
}

/* Gallery templates are 0.., probes follow: number them once all are counted. */
static void number_templates(job *j)
{
    size_t identities = j->result->identities;
    size_t each = j->o->gallery + j->o->sets * j->o->frames;

    for (size_t i = 0; i < j->count; i++)
        if (j->rows[i].frame)
            j->rows[i].template_id += identities + i / each * j->o->sets;
    j->result->templates = identities * (1 + j->o->sets);
    j->result->rows = j->count;
}

/* --- making ------------------------------------------------------------------- */

static const cafi_degradation *kind_of(const job *j, const row *r)
{
    static const cafi_degradation camera = {CAFI_DEGRADE_CAMERA, 1};

    return j->o->kind_count ? &j->o->kinds[(r->frame - 1) % j->o->kind_count] : &camera;
}

static caface_status row_task(void *ctx, size_t index, size_t worker, caface_error *err)
{
    job *j = ctx;
    row *r = &j->rows[j->first + index];
    const char *name = cafi_face_list_name(j->faces, r->image);
    uint8_t *crop = j->crops + index * j->width * j->height * 3;
    cafi_image image = {0};
    caface_status st =
        cafi_face_list_read(j->faces, r->image, &j->bufs[worker], j->width, j->height, &image, err);

    if (st)
        return st;
    if (r->frame)
        st = cafi_degrade_run(j->degrades[worker], crop, image.rgb, kind_of(j, r), j->o->seed,
                              cafi_augment_key(name), r->frame, &r->severity, err);
    else
        memcpy(crop, image.rgb, j->width * j->height * 3);
    cafi_image_clear(&image);
    return st;
}

static caface_status append(job *j, cafi_set_writer *set, size_t n, caface_error *err)
{
    const char *const *names = cafi_face_list_class_names(j->faces);
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < n; i++) {
        const row *r = &j->rows[j->first + i];
        const char *name = cafi_face_list_name(j->faces, r->image);
        char template_text[24];
        char media[24];
        cafi_buf source = {0};
        char severity[24] = "";
        const char *fields[6];

        cafi_buf_text(&source, name);
        if (r->frame)
            cafi_buf_printf(&source, "#%zu", r->frame);
        snprintf(template_text, sizeof template_text, "%zu", r->template_id);
        snprintf(media, sizeof media, "%zu", r->image);
        fields[0] = source.data;
        fields[1] = template_text;
        fields[2] = media;
        fields[3] = names[r->identity];
        fields[4] = r->frame ? cafi_degrade_name(kind_of(j, r)->kind) : "clean";
        if (r->frame)
            cafi_format(severity, sizeof severity, "%.4f", r->severity);
        fields[5] = severity;
        st = source.failed
                 ? cafi_fail_memory(err, source.capacity)
                 : cafi_set_append(set, 1, j->features + i * cafi_encoder_feature_size(j->encoder),
                                   j->styles + i * cafi_encoder_style_size(j->encoder) * 2, NULL,
                                   fields, err);
        cafi_buf_free(&source);
    }
    return st;
}

static caface_status make_rows(job *j, cafi_set_writer *set, caface_error *err)
{
    bool styles = cafi_encoder_style_size(j->encoder) != 0;
    caface_status st = CAFACE_OK;

    for (j->first = 0; !st && j->first < j->count; j->first += BATCH) {
        size_t n = j->count - j->first < BATCH ? j->count - j->first : BATCH;

        if (!(st = cafi_pool_run(j->o->pool, n, row_task, j, err)) &&
            !(st = cafi_encoder_run(j->encoder, j->crops, n, j->features, styles ? j->styles : NULL,
                                    err)))
            st = append(j, set, n, err);
        if (!st && j->o->progress && !j->o->progress(j->o->ctx, j->first + n, j->count))
            st = cafi_fail(err, CAFACE_ECANCELLED, "interrupted");
    }
    return st;
}

/* --- lists -------------------------------------------------------------------- */

static caface_status save(const cafi_set_writer *set, const char *name, cafi_buf *text,
                          caface_error *err)
{
    cafi_buf path = {0};
    caface_status st = CAFACE_OK;

    cafi_buf_printf(&path, "%s/%s", cafi_set_folder(set), name);
    st = text->failed || path.failed ? cafi_fail_memory(err, text->capacity)
                                     : cafi_output_save(path.data, text->data, text->size, err);
    cafi_buf_free(&path);
    cafi_buf_free(text);
    return st;
}

/* Every gallery template with every probe; who is who, for 1:N. */
static caface_status write_lists(job *j, const cafi_set_writer *set, caface_error *err)
{
    size_t n = j->result->identities;
    size_t sets = j->o->sets;
    cafi_buf pairs = {0};
    cafi_buf gallery = {0};
    cafi_buf probe = {0};
    caface_status st = CAFACE_OK;

    cafi_buf_text(&gallery, "TEMPLATE_ID,SUBJECT_ID\n");
    cafi_buf_text(&probe, "TEMPLATE_ID,SUBJECT_ID\n");
    for (size_t g = 0; g < n; g++) {
        cafi_buf_printf(&gallery, "%zu,%zu\n", g, g);
        for (size_t p = 0; p < n * sets; p++)
            cafi_buf_printf(&pairs, "%zu %zu %d\n", g, n + p, p / sets == g);
        for (size_t s = 0; s < sets; s++)
            cafi_buf_printf(&probe, "%zu,%zu\n", n + g * sets + s, g);
    }
    j->result->pairs = n * n * sets;
    if (!(st = save(set, "pairs.txt", &pairs, err)) &&
        !(st = save(set, "gallery.csv", &gallery, err)))
        st = save(set, "probe.csv", &probe, err);
    cafi_buf_free(&pairs);
    cafi_buf_free(&gallery);
    cafi_buf_free(&probe);
    return st;
}

/* --- all of it ---------------------------------------------------------------- */

static caface_status allocate(job *j, caface_error *err)
{
    size_t workers = cafi_pool_size(j->o->pool);
    size_t pixels = 0;
    caface_status st = CAFACE_OK;

    cafi_encoder_input_size(j->encoder, &j->height, &j->width);
    if (!cafi_mul_size(j->width * 3, j->height, &pixels))
        return cafi_fail_memory(err, SIZE_MAX);
    if ((st = cafi_alloc(&j->crops, BATCH, pixels, err)) ||
        (st = cafi_alloc_f32(&j->features, BATCH, cafi_encoder_feature_size(j->encoder), err)) ||
        (st = cafi_alloc_f32(&j->styles, BATCH, cafi_encoder_style_size(j->encoder) * 2, err)) ||
        (st = CAFI_NEW(&j->bufs, workers, err)) || (st = CAFI_NEW(&j->degrades, workers, err)))
        return st;
    for (size_t w = 0; !st && w < workers; w++)
        st = cafi_degrade_new(&j->degrades[w], j->width, j->height, err);
    return st;
}

static void release(job *j)
{
    for (size_t w = 0; j->degrades && w < cafi_pool_size(j->o->pool); w++)
        cafi_degrade_free(j->degrades[w]);
    for (size_t w = 0; j->bufs && w < cafi_pool_size(j->o->pool); w++)
        cafi_buf_free(&j->bufs[w]);
    free(j->degrades);
    free(j->bufs);
    free(j->crops);
    free(j->features);
    free(j->styles);
    free(j->rows);
    free(j->identity);
}

static caface_status build(job *j, caface_error *err)
{
    static const char *const columns[] = {"source", "template", "media",
                                          "label",  "kind",     "severity"};
    const cafi_set_layout layout = {.C = cafi_encoder_feature_size(j->encoder),
                                    .S = cafi_encoder_style_size(j->encoder),
                                    .dtype = CAFI_F32,
                                    .columns = columns,
                                    .column_count = 6};
    const char *taps[2] = {cafi_encoder_tap(j->encoder, 0), cafi_encoder_tap(j->encoder, 1)};
    const cafi_set_info info = {.backbone = cafi_encoder_hash(j->encoder),
                                .input = cafi_encoder_input(j->encoder),
                                .taps = taps,
                                .tap_count = taps[0] && taps[1] ? 2
                                             : taps[0]          ? 1
                                                                : 0,
                                .precision = j->o->precision,
                                .command = j->o->command};
    cafi_set_writer *set = NULL;
    caface_status st = CAFACE_OK;

    if ((st = plan(j, err)) || (st = allocate(j, err)))
        return st;
    number_templates(j);
    if ((st = cafi_set_begin(&set, j->o->output, &layout, err)))
        return st;
    if ((st = make_rows(j, set, err)) || (st = write_lists(j, set, err))) {
        cafi_set_abort(set);
        return st;
    }
    return cafi_set_commit(set, &info, err);
}

caface_status cafi_probes_build(cafi_probe_result *out, const cafi_face_list *faces,
                                cafi_encoder *encoder, const cafi_probe_options *options,
                                caface_error *err)
{
    job j = {.faces = faces, .encoder = encoder, .o = options, .result = out};
    caface_status st = CAFACE_OK;

    *out = (cafi_probe_result){0};
    st = build(&j, err);
    release(&j);
    return st;
}
