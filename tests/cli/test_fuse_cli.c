/* caface fuse from outside: what it writes, how it groups, what it refuses. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "caface/set.h"
#include "files/bundle.h"
#include "files/json.h"
#include "files/npy.h"
#include "fusion_model.h"
#include "program.h"

#define WORDS(...) __VA_ARGS__
enum { C = 20, S = 6, E = 8, D = 16, N = 60, TEMPLATES = 4 };

typedef struct fixture {
    char model[256], set[256], features[300], styles[300], ids[256];
    caface_model *open;
    float feat[N * C], style[N * S * 2];
    int64_t id[N];
    char paths[64][256];
    size_t path_count;
} fixture;

/* A path in the temporary folder that stays valid. */
static const char *path_of(fixture *f, const char *name)
{
    char *path = f->paths[f->path_count++ % 64];

    snprintf(path, sizeof f->paths[0], "%s", test_temp("%s", name));
    return path;
}

static void save(const char *path, cafi_dtype type, int ndim, size_t a, size_t b, size_t c,
                 const void *data)
{
    size_t shape[3] = {a, b, c};
    caface_error err;

    EXPECT_OK(cafi_npy_save(path, type, ndim, shape, data, &err), err);
}

static void write_index(const fixture *f, const char *path)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fprintf(file, "source\ttemplate\tmedia\n");
    for (size_t i = 0; i < N; i++)
        fprintf(file, "s%zu\t%lld\t%zu\n", i, (long long)f->id[i], i / 3);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    test_rng rng = {test_seed()};
    test_model m = test_model_new(&rng, test_sizes_of(C, S, E, D, 3, C, 2, 4));
    char path[300];
    caface_error err;

    assert_non_null(f);
    snprintf(f->model, sizeof f->model, "%s", test_temp("m.safetensors"));
    snprintf(f->set, sizeof f->set, "%s", test_temp("set"));
    snprintf(f->features, sizeof f->features, "%s/features.npy", f->set);
    snprintf(f->styles, sizeof f->styles, "%s/styles.npy", f->set);
    snprintf(f->ids, sizeof f->ids, "%s", test_temp("ids.npy"));
    test_model_save(&m, f->model, 0);
    test_model_free(&m);
    EXPECT_OK(caface_model_open(&f->open, f->model, &err), err);
    test_fill(&rng, f->feat, N * C, 1.0f);
    test_fill(&rng, f->style, N * S * 2, 1.0f);
    for (size_t i = 0; i < N; i++)
        f->id[i] = (int64_t)((i * 7) % TEMPLATES) * 10 - 10;
    assert_int_equal(mkdir(f->set, 0700), 0);
    save(f->features, CAFI_F32, 2, N, C, 0, f->feat);
    save(f->styles, CAFI_F32, 3, N, S, 2, f->style);
    save(f->ids, CAFI_I64, 1, N, 0, 0, f->id);
    snprintf(path, sizeof path, "%s/index.tsv", f->set);
    write_index(f, path);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    caface_model_free(f->open);
    free(f);
    return 0;
}

/* The rows of one template (or all, with one == false), as a set of that size. */
static void expect_template(const fixture *f, bool one, int64_t id, caface_method method,
                            size_t chunk, const float *got)
{
    caface_set_options o;
    caface_set *set = NULL;
    float want[C];
    caface_error err;

    caface_set_options_init(&o);
    o.method = method;
    o.chunk = chunk;
    o.width = C;
    for (size_t i = 0; i < N; i++)
        o.expected_n += !one || f->id[i] == id;
    EXPECT_OK(caface_set_new(&set, f->open, &o, &err), err);
    for (size_t i = 0; i < N; i++)
        if (!one || f->id[i] == id) {
            int64_t media = (int64_t)i / 3;

            if (method == CAFACE_METHOD_MEDIA)
                EXPECT_OK(caface_set_push_media(set, f->feat + i * C, &media, 1, &err), err);
            else
                EXPECT_OK(caface_set_push(set, f->feat + i * C, f->style + i * S * 2, 1, &err),
                          err);
        }
    EXPECT_OK(caface_set_template(set, want, &err), err);
    assert_memory_equal(got, want, sizeof want);
    caface_set_free(set);
}

