/* The options of a run (caface/train.h). */
#include <math.h>
#include <string.h>

#include "base/sized.h"
#include "base/threads.h"
#include "train/training.h"

enum { MOST_MILESTONES = 64 };

/* ---- defaults ---------------------------------------------------------- */

static void shared_defaults(caface_train_options *o, const cafi_optimiser_config *c)
{
    o->chunk = 512;
    o->far = 1e-2;
    o->optimizer = cafi_optimiser_name(c->kind);
    o->weight_decay = c->weight_decay;
    o->beta1 = c->beta1;
    o->beta2 = c->beta2;
    o->eps = c->eps;
    o->momentum = c->momentum;
}

/* Both fusions' own options are at their defaults, whichever is trained. */
static caface_train_options defaults_of(caface_method fusion)
{
    const cafi_train_config c = cafi_train_defaults();
    const cafi_restore_config r = cafi_restore_defaults(CAFI_RESTORE_EXCHANGE);
    bool restores = fusion == CAFACE_METHOD_RESTORE;
    caface_train_options o = {
        .size = sizeof o,
        .fusion = fusion,
        .seed = restores ? r.seed : c.seed,
        .save_every = restores ? r.save_every : c.save_every,
        .log_every = restores ? r.log_every : c.log_every,
        .lr = restores ? r.lr : c.schedule.lr,
        .clip = restores ? r.clip : c.clip,
        .center_weight = restores ? r.net.weights.centre : c.net.lambda_centre,
        .epochs = c.epochs,
        .batch = c.batch,
        .accumulate = c.accumulate,
        .limit_batches = 1.0,
        .schedule = "step",
        .milestones = c.schedule.milestones,
        .milestone_count = c.schedule.count,
        .gamma = c.schedule.gamma,
        .scheme = "dual",
        .group = c.net.T,
        .drop = c.net.drop,
        .memory_weight = c.net.lambda_memory,
        .form = cafi_restore_form_name(CAFI_RESTORE_EXCHANGE),
        .steps = r.steps,
        .faces = r.rows,
        .warm_up = r.warm_up,
        .dropout = r.net.dropout,
        .average = r.average,
        .entropy_weight = restores ? r.net.weights.entropy : c.net.lambda_entropy,
        .restore_weight = r.net.weights.restore,
        .others_weight = r.net.weights.others,
        .teacher_weight = r.teach};

    shared_defaults(&o, restores ? &r.optimiser : &c.optimiser);
    return o;
}

void caface_train_options_init_sized(caface_train_options *options, caface_method fusion,
                                     size_t size)
{
    caface_train_options defaults = defaults_of(fusion);

    defaults.size = size;
    cafi_sized_out(options, size, &defaults, sizeof defaults);
}

/* ---- checks ------------------------------------------------------------ */

typedef enum option_kind { IS_REAL, IS_SIZE, IS_FLAG, IS_TEXT, IS_LIST } option_kind;

/* Options that one fusion alone has. */
typedef struct own_option {
    const char *name;
    option_kind kind;
    size_t offset;
    bool restores;
} own_option;

#define OWN(name, kind, restores)                                                                  \
    {                                                                                              \
#name, kind, offsetof(caface_train_options, name), restores                                \
    }

