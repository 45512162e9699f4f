/* The grammar of methods: what is written is read, and nothing else is taken. */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "caface/batch.h"
#include "fusion/method.h"

static void ways_are_read_and_written(void **state)
{
    static const struct {
        const char *text, *again;
        cafi_way way;
        cafi_way_said said;
    } cases[] = {
        {"unit", "unit", {CAFACE_METHOD_UNIT, 3, 512}, {false, false}},
        {"average", "average", {CAFACE_METHOD_AVERAGE, 3, 512}, {false, false}},
        {"media", "media", {CAFACE_METHOD_MEDIA, 3, 512}, {false, false}},
        {"media-average", "media", {CAFACE_METHOD_MEDIA, 3, 512}, {false, false}},
        {"norm", "norm:3", {CAFACE_METHOD_NORM, 3, 512}, {false, false}},
        {"norm:7", "norm:7", {CAFACE_METHOD_NORM, 7, 512}, {true, false}},
        {"norm:1", "norm", {CAFACE_METHOD_NORM, 1, 512}, {true, false}},
        {"norm:-0.5", "norm:-0.5", {CAFACE_METHOD_NORM, -0.5, 512}, {true, false}},
        {"caface", "caface@512", {CAFACE_METHOD_CAFACE, 3, 512}, {false, false}},
        {"caface@64", "caface@64", {CAFACE_METHOD_CAFACE, 3, 64}, {false, true}},
        {"caface@0", "caface@0", {CAFACE_METHOD_CAFACE, 3, 0}, {false, true}},
        {"media+score", "media+score", {CAFACE_METHOD_MEDIA, 3, 512, true}, {false, false}},
        {"norm:7+score", "norm:7+score", {CAFACE_METHOD_NORM, 7, 512, true}, {true, false}},
        {"caface@65536", "caface@65536", {CAFACE_METHOD_CAFACE, 3, 65536}, {false, true}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cafi_way way = {CAFACE_METHOD_AVERAGE, 3, 512};
        cafi_way_said said = {true, true};
        char text[CAFI_WAY_TEXT];
        char longer[64];
        caface_error err;

        /* the text ends where its size says */
        snprintf(longer, sizeof longer, "%s,norm:9", cases[i].text);
        EXPECT_OK(cafi_way_parse(&way, &said, longer, strlen(cases[i].text), &err), err);
        assert_int_equal(way.method, cases[i].way.method);
        assert_true(way.power == cases[i].way.power);
        assert_int_equal(way.chunk, cases[i].way.chunk);
        assert_int_equal(said.power, cases[i].said.power);
        assert_int_equal(said.chunk, cases[i].said.chunk);
        assert_string_equal(cafi_way_text(&way, text), cases[i].again);
        assert_true(cafi_way_equal(&way, &cases[i].way));
    }
}

static void nothing_else_is_taken(void **state)
{
    static const char *const cases[][2] = {
        {"", "caface, average, unit, norm, media and restore"},
        {"Unit", "unknown method Unit"},
        {"units", "units"},
        {"norm:", "power"},
        {"norm:x", "power"},
        {"norm:7x", "power"},
        {"norm:101", "-100 to 100"},
        {"norm:nan", "power"},
        {"norm@7", "takes no chunk"},
        {"unit:7", "takes no power"},
        {"caface:7", "takes no power"},
        {"caface@", "chunk"},
        {"caface@-1", "chunk"},
        {"caface@65537", "65536"},
        {"caface@6 4", "chunk"},
        {"caface@64@64", "chunk"},
        {"caface ", "unknown"},
        {"average+score", "no scores here"},
        {"caface+score", "average, media, unit and norm"},
        {"norm:x+score", "power"},
        {"+score", "unknown"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cafi_way way = {CAFACE_METHOD_MEDIA, 3, 5};
        caface_error err;

        EXPECT_FAIL(cafi_way_parse(&way, NULL, cases[i][0], strlen(cases[i][0]), &err),
                    CAFACE_EINVAL, err, cases[i][1]);
        assert_int_equal(way.method, CAFACE_METHOD_MEDIA);
        assert_true(way.power == 3 && way.chunk == 5);
    }
}

static void options_are_spelled_the_same(void **state)
{
    caface_set_options o;
    caface_method method = CAFACE_METHOD_UNIT;
    caface_error err;

    (void)state;
    caface_set_options_init(&o);
    EXPECT_OK(caface_set_options_parse(&o, "norm:7", &err), err);
    assert_int_equal(o.method, CAFACE_METHOD_NORM);
    assert_true(o.norm_power == 7);
    assert_int_equal(o.chunk, 512);
    EXPECT_OK(caface_set_options_parse(&o, "caface@4", &err), err);
    assert_int_equal(o.method, CAFACE_METHOD_CAFACE);
    assert_int_equal(o.chunk, 4);
    assert_int_equal(o.size, sizeof o);
    EXPECT_FAIL(caface_set_options_parse(&o, "caface@x", &err), CAFACE_EINVAL, err, "x");
    EXPECT_FAIL(caface_set_options_parse(&o, NULL, &err), CAFACE_EINVAL, err, "null");
    assert_int_equal(o.chunk, 4);
    for (int m = 0; caface_method_name((caface_method)m); m++) {
        EXPECT_OK(caface_method_parse(&method, caface_method_name((caface_method)m), &err), err);
        assert_int_equal(method, m);
    }
    EXPECT_FAIL(caface_method_parse(&method, "norm:7", &err), CAFACE_EINVAL, err, "norm:7");
}

/* What parse reads, text writes; a short buffer gets the beginning. */
static void options_are_written_as_they_are_read(void **state)
{
    static const char *const texts[] = {"unit",   "average",   "media",     "norm",
                                        "norm:7", "norm:-2.5", "caface@64", "restore@0"};
    caface_set_options o;
    char text[CAFACE_METHOD_TEXT], cut[6] = "12345";
    caface_error err;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        caface_set_options_init(&o);
        EXPECT_OK(caface_set_options_parse(&o, texts[i], &err), err);
        assert_true(caface_set_options_text(&o, text, sizeof text) == text);
        assert_string_equal(text, texts[i]);
        assert_int_equal(caface_method_is_network(o.method) != 0, strchr(texts[i], '@') != NULL);
    }
    assert_true(caface_set_options_text(&o, cut, 4) == cut);
    assert_memory_equal(cut,
                        "res\0"
                        "5",
                        6);
    assert_null(caface_set_options_text(NULL, text, sizeof text));
    assert_null(caface_set_options_text(&o, NULL, 3));
    assert_null(caface_set_options_text(&o, text, 0));
    assert_false(caface_method_is_network((caface_method)77));
}

/* Of a batch; what the text does not give stays, and +score is told where it is wanted. */
static void a_batch_has_scores_too(void **state)
{
    caface_batch_options o;
    int scored = 7;
    caface_error err;

    (void)state;
    caface_batch_options_init(&o);
    o.chunk = 33;
    o.norm_power = 3;
    o.threads = 5;
    EXPECT_OK(caface_batch_options_parse(&o, &scored, "norm:2+score", &err), err);
    assert_int_equal(o.method, CAFACE_METHOD_NORM);
    assert_true(o.norm_power == 2);
    assert_int_equal(o.chunk, 33);
    assert_int_equal(o.threads, 5);
    assert_int_equal(o.size, sizeof o);
    assert_int_equal(scored, 1);
    EXPECT_OK(caface_batch_options_parse(&o, &scored, "restore@8", &err), err);
    assert_int_equal(o.method, CAFACE_METHOD_RESTORE);
    assert_true(o.norm_power == 2 && o.chunk == 8);
    assert_int_equal(scored, 0);
    scored = 7;
    EXPECT_FAIL(caface_batch_options_parse(&o, NULL, "unit+score", &err), CAFACE_EINVAL, err,
                "no scores");
    EXPECT_FAIL(caface_batch_options_parse(&o, &scored, "caface+score", &err), CAFACE_EINVAL, err,
                "scores are for");
    EXPECT_FAIL(caface_batch_options_parse(&o, &scored, "mean", &err), CAFACE_EINVAL, err, "mean",
                "restore");
    EXPECT_FAIL(caface_batch_options_parse(NULL, &scored, "unit", &err), CAFACE_EINVAL, err,
                "null");
    EXPECT_FAIL(caface_batch_options_parse(&o, &scored, NULL, &err), CAFACE_EINVAL, err, "null");
    assert_int_equal(o.method, CAFACE_METHOD_RESTORE);
    assert_true(o.norm_power == 2 && o.chunk == 8 && scored == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ways_are_read_and_written),
        cmocka_unit_test(nothing_else_is_taken),
        cmocka_unit_test(options_are_spelled_the_same),
        cmocka_unit_test(options_are_written_as_they_are_read),
        cmocka_unit_test(a_batch_has_scores_too),
    };

    return cmocka_run_group_tests_name("method", tests, NULL, NULL);
}