static cafi_bundle *open_file(const char *path)
{
    cafi_bundle *bundle = NULL;
    caface_error err;

    EXPECT_OK(cafi_bundle_open(&bundle, path, &err), err);
    return bundle;
}

static void expect_npz(const fixture *f, const char *path, caface_method method, size_t chunk)
{
    cafi_bundle *bundle = open_file(path);
    const cafi_tensor *ids = cafi_bundle_find(bundle, "template_ids");
    const cafi_tensor *templates = cafi_bundle_find(bundle, "templates");
    int64_t id[TEMPLATES];
    float got[TEMPLATES * C];
    caface_error err;

    assert_true(ids && templates);
    assert_true(cafi_tensor_has_shape(ids, 1, (size_t[]){TEMPLATES}));
    assert_true(cafi_tensor_has_shape(templates, 2, (size_t[]){TEMPLATES, C}));
    EXPECT_OK(cafi_tensor_read_i64(ids, 0, TEMPLATES, id, &err), err);
    cafi_tensor_read_f32(templates, 0, TEMPLATES * C, got);
    for (size_t t = 0; t < TEMPLATES; t++) {
        assert_int_equal(id[t], (int64_t)t * 10 - 10);
        expect_template(f, true, id[t], method, chunk, got + t * C);
    }
    cafi_bundle_close(bundle);
}

static void expect_npy(const fixture *f, const char *path, caface_method method, size_t chunk)
{
    cafi_bundle *bundle = open_file(path);
    const cafi_tensor *t = cafi_bundle_at(bundle, 0);
    float got[C];

    assert_true(cafi_tensor_has_shape(t, 2, (size_t[]){1, C}));
    cafi_tensor_read_f32(t, 0, C, got);
    expect_template(f, false, 0, method, chunk, got);
    cafi_bundle_close(bundle);
}

static void groups_by_index_or_ids(void **state)
{
    fixture *f = *state;
    const char *out = path_of(f, "t.npz");

    EXPECT_TOOL(0, WORDS("60 faces into 4 templates by caface"), "fuse", "--model", f->model,
                "--input", f->set, "-o", out, "--chunk", "4");
    expect_npz(f, out, CAFACE_METHOD_CAFACE, 4);
    EXPECT_TOOL(0, WORDS("4 templates by caface"), "fuse", "--model", f->model, "--features",
                f->features, "--styles", f->styles, "--ids", f->ids, "-o", out, "--threads", "3");
    expect_npz(f, out, CAFACE_METHOD_CAFACE, 512);
    EXPECT_TOOL(0, WORDS("4 templates by average"), "fuse", "--method", "average", "--input",
                f->set, "-o", out);
    expect_npz(f, out, CAFACE_METHOD_AVERAGE, 512);
    EXPECT_TOOL(0, WORDS("by media"), "fuse", "--method", "media", "--input", f->set, "-o", out);
    expect_npz(f, out, CAFACE_METHOD_MEDIA, 512);
}

static void one_set_is_a_row(void **state)
{
    fixture *f = *state;
    const char *out = path_of(f, "t.npy");

    EXPECT_TOOL(0, WORDS("1 template by caface"), "fuse", "--model", f->model, "--input", f->set,
                "--single", "-o", out, "--chunk", "16");
    expect_npy(f, out, CAFACE_METHOD_CAFACE, 16);
    EXPECT_TOOL(0, WORDS("1 template by norm"), "fuse", "--method", "norm", "--features",
                f->features, "-o", out);
    expect_npy(f, out, CAFACE_METHOD_NORM, 512);
    EXPECT_TOOL(0, WORDS("1 template by caface"), "fuse", "--model", f->model, "--features",
                f->features, "--styles", f->styles, "-o", out, "--chunk", "0");
    expect_npy(f, out, CAFACE_METHOD_CAFACE, 0);
}

