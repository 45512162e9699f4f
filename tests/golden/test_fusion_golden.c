/* Fusion against numbers from the authors' code, to 1e-5: every stage, every
 * configuration, every split. A small selection is committed; all of it runs
 * where the golden data lies beside the checkout. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "caface/set.h"
#include "fusion/aggregate.h"
#include "fusion/aggregate.h"
#include "fusion/cluster.h"
#include "fusion/set.h"
#include "fusion_data.h"
#include "program.h"

/* What the golden data promises; the values are of the order of 1. */
#define TOLERANCE 1e-5

static const char *const configs[] = {"cat_default", "catv9_g16_small", "catv9_g1_conf512_small",
                                      "catv9_g4_conf512_small", "catv9_g8_conf512"};
static const size_t sizes[] = {1, 2, 5, 9, 64, 70, 300};
static const size_t splits[] = {1, 4, 8, 32, 64, 128, 9999};

typedef struct data {
    char folder[256]; /* of one set */
    caface_model *model;
    caface_model_info info;
    size_t N;
    float *feat;
    float *style;
} data;

/* Compares got [n] with NAME.npy of the set's folder. */
static void expect_file(const data *d, const char *name, const float *got, size_t n)
{
    char path[400];
    size_t count = 0;
    float *want = NULL;

    snprintf(path, sizeof path, "%s/%s.npy", d->folder, name);
    want = golden_array(path, &count, NULL);
    assert_int_equal(count, n);
    EXPECT_NEAR_F32(got, want, n, TOLERANCE, "%s", path);
    free(want);
}

static void expect_doubles(const data *d, const char *name, const double *got, size_t n)
{
    float *floats = malloc(n * sizeof *floats);

    assert_non_null(floats);
    for (size_t i = 0; i < n; i++)
        floats[i] = (float)got[i];
    expect_file(d, name, floats, n);
    free(floats);
}

static void check_stages(const data *d)
{
    const caface_model_info *i = &d->info;
    size_t width = i->D - i->compact;
    cafi_scratch scratch = {0};
    cafi_state state;
    caface_error err;
    float *compact = malloc(d->N * i->compact * sizeof *compact);
    float *rows = malloc(d->N * width * sizeof *rows);
    float *assign = malloc(d->N * i->M * sizeof *assign);
    float *out = malloc(i->C * sizeof *out);

    assert_true(compact && rows && assign && out);
    EXPECT_OK(cafi_scratch_reserve(&scratch, d->model, d->N, &err), err);
    EXPECT_OK(cafi_state_new(&state, i->M, i->C, i->D, &err), err);
    EXPECT_OK(caface_model_compact(d->model, d->style, d->N, compact, &err), err);
    expect_file(d, "sim", compact, d->N * i->compact);
    cafi_cluster_fwd(d->model, &scratch, d->feat, compact, d->N, &state);
    cafi_norm_embedding_fwd(d->model, scratch.norms, d->N, rows, width);
    expect_file(d, "norm_embedding", rows, d->N * width);
    for (size_t m = 0; m < i->M; m++)
        for (size_t n = 0; n < d->N; n++)
            assign[m * d->N + n] = scratch.assign[n * i->M + m];
    expect_file(d, "assignment", assign, i->M * d->N);
    expect_doubles(d, "cluster_feature", state.mu, i->M * i->C);
    expect_doubles(d, "cluster_style", state.style, i->M * i->D);
    cafi_confidence_fwd(d->model, &scratch, &state);
    expect_file(d, "confidence", scratch.confidence, i->M * i->K);
    cafi_aggregate_fwd(d->model, &scratch, &state, out);
    expect_file(d, "aggregated", out, i->C);
    cafi_state_free(&state);
    cafi_scratch_free(&scratch);
    free(out);
    free(assign);
    free(rows);
    free(compact);
}

/* The state after the last chunk, where there is one. Masses are sums of N numbers in
 * f32 on the other side: their tolerance grows with N. */
static void check_state(const data *d, const caface_set *set, size_t split)
{
    const cafi_state *state = &set->state;
    char name[64], path[400];
    float *mass = malloc(state->M * sizeof *mass), *want = NULL;
    size_t count = 0;

    snprintf(path, sizeof path, "%s/split%zu/mass.npy", d->folder, split);
    if (golden_exists(path)) {
        assert_non_null(mass);
        want = golden_array(path, &count, NULL);
        assert_int_equal(count, state->M);
        for (size_t m = 0; m < count; m++)
            mass[m] = (float)state->mass[m];
        EXPECT_NEAR_F32(mass, want, count, TOLERANCE * (1.0 + 0.1 * (double)d->N), "%s", path);
        snprintf(name, sizeof name, "split%zu/cluster_feature", split);
        expect_doubles(d, name, state->mu, state->M * state->C);
        snprintf(name, sizeof name, "split%zu/cluster_style", split);
        expect_doubles(d, name, state->style, state->M * state->D);
    }
    free(want);
    free(mass);
}

/* Fuses in chunks of at most split, saving and loading the set in between when
 * asked to, and compares template, weights and state. */