static const own_option own_options[] = {
    OWN(styles, IS_TEXT, false),         OWN(init_optimizer, IS_FLAG, false),
    OWN(sync_batchnorm, IS_FLAG, false), OWN(keep_all, IS_FLAG, false),
    OWN(tensorboard, IS_FLAG, false),    OWN(fast_dev_run, IS_FLAG, false),
    OWN(epochs, IS_SIZE, false),         OWN(first_epoch, IS_SIZE, false),
    OWN(batch, IS_SIZE, false),          OWN(accumulate, IS_SIZE, false),
    OWN(limit_batches, IS_REAL, false),  OWN(schedule, IS_TEXT, false),
    OWN(milestones, IS_LIST, false),     OWN(milestone_count, IS_SIZE, false),
    OWN(gamma, IS_REAL, false),          OWN(clip_value, IS_REAL, false),
    OWN(decay_all, IS_FLAG, false),      OWN(clusters, IS_SIZE, false),
    OWN(blocks, IS_SIZE, false),         OWN(scalar, IS_FLAG, false),
    OWN(scheme, IS_TEXT, false),         OWN(group, IS_SIZE, false),
    OWN(drop, IS_REAL, false),           OWN(memory_weight, IS_REAL, false),
    OWN(memory_divisor, IS_REAL, false), OWN(form, IS_TEXT, true),
    OWN(steps, IS_SIZE, true),           OWN(faces, IS_SIZE, true),
    OWN(warm_up, IS_SIZE, true),         OWN(dropout, IS_REAL, true),
    OWN(average, IS_REAL, true),         OWN(leave_out, IS_FLAG, false),
    OWN(freeze, IS_TEXT, true),          OWN(restore_weight, IS_REAL, true),
    OWN(others_weight, IS_REAL, true),   OWN(no_intruders, IS_FLAG, true),
    OWN(teacher, IS_TEXT, true),         OWN(teacher_weight, IS_REAL, true),
};

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same(const own_option *w, const caface_train_options *a,
                    const caface_train_options *b)
{
    const char *x = (const char *)a + w->offset, *y = (const char *)b + w->offset;

    switch (w->kind) {
    case IS_REAL:
        return memcmp(x, y, sizeof(double)) == 0;
    case IS_SIZE:
        return memcmp(x, y, sizeof(size_t)) == 0;
    case IS_FLAG:
        return memcmp(x, y, sizeof(int)) == 0;
    case IS_LIST:
        return *(size_t *const *)(const void *)x == *(size_t *const *)(const void *)y;
    default:
        return same_text(*(const char *const *)(const void *)x,
                         *(const char *const *)(const void *)y);
    }
}

/* An option of the other fusion is not passed over in silence. */
static caface_status check_own(const caface_train_options *o, caface_error *err)
{
    const caface_train_options defaults = defaults_of(o->fusion);
    bool restores = o->fusion == CAFACE_METHOD_RESTORE;

    for (size_t i = 0; i < sizeof own_options / sizeof *own_options; i++)
        if (own_options[i].restores != restores && !is_same(&own_options[i], o, &defaults))
            return cafi_fail(err, CAFACE_EINVAL, "%s has no meaning with the fusion %s",
                             own_options[i].name, caface_method_name(o->fusion));
    return CAFACE_OK;
}

/* Numbers and their ranges, whichever fusion has them. */
static caface_status check_numbers(const caface_train_options *o, caface_error *err)
{
    const struct {
        const char *name;
        double value, min, max;
    } reals[] = {{"far", o->far, 1e-6, 0.1},
                 {"lr", o->lr, 0, 1e6},
                 {"weight_decay", o->weight_decay, 0, 1e6},
                 {"beta1", o->beta1, 0, 0.999999},
                 {"beta2", o->beta2, 0, 0.999999},
                 {"eps", o->eps, 1e-30, 1},
                 {"momentum", o->momentum, 0, 1},
                 {"clip", o->clip, 0, 1e30},
                 {"center_weight", o->center_weight, 0, 1e6},
                 {"limit_batches", o->limit_batches, 1e-9, 1e9},
                 {"gamma", o->gamma, 0, 1e6},
                 {"clip_value", o->clip_value, 0, 1e30},
                 {"drop", o->drop, 0, 0.99},
                 {"memory_weight", o->memory_weight, 0, 1e6},
                 {"memory_divisor", o->memory_divisor, 0, 1e6},
                 {"dropout", o->dropout, 0, 0.99},
                 {"average", o->average, 0, 0.999999},
                 {"entropy_weight", o->entropy_weight, 0, 1e6},
                 {"restore_weight", o->restore_weight, 0, 1e6},
                 {"others_weight", o->others_weight, 0, 1e6},
                 {"teacher_weight", o->teacher_weight, 0, 1}};
    const struct {
        const char *name;
        size_t value, min, max;
    } sizes[] = {{"threads", o->threads, 0, CAFI_MAX_THREADS},
                 {"chunk", o->chunk, 0, CAFACE_MAX_CHUNK},
                 {"validate_every", o->validate_every, 0, 1000000000},
                 {"save_every", o->save_every, 0, 1000000000},
                 {"log_every", o->log_every, 1, 1000000000},
                 {"stop_after", o->stop_after, 0, 1000000000},
                 {"epochs", o->epochs, 1, 100000},
                 {"batch", o->batch, 1, 65536},
                 {"accumulate", o->accumulate, 1, 65536},
                 {"milestone_count", o->milestone_count, 0, MOST_MILESTONES},
                 {"clusters", o->clusters, 0, 64},
                 {"blocks", o->blocks, 0, 16},
                 {"group", o->group, 3, CAFI_NET_MAX_T},
                 {"steps", o->steps, 1, 1000000000},
                 {"faces", o->faces, 32, 1000000},
                 {"warm_up", o->warm_up, 0, 1000000000}};

    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        if (!(reals[i].value >= reals[i].min && reals[i].value <= reals[i].max))
            return cafi_fail(err, CAFACE_EINVAL, "%s is %g, needed from %g to %g", reals[i].name,
                             reals[i].value, reals[i].min, reals[i].max);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].value < sizes[i].min || sizes[i].value > sizes[i].max)
            return cafi_fail(err, CAFACE_EINVAL, "%s is %zu, needed from %zu to %zu", sizes[i].name,
                             sizes[i].value, sizes[i].min, sizes[i].max);
    return CAFACE_OK;
}