static void json_is_one_object(void **state)
{
    fixture *f = *state;
    test_program p = test_tool("fuse", "--model", f->model, "--input", f->set, "--json");
    cafi_value json = {0};
    int64_t n = 0;
    caface_error err;

    assert_int_equal(p.status, 0);
    assert_string_equal(p.err, "");
    EXPECT_OK(cafi_json_parse(&json, p.out, p.out_size, &err), err);
    assert_true(cafi_value_int(&json, "faces", &n) && n == N);
    assert_true(cafi_value_int(&json, "templates", &n) && n == TEMPLATES);
    assert_true(cafi_value_int(&json, "chunk", &n) && n == 512);
    assert_true(cafi_value_int(&json, "dropped", &n) && n == 0);
    assert_string_equal(cafi_value_text(&json, "method"), "caface");
    assert_non_null(cafi_value_get(&json, "seconds"));
    cafi_value_clear(&json);
    test_program_free(&p);
}

static void weights_are_in_row_order(void **state)
{
    fixture *f = *state;
    const char *out = path_of(f, "w.npy");
    float got[N];
    double sum[TEMPLATES] = {0};
    cafi_bundle *bundle = NULL;

    for (int with_state = 0; with_state < 2; with_state++) {
        const char *saved = path_of(f, "w.state");

        if (with_state)
            EXPECT_TOOL(0, WORDS("1 template"), "fuse", "--model", f->model, "--input", f->set,
                        "--single", "--weights", out, "--save-state", saved);
        else
            EXPECT_TOOL(0, WORDS("4 templates"), "fuse", "--model", f->model, "--input", f->set,
                        "--weights", out);
        bundle = open_file(out);
        assert_true(cafi_tensor_has_shape(cafi_bundle_at(bundle, 0), 1, (size_t[]){N}));
        cafi_tensor_read_f32(cafi_bundle_at(bundle, 0), 0, N, got);
        memset(sum, 0, sizeof sum);
        for (size_t i = 0; i < N; i++)
            sum[with_state ? 0 : (f->id[i] + 10) / 10] += (double)got[i];
        for (size_t t = 0; t < (with_state ? 1 : TEMPLATES); t++)
            assert_true(fabs(sum[t] - 1.0) < 1e-5);
        cafi_bundle_close(bundle);
    }
}

static void states_are_saved_and_merged(void **state)
{
    fixture *f = *state;
    const char *a = path_of(f, "a.state");
    const char *b = path_of(f, "b.state");
    const char *out = path_of(f, "merged.npy");
    const char *one = path_of(f, "one.npy");
    cafi_bundle *x = NULL, *y = NULL;
    float p[C], q[C];

    EXPECT_TOOL(0, WORDS("by caface"), "fuse", "--model", f->model, "--input", f->set, "--single",
                "--save-state", a, "-o", one);
    expect_npy(f, one, CAFACE_METHOD_CAFACE, 512);
    EXPECT_TOOL(0, WORDS("120 faces"), "fuse", "--model", f->model, "--input", f->set, "--single",
                "--merge", a, "--save-state", b, "-o", one);
    EXPECT_TOOL(0, WORDS("120 faces"), "fuse", "--model", f->model, "--merge", a, a, "-o", out);
    x = open_file(one);
    y = open_file(out);
    cafi_tensor_read_f32(cafi_bundle_at(x, 0), 0, C, p);
    cafi_tensor_read_f32(cafi_bundle_at(y, 0), 0, C, q);
    EXPECT_NEAR_F32(p, q, C, 1e-6, "merged with and without rows");
    cafi_bundle_close(x);
    cafi_bundle_close(y);
    EXPECT_TOOL(1, WORDS("b.state", "model is needed"), "fuse", "--merge", b, "-o", out);
    EXPECT_TOOL(1, WORDS("caface", "average"), "fuse", "--model", f->model, "--method", "average",
                "--merge", b, "-o", out);
    EXPECT_TOOL(1, WORDS("4 templates", "--single"), "fuse", "--model", f->model, "--input", f->set,
                "--merge", b, "-o", out);
    EXPECT_TOOL(1, WORDS("m.safetensors", "no saved set"), "fuse", "--model", f->model, "--merge",
                f->model, "-o", out);
}

