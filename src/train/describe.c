#include "train/describe.h"

#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "base/status.h"
#include "base/text.h"

static void describe_schedule(cafi_buf *t, const cafi_train_config *c)
{
    const cafi_optimiser_config *o = &c->optimiser;

    cafi_buf_printf(t, ", epochs %zu, lr %.9g", c->epochs, c->schedule.lr);
    if (c->schedule.cosine)
        cafi_buf_text(t, ", cosine");
    else {
        cafi_buf_text(t, ", milestones");
        for (size_t i = 0; i < c->schedule.count; i++)
            cafi_buf_printf(t, " %zu", c->schedule.milestones[i]);
        cafi_buf_printf(t, ", gamma %.9g", c->schedule.gamma);
    }
    cafi_buf_printf(t, ", %s, decay %.9g, clip %.9g", cafi_optimiser_name(o->kind), o->weight_decay,
                    c->clip);
    if (c->clip_value > 0.0)
        cafi_buf_printf(t, ", clip value %.9g", c->clip_value);
    if (o->kind != CAFI_ADAMW)
        cafi_buf_text(t, o->decay_all ? ", decay of all" : ", decay of matrices");
    if (o->kind == CAFI_SGD)
        cafi_buf_printf(t, ", momentum %.9g", o->momentum);
    else
        cafi_buf_printf(t, ", betas %.9g %.9g, eps %.9g", o->beta1, o->beta2, o->eps);
}

caface_status cafi_describe_validation(cafi_buf *t, const cafi_validation_source *source,
                                       cafi_comm *comm, const cafi_validation *validation,
                                       caface_error *err)
{
    double size[3] = {0};
    caface_status st;

    if (!source) {
        cafi_buf_text(t, ", not validated");
        return CAFACE_OK;
    }
    if (validation)
        cafi_validation_size(validation, size);
    if ((st = cafi_comm_sum_f64(comm, size, 3, err)))
        return st;
    cafi_buf_printf(
        t, ", validated at FAR %g with chunks of %zu on %.0f templates and %.0f + %.0f pairs",
        source->far, source->chunk, size[0], size[1], size[2]);
    return CAFACE_OK;
}

void cafi_describe_store(cafi_buf *t, const cafi_store *store, const float *centres)
{
    cafi_store_info info = cafi_store_get_info(store);
    cafi_sha256 hash;
    unsigned char digest[CAFI_SHA256_SIZE];
    char text[CAFI_SHA256_TEXT];

    cafi_sha256_begin(&hash);
    for (size_t i = 0; i < info.images; i++) {
        const char *name = cafi_store_class_name(store, cafi_store_class(store, i));

        cafi_sha256_add(&hash, name, strlen(name) + 1);
    }
    cafi_sha256_add_f32(&hash, centres, info.classes * info.C);
    cafi_sha256_end(&hash, digest);
    cafi_buf_printf(t, ", %zu images of %zu classes, %zu variants, classes and centres %.12s",
                    info.images, info.classes, info.variants, cafi_sha256_hex(digest, text));
}

caface_status cafi_train_describe(char **out, const cafi_train_config *c, const cafi_train_job *job,
                                  cafi_comm *comm, const cafi_validation *validation,
                                  caface_error *err)
{
    const cafi_net_config *n = &c->net;
    cafi_buf t = {0};
    caface_status st;

    cafi_buf_printf(&t, "C %zu, S %zu, M %zu, L %zu, K %zu", n->dims.C, n->dims.S, n->dims.M,
                    n->dims.L, n->dims.K);
    cafi_describe_store(&t, job->store, job->centres);
    cafi_buf_printf(&t, ", batch %zu x %zu, seed %llu", c->batch, c->accumulate,
                    (unsigned long long)c->seed);
    describe_schedule(&t, c);
    cafi_buf_printf(&t, ", %s of %zu, depth %.9g, loss weights %.9g %.9g",
                    n->single ? "single groups" : "groups", n->T, n->drop, n->lambda_centre,
                    n->lambda_memory);
    if (n->memory_divisor > 0.0)
        cafi_buf_printf(&t, ", memory loss over %.9g", n->memory_divisor);
    else
        cafi_buf_text(&t, ", memory loss over half the batch");
    if (n->lambda_entropy > 0.0)
        cafi_buf_printf(&t, ", cross entropy %.9g", n->lambda_entropy);
    if (c->leave_out)
        cafi_buf_text(&t, ", targets without a sample's own pictures");
    if (c->limit_batches)
        cafi_buf_printf(&t, ", %zu batches an epoch", c->limit_batches);
    if (c->first_epoch)
        cafi_buf_printf(&t, ", from epoch %zu", c->first_epoch);
    if (c->validate_every)
        cafi_buf_printf(&t, ", validated every %zu updates", c->validate_every);
    cafi_buf_printf(&t, ", a row of the log every %zu updates", c->log_every);
    if (comm->size > 1)
        cafi_buf_printf(&t, ", %zu processes%s", comm->size, c->synchronise ? " synchronised" : "");
    st = cafi_describe_validation(&t, job->validate, comm, validation, err);
    *out = t.data;
    return st ? st : t.failed ? cafi_fail_memory(err, 512) : CAFACE_OK;
}

bool cafi_log_last(const cafi_buf *log, size_t first, size_t count, double *out)
{
    const char *at = log->data;
    size_t n = log->size;

    while (n && at[n - 1] == '\n')
        n--;
    while (n && at[n - 1] != '\n')
        n--;
    if (!n) /* the first line is the head */
        return false;
    at += n;
    for (size_t i = 0; i < first + count; i++) {
        char *end = NULL;
        double value = cafi_strtod(at, &end);

        if (i >= first && end == at)
            return false;
        if (i >= first)
            out[i - first] = value;
        at = end;
        if (i + 1 < first + count && *at++ != ',')
            return false;
    }
    return true;
}
