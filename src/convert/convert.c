/* Checkpoints become one safetensors file (caface/convert.h). */
#include "caface/convert.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/sized.h"
#include "convert/detector.h"
#include "convert/merge.h"
#include "files/safetensors.h"

/* Attention heads cannot be seen in the tensors. Every known fusion model has
 * this many; a converted file says so, or what its checkpoint says instead. */
enum { DEFAULT_HEADS = 8, MOST_INPUTS = 64 };

/* One backbone makes a model; two would be two models in one file. */
static caface_status check_backbones(const cafi_merge *m, const cafi_choice *choice,
                                     caface_error *err)
{
    const char *first = NULL;

    for (size_t i = 0; i < m->input_count; i++) {
        if (first && m->backbones[i].found)
            return cafi_fail(err, CAFACE_EMODEL, "%s and %s both hold a backbone", first,
                             m->paths[i]);
        if (m->backbones[i].found)
            first = m->paths[i];
    }
    if (!first && cafi_choice_is_made(choice))
        return cafi_fail(
            err, CAFACE_EMODEL,
            "%s: no backbone for taps, styles, an input convention or a weights key to apply to",
            m->paths[0]);
    return CAFACE_OK;
}

static caface_status open_input(cafi_merge *m, const cafi_choice *choice, size_t *total,
                                caface_error *err)
{
    size_t i = m->input_count;
    cafi_bundle **b = &m->inputs[i];
    caface_status st = CAFACE_OK;

    m->input_count++; /* what follows may stop halfway: it is cleared with the rest */
    if ((st = cafi_backbone_open(&m->backbones[i], m->paths[i], choice, err)))
        return st;
    *total += m->backbones[i].count;
    if (!m->backbones[i].onnx) {
        if ((st = cafi_bundle_open(b, m->paths[i], err)))
            return st;
        if (cafi_bundle_count(*b) == 0)
            st = cafi_fail(err, CAFACE_EMODEL, "%s: no tensors in it", m->paths[i]);
        *total += cafi_bundle_count(*b);
    }
    return st;
}

static caface_status open_all(cafi_merge *m, size_t count, const cafi_choice *choice,
                              caface_error *err)
{
    size_t total = 1; /* with the power of an ensemble */
    caface_status st = CAFI_NEW(&m->inputs, count, err);

    if (st || (st = CAFI_NEW(&m->backbones, count, err)))
        return st;
    for (size_t i = 0; !st && i < count; i++)
        st = m->progress && !m->progress(m->context, 0)
                 ? cafi_fail(err, CAFACE_ECANCELLED, "stopped: nothing is written")
                 : open_input(m, choice, &total, err);
    if (st || (st = check_backbones(m, choice, err)))
        return st;
    if ((st = CAFI_NEW(&m->tensors, total, err)) || (st = CAFI_NEW(&m->owner, total, err)) ||
        (st = CAFI_NEW(&m->renamed, total, err)))
        return st;
    return CAFI_NEW(&m->new_names, total, err);
}

static caface_status merge_all(cafi_merge *m, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < m->input_count && !st; i++)
        st = cafi_merge_add(m, i, err);
    if (!st && m->power > 0.0f)
        st = cafi_merge_add_power(m, err);
    return st ? st : cafi_merge_configure(m, err);
}

static void clear(cafi_merge *m)
{
    for (size_t i = 0; i < m->input_count; i++)
        cafi_bundle_close(m->inputs[i]);
    for (size_t i = 0; i < m->input_count; i++)
        cafi_backbone_clear(&m->backbones[i]);
    for (size_t i = 0; i < m->meta.made_count; i++)
        free(m->meta.made[i]);
    for (size_t i = 0; i < m->renamed_count; i++)
        free(m->new_names[i]);
    free(m->encoding);
    free(m->new_names);
    free(m->renamed);
    free(m->inputs);
    free(m->backbones);
    free(m->tensors);
    free(m->owner);
    free(m->meta.dict.u.list.items);
    free(m->meta.dict.u.list.keys);
    cafi_names_free(&m->names);
}

/* ---- the public call --------------------------------------------------- */

