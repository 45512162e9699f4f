/* How features were encoded, and what a fusion model was trained on: told, kept, compared. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caface/batch.h"
#include "caface/features.h"
#include "files/bundle.h"
#include "files/feature_set.h"
#include "files/feature_set_write.h"
#include "files/origin.h"
#include "files/safetensors.h"
#include "fusion/batch.h"
#include "fusion_model.h"

enum { C = 6, S = 3, N = 5 };

typedef struct fixture {
    caface_model *plain, *told;
    float feat[N * C], style[N * S * 2];
} fixture;

/* The model in `from`, and what it was trained on. */
static void tell(const char *from, const char *to, cafi_origin trained_on)
{
    cafi_bundle *b = NULL;
    const cafi_tensor *tensors[128];
    cafi_origin_room room;
    char key[] = CAFI_TRAINED_ON, *keys[] = {key};
    cafi_value value = cafi_origin_value(&room, trained_on);
    const cafi_value dict = {.kind = CAFI_DICT, .u.list = {&value, keys, 1}};
    caface_error err;

    EXPECT_OK(cafi_bundle_open(&b, from, &err), err);
    for (size_t i = 0; i < cafi_bundle_count(b); i++)
        tensors[i] = cafi_bundle_at(b, i);
    EXPECT_OK(cafi_safetensors_save(to, tensors, cafi_bundle_count(b), &dict, &err), err);
    cafi_bundle_close(b);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    test_rng rng = {test_seed()};
    test_model m = test_model_new(&rng, test_sizes_of(C, S, 4, 8, 2, 1, 1, 8));
    caface_error err;

    assert_non_null(f);
    test_model_save(&m, test_temp("plain.safetensors"), 0);
    test_model_free(&m);
    tell(test_temp("plain.safetensors"), test_temp("told.safetensors"),
         (cafi_origin){.backbone = "b1", .input = "rgb", .encoding = "fp32 taps x, y"});
    EXPECT_OK(caface_model_open(&f->plain, test_temp("plain.safetensors"), &err), err);
    EXPECT_OK(caface_model_open(&f->told, test_temp("told.safetensors"), &err), err);
    test_fill(&rng, f->feat, N * C, 1.0f);
    test_fill(&rng, f->style, N * S * 2, 1.0f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    caface_model_free(f->plain);
    caface_model_free(f->told);
    free(f);
    return 0;
}

/* ---- the text --------------------------------------------------------------------------- */

static void expect_made(const char *precision, bool flip, const char *a, const char *b,
                        const char *want)
{
    const char *taps[] = {a, b};
    char *text = NULL;
    caface_error err;

    EXPECT_OK(cafi_encoding_make(&text, precision, flip, taps, b ? 2 : a ? 1 : 0, &err), err);
    assert_string_equal(text ? text : "", want);
    free(text);
}

static void expect_joined(const char *a, const char *b, bool styles, const char *want)
{
    char *one = NULL, *other = NULL;
    caface_error err;

    EXPECT_OK(cafi_encoding_join(&one, a, b, styles, "x", &err), err);
    EXPECT_OK(cafi_encoding_join(&other, b, a, styles, "x", &err), err);
    assert_string_equal(one ? one : "", want);
    assert_string_equal(other ? other : "", want);
    free(one);
    free(other);
}

static void texts(void **state)
{
    char *longer = calloc(1, 5000), *text = NULL;
    caface_error err;

    (void)state;
    assert_non_null(longer);
    expect_made("fp32", false, NULL, NULL, "fp32");
    expect_made("bf16", true, NULL, NULL, "bf16 flip");
    expect_made(NULL, true, "a", NULL, "flip taps a");
    expect_made(NULL, false, "a", "b c", "taps a, b c");
    expect_made(NULL, false, NULL, NULL, "");
    expect_joined(NULL, NULL, true, "");
    expect_joined("fp32", NULL, true, "fp32");
    expect_joined("fp32", "", true, "fp32");
    expect_joined("fp32", "fp32", true, "fp32");
    expect_joined("fp32", "fp32 flip", true, "fp32 + fp32 flip");
    expect_joined("fp32 + int8", "bf16 flip + int8", false, "bf16 flip + fp32 + int8");
    expect_joined("fp32 taps a, b", "bf16", true, "bf16 + fp32 taps a, b");
    expect_joined("taps a", "fp32", true, "fp32 taps a");
    expect_joined("fp32 taps a", "fp32 taps b", false, "fp32");
    EXPECT_FAIL(cafi_encoding_join(&text, "fp32 taps a", "fp32 taps b", true, "set", &err),
                CAFACE_EMODEL, err, "set", "taps b", "with a");
    assert_false(cafi_encoding_is_new("fp32 taps a", "fp32 taps b"));
    assert_false(cafi_encoding_is_new("fp32", NULL));
    assert_false(cafi_encoding_is_new("", "fp32"));
    assert_false(cafi_encoding_is_new("fp32", "bf16 + fp32"));
    assert_true(cafi_encoding_is_new("bf16 + fp32", "fp32"));
    assert_true(cafi_encoding_is_new("fp32", "fp32 flip"));
    assert_int_equal(cafi_encoding_ways("bf16 + fp32 flip taps a"), 16);
    assert_int_equal(cafi_encoding_ways("taps a"), 0);
    memset(longer, 'n', 4000); /* names too long for the text: another name, another text */
    expect_made("fp32", false, longer, NULL,
                "fp32 taps sha256:"
                "dc06e145b07e15b0d0c1762ddf58a568068fe51fa5a1ddd826d6452a7403ea11");
    free(longer);
}

static void texts_from_strangers(void **state)
{
    char text[3000] = "", *out = NULL;
    caface_error err;

    (void)state;
    memset(text, 'x', CAFI_ENCODING_TEXT + 1);
    EXPECT_FAIL(cafi_encoding_join(&out, NULL, text, true, "set", &err), CAFACE_EINVAL, err,
                "too long");
    assert_null(out);
    memset(text, 0, sizeof text);
    for (int i = 0; i < 17; i++) /* more ways than there can be */
        snprintf(text + strlen(text), sizeof text - strlen(text), "%sw%d", i ? " + " : "", i);
    EXPECT_FAIL(cafi_encoding_join(&out, text, NULL, true, "set", &err), CAFACE_EINVAL, err,
                "16 ways");
    expect_joined(" + ", " + ", true, "");
    expect_joined("taps ", "taps ", true, "taps ");
    expect_joined(" taps ", "fp32", true, " + fp32 taps ");
}

/* ---- sets ------------------------------------------------------------------------------- */

static caface_set *set_of(const caface_model *model, const char *encoding)
{
    caface_set_options o;
    caface_set *set = NULL;
    caface_error err;

    caface_set_options_init(&o);
    o.method = model ? CAFACE_METHOD_CAFACE : CAFACE_METHOD_AVERAGE;
    o.width = C;
    o.encoding = encoding;
    EXPECT_OK(caface_set_new(&set, model, &o, &err), err);
    return set;
}

static const char *encoding_of(const caface_set *set)
{
    caface_set_options o;

    caface_set_get_options(set, &o);
    return o.encoding ? o.encoding : "";
}

/* Saved and loaded again; the version of the bytes is returned. */
static int go_round(caface_set **set, const caface_model *model)
{
    caface_set *again = NULL;
    void *bytes = NULL;
    size_t size = 0;
    int version = 0;
    caface_error err;

    EXPECT_OK(caface_set_save_memory(*set, &bytes, &size, &err), err);
    version = ((unsigned char *)bytes)[8];
    EXPECT_OK(caface_set_load_memory(&again, model, bytes, size, &err), err);
    free(bytes);
    assert_string_equal(encoding_of(again), encoding_of(*set));
    caface_set_free(*set);
    *set = again;
    return version;
}

static void sets_keep_it(void **state)
{
    const fixture *f = *state;
    caface_set *a = set_of(f->plain, "fp32 taps x"), *b = set_of(f->plain, "bf16 flip taps x");
    caface_set *other = set_of(f->plain, "fp32 taps y"), *unsaid = set_of(f->plain, NULL);
    caface_set *mean = set_of(NULL, "fp32 taps x");
    caface_error err;

    EXPECT_OK(caface_set_push(a, f->feat, f->style, N, &err), err);
    assert_int_equal(go_round(&a, f->plain), 3);
    assert_int_equal(go_round(&unsaid, f->plain), 1); /* as earlier versions wrote it */
    EXPECT_OK(caface_set_merge(unsaid, b, &err), err);
    assert_string_equal(encoding_of(unsaid), "bf16 flip taps x");
    EXPECT_OK(caface_set_merge(a, b, &err), err);
    assert_string_equal(encoding_of(a), "bf16 flip + fp32 taps x");
    assert_int_equal(go_round(&a, f->plain), 3);
    EXPECT_FAIL(caface_set_merge(a, other, &err), CAFACE_EMODEL, err, "taps y", "with x");
    assert_string_equal(encoding_of(a), "bf16 flip + fp32 taps x");
    assert_int_equal(caface_set_count(a), N);
    assert_string_equal(encoding_of(mean), "fp32"); /* no style is in it */
    EXPECT_OK(caface_set_add_source(mean, "b1", "rgb", "fp32 flip taps y", &err), err);
    assert_string_equal(encoding_of(mean), "fp32 + fp32 flip");
    EXPECT_FAIL(caface_set_add_source(mean, "b2", NULL, "int8", &err), CAFACE_EMODEL, err, "b2",
                "b1");
    assert_string_equal(encoding_of(mean), "fp32 + fp32 flip");
    assert_int_equal(go_round(&mean, NULL), 3);
    caface_set_free(a);
    caface_set_free(b);
    caface_set_free(other);
    caface_set_free(unsaid);
    caface_set_free(mean);
}

static cafi_feature_set *features_of(const fixture *f, const char *name, const cafi_set_info *info)
{
    const cafi_set_layout layout = {.C = C, .S = S, .dtype = CAFI_F32};
    cafi_set_writer *w = NULL;
    cafi_feature_set *set = NULL;
    caface_error err;

    EXPECT_OK(cafi_set_begin(&w, test_temp("%s", name), &layout, &err), err);
    EXPECT_OK(cafi_set_append(w, N, f->feat, f->style, NULL, NULL, &err), err);
    EXPECT_OK(cafi_set_commit(w, info, &err), err);
    EXPECT_OK(cafi_feature_set_open(&set, test_temp("%s", name), &err), err);
    return set;
}

/* What set.json says is in the set that its rows go into, and in a set that another program
 * writes with what the first one says. */
static void feature_sets_tell_it(void **state)
{
    static const char *const taps[] = {"x", "y"};
    const fixture *f = *state;
    const cafi_set_info info = {
        .backbone = "b1", .precision = "bf16", .flip = true, .taps = taps, .tap_count = 2};
    cafi_feature_set *a = features_of(f, "a", &info), *b = NULL;
    const cafi_fuse_options options = {0};
    const size_t rows[N] = {0, 1, 2, 3, 4};
    caface_features_info of_a, of_b;
    caface_features_layout layout;
    caface_features_writer *w = NULL;
    caface_set *set = set_of(f->plain, "fp32");
    caface_error err;

    caface_features_get_info(a, &of_a);
    assert_string_equal(of_a.encoding, "bf16 flip taps x, y");
    EXPECT_OK(cafi_fuse_into(set, a, rows, N, &options, &err), err);
    assert_string_equal(encoding_of(set), "bf16 flip + fp32 taps x, y");
    caface_features_layout_init(&layout);
    layout.C = C;
    layout.encoding = "bf16 flip + fp32 taps x, y";
    EXPECT_OK(caface_features_create(&w, test_temp("b"), &layout, &err), err);
    EXPECT_OK(caface_features_append(w, N, f->feat, NULL, NULL, NULL, &err), err);
    EXPECT_OK(caface_features_commit(w, &err), err);
    EXPECT_OK(caface_features_extend(&w, test_temp("b"), &err), err);
    EXPECT_OK(caface_features_commit(w, &err), err);
    EXPECT_OK(cafi_feature_set_open(&b, test_temp("b"), &err), err);
    caface_features_get_info(b, &of_b);
    assert_string_equal(of_b.encoding, layout.encoding);
    caface_set_free(set);
    cafi_feature_set_close(a);
    cafi_feature_set_close(b);
}

/* ---- fusion models ------------------------------------------------------------------------ */

static void models_tell_it(void **state)
{
    static const char *const taps[] = {"x", "y"};
    static const char *const others[] = {"x", "z"};
    const fixture *f = *state;
    const struct {
        cafi_set_info info;
        const char *a, *b; /* what the sentence names; NULL: it fits */
    } cases[] = {{{.backbone = "b1", .input = "rgb", .taps = taps, .tap_count = 2}, NULL, NULL},
                 {{.backbone = "b1", .precision = "int8", .flip = true}, NULL, NULL},
                 {{.command = "nothing said"}, NULL, NULL},
                 {{.backbone = "b2", .input = "rgb"}, "backbone b2", "b1"},
                 {{.backbone = "b1", .input = "bgr"}, "input bgr", "rgb"},
                 {{.backbone = "b1", .taps = others, .tap_count = 2}, "taps x, z", "x, y"}};
    caface_model_info info;
    caface_set *set = NULL;
    caface_set_options o;
    void *bytes = NULL;
    size_t size = 0;
    caface_error err;

    caface_model_get_info(f->plain, &info);
    assert_null(info.backbone);
    caface_model_get_info(f->told, &info);
    assert_string_equal(info.backbone, "b1");
    assert_string_equal(info.encoding, "fp32 taps x, y");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cafi_feature_set *set_of_case = features_of(f, "case", &cases[i].info);
        caface_groups *groups = NULL;
        float out[C];
        caface_status st = CAFACE_OK;

        EXPECT_OK(caface_groups_new(&groups, NULL, N, &err), err);
        st = caface_batch_fuse(f->told, set_of_case, groups, NULL, out, NULL, NULL, &err);
        if (cases[i].a)
            EXPECT_FAIL(st, CAFACE_EMODEL, err, cases[i].a, cases[i].b, "trained on");
        else
            EXPECT_OK(st, err);
        caface_groups_free(groups);
        cafi_feature_set_close(set_of_case);
    }
    /* a set made elsewhere with the same tensors, of another backbone */
    caface_set_options_init(&o);
    o.width = C;
    o.backbone = "b2";
    EXPECT_FAIL(caface_set_new(&set, f->told, &o, &err), CAFACE_EMODEL, err, "b2", "b1");
    EXPECT_OK(caface_set_new(&set, f->plain, &o, &err), err);
    EXPECT_OK(caface_set_save_memory(set, &bytes, &size, &err), err);
    caface_set_free(set);
    EXPECT_FAIL(caface_set_load_memory(&set, f->told, bytes, size, &err), CAFACE_EMODEL, err, "b2",
                "b1");
    free(bytes);
}

static void a_model_that_says_too_much(void **state)
{
    char *text = calloc(1, 5000);
    caface_model *model = NULL;
    caface_error err;

    (void)state;
    assert_non_null(text);
    memset(text, 'b', 300);
    tell(test_temp("plain.safetensors"), test_temp("long.safetensors"),
         (cafi_origin){.backbone = text});
    EXPECT_FAIL(caface_model_open(&model, test_temp("long.safetensors"), &err), CAFACE_EMODEL, err,
                "long.safetensors", "300 bytes");
    memset(text, 'e', 4000);
    tell(test_temp("plain.safetensors"), test_temp("long.safetensors"),
         (cafi_origin){.encoding = text});
    EXPECT_FAIL(caface_model_open(&model, test_temp("long.safetensors"), &err), CAFACE_EMODEL, err,
                "long.safetensors", "too long");
    assert_null(model);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),          cmocka_unit_test(texts_from_strangers),
        cmocka_unit_test(sets_keep_it),   cmocka_unit_test(feature_sets_tell_it),
        cmocka_unit_test(models_tell_it), cmocka_unit_test(a_model_that_says_too_much),
    };

    return cmocka_run_group_tests_name("origin", tests, set_up, tear_down);
}
