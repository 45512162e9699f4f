/* Encoders from files and memory, and the public side (caface/encoder.h). */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/sized.h"
#include "base/threads.h"
#include "models/calibration.h"
#include "models/choice.h"
#include "models/encoder.h"

#define MAX_BATCH 1024

/* A network that is open, into an encoder; the network is cleared. */
static caface_status from_network(cafi_encoder **out, cafi_network *network, const char *name,
                                  const cafi_encoder_options *options, caface_error *err)
{
    cafi_ranges *ranges = NULL;
    caface_status st = CAFACE_OK;

    if (options && options->precision == CAFACE_INT8)
        st = cafi_calibration_read(&ranges, network->bundle, name, err);
    if (!st)
        st = cafi_encoder_new(out, network, options, ranges, err);
    if (st == CAFACE_EINVAL)
        cafi_prefix(err, st, name); /* a tap, a stage: of this file */
    cafi_ranges_free(ranges);
    cafi_network_clear(network);
    return st;
}

caface_status cafi_encoder_open(cafi_encoder **out, const char *path,
                                const cafi_encoder_options *options, caface_error *err)
{
    cafi_network network;
    caface_status st =
        cafi_network_open_at(&network, path, options ? options->weights_key : NULL, err);

    *out = NULL;
    return st ? st : from_network(out, &network, path, options, err);
}

/* ---- options ----------------------------------------------------------- */

void caface_encoder_options_init_sized(caface_encoder_options *options, size_t size)
{
    const caface_encoder_options defaults = {.size = size};

    cafi_sized_out(options, size, &defaults, sizeof defaults);
}

static cafi_choice choice_of(const caface_encoder_options *o)
{
    return (cafi_choice){.taps = o->taps,
                         .tap_count = o->tap_count,
                         .styles = o->styles,
                         .input_order = o->input_order,
                         .input_mean = o->input_mean,
                         .input_scale = o->input_scale,
                         .weights_key = o->weights_key};
}

static caface_status check_options(const caface_encoder_options *o, caface_error *err)
{
    const cafi_choice choice = choice_of(o);

    if ((unsigned)o->precision > CAFACE_INT8)
        return cafi_fail(err, CAFACE_EINVAL, "encoder_open: precision %d is not known",
                         (int)o->precision);
    if (o->batch > MAX_BATCH || o->threads > CAFI_MAX_THREADS)
        return cafi_fail(err, CAFACE_EINVAL,
                         "encoder_open: a batch of %zu, %zu threads; at most %d and %d", o->batch,
                         o->threads, MAX_BATCH, CAFI_MAX_THREADS);
    return cafi_choice_check(&choice, "encoder_open", err);
}

/* The caller's options, checked, in *out. */
static caface_status take_options(caface_encoder_options *out, const caface_encoder_options *given,
                                  caface_error *err)
{
    caface_status st = CAFACE_OK;

    *out = (caface_encoder_options){.size = sizeof *out};
    if (given)
        st = cafi_sized_in(out, sizeof *out, given, given->size,
                           offsetof(caface_encoder_options, flip), "encoder_open", err);
    return st ? st : check_options(out, err);
}

static caface_status open_with(caface_encoder **out, cafi_network *network, const char *name,
                               const caface_encoder_options *o, caface_error *err)
{
    const cafi_choice choice = choice_of(o);
    cafi_input_convention input = network->input;
    const cafi_encoder_options own = {.precision = o->precision,
                                      .low_memory = o->low_memory != 0,
                                      .flip = o->flip != 0,
                                      .batch = o->batch,
                                      .threads = o->threads,
                                      .taps = o->taps,
                                      .tap_count = o->tap_count,
                                      .styles = o->styles,
                                      .input = &input};

    cafi_choice_input(&choice, &input);
    return from_network(out, network, name, &own, err);
}

caface_status caface_encoder_open(caface_encoder **out, const char *path,
                                  const caface_encoder_options *options, caface_error *err)
{
    caface_encoder_options o;
    cafi_network network;
    caface_status st = CAFACE_OK;

    if (!out || !path)
        return cafi_fail(err, CAFACE_EINVAL, "encoder_open: null argument");
    *out = NULL;
    if ((st = take_options(&o, options, err)) ||
        (st = cafi_network_open_at(&network, path, o.weights_key, err)))
        return st;
    return open_with(out, &network, path, &o, err);
}