static caface_status check_caface(const caface_train_options *o, caface_error *err)
{
    cafi_optimiser_kind kind = CAFI_ADAMW;

    (void)cafi_optimiser_parse(&kind, o->optimizer);
    if (!o->centers)
        return cafi_fail(err, CAFACE_EINVAL, "centers are needed");
    if (!same_text(o->schedule, "step") && !same_text(o->schedule, "cosine"))
        return cafi_fail(err, CAFACE_EINVAL, "schedule %s: step or cosine",
                         o->schedule ? o->schedule : "NULL");
    if (o->limit_batches > 1.0 && o->limit_batches > floor(o->limit_batches))
        return cafi_fail(err, CAFACE_EINVAL,
                         "limit_batches %g: a share up to 1, or a whole number of batches",
                         o->limit_batches);
    if (o->milestone_count && !o->milestones)
        return cafi_fail(err, CAFACE_EINVAL, "%zu milestones, and no list", o->milestone_count);
    for (size_t i = 1; i < o->milestone_count; i++)
        if (o->milestones[i] <= o->milestones[i - 1])
            return cafi_fail(err, CAFACE_EINVAL, "milestones %zu, %zu: ascending epochs are needed",
                             o->milestones[i - 1], o->milestones[i]);
    if (!same_text(o->scheme, "dual") && !same_text(o->scheme, "single"))
        return cafi_fail(err, CAFACE_EINVAL, "scheme %s: dual or single",
                         o->scheme ? o->scheme : "NULL");
    if (o->clip > 0.0 && o->clip_value > 0.0)
        return cafi_fail(err, CAFACE_EINVAL, "clip and clip_value exclude each other");
    if (o->decay_all && kind == CAFI_ADAMW)
        return cafi_fail(err, CAFACE_EINVAL, "decay_all: adamw decays all weights anyway");
    if (o->init_optimizer && !o->init)
        return cafi_fail(err, CAFACE_EINVAL, "init_optimizer goes with init");
    if (o->first_epoch >= o->epochs)
        return cafi_fail(err, CAFACE_EINVAL, "first_epoch %zu of %zu epochs, counted from 0",
                         o->first_epoch, o->epochs);
    if (o->fast_dev_run && o->resume)
        return cafi_fail(err, CAFACE_EINVAL, "fast_dev_run leaves nothing behind: no resume");
    return CAFACE_OK;
}

static caface_status check_validation(const caface_train_options *o, caface_error *err)
{
    const caface_train_options defaults = defaults_of(o->fusion);

    if (!o->validate &&
        (o->meta || o->dataset || o->pairs || o->templates || o->validate_every ||
         o->chunk != defaults.chunk || o->far > defaults.far || o->far < defaults.far))
        return cafi_fail(err, CAFACE_EINVAL,
                         "meta, dataset, pairs, templates, chunk, far and validate_every go with "
                         "validate");
    if (!o->meta != !o->dataset)
        return cafi_fail(err, CAFACE_EINVAL, "meta and dataset go together");
    if (o->meta && (o->pairs || o->templates))
        return cafi_fail(err, CAFACE_EINVAL,
                         "meta names the lists: pairs and templates exclude it");
    return CAFACE_OK;
}

static caface_status check_restore(const caface_train_options *o, caface_error *err)
{
    const caface_train_options defaults = defaults_of(o->fusion);
    cafi_restore_form form;

    if (!o->form || !cafi_restore_form_parse(&form, o->form))
        return cafi_fail(err, CAFACE_EINVAL, "form %s: plain, heads or exchange",
                         o->form ? o->form : "NULL");
    if (form != CAFI_RESTORE_EXCHANGE && o->chunk != defaults.chunk)
        return cafi_fail(err, CAFACE_EINVAL,
                         "chunk has no meaning with the form %s, which has no chunks", o->form);
    if (!o->teacher && (o->teacher_weight < defaults.teacher_weight ||
                        o->teacher_weight > defaults.teacher_weight))
        return cafi_fail(err, CAFACE_EINVAL, "teacher_weight goes with teacher");
    return CAFACE_OK;
}

