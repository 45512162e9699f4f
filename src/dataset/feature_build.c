#include "dataset/feature_build.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sha256.h"
#include "base/status.h"
#include "dataset/augment.h"
#include "dataset/block_encode.h"
#include "files/bundle.h"
#include "files/json.h"
#include "files/output.h"
#include "files/safetensors.h"

#define PART "%s/parts/%06zu.safetensors"

typedef struct build {
    const cafi_face_list *faces;
    cafi_encoder *encoder;
    const cafi_build_options *o;
    cafi_build_result *result;
    cafi_block block;
    size_t C, S;
    size_t rows;                 /* of a picture: its variants, and the clean one */
    uint16_t *features, *styles; /* of a block, in halves */
    cafi_buf config;             /* what parts must have been made with */
} build;

static caface_status part_path(cafi_buf *path, const build *b, size_t number, caface_error *err)
{
    path->size = 0;
    cafi_buf_printf(path, PART, b->o->output, number);
    return path->failed ? cafi_fail_memory(err, strlen(b->o->output)) : CAFACE_OK;
}

/* Model, precision, seed, variants and the pictures (name, size, time), as text. */
static caface_status describe(build *b, caface_error *err)
{
    cafi_sha256 hash;
    char text[CAFI_SHA256_TEXT];
    unsigned char digest[CAFI_SHA256_SIZE];

    cafi_sha256_begin(&hash);
    for (size_t i = 0; i < cafi_face_list_count(b->faces); i++) {
        const char *name = cafi_face_list_name(b->faces, i);
        int64_t stamp[2];

        cafi_face_list_stamp(b->faces, i, stamp);
        cafi_sha256_add(&hash, name, strlen(name) + 1);
        cafi_sha256_add_u64(&hash, (uint64_t)stamp[0]);
        cafi_sha256_add_u64(&hash, (uint64_t)stamp[1]);
    }
    cafi_sha256_end(&hash, digest);
    cafi_sha256_hex(digest, text);
    cafi_buf_printf(&b->config, "model %s, %s, %zu variants, seed %llu, pictures %s",
                    cafi_encoder_hash(b->encoder), b->o->precision, b->o->variants,
                    (unsigned long long)b->o->seed, text);
    if (cafi_face_list_swaps_colors(b->faces))
        cafi_buf_text(&b->config, ", red and blue exchanged");
    if (b->o->clean)
        cafi_buf_text(&b->config, ", clean");
    for (size_t i = 0; i < b->o->kind_count; i++) {
        cafi_buf_text(&b->config, i ? " " : ", kinds ");
        cafi_degradation_print(&b->config, &b->o->kinds[i]);
    }
    return b->config.failed ? cafi_fail_memory(err, 256) : CAFACE_OK;
}

/* No number of a picture's variants may become infinite on its way to half precision; n numbers
 * a picture, and the block is the part of that number. */
static caface_status check_halves(const build *b, size_t part, const char *what, const float *rows,
                                  size_t n, caface_error *err)
{
    size_t at = cafi_first_beyond_f16(rows, b->block.good * n), good = at / (n ? n : 1), i = 0;

    if (at == b->block.good * n)
        return CAFACE_OK;
    for (; !b->block.ok[i] || good > 0; i++) /* bad pictures have no rows */
        good -= b->block.ok[i] ? 1 : 0;
    return cafi_fail(err, CAFACE_EINVAL,
                     "%s: a %s of its variants has a number of %g, half precision ends at 65504",
                     cafi_face_list_name(b->faces, part * CAFI_BLOCK_IMAGES + i), what,
                     (double)rows[at]);
}

static void to_halves(uint16_t *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = cafi_f32_to_f16(from[i]);
}

/* Writes the block that was encoded: rows of failed pictures are left out. */
static caface_status save_part(build *b, const char *path, caface_error *err)
{
    size_t V = b->rows;
    size_t n = b->block.good;
    char key[] = "config";
    char *keys[] = {key};
    cafi_value value = {.kind = CAFI_STRING, .u.text = {b->config.data, b->config.size}};
    cafi_value dict = {.kind = CAFI_DICT, .u.list = {&value, keys, 1}};
    cafi_tensor t[] = {
        {.name = "features",
         .data = (const unsigned char *)b->features,
         .dtype = CAFI_F16,
         .ndim = 3,
         .shape = {n, V, b->C},
         .stride = {(ptrdiff_t)(V * b->C), (ptrdiff_t)b->C, 1}},
        {.name = "styles",
         .data = (const unsigned char *)b->styles,
         .dtype = CAFI_F16,
         .ndim = 3,
         .shape = {n, V, 2 * b->S},
         .stride = {(ptrdiff_t)(2 * V * b->S), (ptrdiff_t)(2 * b->S), 1}},
        {.name = "ok",
         .data = b->block.ok,
         .dtype = CAFI_U8,
         .ndim = 1,
         .shape = {b->block.count},
         .stride = {1}},
    };
    const cafi_tensor *order[] = {&t[0], &t[1], &t[2]};

    to_halves(b->features, b->block.features, n * V * b->C);
    to_halves(b->styles, b->block.styles, 2 * n * V * b->S);
    return cafi_safetensors_save(path, order, 3, &dict, err);
}

