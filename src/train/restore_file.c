#include "train/restore_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "caface/version.h"
#include "files/bundle.h"
#include "files/safetensors.h"

#define STATS 4

/* Tensor number i of a model: the parameters, then the statistics. */
static cafi_param item_of(const cafi_restore_params *params, size_t i)
{
    static const char *const names[STATS] = {"sm", "ss", "nm", "ns"};
    size_t stat = i - params->count;
    cafi_param p = {.ndim = stat < 2 ? 1 : 0, .count = stat < 2 ? 2 * params->dims.S : 1};

    if (i < params->count)
        return params->items[i];
    p.shape[0] = p.count;
    snprintf(p.name, sizeof p.name, "%s", names[stat]);
    return p;
}

static float *data_of(const cafi_restore_params *params, size_t i, float *weights,
                      cafi_restore_stats *stats)
{
    float *const all[STATS] = {stats->sm, stats->ss, &stats->nm, &stats->ns};

    return i < params->count ? weights + params->items[i].offset : all[i - params->count];
}

caface_status cafi_restore_file_save(const char *path, const cafi_restore_params *params,
                                     const float *weights, const cafi_restore_stats *stats,
                                     cafi_origin trained_on, caface_error *err)
{
    size_t count = params->count + STATS;
    char version[] = CAFACE_VERSION;
    char *keys[] = {(char[]){"caface.version"}, (char[]){CAFI_TRAINED_ON}};
    cafi_origin_room room;
    cafi_value values[] = {{.kind = CAFI_STRING, .u.text = {version, strlen(version)}},
                           cafi_origin_value(&room, trained_on)};
    cafi_value dict = {.kind = CAFI_DICT, .u.list = {values, keys, values[1].u.list.count ? 2 : 1}};
    cafi_tensor *tensors = NULL;
    const cafi_tensor **order = NULL;
    char(*names)[160] = NULL;
    cafi_restore_stats local = *stats;
    float *copy = NULL; /* tensors point to what may be written */
    caface_status st;

    if (!(st = CAFI_NEW(&tensors, count, err)) && !(st = CAFI_NEW(&order, count, err)) &&
        !(st = CAFI_NEW(&names, count, err)) &&
        !(st = cafi_alloc_f32(&copy, 1, params->total, err))) {
        memcpy(copy, weights, params->total * sizeof *copy);
        for (size_t i = 0; i < count; i++) {
            cafi_param p = item_of(params, i);

            snprintf(names[i], sizeof *names, CAFI_RESTORE_PREFIX "%s", p.name);
            tensors[i] = (cafi_tensor){.name = names[i],
                                       .data = (unsigned char *)data_of(params, i, copy, &local),
                                       .dtype = CAFI_F32,
                                       .ndim = p.ndim,
                                       .shape = {p.shape[0], p.ndim == 2 ? p.shape[1] : 1},
                                       .stride = {p.ndim == 2 ? (ptrdiff_t)p.shape[1] : 1, 1}};
            order[i] = &tensors[i];
        }
        st = cafi_safetensors_save(path, order, count, &dict, err);
    }
    free(copy);
    free(tensors);
    free(order);
    free(names);
    return st;
}

static caface_status load_item(const cafi_bundle *b, const cafi_param *p, float *to,
                               caface_error *err)
{
    char name[160];
    char have[96];
    char want[96];
    const cafi_tensor *t;

    snprintf(name, sizeof name, CAFI_RESTORE_PREFIX "%s", p->name);
    t = cafi_bundle_find(b, name);
    if (!t)
        return cafi_fail(err, CAFACE_EMODEL, "%s: no %s in it", cafi_bundle_path(b), name);
    if (!cafi_tensor_has_shape(t, p->ndim, p->shape) && !(!p->ndim && cafi_tensor_count(t) == 1))
        return cafi_fail(err, CAFACE_EMODEL, "%s: %s: file has %s, training needs %s",
                         cafi_bundle_path(b), name,
                         cafi_shape_text(have, sizeof have, t->ndim, t->shape),
                         cafi_shape_text(want, sizeof want, p->ndim, p->shape));
    cafi_tensor_read_f32(t, 0, cafi_tensor_count(t), to);
    return CAFACE_OK;
}

/* No part of a fusion may be left behind: another form has more. */
static caface_status check_claimed(const cafi_bundle *b, const cafi_restore_params *params,
                                   caface_error *err)
{
    const size_t length = strlen(CAFI_RESTORE_PREFIX);

    for (size_t t = 0; t < cafi_bundle_count(b); t++) {
        const char *name = cafi_bundle_at(b, t)->name;
        bool known = strncmp(name, CAFI_RESTORE_PREFIX, length) != 0;

        for (size_t i = 0; !known && i < params->count + STATS; i++) {
            cafi_param p = item_of(params, i);

            known = strcmp(name + length, p.name) == 0;
        }
        if (!known)
            return cafi_fail(err, CAFACE_EMODEL, "%s: %.100s is no part of the form %s",
                             cafi_bundle_path(b), name, cafi_restore_form_name(params->dims.form));
    }
    return CAFACE_OK;
}

caface_status cafi_restore_file_load(const char *path, const cafi_restore_params *params,
                                     float *weights, cafi_restore_stats *stats, caface_error *err)
{
    cafi_bundle *b = NULL;
    caface_status st = cafi_bundle_open(&b, path, err);

    if (!st)
        st = check_claimed(b, params, err);
    if (!st)
        memset(weights, 0, params->total * sizeof *weights);
    for (size_t i = 0; i < params->count + STATS && !st; i++) {
        cafi_param p = item_of(params, i);

        st = load_item(b, &p, data_of(params, i, weights, stats), err);
    }
    cafi_bundle_close(b);
    return st;
}
