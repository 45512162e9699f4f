#include "set_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fusion_model.h"

static void make_positive(float *v)
{
    *v = 0.5f + fabsf(*v);
}

static caface_model *open_random(test_rng *rng, const char *name)
{
    test_model m = test_model_new(rng, test_sizes_of(C, S, E, D, M, C, 2, 4));
    caface_model *model = NULL;
    caface_error err;

    /* So that styles of 3e38 overflow the first number of the compact style. */
    for (size_t i = 0; i < S * 2; i++)
        make_positive(&test_model_find(&m, "style_maker.cfc")->data[i]);
    for (size_t i = 0; i < S; i++)
        make_positive(&test_model_find(&m, "style_maker.linear.weight")->data[i]);
    test_model_save(&m, test_temp("%s", name), 0);
    EXPECT_OK(caface_model_open(&model, test_temp("%s", name), &err), err);
    test_model_free(&m);
    return model;
}

int fixture_set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->seed = test_seed();
    f->rng.state = f->seed;
    f->model = open_random(&f->rng, "a.safetensors");
    f->other = open_random(&f->rng, "b.safetensors");
    f->feat = malloc(N * C * sizeof *f->feat);
    f->style = malloc(N * S * 2 * sizeof *f->style);
    assert_true(f->feat && f->style);
    test_fill(&f->rng, f->feat, N * C, 1.0f);
    test_fill(&f->rng, f->style, N * S * 2, 1.0f);
    for (size_t i = 0; i < N; i++)
        f->media[i] = (int64_t)test_below(&f->rng, 9) - 4;
    *state = f;
    return 0;
}

int fixture_tear_down(void **state)
{
    fixture *f = *state;

    caface_model_free(f->model);
    caface_model_free(f->other);
    free(f->feat);
    free(f->style);
    free(f);
    return 0;
}

caface_set_options fixture_options_of(caface_method method, size_t chunk, size_t expected_n)
{
    caface_set_options o;

    caface_set_options_init(&o);
    o.method = method;
    o.chunk = chunk;
    o.expected_n = expected_n;
    o.keep_weights = method == CAFACE_METHOD_CAFACE;
    o.norm_power = 2.5;
    o.width = C;
    return o;
}

caface_set *fixture_new_set(const fixture *f, const caface_set_options *o)
{
    caface_set *set = NULL;
    caface_error err;

    EXPECT_OK(caface_set_new(&set, f->model, o, &err), err);
    return set;
}

caface_status fixture_push(const fixture *f, caface_set *set, size_t first, size_t n,
                           caface_error *err)
{
    if (caface_set_method(set) == CAFACE_METHOD_MEDIA)
        return caface_set_push_media(set, f->feat + first * C, f->media + first, n, err);
    return caface_set_push(set, f->feat + first * C, f->style + first * S * 2, n, err);
}

void fixture_push_ok(const fixture *f, caface_set *set, size_t first, size_t n)
{
    caface_error err;

    EXPECT_OK(fixture_push(f, set, first, n, &err), err);
}

result fixture_read_set(caface_set *set)
{
    result r = {{0}, {0}};
    caface_error err;

    EXPECT_OK(caface_set_template(set, r.template, &err), err);
    if (caface_set_method(set) == CAFACE_METHOD_CAFACE)
        EXPECT_OK(caface_set_weights(set, r.weights, caface_set_count(set), &err), err);
    return r;
}

result fixture_fuse(const fixture *f, const caface_set_options *o, size_t portion)
{
    caface_set *set = fixture_new_set(f, o);
    result r;

    for (size_t i = 0; i < N; i += portion)
        fixture_push_ok(f, set, i, N - i < portion ? N - i : portion);
    r = fixture_read_set(set);
    caface_set_free(set);
    return r;
}
