#include "train/optimiser_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "files/bundle.h"

/* Tensor `field` of state number `number`, of the parameter's shape, to `to`. */
static caface_status read_moment(const cafi_bundle *b, size_t number, const char *field,
                                 const cafi_param *p, float *to, caface_error *err)
{
    char name[96];
    char have[96];
    char want[96];
    const cafi_tensor *t;

    snprintf(name, sizeof name, "0.state.%zu.%s", number, field);
    if (!(t = cafi_bundle_find(b, name)))
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: no %s of state %zu: was it made with this optimiser?",
                         cafi_bundle_path(b), field, number);
    if (!cafi_tensor_has_shape(t, p->ndim, p->shape))
        return cafi_fail(err, CAFACE_EMODEL, "%s: %s of state %zu has %s, %s has %s",
                         cafi_bundle_path(b), field, number,
                         cafi_shape_text(have, sizeof have, t->ndim, t->shape), p->name,
                         cafi_shape_text(want, sizeof want, p->ndim, p->shape));
    cafi_tensor_read_f32(t, 0, p->count, to + p->offset);
    return CAFACE_OK;
}

/* The number of updates of a state: a tensor since PyTorch 1.12, a number before. */
static caface_status read_step(const cafi_bundle *b, size_t number, uint64_t *out,
                               caface_error *err)
{
    char name[96];
    char key[32];
    const cafi_tensor *t;
    const cafi_value *list = cafi_value_get(cafi_bundle_config(b), "optimizer_states");
    const cafi_value *state = NULL;
    int64_t step = -1;
    float real = -1.0f;

    snprintf(name, sizeof name, "0.state.%zu.step", number);
    if ((t = cafi_bundle_find(b, name)) && cafi_tensor_count(t) == 1) {
        cafi_tensor_read_f32(t, 0, 1, &real);
        step = real >= 0.0f && real < 1e9f ? (int64_t)real : -1;
    } else if (list && list->kind == CAFI_LIST && list->u.list.count) {
        snprintf(key, sizeof key, "%zu", number);
        state = cafi_value_get(cafi_value_get(&list->u.list.items[0], "state"), key);
        if (!cafi_value_int(state, "step", &step))
            step = -1;
    }
    if (step < 0)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: state %zu has no number of updates",
                         cafi_bundle_path(b), number);
    *out = (uint64_t)step;
    return CAFACE_OK;
}

/* State number `number` is the parameter's. */
static caface_status read_state(const cafi_bundle *b, size_t number, const cafi_param *p,
                                cafi_optimiser *o, caface_error *err)
{
    uint64_t step = 0;
    caface_status st;

    if (o->config.kind == CAFI_SGD)
        return read_moment(b, number, "momentum_buffer", p, o->first, err);
    if ((st = read_moment(b, number, "exp_avg", p, o->first, err)) ||
        (st = read_moment(b, number, "exp_avg_sq", p, o->second, err)) ||
        (st = read_step(b, number, &step, err)))
        return st;
    if (number && step != o->updates)
        return cafi_fail(
            err, CAFACE_EFORMAT, "%s: state %zu has seen %llu updates, the first one %llu",
            cafi_bundle_path(b), number, (unsigned long long)step, (unsigned long long)o->updates);
    o->updates = step;
    return CAFACE_OK;
}

caface_status cafi_optimiser_file_load(const char *path, const cafi_params *params,
                                       cafi_optimiser *optimiser, caface_error *err)
{
    cafi_bundle *b = NULL;
    size_t number = 0;
    caface_status st = cafi_bundle_open_part(&b, path, "optimizer_states", err);

    for (int vectors = 0; vectors < 2; vectors++)
        for (size_t i = 0; i < params->count && !st; i++)
            if ((params->items[i].ndim == 1) == (vectors == 1))
                st = read_state(b, number++, &params->items[i], optimiser, err);
    if (!st && optimiser->config.kind == CAFI_SGD)
        optimiser->updates = 1; /* momentum goes on; SGD asks for nothing else */
    cafi_bundle_close(b);
    return st;
}