caface_status cafi_training_check(const caface_train_options *o, caface_error *err)
{
    cafi_optimiser_kind kind;
    caface_status st;

    if (o->fusion != CAFACE_METHOD_CAFACE && o->fusion != CAFACE_METHOD_RESTORE)
        return cafi_fail(err, CAFACE_EINVAL, "caface and restore are trained, no other fusion");
    if (!o->data || !o->output)
        return cafi_fail(err, CAFACE_EINVAL, "data and output are needed");
    if (!o->optimizer || !cafi_optimiser_parse(&kind, o->optimizer))
        return cafi_fail(err, CAFACE_EINVAL, "optimizer %s: adamw, adam or sgd",
                         o->optimizer ? o->optimizer : "NULL");
    if ((st = check_own(o, err)) || (st = check_numbers(o, err)) || (st = check_validation(o, err)))
        return st;
    return o->fusion == CAFACE_METHOD_RESTORE ? check_restore(o, err) : check_caface(o, err);
}

/* ---- configurations ---------------------------------------------------- */

static cafi_optimiser_config optimiser_of(const caface_train_options *o)
{
    cafi_optimiser_config c = cafi_optimiser_defaults();

    (void)cafi_optimiser_parse(&c.kind, o->optimizer);
    c.weight_decay = o->weight_decay;
    c.beta1 = o->beta1;
    c.beta2 = o->beta2;
    c.eps = o->eps;
    c.momentum = o->momentum;
    c.decay_all = o->decay_all != 0;
    return c;
}

void cafi_training_configure(const caface_train_options *o, cafi_train_config *c)
{
    *c = cafi_train_defaults();
    c->optimiser = optimiser_of(o);
    c->schedule.cosine = same_text(o->schedule, "cosine");
    c->schedule.lr = o->lr;
    c->schedule.gamma = o->gamma;
    c->schedule.milestones = o->milestones;
    c->schedule.count = o->milestone_count;
    c->epochs = o->fast_dev_run ? o->first_epoch + 1 : o->epochs;
    c->batch = o->batch;
    c->accumulate = o->accumulate;
    c->clip = o->clip;
    c->clip_value = o->clip_value;
    c->seed = o->seed;
    c->save_every = o->save_every;
    c->log_every = o->log_every;
    c->stop_after = o->stop_after;
    c->synchronise = o->sync_batchnorm != 0;
    c->keep_all = o->keep_all != 0;
    c->validate_every = o->fast_dev_run ? 0 : o->validate_every;
    c->first_epoch = o->first_epoch;
    c->net.single = same_text(o->scheme, "single");
    c->net.T = o->group;
    c->net.drop = o->drop;
    c->net.lambda_centre = o->center_weight;
    c->net.lambda_memory = c->net.single ? 0.0 : o->memory_weight;
    c->net.memory_divisor = o->memory_divisor;
    c->net.lambda_entropy = o->entropy_weight;
    c->leave_out = o->leave_out != 0;
}

void cafi_training_configure_restore(const caface_train_options *o, cafi_restore_config *c)
{
    cafi_restore_form form = CAFI_RESTORE_EXCHANGE;

    (void)cafi_restore_form_parse(&form, o->form);
    *c = cafi_restore_defaults(form);
    c->optimiser = optimiser_of(o);
    c->net.dims.form = form;
    c->net.dropout = o->dropout;
    c->net.weights.centre = o->center_weight;
    c->net.weights.entropy = o->entropy_weight;
    c->net.weights.restore = o->restore_weight;
    c->net.weights.others = o->others_weight;
    c->intruders = c->intruders && !o->no_intruders;
    c->teach = o->teacher_weight;
    c->freeze = o->freeze;
    c->lr = o->lr;
    c->clip = o->clip;
    c->steps = o->steps;
    c->rows = o->faces;
    c->warm_up = o->warm_up;
    c->average = o->average;
    c->validate_every = o->validate_every;
    c->seed = o->seed;
    c->stop_after = o->stop_after;
    c->save_every = o->save_every;
    c->log_every = o->log_every;
}