static size_t part_size(const build *b, size_t number)
{
    size_t count = cafi_face_list_count(b->faces);
    size_t first = number * CAFI_BLOCK_IMAGES;

    return count - first < CAFI_BLOCK_IMAGES ? count - first : CAFI_BLOCK_IMAGES;
}

static size_t part_count(const build *b)
{
    return (cafi_face_list_count(b->faces) + CAFI_BLOCK_IMAGES - 1) / CAFI_BLOCK_IMAGES;
}

/* Opens a part and checks that it is what this run would have written. */
static caface_status open_part(cafi_bundle **out, const build *b, const char *path, size_t number,
                               size_t *good, caface_error *err)
{
    const char *config;
    unsigned char ok[CAFI_BLOCK_IMAGES] = {0};
    const cafi_tensor *t;
    caface_status st = cafi_bundle_open(out, path, err);

    if (st)
        return st;
    config = cafi_value_text(cafi_bundle_config(*out), "config");
    if (!config || strcmp(config, b->config.data) != 0)
        return cafi_fail(err, CAFACE_EMODEL, "%s: was made with \"%.200s\", this run is \"%.200s\"",
                         path, config ? config : "(nothing)", b->config.data);
    t = cafi_bundle_find(*out, "ok");
    if (!t || t->dtype != CAFI_U8 || t->ndim != 1 || t->shape[0] != part_size(b, number))
        return cafi_fail(err, CAFACE_EFORMAT, "%s: not a part of %zu pictures", path,
                         part_size(b, number));
    cafi_tensor_read_raw(t, 0, t->shape[0], ok);
    *good = 0;
    for (size_t i = 0; i < t->shape[0]; i++)
        *good += ok[i] != 0;
    for (size_t i = 0; i < 2; i++) {
        size_t shape[] = {*good, b->rows, i ? 2 * b->S : b->C};

        t = cafi_bundle_find(*out, i ? "styles" : "features");
        if (!t || t->dtype != CAFI_F16 || !cafi_tensor_has_shape(t, 3, shape))
            return cafi_fail(err, CAFACE_EFORMAT,
                             "%s: its arrays have other shapes than this run's", path);
    }
    return CAFACE_OK;
}

/* Encodes every block that has no part yet. */
static caface_status make_parts(build *b, caface_error *err)
{
    cafi_buf path = {0};
    struct stat info;
    size_t count = cafi_face_list_count(b->faces);
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < part_count(b) && !st && !b->result->stopped; i++) {
        size_t n = part_size(b, i);
        size_t first = i * CAFI_BLOCK_IMAGES;

        if ((st = part_path(&path, b, i, err)))
            break;
        if (stat(path.data, &info) == 0) {
            cafi_bundle *part = NULL;
            size_t good;

            st = b->o->resume ? open_part(&part, b, path.data, i, &good, err)
                              : cafi_fail(err, CAFACE_EINVAL,
                                          "%s: parts of a run that was stopped; --resume goes on "
                                          "with it, another -o starts anew",
                                          b->o->output);
            cafi_bundle_close(part);
            b->result->resumed += n;
        } else {
            (void)((st = cafi_block_encode(&b->block, b->faces, first, n, b->encoder, b->o, err)) ||
                   (st = check_halves(b, i, "feature", b->block.features, b->rows * b->C, err)) ||
                   (st = check_halves(b, i, "style", b->block.styles, 2 * b->rows * b->S, err)) ||
                   (st = save_part(b, path.data, err)));
        }
        if (!st && !b->o->progress(b->o->ctx, first + n, count))
            b->result->stopped = first + n < count;
    }
    cafi_buf_free(&path);
    return st;
}

