#include "train/optimiser.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

cafi_optimiser_config cafi_optimiser_defaults(void)
{
    return (cafi_optimiser_config){.kind = CAFI_ADAMW,
                                   .beta1 = 0.9,
                                   .beta2 = 0.999,
                                   .eps = 1e-8,
                                   .momentum = 0.9,
                                   .weight_decay = 5e-4};
}

static const char *const names[] = {
    [CAFI_ADAMW] = "adamw", [CAFI_ADAM] = "adam", [CAFI_SGD] = "sgd"};

bool cafi_optimiser_parse(cafi_optimiser_kind *out, const char *text)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(text, names[i])) {
            *out = (cafi_optimiser_kind)i;
            return true;
        }
    return false;
}

const char *cafi_optimiser_name(cafi_optimiser_kind kind)
{
    return names[kind];
}

caface_status cafi_optimiser_new(cafi_optimiser *out, const cafi_optimiser_config *config,
                                 size_t total, caface_error *err)
{
    caface_status st;

    *out = (cafi_optimiser){.config = *config, .total = total};
    if ((st = cafi_alloc_f32(&out->first, 1, total, err)) ||
        (st = cafi_alloc_f32(&out->second, 1, total, err))) {
        cafi_optimiser_free(out);
        return st;
    }
    memset(out->first, 0, total * sizeof *out->first);
    memset(out->second, 0, total * sizeof *out->second);
    return CAFACE_OK;
}

void cafi_optimiser_free(cafi_optimiser *optimiser)
{
    free(optimiser->first);
    free(optimiser->second);
    free(optimiser->spared);
    *optimiser = (cafi_optimiser){0};
}

caface_status cafi_optimiser_spare(cafi_optimiser *optimiser, size_t first, size_t count,
                                   caface_error *err)
{
    caface_status st = CAFI_GROW(&optimiser->spared, &optimiser->spared_capacity,
                                 optimiser->spared_count + 1, err);

    if (!st)
        optimiser->spared[optimiser->spared_count++] = (struct cafi_spared){first, count};
    return st;
}

/* Weights [first, end), with their decay. */
static void update_sgd(cafi_optimiser *o, float *restrict weights, const float *restrict grad,
                       double lr, size_t first, size_t end, double weight_decay)
{
    float *restrict buffer = o->first;
    /* the first update starts the momentum at the gradient itself */
    float momentum = o->updates > 1 ? (float)o->config.momentum : 0.0f;
    float decay = (float)weight_decay;
    float rate = (float)lr;

    for (size_t i = first; i < end; i++) {
        buffer[i] = momentum * buffer[i] + (grad[i] + decay * weights[i]);
        weights[i] -= rate * buffer[i];
    }
}

static void update_adam(cafi_optimiser *o, float *restrict weights, const float *restrict grad,
                        double lr, size_t begin, size_t end, double weight_decay)
{
    const cafi_optimiser_config *c = &o->config;
    float *restrict first = o->first;
    float *restrict second = o->second;
    float beta1 = (float)c->beta1;
    float beta2 = (float)c->beta2;
    float rest1 = (float)(1.0 - c->beta1);
    float rest2 = (float)(1.0 - c->beta2);
    float rate = (float)(lr / (1.0 - pow(c->beta1, (double)o->updates)));
    float inverse = (float)(1.0 / sqrt(1.0 - pow(c->beta2, (double)o->updates)));
    float eps = (float)c->eps;
    float keep = c->kind == CAFI_ADAMW ? (float)(1.0 - lr * weight_decay) : 1.0f;
    float decay = c->kind == CAFI_ADAMW ? 0.0f : (float)weight_decay;

    for (size_t i = begin; i < end; i++) {
        float g = grad[i] + decay * weights[i];

        first[i] = beta1 * first[i] + rest1 * g;
        second[i] = beta2 * second[i] + rest2 * (g * g);
        weights[i] = keep * weights[i] - rate * first[i] / (sqrtf(second[i]) * inverse + eps);
    }
}

static void update_range(cafi_optimiser *o, float *weights, const float *grad, double lr,
                         size_t first, size_t end, double weight_decay)
{
    if (o->config.kind == CAFI_SGD)
        update_sgd(o, weights, grad, lr, first, end, weight_decay);
    else
        update_adam(o, weights, grad, lr, first, end, weight_decay);
}

void cafi_optimiser_update(cafi_optimiser *optimiser, float *weights, const float *grad, double lr)
{
    double decay = optimiser->config.weight_decay;
    size_t at = 0;

    optimiser->updates++;
    for (size_t i = 0; i < optimiser->spared_count; i++) {
        struct cafi_spared r = optimiser->spared[i];

        update_range(optimiser, weights, grad, lr, at, r.first, decay);
        update_range(optimiser, weights, grad, lr, r.first, r.first + r.count, 0.0);
        at = r.first + r.count;
    }
    update_range(optimiser, weights, grad, lr, at, optimiser->total, decay);
}

static double norm_of(const float *grad, size_t total)
{
    double square = 0.0;

    for (size_t i = 0; i < total; i++)
        square += (double)grad[i] * (double)grad[i];
    return sqrt(square);
}

double cafi_gradient_clip(float *grad, size_t total, double limit)
{
    double norm = norm_of(grad, total);

    if (limit > 0.0 && norm > limit) {
        float factor = (float)(limit / norm);

        for (size_t i = 0; i < total; i++)
            grad[i] *= factor;
    }
    return norm;
}

double cafi_gradient_clip_values(float *grad, size_t total, double limit)
{
    double norm = norm_of(grad, total);
    float most = (float)limit;

    for (size_t i = 0; i < total; i++)
        grad[i] = fminf(fmaxf(grad[i], -most), most);
    return norm;
}

double cafi_schedule_lr(const cafi_schedule *schedule, size_t epoch, double part, size_t epochs)
{
    double lr = schedule->lr;

    if (schedule->cosine)
        return lr * 0.5 * (1.0 + cos(3.141592653589793 * ((double)epoch + part) / (double)epochs));
    for (size_t i = 0; i < schedule->count; i++)
        if (schedule->milestones[i] <= epoch)
            lr *= schedule->gamma;
    return lr;
}
