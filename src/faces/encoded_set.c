#include "faces/encoded_set.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "files/feature_set_left.h"
#include "files/feature_set_write.h"

struct cafi_encoded_set {
    const cafi_encoder *encoder;
    const cafi_encoded_options *options;
    size_t C, S, E; /* E: width of compact styles, or 0 */
    caface_model_info model;
    const char *taps[CAFI_MAX_TAPS];
    size_t tap_count;
    float *compact; /* [E] */
    cafi_feature_set *old;
    cafi_set_writer *writer;
};

/* ---- a set that is carried on ------------------------------------------ */

static caface_status check_text(const cafi_value *info, const char *key, const char *want,
                                caface_error *err)
{
    const char *have = cafi_value_text(info, key);

    if (strcmp(have ? have : "", want ? want : "") != 0)
        return cafi_fail(err, CAFACE_EMODEL, "%s is %s, now it would be %s", key,
                         have ? have : "not stated", want ? want : "none");
    return CAFACE_OK;
}

static bool is_true(const cafi_value *info, const char *key, bool missing)
{
    const cafi_value *v = cafi_value_get(info, key);

    return v && v->kind == CAFI_BOOL ? v->u.boolean : missing;
}

static caface_status check_taps(const cafi_encoded_set *s, caface_error *err)
{
    const cafi_value *taps = cafi_value_get(&s->old->info, "taps");
    size_t count = taps && taps->kind == CAFI_LIST ? taps->u.list.count : 0;

    if (count != s->tap_count)
        return cafi_fail(err, CAFACE_EMODEL, "it has %zu taps, now there would be %zu", count,
                         s->tap_count);
    for (size_t i = 0; i < count; i++) {
        const cafi_value *t = &taps->u.list.items[i];

        if (t->kind != CAFI_STRING || strcmp(t->u.text.data, s->taps[i]) != 0)
            return cafi_fail(err, CAFACE_EMODEL, "tap %zu is another, now it would be %s", i,
                             s->taps[i]);
    }
    return CAFACE_OK;
}

static caface_status check_old(const cafi_encoded_set *s, caface_error *err)
{
    const cafi_value *info = &s->old->info;
    bool flip = cafi_encoder_flips(s->encoder);
    caface_status st = CAFACE_OK;

    if (info->kind != CAFI_DICT)
        return cafi_fail(err, CAFACE_EMODEL, "it has no set.json, so its backbone is unknown");
    if ((st = check_text(info, "backbone", cafi_encoder_hash(s->encoder), err)) ||
        (st = check_text(info, "fusion", s->E ? s->model.hash : NULL, err)) ||
        (st = check_text(info, "input", cafi_encoder_input(s->encoder), err)) ||
        (st = check_text(info, "precision", cafi_precision_name(cafi_encoder_precision(s->encoder)),
                         err)) ||
        (st = check_text(info, "detection", s->options->detection, err)))
        return st;
    if (is_true(info, "flip", false) != flip)
        return cafi_fail(err, CAFACE_EMODEL, "flip is %s, now it would be %s",
                         flip ? "false" : "true", flip ? "true" : "false");
    if ((st = check_taps(s, err)))
        return st;
    if (s->old->C != s->C || s->old->S != (s->E ? 0 : s->S) || s->old->compact != s->E)
        return cafi_fail(
            err, CAFACE_EMODEL,
            "it has %zu features and %zu style channels, now they would be %zu and %zu", s->old->C,
            s->old->S, s->C, s->E ? 0 : s->S);
    return CAFACE_OK;
}

static caface_status open_old(cafi_encoded_set *s, caface_error *err)
{
    struct stat info;
    caface_status st = CAFACE_OK;

    if (s->options->resume && (st = cafi_set_recover(s->options->output, err)))
        return st;
    if (!s->options->resume || stat(s->options->output, &info))
        return CAFACE_OK; /* nothing there yet: begin at the beginning */
    if ((st = cafi_feature_set_open(&s->old, s->options->output, err)))
        return st;
    return (st = check_old(s, err)) ? cafi_prefix(err, st, s->options->output) : CAFACE_OK;
}

const cafi_feature_set *cafi_encoded_set_old(const cafi_encoded_set *set)
{
    return set->old;
}

