/* Optimisers and clipping against a plain statement in double of PyTorch's definitions. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/optimiser.h"

enum { N = 203, UPDATES = 9 };

typedef struct naive {
    double w[N], first[N], second[N];
} naive;

/* torch.optim's SGD, Adam and AdamW: update number t, from 1. */
static void naive_update(naive *n, const cafi_optimiser_config *c, const double *g,
                         const bool *spared, int t, double lr)
{
    for (size_t i = 0; i < N; i++) {
        double decay = spared[i] ? 0.0 : c->weight_decay;
        double d = g[i] + (c->kind == CAFI_ADAMW ? 0.0 : decay * n->w[i]);

        if (c->kind == CAFI_SGD) {
            n->first[i] = t == 1 ? d : c->momentum * n->first[i] + d;
            n->w[i] -= lr * n->first[i];
            continue;
        }
        if (c->kind == CAFI_ADAMW)
            n->w[i] *= 1.0 - lr * decay;
        n->first[i] = c->beta1 * n->first[i] + (1.0 - c->beta1) * d;
        n->second[i] = c->beta2 * n->second[i] + (1.0 - c->beta2) * d * d;
        n->w[i] -= lr * n->first[i] / (1.0 - pow(c->beta1, t)) /
                   (sqrt(n->second[i] / (1.0 - pow(c->beta2, t))) + c->eps);
    }
}

/* Up to five ranges without decay, in ascending order. */
static void spare_some(cafi_optimiser *o, bool *spared, test_rng *rng)
{
    size_t at = 0;
    caface_error err;

    memset(spared, 0, N * sizeof *spared);
    for (int k = 0; k < 5; k++) {
        size_t first = at + test_below(rng, 40);
        size_t count = 1 + test_below(rng, 20);

        if (first + count > N)
            break;
        EXPECT_OK(cafi_optimiser_spare(o, first, count, &err), err);
        for (size_t i = first; i < first + count; i++)
            spared[i] = true;
        at = first + count;
    }
}

static void check_kind(cafi_optimiser_kind kind, test_rng *rng)
{
    static naive want;
    static float w[N];
    static float g[N];
    static double exact[N];
    bool spared[N];
    cafi_optimiser o;
    cafi_optimiser_config c = cafi_optimiser_defaults();
    caface_error err;

    c.kind = kind;
    c.weight_decay = 0.3 * (1.0 + (double)test_uniform(rng));
    c.momentum = 0.5 + 0.4 * (double)test_uniform(rng);
    c.beta1 = 0.8;
    EXPECT_OK(cafi_optimiser_new(&o, &c, N, &err), err);
    spare_some(&o, spared, rng);
    want = (naive){0};
    test_fill(rng, w, N, 1.0f);
    for (size_t i = 0; i < N; i++)
        want.w[i] = (double)w[i];
    for (int t = 1; t <= UPDATES; t++) {
        test_fill(rng, g, N, 2.0f);
        for (size_t i = 0; i < N; i++)
            exact[i] = (double)g[i];
        naive_update(&want, &c, exact, spared, t, 0.01);
        cafi_optimiser_update(&o, w, g, 0.01);
    }
    for (size_t i = 0; i < N; i++)
        /* nine updates of floats near 1 */
        if (!(fabs((double)w[i] - want.w[i]) <= 2e-6))
            fail_msg("%s, number %zu%s: %.9g, want %.9g", cafi_optimiser_name(kind), i,
                     spared[i] ? " (spared)" : "", (double)w[i], want.w[i]);
    cafi_optimiser_free(&o);
}

static void test_updates(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (int i = 0; i < 20; i++) {
        check_kind(CAFI_SGD, &rng);
        check_kind(CAFI_ADAM, &rng);
        check_kind(CAFI_ADAMW, &rng);
    }
}

static void test_clipping(void **state)
{
    test_rng rng = {test_seed()};
    float g[N];
    float by_norm[N];
    float by_value[N];
    double square = 0.0;

    (void)state;
    test_fill(&rng, g, N, 3.0f);
    memcpy(by_norm, g, sizeof g);
    memcpy(by_value, g, sizeof g);
    for (size_t i = 0; i < N; i++)
        square += (double)g[i] * (double)g[i];
    assert_true(fabs(cafi_gradient_clip(by_norm, N, 0.7) - sqrt(square)) <= 1e-12 * sqrt(square));
    assert_true(fabs(cafi_gradient_clip_values(by_value, N, 0.7) - sqrt(square)) <=
                1e-12 * sqrt(square));
    for (size_t i = 0; i < N; i++) {
        float clamped = g[i] > 0.7f ? 0.7f : g[i] < -0.7f ? -0.7f : g[i];

        assert_true(by_value[i] == clamped);
        assert_true(fabs((double)by_norm[i] - (double)g[i] * 0.7 / sqrt(square)) <= 1e-7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_updates),
                                       cmocka_unit_test(test_clipping)};

    return cmocka_run_group_tests_name("optimiser", tests, NULL, NULL);
}