void caface_convert_options_init_sized(caface_convert_options *options, size_t size)
{
    const caface_convert_options defaults = {.size = size};

    cafi_sized_out(options, size, &defaults, sizeof defaults);
}

static caface_status check(const char *const *inputs, size_t count, const char *output,
                           const caface_convert_options *o, const cafi_choice *choice,
                           caface_error *err)
{
    if (!inputs || !output)
        return cafi_fail(err, CAFACE_EINVAL, "convert: null argument");
    if (count < 1 || count > MOST_INPUTS)
        return cafi_fail(err, CAFACE_EINVAL, "convert: %zu inputs, 1 to %d are taken", count,
                         MOST_INPUTS);
    for (size_t i = 0; i < count; i++)
        if (!inputs[i])
            return cafi_fail(err, CAFACE_EINVAL, "convert: input %zu has no name", i);
    if (!(o->ensemble == 0.0 || (o->ensemble > 0.0 && o->ensemble <= 1.0)) ||
        (o->ensemble > 0.0 && (float)o->ensemble == 0.0f))
        return cafi_fail(err, CAFACE_EINVAL,
                         "convert: an ensemble's power of %g, needed above 0 and at most 1",
                         o->ensemble);
    return cafi_choice_check(choice, "convert", err);
}

static void count_up(const cafi_merge *m, caface_convert_info *info)
{
    info->tensors = m->count;
    for (size_t i = 0; i < m->count; i++)
        info->bytes +=
            (uint64_t)cafi_tensor_count(m->tensors[i]) * cafi_dtype_size(m->tensors[i]->dtype);
}

/* Options are of models; a detector and its landmarks stay as they are. */
static caface_status convert_detector(const char *const *inputs, size_t count, const char *output,
                                      const caface_convert_options *o, const cafi_choice *choice,
                                      caface_convert_info *info, caface_error *err)
{
    if (o->ensemble > 0.0 || cafi_choice_is_made(choice))
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: a detector: there is no backbone and no fusion for the options to "
                         "apply to",
                         inputs[0]);
    return cafi_convert_detector(inputs, count, output, info, err);
}

static caface_status convert_models(cafi_merge *m, size_t count, const char *output,
                                    const cafi_choice *choice, caface_convert_info *info,
                                    caface_error *err)
{
    caface_status st = open_all(m, count, choice, err);

    if (!st && !(st = merge_all(m, err)))
        st = cafi_safetensors_save_watched(output, m->tensors, m->count, &m->meta.dict, m->progress,
                                           m->context, err);
    if (!st)
        count_up(m, info);
    clear(m);
    return st;
}

caface_status caface_convert_sized(const char *const *inputs, size_t count, const char *output,
                                   const caface_convert_options *options, caface_convert_info *info,
                                   size_t size, caface_error *err)
{
    caface_convert_options o = {.size = sizeof o};
    caface_convert_info own = {0};
    cafi_choice choice;
    cafi_merge m = {.paths = inputs,
                    .heads = {.kind = CAFI_INT, .u.integer = DEFAULT_HEADS},
                    .meta.dict.kind = CAFI_DICT};
    bool is_detector = false;
    caface_status st = CAFACE_OK;

    if (options &&
        (st = cafi_sized_in(&o, sizeof o, options, options->size,
                            offsetof(caface_convert_options, tap_count), "convert", err)))
        return st;
    choice = (cafi_choice){.taps = o.taps,
                           .tap_count = o.tap_count,
                           .styles = o.styles,
                           .input_order = o.input_order,
                           .input_mean = o.input_mean,
                           .input_scale = o.input_scale,
                           .weights_key = o.weights_key};
    if ((st = check(inputs, count, output, &o, &choice, err)))
        return st;
    m.weights_key = o.weights_key;
    m.power = (float)o.ensemble;
    m.progress = o.progress;
    m.context = o.progress_context;
    if ((st = cafi_convert_is_detector(&is_detector, inputs[0], err)))
        return st;
    st = is_detector ? convert_detector(inputs, count, output, &o, &choice, &own, err)
                     : convert_models(&m, count, output, &choice, &own, err);
    if (!st && info)
        cafi_sized_out(info, size, &own, sizeof own);
    return st;
}
