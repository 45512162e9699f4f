/* Every call of caface/eval.h with the k-th allocation failing, for every k: ENOMEM, no crash, no
 * leak (sanitizers and valgrind see to that), and what was there is as it was. */
#include "failing_calls.h"
#include "set_fixture.h"

#include "caface/eval.h"

static fixture *f;

/* Pairs of the fixture's faces: those of one media are one person's. */
typedef struct pairs {
    uint32_t a[N], b[N];
    int64_t person_a[N], person_b[N];
    float score[N];
    unsigned char same[N];
} pairs;

static pairs some_pairs(void)
{
    pairs p;

    for (size_t i = 0; i < N; i++) {
        p.a[i] = (uint32_t)i;
        p.b[i] = (uint32_t)(i * 7 % N);
        p.person_a[i] = (int64_t)(i % 9);
        p.same[i] = i % 2;
        p.person_b[i] = p.same[i] ? p.person_a[i] : p.person_a[i] + 1;
        p.score[i] = (float)(i * 31 % 101) / 101.0f;
    }
    return p;
}

static caface_status scores(caface_error *err)
{
    pairs p = some_pairs();
    caface_status st;

    failing_arm();
    st = caface_scores(p.score, f->feat, N, C, p.a, p.b, N, 2, err);
    failing_disarm();
    return st;
}

static caface_status verify(caface_error *err)
{
    pairs p = some_pairs();
    caface_verification *v = NULL;
    caface_eval_options o;
    caface_status st;

    caface_eval_options_init(&o);
    o.resamples = 20;
    o.threads = 2;
    o.person_a = p.person_a;
    o.person_b = p.person_b;
    failing_arm();
    st = caface_verify(&v, p.score, p.same, N, &o, err);
    failing_disarm();
    assert_int_equal(v != NULL, st == CAFACE_OK);
    caface_verification_free(v);
    return st;
}

static caface_status identify(caface_error *err)
{
    pairs p = some_pairs();
    caface_identification *id = NULL;
    caface_eval_options o;
    caface_status st;

    caface_eval_options_init(&o);
    o.resamples = 20;
    o.threads = 2;
    failing_arm();
    st = caface_identify(&id, f->feat, p.person_a, 20, f->feat + 20 * C, p.person_a + 20, N - 20, C,
                         &o, err);
    failing_disarm();
    assert_int_equal(id != NULL, st == CAFACE_OK);
    caface_identification_free(id);
    return st;
}

static const failing_call calls[] = {
    {"scores", scores, false},
    {"verify", verify, false},
    {"identify", identify, false},
};

static void calls_without_memory(void **state)
{
    f = *state;
    failing_calls(calls, sizeof calls / sizeof *calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(calls_without_memory)};

    return cmocka_run_group_tests_name("eval_no_memory", tests, fixture_set_up, fixture_tear_down);
}