static caface_status append_part(cafi_store_writer *w, build *b, size_t number, caface_error *err)
{
    cafi_buf path = {0};
    cafi_bundle *part = NULL;
    unsigned char ok[CAFI_BLOCK_IMAGES] = {0};
    size_t good = 0;
    size_t row = 0;
    size_t R = b->rows;
    caface_status st = part_path(&path, b, number, err);

    if (!st)
        st = open_part(&part, b, path.data, number, &good, err);
    if (!st) {
        cafi_tensor_read_raw(cafi_bundle_find(part, "ok"), 0, part_size(b, number), ok);
        cafi_tensor_read_raw(cafi_bundle_find(part, "features"), 0, good * R * b->C, b->features);
        cafi_tensor_read_raw(cafi_bundle_find(part, "styles"), 0, good * R * 2 * b->S, b->styles);
    }
    for (size_t i = 0; i < part_size(b, number) && !st; i++) {
        size_t picture = number * CAFI_BLOCK_IMAGES + i;
        size_t class_of = cafi_face_list_class(b->faces, picture);

        if (!ok[i]) {
            b->result->failed++;
            continue;
        }
        st = cafi_store_append(w, cafi_face_list_name(b->faces, picture), class_of,
                               cafi_face_list_class_names(b->faces)[class_of],
                               b->features + row * R * b->C, b->styles + row * R * 2 * b->S, err);
        row++;
        b->result->images++;
    }
    cafi_bundle_close(part);
    cafi_buf_free(&path);
    return st;
}

static caface_status save_text(const build *b, const char *file, const cafi_buf *text,
                               caface_error *err)
{
    cafi_buf path = {0};
    caface_status st;

    cafi_buf_printf(&path, "%s/%s", b->o->output, file);
    st = path.failed || text->failed ? cafi_fail_memory(err, text->size)
                                     : cafi_output_save(path.data, text->data, text->size, err);
    cafi_buf_free(&path);
    return st;
}

/* The kind of every variant. */
static void save_kinds(const build *b, cafi_json *json)
{
    static const cafi_degradation augment = {CAFI_DEGRADE_AUGMENT, 1};

    cafi_json_begin_array(json, "kinds");
    for (size_t v = 0; v < b->o->variants; v++) {
        const cafi_degradation *kind =
            b->o->kind_count ? &b->o->kinds[v * b->o->kind_count / b->o->variants] : &augment;
        cafi_buf text = {0};

        cafi_degradation_print(&text, kind);
        cafi_json_string(json, NULL, text.failed ? "" : text.data);
        cafi_buf_free(&text);
    }
    cafi_json_end_array(json);
}

static caface_status save_info(const build *b, caface_error *err)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    caface_status st;

    cafi_json_begin_object(&json, NULL);
    cafi_json_int(&json, "version", 1);
    cafi_json_string(&json, "backbone", cafi_encoder_hash(b->encoder));
    cafi_json_string(&json, "input", cafi_encoder_input(b->encoder));
    cafi_json_begin_array(&json, "taps");
    for (size_t i = 0; cafi_encoder_tap(b->encoder, i); i++)
        cafi_json_string(&json, NULL, cafi_encoder_tap(b->encoder, i));
    cafi_json_end_array(&json);
    cafi_json_int(&json, "variants", (int64_t)b->o->variants);
    cafi_json_int(&json, "C", (int64_t)b->C);
    cafi_json_int(&json, "S", (int64_t)b->S);
    cafi_json_string(&json, "dtype", "f16");
    cafi_json_bool(&json, "clean", b->o->clean);
    save_kinds(b, &json);
    cafi_json_int(&json, "seed", (int64_t)b->o->seed);
    cafi_json_string(&json, "precision", b->o->precision);
    if (b->o->command)
        cafi_json_string(&json, "command", b->o->command);
    cafi_json_end_object(&json);
    cafi_buf_text(&text, "\n");
    st = save_text(b, "set.json", &text, err);
    cafi_buf_free(&text);
    return st;
}

static void remove_parts(const build *b)
{
    char path[PATH_MAX]; /* no memory is asked for: all is done already */

    for (size_t i = 0; i < part_count(b); i++)
        if (snprintf(path, sizeof path, PART, b->o->output, i) < PATH_MAX)
            unlink(path);
    if (snprintf(path, sizeof path, "%s/parts", b->o->output) < PATH_MAX)
        rmdir(path);
}

static caface_status join_parts(build *b, caface_error *err)
{
    const cafi_store_layout layout = {b->o->variants, b->C, b->S, b->o->clean};
    cafi_store_writer *w = NULL;
    caface_status st = cafi_store_begin(&w, b->o->output, b->o->format, &layout, err);

    for (size_t i = 0; i < part_count(b) && !st; i++)
        st = append_part(w, b, i, err);
    if (!st && !b->result->images)
        st = cafi_fail(err, CAFACE_EFORMAT, "%s: none of the %zu pictures could be used",
                       b->o->output, cafi_face_list_count(b->faces));
    if (st) {
        cafi_store_abort(w);
        return st;
    }
    if (!(st = cafi_store_commit(w, err)) && !(st = save_info(b, err)))
        remove_parts(b);
    return st;
}

