/* Saved sets that are cut off, flipped or made to lie: one error each. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "caface/set.h"
#include "restore_model.h"

enum { C = 6, S = 3, N = 11, KINDS = 3 };

static const caface_method methods[KINDS] = {CAFACE_METHOD_CAFACE, CAFACE_METHOD_MEDIA,
                                             CAFACE_METHOD_RESTORE};

typedef struct fixture {
    test_rng rng;
    caface_model *model;
    caface_model *restore;
    unsigned char *bytes[KINDS]; /* caface, media, restore */
    size_t size[KINDS];
} fixture;

static const caface_model *model_of(const fixture *f, int k)
{
    return k == 2 ? f->restore : f->model;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    test_model m;
    restore_model r;
    float feat[N * C], style[N * S * 2];
    int64_t media[N];
    caface_error err;

    assert_non_null(f);
    f->rng.state = test_seed();
    m = test_model_new(&f->rng, test_sizes_of(C, S, 4, 6, 2, 1, 1, 1));
    test_model_save(&m, test_temp("m.safetensors"), 0);
    test_model_free(&m);
    EXPECT_OK(caface_model_open(&f->model, test_temp("m.safetensors"), &err), err);
    r = restore_model_new(
        &f->rng,
        (restore_sizes){
            .C = C, .S = S, .P = 2, .Q = 2, .I = 3, .H = 3, .R = 2, .K = 2, .MI = 2, .members = 1});
    test_model_save(&r.tensors, test_temp("r.safetensors"), 0);
    restore_model_free(&r);
    EXPECT_OK(caface_model_open(&f->restore, test_temp("r.safetensors"), &err), err);
    test_fill(&f->rng, feat, N * C, 1.0f);
    test_fill(&f->rng, style, N * S * 2, 1.0f);
    for (size_t i = 0; i < N; i++)
        media[i] = (int64_t)i % 3;
    for (int k = 0; k < KINDS; k++) {
        caface_set_options o;
        caface_set *set = NULL;

        caface_set_options_init(&o);
        o.method = methods[k];
        o.keep_weights = k != 1;
        o.chunk = 4;
        o.width = C;
        o.backbone = k == 0 ? NULL : "backbone";
        o.input = k == 1 ? "rgb" : NULL;
        o.encoding = k == 2 ? "fp32 flip taps a, b" : NULL;
        EXPECT_OK(caface_set_new(&set, model_of(f, k), &o, &err), err);
        if (k == 1)
            EXPECT_OK(caface_set_push_media(set, feat, media, N, &err), err);
        else
            EXPECT_OK(caface_set_push(set, feat, style, N, &err), err);
        EXPECT_OK(caface_set_save_memory(set, (void **)&f->bytes[k], &f->size[k], &err), err);
        caface_set_free(set);
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    caface_model_free(f->model);
    caface_model_free(f->restore);
    for (int k = 0; k < KINDS; k++)
        free(f->bytes[k]);
    free(f);
    return 0;
}

static void expect_refused(const fixture *f, int k, const unsigned char *bytes, size_t size)
{
    caface_set *set = NULL;
    caface_error err = {CAFACE_OK, ""};
    caface_status st = caface_set_load_memory(&set, model_of(f, k), bytes, size, &err);

    assert_int_not_equal(st, CAFACE_OK);
    assert_int_equal(st, err.status);
    assert_true(err.message[0] != '\0');
    assert_null(set);
}

static void cut_off_anywhere(void **state)
{
    const fixture *f = *state;

    for (int k = 0; k < KINDS; k++)
        for (size_t n = 0; n < f->size[k]; n++) {
            unsigned char *cut = malloc(n + 1); /* so that a read beyond is seen */

            assert_non_null(cut);
            memcpy(cut, f->bytes[k], n);
            expect_refused(f, k, cut, n);
            free(cut);
        }
}

static void every_byte_flipped(void **state)
{
    const fixture *f = *state;

    for (int k = 0; k < KINDS; k++)
        for (size_t i = 0; i < f->size[k]; i++) {
            f->bytes[k][i] ^= 0x41;
            expect_refused(f, k, f->bytes[k], f->size[k]);
            f->bytes[k][i] ^= 0x41;
        }
}

/* Damage with a checksum that is right: what loads must be usable, what does
 * not must be refused; sanitizers watch. */
static void lies_with_a_right_checksum(void **state)
{
    fixture *f = *state;
    static const unsigned char values[] = {0, 1, 2, 0x7f, 0x80, 0xff};
    size_t loaded = 0;

    for (int k = 0; k < KINDS; k++) {
        size_t body = f->size[k] - CAFI_SHA256_SIZE;
        size_t end = body < 1200 ? body : 1200;
        unsigned char *copy = malloc(f->size[k]);

        assert_non_null(copy);
        for (size_t i = 8; i < end; i++)
            for (size_t v = 0; v < sizeof values; v++) {
                caface_set *set = NULL;
                float template[64];
                caface_error err;

                memcpy(copy, f->bytes[k], f->size[k]);
                copy[i] = values[v];
                cafi_sha256_of(copy, body, copy + body);
                if (caface_set_load_memory(&set, model_of(f, k), copy, f->size[k], &err))
                    continue;
                loaded++;
                assert_int_equal(caface_set_width(set), C);
                if (caface_set_count(set) && !caface_set_template(set, template, &err))
                    for (size_t c = 0; k == 2 && c < C; c++)
                        assert_true(isfinite(template[c]));
                caface_set_free(set);
            }
        free(copy);
    }
    assert_true(loaded > 0);
}

static void other_files_are_told(void **state)
{
    const fixture *f = *state;
    const char *path = test_temp("other.state");
    caface_set *set = NULL;
    caface_error err;

    test_write(path, "PK\3\4 something else", 18);
    EXPECT_FAIL(caface_set_load(&set, f->model, path, &err), CAFACE_EFORMAT, err, "other.state",
                "no saved set");
    test_write(path, "", 0);
    EXPECT_FAIL(caface_set_load(&set, f->model, path, &err), CAFACE_EFORMAT, err, "other.state");
    EXPECT_FAIL(caface_set_load(&set, f->model, "/nowhere/x", &err), CAFACE_EIO, err, "/nowhere/x");
    EXPECT_FAIL(caface_set_load_memory(&set, f->model, NULL, 5, &err), CAFACE_EINVAL, err, "null");
    f->bytes[0][8] += 3;
    EXPECT_FAIL(caface_set_load_memory(&set, f->model, f->bytes[0], f->size[0], &err),
                CAFACE_EFORMAT, err, "version 4");
    f->bytes[0][8] -= 3;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_off_anywhere),
        cmocka_unit_test(every_byte_flipped),
        cmocka_unit_test(lies_with_a_right_checksum),
        cmocka_unit_test(other_files_are_told),
    };

    return cmocka_run_group_tests_name("damaged_states", tests, set_up, tear_down);
}