static void check_split(const data *d, size_t split, int reload)
{
    caface_set_options options;
    caface_set *set = NULL;
    caface_error err;
    size_t width = d->info.S * 2;
    float *out = malloc((d->info.C + d->N) * sizeof *out);
    char name[64];

    assert_non_null(out);
    caface_set_options_init(&options);
    options.chunk = split;
    options.expected_n = d->N;
    options.keep_weights = 1;
    options.width = d->info.C;
    EXPECT_OK(caface_set_new(&set, d->model, &options, &err), err);
    for (size_t r = 0; r < d->N; r += 3) {
        size_t n = d->N - r < 3 ? d->N - r : 3;
        void *bytes = NULL;
        size_t size = 0;

        EXPECT_OK(caface_set_push(set, d->feat + r * d->info.C, d->style + r * width, n, &err),
                  err);
        if (!reload)
            continue;
        EXPECT_OK(caface_set_save_memory(set, &bytes, &size, &err), err);
        caface_set_free(set);
        EXPECT_OK(caface_set_load_memory(&set, d->model, bytes, size, &err), err);
        free(bytes);
    }
    snprintf(name, sizeof name, "split%zu/template", split);
    EXPECT_OK(caface_set_template(set, out, &err), err);
    expect_file(d, name, out, d->info.C);
    snprintf(name, sizeof name, "split%zu/frame_weights", split);
    EXPECT_OK(caface_set_weights(set, out, d->N, &err), err);
    expect_file(d, name, out, d->N);
    check_state(d, set, split);
    caface_set_free(set);
    free(out);
}

static void check_average(const data *d)
{
    caface_set_options options;
    caface_set *set = NULL;
    caface_error err;
    float *out = malloc(d->info.C * sizeof *out);

    assert_non_null(out);
    caface_set_options_init(&options);
    options.method = CAFACE_METHOD_AVERAGE;
    options.width = d->info.C;
    EXPECT_OK(caface_set_new(&set, NULL, &options, &err), err);
    EXPECT_OK(caface_set_push(set, d->feat, NULL, d->N, &err), err);
    EXPECT_OK(caface_set_template(set, out, &err), err);
    expect_file(d, "average_template", out, d->info.C);
    caface_set_free(set);
    free(out);
}

static void load_rows(data *d)
{
    char path[400];
    size_t count = 0;
    size_t shape[8];

    snprintf(path, sizeof path, "%s/features.npy", d->folder);
    d->feat = golden_array(path, &count, shape);
    d->N = shape[0];
    assert_int_equal(shape[1], d->info.C);
    snprintf(path, sizeof path, "%s/style.npy", d->folder);
    d->style = golden_array(path, &count, shape);
    assert_int_equal(count, d->N * d->info.S * 2);
}

/* Every set and split there is of one configuration, with its model from this file; returns
 * how many sets. */
static size_t check_model(const char *root, const char *config, const char *model, int reload)
{
    data d = {0};
    caface_error err;
    char path[400];
    size_t sets = 0;

    EXPECT_OK(caface_model_open(&d.model, model, &err), err);
    caface_model_get_info(d.model, &d.info);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(d.folder, sizeof d.folder, "%s/%s/n%zu", root, config, sizes[i]);
        if (!golden_exists(d.folder))
            continue;
        sets++;
        load_rows(&d);
        check_stages(&d);
        check_average(&d);
        for (size_t s = 0; s < sizeof splits / sizeof *splits; s++) {
            snprintf(path, sizeof path, "%s/split%zu", d.folder, splits[s]);
            if (golden_exists(path))
                check_split(&d, splits[s], reload);
        }
        free(d.feat);
        free(d.style);
    }
    snprintf(d.folder, sizeof d.folder, "%s/%s/outliers", root, config);
    if (golden_exists(d.folder)) {
        load_rows(&d);
        check_split(&d, 9999, reload);
        free(d.feat);
        free(d.style);
    }
    caface_model_free(d.model);
    return sets;
}

/* From the checkpoint, and from what `caface convert` makes of it with sets that are saved
 * and loaded after every push. */
static size_t check_config(const char *root, const char *config)
{
    char path[400];
    const char *converted = test_temp("converted.safetensors");
    size_t sets = 0;

    snprintf(path, sizeof path, "%s/%s/aggregator.ckpt", root, config);
    if (!golden_exists(path))
        return 0;
    sets = check_model(root, config, path, 0);
    EXPECT_TOOL(0, "", "convert", path, "-o", converted, "--quiet");
    assert_int_equal(check_model(root, config, converted, 1), sets);
    return sets;
}

static void committed_selection(void **state)
{
    (void)state;
    assert_int_equal(check_config(test_fixture("fusion"), "catv9_g4_conf512_small"), 2);
}

static void all_of_it(void **state)
{
    const char *shared = test_shared("golden/fusion");
    char root[400];
    size_t sets = 0;

    (void)state;
    /* The same code as the selection runs, for minutes under valgrind. */
    if (!shared || getenv("CAFACE_VALGRIND"))
        skip();
    snprintf(root, sizeof root, "%s", shared); /* test_* paths last for a few calls */
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++)
        sets += check_config(root, configs[i]);
    assert_true(sets >= 17);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(committed_selection),
        cmocka_unit_test(all_of_it),
    };

    return cmocka_run_group_tests_name("fusion_golden", tests, NULL, NULL);
}