static caface_status begin_block(build *b, caface_error *err)
{
    caface_status st = cafi_block_new(&b->block, b->encoder, b->rows, b->o->pool, err);

    b->block.clean = b->o->clean;
    b->block.kinds = b->o->kinds;
    b->block.kind_count = b->o->kind_count;
    return st;
}

caface_status cafi_build_features(const cafi_face_list *faces, cafi_encoder *encoder,
                                  const cafi_build_options *options, cafi_build_result *result,
                                  caface_error *err)
{
    build b = {.faces = faces,
               .encoder = encoder,
               .o = options,
               .result = result,
               .C = cafi_encoder_feature_size(encoder),
               .S = cafi_encoder_style_size(encoder),
               .rows = options->variants + options->clean};
    cafi_buf parts = {0};
    size_t rows = CAFI_BLOCK_IMAGES * b.rows;
    bool made = false;
    int lock = -1;
    caface_status st;

    *result = (cafi_build_result){0};
    if (options->kind_count > options->variants)
        return cafi_fail(err, CAFACE_EINVAL, "%zu kinds of degradation for %zu variants",
                         options->kind_count, options->variants);
    if (!b.S)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "no taps are known for this network, so it has no styles");
    cafi_buf_printf(&parts, "%s/parts", options->output);
    if (parts.failed)
        return cafi_fail_memory(err, strlen(options->output));
    if (!(st = cafi_output_folder(options->output, &made, err)) &&
        !(st = cafi_output_hold(&lock, options->output, err)) &&
        !(st = cafi_output_folder(parts.data, &made, err)) && !(st = describe(&b, err)) &&
        !(st = CAFI_NEW(&b.features, rows * b.C, err)) &&
        !(st = cafi_alloc(&b.styles, rows * b.S, 4, err)) && !(st = begin_block(&b, err)) &&
        !(st = make_parts(&b, err)) && !result->stopped)
        st = join_parts(&b, err);
    cafi_block_free(&b.block);
    cafi_buf_free(&parts);
    cafi_output_release(lock);
    cafi_buf_free(&b.config);
    free(b.features);
    free(b.styles);
    return st;
}

/* sum[class] += features of a block's good pictures. */
static void add_features(double *sum, size_t *counts, const cafi_block *block,
                         const cafi_face_list *faces, size_t first, size_t C, cafi_center_mean mean)
{
    size_t row = 0;

    for (size_t i = 0; i < block->count; i++) {
        size_t class_of = cafi_face_list_class(faces, first + i);

        if (!block->ok[i])
            continue;
        for (size_t v = 0; v < block->variants; v++, row++)
            cafi_center_add(sum + class_of * C, block->features + row * C, C, mean);
        counts[class_of]++;
    }
}

static caface_status finish_centres(float *out, const double *sum, const size_t *counts,
                                    const cafi_face_list *faces, size_t C, caface_error *err)
{
    for (size_t k = 0; k < cafi_face_list_classes(faces); k++)
        if (!counts[k] || !cafi_center_finish(out + k * C, sum + k * C, C))
            return cafi_fail(err, CAFACE_EFORMAT,
                             "class %.100s has no centre: none of its pictures "
                             "could be used",
                             cafi_face_list_class_names(faces)[k]);
    return CAFACE_OK;
}

caface_status cafi_build_centres(const cafi_face_list *faces, cafi_encoder *encoder, bool flip,
                                 cafi_center_mean mean, const cafi_build_options *options,
                                 float *out, cafi_build_result *result, caface_error *err)
{
    size_t C = cafi_encoder_feature_size(encoder);
    size_t count = cafi_face_list_count(faces);
    size_t classes = cafi_face_list_classes(faces);
    cafi_block block = {0};
    double *sum = NULL;
    size_t *counts = NULL;
    caface_status st;

    *result = (cafi_build_result){0};
    if (!(st = CAFI_NEW(&sum, classes * C, err)) && !(st = CAFI_NEW(&counts, classes, err)))
        st = cafi_block_new(&block, encoder, flip ? 2 : 1, options->pool, err);
    block.plain = true;
    for (size_t first = 0; first < count && !st && !result->stopped; first += CAFI_BLOCK_IMAGES) {
        size_t n = count - first < CAFI_BLOCK_IMAGES ? count - first : CAFI_BLOCK_IMAGES;

        if ((st = cafi_block_encode(&block, faces, first, n, encoder, options, err)))
            break;
        add_features(sum, counts, &block, faces, first, C, mean);
        result->images += block.good;
        result->failed += n - block.good;
        result->stopped = !options->progress(options->ctx, first + n, count);
    }
    if (!st && result->stopped)
        st = cafi_fail(err, CAFACE_ECANCELLED, "stopped");
    if (!st)
        st = finish_centres(out, sum, counts, faces, C, err);
    cafi_block_free(&block);
    free(sum);
    free(counts);
    return st;
}
