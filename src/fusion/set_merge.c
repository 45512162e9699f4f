#include <string.h>

#include "base/cpu.h"
#include "fusion/set.h"

static caface_status check_same(const caface_set *a, const caface_set *b, caface_error *err)
{
    if (a->options.method != b->options.method)
        return cafi_fail(err, CAFACE_EMODEL, "set_merge: one set is by %s, the other by %s",
                         caface_method_name(a->options.method),
                         caface_method_name(b->options.method));
    if (a->model && strcmp(a->model->info.hash, b->model->info.hash) != 0)
        return cafi_fail(err, CAFACE_EMODEL,
                         "set_merge: the sets are of different models: %s and %s",
                         a->model->info.hash, b->model->info.hash);
    if (a->C != b->C)
        return cafi_fail(err, CAFACE_EMODEL, "set_merge: one set has C = %zu, the other C = %zu",
                         a->C, b->C);
    if (a->model && a->model->info.H != b->model->info.H)
        return cafi_fail(err, CAFACE_EMODEL,
                         "set_merge: one model has %zu attention heads, the other %zu",
                         a->model->info.H, b->model->info.H);
    if (a->options.method == CAFACE_METHOD_NORM && a->options.norm_power != b->options.norm_power)
        return cafi_fail(err, CAFACE_EMODEL,
                         "set_merge: one set has the power %g of the norm, the other %g",
                         a->options.norm_power, b->options.norm_power);
    return CAFACE_OK;
}

/* Adds what `from` holds to total; the scratch memory is that of hands. */
static caface_status add_state(cafi_state *total, const caface_set *from, caface_set *hands,
                               caface_error *err)
{
    const cafi_state *state = NULL;
    cafi_state room = {0};
    caface_status st = cafi_set_finished_state(from, hands, &state, &room, err);

    if (!st && !(st = cafi_network_check_merge(from->model, total, state, err)))
        cafi_state_merge(total, state);
    cafi_state_free(&room);
    return st;
}

caface_status caface_set_merge(caface_set *set, const caface_set *from, caface_error *err)
{
    cafi_state total = {0};
    cafi_source source = {0};
    caface_status st = CAFACE_OK;

    if (!set || !from)
        return cafi_fail(err, CAFACE_EINVAL, "set_merge: null argument");
    if (set == from)
        return cafi_fail(err, CAFACE_EINVAL, "set_merge: a set with itself");
    if ((st = check_same(set, from, err)) ||
        (st =
             cafi_source_join(&source, &set->source, cafi_source_origin(&from->source, "set_merge"),
                              set->model != NULL, err)))
        return st;
    if (!set->model) {
        st = cafi_baseline_merge(&set->baseline, &from->baseline, err);
    } else {
        if (!(st = cafi_state_new_like(&total, &set->state, err)) &&
            !(st = add_state(&total, set, set, err)) && !(st = add_state(&total, from, set, err))) {
            cafi_state_copy(&set->state, &total);
            set->features.count = set->compact.count = 0;
            set->log_dropped = set->log_dropped || set->options.keep_weights;
            cafi_rows_free(&set->log);
        }
        cafi_state_free(&total);
    }
    if (st) {
        cafi_source_free(&source);
        return st;
    }
    cafi_set_use_source(set, &source);
    set->is_planned = false;
    set->count += from->count;
    return CAFACE_OK;
}
