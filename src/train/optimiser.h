/* Optimisers over a flat array of weights. */
#ifndef CAFI_TRAIN_OPTIMISER_H
#define CAFI_TRAIN_OPTIMISER_H

#include <stdint.h>

#include "base/mem.h"

typedef enum cafi_optimiser_kind { CAFI_ADAMW, CAFI_ADAM, CAFI_SGD } cafi_optimiser_kind;

typedef struct cafi_optimiser_config {
    cafi_optimiser_kind kind;
    double beta1, beta2, eps; /* Adam and AdamW */
    double momentum;          /* SGD */
    double weight_decay;      /* AdamW: decoupled; the others: added to the gradient */
    bool decay_all;           /* Adam and SGD: vectors are decayed as well */
} cafi_optimiser_config;

/* AdamW with the recipe's numbers: 0.9, 0.999, 1e-8, weight decay 5e-4. */
cafi_optimiser_config cafi_optimiser_defaults(void);
/* "adamw", "adam", "sgd"; false when text is none of them. */
bool cafi_optimiser_parse(cafi_optimiser_kind *out, const char *text);
const char *cafi_optimiser_name(cafi_optimiser_kind kind);

/* The moments are the whole state, beside the count of updates: a checkpoint
 * saves both. */
typedef struct cafi_optimiser {
    cafi_optimiser_config config;
    size_t total;
    uint64_t updates;
    float *first;  /* [total] mean of gradients, or SGD's momentum */
    float *second; /* [total] mean of their squares; unused by SGD */
    struct cafi_spared {
        size_t first, count;
    } * spared; /* ranges without weight decay, ascending */
    size_t spared_count, spared_capacity;
} cafi_optimiser;

caface_status cafi_optimiser_new(cafi_optimiser *out, const cafi_optimiser_config *config,
                                 size_t total, caface_error *err);
void cafi_optimiser_free(cafi_optimiser *optimiser);
/* Weights [first, first + count) are not decayed. Ranges are given in ascending order.
 * ENOMEM. */
caface_status cafi_optimiser_spare(cafi_optimiser *optimiser, size_t first, size_t count,
                                   caface_error *err);

/* One update of weights [total] by grad [total] at rate lr, as PyTorch's
 * optimisers of these names define it. */
void cafi_optimiser_update(cafi_optimiser *optimiser, float *weights, const float *grad, double lr);

/* The Euclidean norm of grad [total]; where it is above limit (> 0), grad is
 * scaled down to it. */
double cafi_gradient_clip(float *grad, size_t total, double limit);
/* The same norm, of grad before each of its numbers is brought into +-limit (> 0). */
double cafi_gradient_clip_values(float *grad, size_t total, double limit);

/* The learning rate of an epoch or step. */
typedef struct cafi_schedule {
    bool cosine;              /* else by milestones */
    double lr;                /* at the start */
    double gamma;             /* factor at each milestone */
    const size_t *milestones; /* ascending epochs, counted from 0; borrowed */
    size_t count;
} cafi_schedule;

/* Milestones: lr * gamma^(milestones <= epoch). Cosine: from lr to 0 over all
 * epochs, at the fraction (epoch + part) / epochs, with part in [0, 1). */
double cafi_schedule_lr(const cafi_schedule *schedule, size_t epoch, double part, size_t epochs);

#endif