/* A set of its own with the fixture's rows and that set.json. */
static const char *set_made_by(fixture *f, const char *name, const char *json)
{
    const char *set = path_of(f, name);
    char path[300];

    assert_int_equal(mkdir(set, 0700), 0);
    snprintf(path, sizeof path, "%s/features.npy", set);
    save(path, CAFI_F32, 2, N, C, 0, f->feat);
    snprintf(path, sizeof path, "%s/styles.npy", set);
    save(path, CAFI_F32, 3, N, S, 2, f->style);
    snprintf(path, sizeof path, "%s/set.json", set);
    test_write(path, json, strlen(json));
    return set;
}

/* The colour order, the scale and the backbone go into a state, for every method. */
static void states_of_other_conventions_do_not_mix(void **state)
{
    fixture *f = *state;
    const char *rgb = set_made_by(
        f, "rgb", "{\"version\": 1, \"backbone\": \"b1\", \"input\": \"rgb mean 127.5\"}");
    const char *bgr = set_made_by(
        f, "bgr", "{\"version\": 1, \"backbone\": \"b1\", \"input\": \"bgr mean 127.5\"}");
    const char *other = set_made_by(
        f, "other", "{\"version\": 1, \"backbone\": \"b2\", \"input\": \"rgb mean 127.5\"}");
    const char *unsaid = set_made_by(f, "unsaid", "{\"version\": 1}");
    const char *a = path_of(f, "rgb.state"), *b = path_of(f, "bgr.state");
    const char *u = path_of(f, "unsaid.state"), *out = path_of(f, "mixed.npy");
    static const char *const methods[] = {"caface", "average"};

    for (size_t i = 0; i < 2; i++) {
        const char *method = methods[i];

        EXPECT_TOOL(0, WORDS("60 faces"), "fuse", "--model", f->model, "--method", method, "-i",
                    rgb, "--save-state", a);
        EXPECT_TOOL(0, WORDS("60 faces"), "fuse", "--model", f->model, "--method", method, "-i",
                    bgr, "--save-state", b);
        EXPECT_TOOL(0, WORDS("60 faces"), "fuse", "--model", f->model, "--method", method, "-i",
                    unsaid, "--save-state", u);
        EXPECT_TOOL(1, WORDS("bgr.state", "input", "rgb mean 127.5", "bgr mean 127.5"), "fuse",
                    "--model", f->model, "--method", method, "--merge", a, b, "-o", out);
        EXPECT_TOOL(1, WORDS("rgb.state", "rgb mean 127.5", "bgr mean 127.5"), "fuse", "--model",
                    f->model, "--method", method, "-i", bgr, "--merge", a, "-o", out);
        EXPECT_TOOL(1, WORDS("rgb.state", "backbone", "b1", "b2"), "fuse", "--model", f->model,
                    "--method", method, "-i", other, "--merge", a, "-o", out);
        EXPECT_TOOL(0, WORDS("120 faces"), "fuse", "--model", f->model, "--method", method,
                    "--merge", a, a, "-o", out);
        EXPECT_TOOL(0, WORDS("120 faces"), "fuse", "--model", f->model, "--method", method,
                    "--merge", a, u, "-o", out);
        EXPECT_TOOL(1, WORDS("bgr.state", "input"), "fuse", "--model", f->model, "--method", method,
                    "--merge", u, a, b, "-o", out);
    }
}