bool cafi_encoded_set_old_is_complete(const cafi_encoded_set *set)
{
    return set->old && is_true(&set->old->info, "complete", true);
}

/* ---- the set ------------------------------------------------------------- */

static caface_status fill(cafi_encoded_set *s, caface_error *err)
{
    caface_status st = CAFACE_OK;

    s->C = cafi_encoder_feature_size(s->encoder);
    s->S = cafi_encoder_style_size(s->encoder);
    while (s->tap_count < CAFI_MAX_TAPS && cafi_encoder_tap(s->encoder, s->tap_count)) {
        s->taps[s->tap_count] = cafi_encoder_tap(s->encoder, s->tap_count);
        s->tap_count++;
    }
    if (s->options->model) {
        caface_model_get_info(s->options->model, &s->model);
        s->E = s->model.compact;
        if ((st = cafi_encoder_fits(s->encoder, &s->model, err)) ||
            (st = cafi_alloc_f32(&s->compact, 1, s->E, err)))
            return st;
    }
    return open_old(s, err);
}

caface_status cafi_encoded_set_open(cafi_encoded_set **out, const cafi_encoder *encoder,
                                    const cafi_encoded_options *options, caface_error *err)
{
    cafi_encoded_set *s = NULL;
    caface_status st = CAFI_NEW(&s, 1, err);

    *out = NULL;
    if (st)
        return st;
    s->encoder = encoder;
    s->options = options;
    if ((st = fill(s, err))) {
        cafi_encoded_set_free(s);
        return st;
    }
    *out = s;
    return CAFACE_OK;
}

void cafi_encoded_set_free(cafi_encoded_set *s)
{
    if (!s)
        return;
    cafi_set_abort(s->writer);
    cafi_feature_set_close(s->old);
    free(s->compact);
    free(s);
}

static cafi_set_info describe(const cafi_encoded_set *s, bool partial)
{
    return (cafi_set_info){.backbone = cafi_encoder_hash(s->encoder),
                           .fusion = s->E ? s->model.hash : NULL,
                           .taps = s->taps,
                           .tap_count = s->tap_count,
                           .input = cafi_encoder_input(s->encoder),
                           .precision = cafi_precision_name(cafi_encoder_precision(s->encoder)),
                           .detection = s->options->detection,
                           .command = s->options->command,
                           .flip = cafi_encoder_flips(s->encoder),
                           .partial = partial};
}

caface_status cafi_encoded_set_begin(cafi_encoded_set *s, caface_error *err)
{
    const cafi_set_info info = describe(s, true);
    const cafi_set_layout layout = {.C = s->C,
                                    .S = s->E ? 0 : s->S,
                                    .compact = s->E,
                                    .dtype = CAFI_F32,
                                    .columns = s->options->columns,
                                    .column_count = s->options->column_count};

    caface_status st = cafi_set_begin(&s->writer, s->options->output, &layout, err);

    return st ? st : cafi_set_describe(s->writer, &info, err);
}

const char *cafi_encoded_set_folder(const cafi_encoded_set *set)
{
    return cafi_set_folder(set->writer);
}

size_t cafi_encoded_set_rows(const cafi_encoded_set *set)
{
    return cafi_set_rows(set->writer);
}

caface_status cafi_encoded_set_add(cafi_encoded_set *s, const float *feature, const float *style,
                                   const char *const *fields, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (s->E && (st = caface_model_compact(s->options->model, style, 1, s->compact, err)))
        return st;
    return cafi_set_append(s->writer, 1, feature, s->E || !s->S ? NULL : style, s->compact, fields,
                           err);
}

caface_status cafi_encoded_set_copy(cafi_encoded_set *s, size_t first, size_t count,
                                    caface_error *err)
{
    return count ? cafi_set_append_set(s->writer, s->old, first, count, err) : CAFACE_OK;
}

caface_status cafi_encoded_set_commit(cafi_encoded_set *s, bool partial, caface_error *err)
{
    const cafi_set_info info = describe(s, partial);
    cafi_set_writer *writer = s->writer;

    s->writer = NULL; /* commit frees it in every case */
    return cafi_set_commit(writer, &info, err);
}