caface_status caface_encoder_open_memory(caface_encoder **out, const void *bytes, size_t size,
                                         const caface_encoder_options *options, caface_error *err)
{
    static const char name[] = "backbone in memory";
    caface_encoder_options o;
    cafi_network network;
    caface_status st = CAFACE_OK;

    if (!out || !bytes)
        return cafi_fail(err, CAFACE_EINVAL, "encoder_open_memory: null argument");
    *out = NULL;
    if ((st = take_options(&o, options, err)) ||
        (st = cafi_network_open_memory(&network, bytes, size, name, o.weights_key, err)))
        return st;
    return open_with(out, &network, name, &o, err);
}

/* ---- use --------------------------------------------------------------- */

void caface_encoder_free(caface_encoder *encoder)
{
    cafi_encoder_free(encoder);
}

void caface_encoder_get_info_sized(const caface_encoder *encoder, caface_encoder_info *info,
                                   size_t size)
{
    caface_encoder_info own = {.C = cafi_encoder_feature_size(encoder),
                               .S = cafi_encoder_style_size(encoder),
                               .batch = cafi_encoder_batch(encoder),
                               .precision = cafi_encoder_precision(encoder),
                               .flip = cafi_encoder_flips(encoder),
                               .encoding = cafi_encoder_encoding(encoder)};

    cafi_encoder_input_size(encoder, &own.height, &own.width);
    cafi_plan_memory(cafi_encoder_plan(encoder), &own.weight_bytes, &own.buffer_bytes);
    own.steps = cafi_plan_step_count(cafi_encoder_plan(encoder));
    snprintf(own.family, sizeof own.family, "%s", cafi_encoder_family(encoder));
    snprintf(own.hash, sizeof own.hash, "%s", cafi_encoder_hash(encoder));
    snprintf(own.input, sizeof own.input, "%s", cafi_encoder_input(encoder));
    cafi_sized_out(info, size, &own, sizeof own);
}

const char *caface_encoder_tap(const caface_encoder *encoder, size_t index)
{
    return cafi_encoder_tap(encoder, index);
}

caface_status caface_encoder_check_model(const caface_encoder *encoder, const caface_model *model,
                                         caface_error *err)
{
    caface_model_info info;

    if (!encoder || !model)
        return cafi_fail(err, CAFACE_EINVAL, "encoder_check_model: null argument");
    caface_model_get_info(model, &info);
    return cafi_encoder_fits(encoder, &info, err);
}

caface_status caface_encoder_run_watched(caface_encoder *encoder, const uint8_t *crops, size_t n,
                                         float *features, float *styles, caface_progress progress,
                                         void *context, caface_error *err)
{
    if (!encoder)
        return cafi_fail(err, CAFACE_EINVAL, "encoder_run: null argument");
    return cafi_encoder_run_watched(encoder, crops, n, features,
                                    cafi_encoder_style_size(encoder) ? styles : NULL, progress,
                                    context, err);
}

caface_status caface_encoder_run(caface_encoder *encoder, const uint8_t *crops, size_t n,
                                 float *features, float *styles, caface_error *err)
{
    return caface_encoder_run_watched(encoder, crops, n, features, styles, NULL, NULL, err);
}

/* ---- where the time goes ----------------------------------------------- */

caface_status caface_encoder_profile(caface_encoder *encoder, const uint8_t *crops,
                                     caface_error *err)
{
    cafi_plan *plan = NULL;
    float *features = NULL;
    size_t faces = 0;
    caface_status st = CAFACE_OK;

    if (!encoder || !crops)
        return cafi_fail(err, CAFACE_EINVAL, "encoder_profile: null argument");
    plan = cafi_encoder_plan(encoder);
    faces = cafi_plan_batch(plan);
    if ((st = cafi_alloc_f32(&features, faces, cafi_encoder_feature_size(encoder), err)))
        return st;
    cafi_plan_profile(plan, true);
    st = cafi_encoder_run(encoder, crops, faces, features, NULL, err);
    cafi_plan_profile(plan, false);
    free(features);
    return st;
}

int caface_encoder_get_step_sized(const caface_encoder *encoder, size_t index,
                                  caface_encoder_step *step, size_t size)
{
    const cafi_plan *plan = cafi_encoder_plan(encoder);
    caface_encoder_step own = {0};
    cafi_plan_step s;

    if (index >= cafi_plan_step_count(plan))
        return 0;
    s = cafi_plan_step_at(plan, index);
    own = (caface_encoder_step){.node = s.name,
                                .kind = s.kind,
                                .implementation = s.impl,
                                .faces = cafi_plan_batch(plan),
                                .flops = s.flops,
                                .seconds = s.seconds};
    cafi_sized_out(step, size, &own, sizeof own);
    return 1;
}