/* A template without a direction is told: two features that cancel out, and one of zeros. */
static void zero_templates_are_told(void **state)
{
    fixture *f = *state;
    const char *bad = path_of(f, "cancel.npy");
    const char *ids = path_of(f, "cancel_ids.npy");
    float feat[5 * C] = {0};
    int64_t id[5] = {1, 1, 2, 3, 3};
    test_program p;

    for (size_t c = 0; c < C; c++) {
        feat[c] = (float)c + 1;
        feat[C + c] = -feat[c];
        feat[3 * C + c] = feat[4 * C + c] = 1;
    }
    save(bad, CAFI_F32, 2, 5, C, 0, feat);
    save(ids, CAFI_I64, 1, 5, 0, 0, id);
    p = test_tool("fuse", "--method", "average", "--features", bad, "--ids", ids, "-o",
                  path_of(f, "cancel.npz"));
    assert_int_equal(p.status, 0);
    assert_non_null(strstr(p.err, "2 templates are of length 0"));
    test_program_free(&p);
    EXPECT_TOOL(0, WORDS("\"zero_templates\":2"), "fuse", "--method", "norm:2", "--features", bad,
                "--ids", ids, "--json", "-o", path_of(f, "cancel.npz"));
}

static void invalid_rows_are_named_or_dropped(void **state)
{
    fixture *f = *state;
    const char *bad = path_of(f, "bad.npy");
    const char *ids = path_of(f, "alone.npy");
    const char *out = path_of(f, "dropped.npz");
    float *feat = malloc(sizeof f->feat);
    int64_t id[N];
    cafi_bundle *bundle = NULL;

    assert_non_null(feat);
    memcpy(feat, f->feat, sizeof f->feat);
    feat[17 * C + 2] = NAN;
    feat[40 * C] = INFINITY;
    save(bad, CAFI_F32, 2, N, C, 0, feat);
    free(feat);
    for (size_t i = 0; i < N; i++)
        id[i] = i == 40 ? 99 : f->id[i];
    save(ids, CAFI_I64, 1, N, 0, 0, id);
    EXPECT_TOOL(1, WORDS("bad.npy", "row 17", "NaN"), "fuse", "--model", f->model, "--features",
                bad, "--styles", f->styles, "-o", out);
    EXPECT_TOOL(1, WORDS("row 17"), "fuse", "--method", "unit", "--features", bad, "-o", out);
    EXPECT_TOOL(0, WORDS("58 faces into 4 templates", "2 dropped"), "fuse", "--model", f->model,
                "--features", bad, "--styles", f->styles, "--ids", f->ids, "--drop-invalid", "-o",
                out);
    EXPECT_TOOL(3, WORDS("1 template without a valid face"), "fuse", "--model", f->model,
                "--features", bad, "--styles", f->styles, "--ids", ids, "--drop-invalid", "-o",
                out);
    bundle = open_file(out);
    assert_true(
        cafi_tensor_has_shape(cafi_bundle_find(bundle, "template_ids"), 1, (size_t[]){TEMPLATES}));
    cafi_bundle_close(bundle);
}

