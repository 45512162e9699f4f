/* AUC and EER of resamples: both kinds of pairs are walked together, best first. */
#include <math.h>

#include "base/mem.h"
#include "eval/bootstrap.h"
#include "eval/ranking.h"

typedef struct job {
    const cafi_bootstrap *b;
    cafi_ranking genuine, impostor;
    double *auc, *eer;
} job;

/* Where the walk is, in every lane: weights of the pairs that were passed. */
typedef struct place {
    double accepted[CAFI_LANES], false_accepted[CAFI_LANES];
    double area[CAFI_LANES];
    double eer[CAFI_LANES]; /* NaN until the curve has crossed FAR = FRR */
} place;

/* The weight of the entries from *at on whose key is below (or, with equal, at most) key. */
static void pass(const cafi_ranking *r, const uint8_t *group, size_t *at, uint64_t key, bool equal,
                 double *sum)
{
    for (int l = 0; l < CAFI_LANES; l++)
        sum[l] = 0;
    for (; *at < r->count && (r->entries[*at].key < key || (equal && r->entries[*at].key == key));
         ++*at) {
        uint16_t weight[CAFI_LANES];

        cafi_pair_weight(group, r->entries[*at].s, r->entries[*at].t, weight);
        for (int l = 0; l < CAFI_LANES; l++)
            sum[l] += weight[l];
    }
}

/* One step of the curve in every lane: so much more is accepted. */
static void step(place *p, const double *right, const double *wrong, const double *genuine,
                 const double *impostor)
{
    for (int l = 0; l < CAFI_LANES; l++) {
        double far_a = p->false_accepted[l] / impostor[l];
        double far_b = (p->false_accepted[l] + wrong[l]) / impostor[l];
        double gap_a = far_a - (1 - p->accepted[l] / genuine[l]);
        double gap_b = far_b - (1 - (p->accepted[l] + right[l]) / genuine[l]);

        /* trapezoid: a tie counts half */
        p->area[l] += wrong[l] * (p->accepted[l] + right[l] / 2);
        if (isnan(p->eer[l]) && gap_b >= 0)
            p->eer[l] = far_a + (far_b - far_a) * (gap_a / (gap_a - gap_b));
        p->accepted[l] += right[l];
        p->false_accepted[l] += wrong[l];
    }
}

static caface_status group_task(void *ctx, size_t g, size_t worker, caface_error *err)
{
    const job *j = ctx;
    const cafi_bootstrap *b = j->b;
    const uint8_t *group = cafi_resampling_group(&b->resample, g);
    static const double none[CAFI_LANES] = {0};
    double genuine[CAFI_LANES], impostor[CAFI_LANES], right[CAFI_LANES], wrong[CAFI_LANES];
    size_t at = 0, other = 0;
    place p = {0};

    (void)worker;
    (void)err;
    pass(&j->genuine, group, &at, UINT64_MAX, false, genuine);
    for (int l = 0; l < CAFI_LANES; l++) {
        impostor[l] = (double)b->impostors[g * CAFI_LANES + (size_t)l];
        p.eer[l] = NAN;
    }
    for (at = 0; at < j->genuine.count;) {
        uint32_t key = j->genuine.entries[at].key;

        /* impostors above this score, then everybody with it */
        pass(&j->impostor, group, &other, key, false, wrong);
        step(&p, none, wrong, genuine, impostor);
        pass(&j->genuine, group, &at, key, true, right);
        pass(&j->impostor, group, &other, key, true, wrong);
        step(&p, right, wrong, genuine, impostor);
    }
    pass(&j->impostor, group, &other, UINT64_MAX, false, wrong);
    step(&p, none, wrong, genuine, impostor);
    for (size_t l = 0; l < CAFI_LANES && g * CAFI_LANES + l < b->resample.count; l++) {
        bool both = genuine[l] > 0 && impostor[l] > 0;

        j->auc[g * CAFI_LANES + l] = both ? p.area[l] / (genuine[l] * impostor[l]) : NAN;
        j->eer[g * CAFI_LANES + l] = both ? p.eer[l] : NAN;
    }
    return CAFACE_OK;
}

caface_status cafi_bootstrap_curve(const cafi_bootstrap *b, const float *score, double *auc,
                                   double *eer, caface_error *err)
{
    job j = {.b = b, .auc = auc, .eer = eer};
    caface_status st = CAFACE_OK;

    for (size_t r = 0; r < b->resample.count; r++)
        auc[r] = eer[r] = NAN;
    if (b->n > CAFI_CURVE_PAIRS)
        return CAFACE_OK;
    st = cafi_ranking_new(&j.genuine, b->pairs, score, b->n, b->subject, true, UINT32_MAX, err);
    if (!st)
        st = cafi_ranking_new(&j.impostor, b->pairs, score, b->n, b->subject, false, UINT32_MAX,
                              err);
    if (!st)
        st = cafi_pool_run(b->pool, b->resample.groups, group_task, &j, err);
    cafi_ranking_free(&j.genuine);
    cafi_ranking_free(&j.impostor);
    return st;
}