static void wrong_uses_are_told(void **state)
{
    fixture *f = *state;
    const char *out = path_of(f, "never.npy");
    const char *nowhere = path_of(f, "no/such/folder/t.npy");
    const char *short_ids = path_of(f, "short.npy");
    const char *real_ids = path_of(f, "real.npy");
    struct stat there;

    save(short_ids, CAFI_I64, 1, N - 1, 0, 0, f->id);
    save(real_ids, CAFI_F32, 1, N, 0, 0, f->feat);
    EXPECT_TOOL(2, WORDS("nothing to fuse"), "fuse", "--model", f->model);
    EXPECT_TOOL(2, WORDS("--model"), "fuse", "--input", f->set);
    EXPECT_TOOL(2, WORDS("--styles"), "fuse", "--model", f->model, "--features", f->features);
    EXPECT_TOOL(2, WORDS("exclude"), "fuse", "--model", f->model, "--features", f->features,
                "--input", f->set);
    EXPECT_TOOL(2, WORDS("exclude"), "fuse", "--model", f->model, "--input", f->set, "--ids",
                f->ids, "--single");
    EXPECT_TOOL(2, WORDS("unknown method best"), "fuse", "--method", "best", "--input", f->set);
    EXPECT_TOOL(2, WORDS(".npy or .npz"), "fuse", "--model", f->model, "--input", f->set, "-o",
                "x.txt");
    EXPECT_TOOL(2, WORDS("no face weights"), "fuse", "--method", "unit", "--input", f->set,
                "--weights", out);
    EXPECT_TOOL(2, WORDS("--chunk"), "fuse", "--model", f->model, "--input", f->set, "--chunk",
                "70000");
    EXPECT_TOOL(1, WORDS("4 templates", "never.npy"), "fuse", "--model", f->model, "--input",
                f->set, "-o", out);
    EXPECT_TOOL(1, WORDS("t.npy"), "fuse", "--model", f->model, "--input", f->set, "--single", "-o",
                nowhere);
    EXPECT_TOOL(1, WORDS("short.npy", "59", "60"), "fuse", "--model", f->model, "--features",
                f->features, "--styles", f->styles, "--ids", short_ids, "-o", out);
    EXPECT_TOOL(1, WORDS("real.npy"), "fuse", "--model", f->model, "--features", f->features,
                "--styles", f->styles, "--ids", real_ids, "-o", out);
    EXPECT_TOOL(1, WORDS("column media"), "fuse", "--method", "media", "--features", f->features,
                "-o", out);
    EXPECT_TOOL(1, WORDS("features.npy", "no fusion network"), "fuse", "--model", f->features,
                "--input", f->set, "-o", out);
    EXPECT_TOOL(2, WORDS("nothing would be written"), "fuse", "--model", f->model, "--input",
                f->set);
    assert_int_not_equal(stat(out, &there), 0);
}

/* The example against the library: the same numbers, printed. */
static void the_example_streams(void **state)
{
    fixture *f = *state;
    const char *path = getenv("CAFACE_EXAMPLE_STREAM");
    const char *input = path_of(f, "faces.f32");
    float *rows = malloc(sizeof f->feat + sizeof f->style);
    float got[C];
    char *at = NULL;
    test_program p;

    assert_non_null(rows);
    assert_non_null(path);
    for (size_t i = 0; i < N; i++) {
        memcpy(rows + i * (C + S * 2), f->feat + i * C, C * sizeof *rows);
        memcpy(rows + i * (C + S * 2) + C, f->style + i * S * 2, S * 2 * sizeof *rows);
    }
    test_write(input, rows, sizeof f->feat + sizeof f->style);
    free(rows);
    p = test_run(path, input, (const char *const[]){f->model, NULL});
    assert_int_equal(p.status, 0);
    at = p.out;
    for (size_t c = 0; c < C; c++)
        got[c] = strtof(at, &at);
    expect_template(f, false, 0, CAFACE_METHOD_CAFACE, 512, got);
    test_program_free(&p);
    p = test_run(path, NULL, (const char *const[]){NULL});
    assert_int_equal(p.status, 1);
    assert_non_null(strstr(p.err, "usage"));
    test_program_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_by_index_or_ids),
        cmocka_unit_test(one_set_is_a_row),
        cmocka_unit_test(json_is_one_object),
        cmocka_unit_test(weights_are_in_row_order),
        cmocka_unit_test(states_are_saved_and_merged),
        cmocka_unit_test(states_of_other_conventions_do_not_mix),
        cmocka_unit_test(invalid_rows_are_named_or_dropped),
        cmocka_unit_test(zero_templates_are_told),
        cmocka_unit_test(wrong_uses_are_told),
        cmocka_unit_test(the_example_streams),
    };

    return cmocka_run_group_tests_name("fuse_cli", tests, set_up, tear_down);
}
