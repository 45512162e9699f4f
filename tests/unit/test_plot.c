/* Pictures: their bytes are what the suffix says, they come whole or not at
 * all, and axes and labels stand where they should. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "plot/axis.h"
#include "plot/canvas.h"
#include "plot/chart.h"
#include "plot/colour.h"
#include "plot/lettering.h"
#include "plot/similarity.h"

static cafi_chart_series curve(const double *x, const double *y, size_t n)
{
    return (cafi_chart_series){.name = "a curve", .x = x, .y = y, .count = n};
}

/* Width and height from a PNG's header. */
static void png_size(const unsigned char *bytes, unsigned *width, unsigned *height)
{
    *width = (unsigned)bytes[16] << 24 | bytes[17] << 16 | bytes[18] << 8 | bytes[19];
    *height = (unsigned)bytes[20] << 24 | bytes[21] << 16 | bytes[22] << 8 | bytes[23];
}

static void chart_in_every_format(void **state)
{
    const double x[] = {1e-4, 1e-3, 1e-2, 1e-1}, y[] = {0.2, 0.5, 0.8, 0.9};
    cafi_chart_series s = curve(x, y, 4);
    cafi_chart c = {.title = "T", .x = {.scale = CAFI_SCALE_LOG}, .series = &s, .series_count = 1};
    static const struct {
        const char *suffix, *magic;
    } formats[] = {{"png", "\x89PNG"}, {"svg", "<?xml"}, {"pdf", "%PDF"}};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        caface_error err = {0};
        const char *path = test_temp("chart.%s", formats[i].suffix);
        unsigned width = 0, height = 0;
        size_t size = 0;
        unsigned char *bytes = NULL;

        EXPECT_OK(cafi_chart_save(&c, path, &err), err);
        bytes = test_read(path, &size);
        assert_true(size > 1000);
        assert_memory_equal(bytes, formats[i].magic, strlen(formats[i].magic));
        if (i == 0) {
            png_size(bytes, &width, &height);
            assert_int_equal(width, 1280);
            assert_int_equal(height, 800);
        }
        free(bytes);
    }
}

/* Two panels of one picture: as high as both, and what either cannot show is refused. */
static void panels_lie_below_each_other(void **state)
{
    const double x[] = {0, 5, 10}, y[] = {0.2, 0.5, 0.8}, none[] = {NAN, NAN, NAN};
    cafi_chart_series s = curve(x, y, 3), empty = curve(x, none, 3);
    cafi_chart low = {.series = &s, .series_count = 1, .height = 220};
    cafi_chart top = {.series = &s, .series_count = 1, .height = 260, .below = &low};
    const char *path = test_temp("panels.png");
    caface_error err = {0};
    unsigned width = 0, height = 0;
    size_t size = 0;
    unsigned char *bytes = NULL;

    (void)state;
    EXPECT_OK(cafi_chart_save(&top, path, &err), err);
    bytes = test_read(path, &size);
    png_size(bytes, &width, &height);
    assert_int_equal(width, 1280);
    assert_int_equal(height, 2 * (220 + 260));
    free(bytes);
    low.series = &empty;
    EXPECT_FAIL(cafi_chart_save(&top, test_temp("none.png"), &err), CAFACE_EINVAL, err, "no point");
}

/* Names in their own letters: other ones look otherwise, longer ones are wider, and what the font
 * lacks is known. */
static void letters_of_names(void **state)
{
    static const char *const names[] = {"Ann", "\xC3\x84nn", "\xD0\x90\xD0\xBD\xD0\xBD",
                                        "\xCE\x86\xCE\xBD\xCE\xBD"};
    uint8_t *mask[4] = {NULL};
    size_t width[4] = {0}, height[4] = {0}, longer = 0;

    (void)state;
    for (int i = 0; i < 4; i++) {
        unsigned long ink = 0;

        assert_true(cafi_lettering_has(names[i]));
        mask[i] = cafi_lettering_mask(names[i], 20, &width[i], &height[i]);
        assert_non_null(mask[i]);
        assert_int_equal(height[i], 20);
        for (size_t k = 0; k < width[i] * height[i]; k++)
            ink += mask[i][k];
        assert_true(ink > 20 * 255);
        for (int j = 0; j < i; j++)
            assert_true(width[j] != width[i] || memcmp(mask[j], mask[i], width[i] * 20) != 0);
    }
    for (int i = 0; i < 4; i++)
        free(mask[i]);
    mask[0] = cafi_lettering_mask("Ann and Bob", 20, &longer, &height[0]);
    assert_non_null(mask[0]);
    assert_true(longer > 2 * width[0]);
    free(mask[0]);
    assert_false(cafi_lettering_has("\xE6\x9D\x8E")); /* a Chinese one */
    assert_null(cafi_lettering_mask("x", 0, &longer, &height[0]));
}

static void chart_refusals(void **state)
{
    const double x[] = {-1, 0, NAN}, y[] = {1, 2, 3};
    cafi_chart_series s = curve(x, y, 3);
    cafi_chart c = {.x = {.scale = CAFI_SCALE_LOG}, .series = &s, .series_count = 1};
    caface_error err = {0};

    (void)state;
    EXPECT_FAIL(cafi_chart_save(&c, test_temp("a.gif"), &err), CAFACE_EINVAL, err, "a.gif", ".svg");
    EXPECT_FAIL(cafi_chart_save(&c, ".png", &err), CAFACE_EINVAL, err, ".pdf");
    EXPECT_FAIL(cafi_chart_save(&c, test_temp("a.png"), &err), CAFACE_EINVAL, err, "a.png",
                "no point");
    c.x.scale = CAFI_SCALE_LINEAR;
    EXPECT_FAIL(cafi_chart_save(&c, test_temp("none/a.png"), &err), CAFACE_EIO, err, "none/a.png");
    c.series_count = CAFI_CHART_MAX_SERIES + 1;
    EXPECT_FAIL(cafi_chart_save(&c, test_temp("a.png"), &err), CAFACE_EINVAL, err, "25", "24");
}

/* A million points must not make a million line segments. */
static void long_curve_is_thinned(void **state)
{
    enum { N = 1000000 };
    double *x = calloc(N, sizeof *x), *y = calloc(N, sizeof *y);
    cafi_chart_series s = curve(x, y, N);
    cafi_chart c = {.series = &s, .series_count = 1};
    caface_error err = {0};
    size_t size = 0;

    (void)state;
    assert_true(x && y);
    for (size_t i = 0; i < N; i++) {
        x[i] = (double)i;
        y[i] = (double)(i % 1000);
    }
    EXPECT_OK(cafi_chart_save(&c, test_temp("long.svg"), &err), err);
    free(test_read(test_temp("long.svg"), &size));
    assert_in_range(size, 10000, 200000);
    free(x);
    free(y);
}

static void hostile_values_and_names(void **state)
{
    const double x[] = {1, NAN, INFINITY, 1e308, 2, 3}, y[] = {1, 2, 3, 4, -1e308, 1};
    cafi_chart_series s[CAFI_CHART_MAX_SERIES];
    cafi_chart c = {.title = "\xff\xfe broken \xe2\x82 bytes \x01", .series = s};
    char name[4000];
    caface_error err = {0};

    (void)state;
    memset(name, 'W', sizeof name - 1);
    name[sizeof name - 1] = 0;
    for (size_t k = 0; k < CAFI_CHART_MAX_SERIES; k++) {
        s[k] = curve(x, y, 6);
        s[k].name = k % 3 ? name : k % 2 ? NULL : "\xc0\xaf";
    }
    c.series_count = CAFI_CHART_MAX_SERIES;
    EXPECT_OK(cafi_chart_save(&c, test_temp("hostile.svg"), &err), err);
    EXPECT_OK(cafi_chart_save(&c, test_temp("hostile.png"), &err), err);
}

static void linear_ticks(void **state)
{
    cafi_chart_axis spec = {0};
    cafi_axis axis;

    (void)state;
    cafi_axis_fit(&axis, &spec, 0.13, 0.87, 0, 400, 50);
    assert_true(axis.min == 0.1 && fabs(axis.max - 0.9) < 1e-12);
    assert_string_equal(axis.text[0], "0.1");
    assert_int_equal(axis.tick_count, 9);
    assert_string_equal(axis.text[axis.tick_count - 1], "0.9");
    spec.percent = true;
    cafi_axis_fit(&axis, &spec, 0.5, 1, 300, 0, 60);
    assert_string_equal(axis.text[0], "50 %");
    assert_string_equal(axis.text[axis.tick_count - 1], "100 %");
    assert_true(cafi_axis_place(&axis, 0.75) == 150);
    spec = (cafi_chart_axis){.whole = true};
    cafi_axis_fit(&axis, &spec, 1, 10, 0, 500, 46);
    assert_int_equal(axis.tick_count, 10);
    assert_string_equal(axis.text[9], "10");
    cafi_axis_fit(&axis, &spec, 1, 50, 0, 500, 46); /* the first rank has a tick of its own */
    assert_string_equal(axis.text[0], "1");
    assert_true(axis.tick[0] == 1.0 && axis.tick[1] > 1.0 && axis.text[1][0] == '5');
    cafi_axis_fit(&axis, &spec, 0, 50, 0, 500, 46);
    assert_string_equal(axis.text[0], "0");
    assert_string_equal(axis.text[1], "5");
}

static void log_ticks(void **state)
{
    cafi_chart_axis spec = {.scale = CAFI_SCALE_LOG, .min = 1e-6, .max = 1};
    cafi_axis axis;

    (void)state;
    cafi_axis_fit(&axis, &spec, 0, 0, 0, 600, 50);
    assert_int_equal(axis.tick_count, 7);
    assert_string_equal(axis.text[0], "10^\xE2\x88\x92"
                                      "6");
    assert_string_equal(axis.text[6], "1");
    assert_true(fabs(cafi_axis_place(&axis, 1e-3) - 300) < 1e-9);
    assert_true(cafi_axis_place(&axis, 0) == 0);
    assert_false(cafi_axis_shows(CAFI_SCALE_LOG, 0));
}

/* Any range at all: ticks are few, ascending, inside the limits, and named. */
static void ticks_of_random_ranges(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (int round = 0; round < 5000; round++) {
        double a = test_uniform(&rng) * pow(10, test_uniform(&rng) * 12);
        double b = test_below(&rng, 10) ? a + fabs(a) * pow(10, 6 * test_uniform(&rng)) : a;
        cafi_chart_axis spec = {.scale = test_below(&rng, 2) ? CAFI_SCALE_LOG : CAFI_SCALE_LINEAR,
                                .percent = test_below(&rng, 4) == 0};
        cafi_axis axis;

        if (spec.scale == CAFI_SCALE_LOG) {
            a = fabs(a);
            b = fmax(a, fabs(b));
        }
        cafi_axis_fit(&axis, &spec, a, b, 0, 500, 50);
        assert_in_range(axis.tick_count, 1, CAFI_AXIS_MAX_TICKS);
        assert_true(axis.min <= a * (a > 0 ? 1 + 1e-9 : 1 - 1e-9) && axis.max > axis.min);
        for (size_t i = 0; i < axis.tick_count; i++) {
            double place = cafi_axis_place(&axis, axis.tick[i]);
            assert_true(place > -0.5 && place < 500.5);
            assert_true(i == 0 || axis.tick[i] > axis.tick[i - 1]);
            assert_true(axis.text[i][0] != 0);
        }
    }
}

static void labels_do_not_overlap(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (int round = 0; round < 500; round++) {
        double places[24];
        size_t n = 1 + test_below(&rng, 24);

        for (size_t i = 0; i < n; i++)
            places[i] = (i ? places[i - 1] : 0) + (test_below(&rng, 2) ? test_below(&rng, 30) : 0);
        cafi_spread(places, n, 15, 0, 400);
        for (size_t i = 1; i < n; i++)
            assert_true(places[i] - places[i - 1] > 15 - 1e-9);
        assert_true(places[0] > -1e-9 && places[n - 1] < 400 + 1e-9);
    }
}

static void similarity_plot(void **state)
{
    float sim[50], weight[50];
    test_rng rng = {test_seed()};
    const cafi_similarity_star stars[] = {{"average", 0.1}, {"unit", 0.1}, {"caface", 0.99}};
    cafi_similarity p = {.title = "T",
                         .similarity = sim,
                         .weight = weight,
                         .count = 50,
                         .stars = stars,
                         .star_count = 3,
                         .seed = 1};
    caface_error err = {0};
    size_t size[2];
    unsigned char *bytes[2];

    (void)state;
    for (size_t i = 0; i < 50; i++) {
        sim[i] = test_uniform(&rng);
        weight[i] = 0.02f;
    }
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(cafi_similarity_save(&p, test_temp("similarity.png"), &err), err);
        bytes[i] = test_read(test_temp("similarity.png"), &size[i]);
    }
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(bytes[0], bytes[1], size[0]);
    free(bytes[0]);
    free(bytes[1]);
    p.weight = NULL;
    p.star_count = 0;
    EXPECT_OK(cafi_similarity_save(&p, test_temp("similarity.svg"), &err), err);
    p.weight = weight;
    weight[7] = NAN;
    EXPECT_FAIL(cafi_similarity_save(&p, test_temp("bad.png"), &err), CAFACE_EINVAL, err, "7");
    sim[9] = INFINITY;
    weight[7] = 0;
    EXPECT_FAIL(cafi_similarity_save(&p, test_temp("bad.png"), &err), CAFACE_EINVAL, err, "9");
    p.count = 0;
    EXPECT_FAIL(cafi_similarity_save(&p, test_temp("bad.png"), &err), CAFACE_EINVAL, err,
                "no face");
}

/* Pixels of exactly this colour in a PNG, and the picture's sides. */
static size_t count_colour(const char *path, uint32_t colour, int side[2])
{
    cairo_surface_t *s = cairo_image_surface_create_from_png(path);
    unsigned char *data = cairo_image_surface_get_data(s);
    size_t found = 0;

    assert_non_null(data);
    side[0] = cairo_image_surface_get_width(s);
    side[1] = cairo_image_surface_get_height(s);
    for (int y = 0; y < side[1]; y++)
        for (int x = 0; x < side[0]; x++) {
            uint32_t v;

            memcpy(&v, data + (size_t)y * (size_t)cairo_image_surface_get_stride(s) + 4 * (size_t)x,
                   4);
            found += (v & 0xffffff) == colour;
        }
    cairo_surface_destroy(s);
    return found;
}

/* A gallery picture of one colour fills its square in both panels; two panels are twice as
 * high as one; and the plot without it has no pixel of that colour. */
static void gallery_and_panels(void **state)
{
    float sim[5] = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f}, weight[5] = {0.1f, 0.1f, 0.1f, 0.2f, 0.5f};
    uint8_t rgb[64 * 64 * 3];
    const cafi_similarity_star star = {"average", 0.45};
    const cafi_similarity_gallery gallery = {rgb, 64, "Ann"};
    cafi_similarity p = {.similarity = sim,
                         .weight = weight,
                         .count = 5,
                         .stars = &star,
                         .star_count = 1,
                         .seed = 3};
    cafi_similarity below = p;
    caface_error err = {0};
    int one[2], two[2];
    size_t single, both;
    double scale;

    (void)state;
    for (size_t i = 0; i < sizeof rgb; i += 3)
        memcpy(rgb + i, "\x12\xfe\x34", 3);
    EXPECT_OK(cafi_similarity_save(&p, test_temp("plain.png"), &err), err);
    assert_int_equal(count_colour(test_temp("plain.png"), 0x12fe34, one), 0);
    p.gallery = &gallery;
    EXPECT_OK(cafi_similarity_save(&p, test_temp("gallery.png"), &err), err);
    single = count_colour(test_temp("gallery.png"), 0x12fe34, one);
    below.gallery = &gallery;
    below.weight = NULL;
    p.below = &below;
    EXPECT_OK(cafi_similarity_save(&p, test_temp("panels.png"), &err), err);
    both = count_colour(test_temp("panels.png"), 0x12fe34, two);
    scale = (double)one[0] / 880.0;
    /* 96 points on a side, whose rim is mixed with the paper */
    assert_true((double)single > 0.8 * 96 * 96 * scale * scale);
    assert_true((double)single < 1.1 * 96 * 96 * scale * scale);
    assert_true(both > 2 * single * 9 / 10 && both < 2 * single * 11 / 10);
    assert_true(two[0] == one[0] && abs(two[1] - 2 * one[1]) <= 1);
    EXPECT_OK(cafi_similarity_save(&p, test_temp("panels.svg"), &err), err);
    EXPECT_OK(cafi_similarity_save(&p, test_temp("panels.pdf"), &err), err);
    below.below = &below;
    EXPECT_FAIL(cafi_similarity_save(&p, test_temp("bad.png"), &err), CAFACE_EINVAL, err, "panels");
}

/* Wherever a method stands among the others, its curve has one colour: two pictures of the same
 * curves, which do not cross, in another order are the same. */
static void one_colour_for_a_method(void **state)
{
    static const double x[2] = {0, 1}, high[2] = {0.8, 0.9}, middle[2] = {0.5, 0.6},
                        low[2] = {0.1, 0.2};
    const cafi_chart_series average = {.name = "average", .x = x, .y = middle, .count = 2};
    const cafi_chart_series norm = {.name = "norm", .x = x, .y = low, .count = 2};
    const cafi_chart_series caface = {.name = "caface@4", .x = x, .y = high, .count = 2};
    const cafi_chart_series orders[3][3] = {
        {caface, average, norm}, {average, caface, norm}, {average, norm, caface}};
    unsigned char *bytes[3];
    size_t size[3];
    caface_error err;

    (void)state;
    for (int i = 0; i < 3; i++) {
        const cafi_chart c = {.series = orders[i], .series_count = 3};

        EXPECT_OK(cafi_chart_save(&c, test_temp("order%d.png", i), &err), err);
        bytes[i] = test_read(test_temp("order%d.png", i), &size[i]);
        assert_true(size[i] == size[0] && memcmp(bytes[i], bytes[0], size[0]) == 0);
    }
    for (int i = 0; i < 3; i++)
        free(bytes[i]);
}

static void methods_have_their_colours(void **state)
{
    static const char *const all[] = {
        "unit", "average", "norm, p = 7", "CAFace, one chunk", "caface@4", "restore",
        NULL,   "loss",    "normal",      "average+score"};
    static const size_t want[] = {1, 2, 3, 0, 4, 5, 6, 7, 8, 9};
    static const char *const few[] = {"TAR", "restore@512", "norm:7", "loss"};
    static const size_t want_few[] = {2, 5, 3, 4};
    size_t number[10];

    (void)state;
    cafi_series_colours(number, all, 10, 0);
    assert_memory_equal(number, want, sizeof want);
    cafi_series_colours(number, few, 4, 2);
    assert_memory_equal(number, want_few, sizeof want_few);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(panels_lie_below_each_other),
        cmocka_unit_test(letters_of_names),
        cmocka_unit_test(chart_in_every_format),
        cmocka_unit_test(chart_refusals),
        cmocka_unit_test(long_curve_is_thinned),
        cmocka_unit_test(hostile_values_and_names),
        cmocka_unit_test(linear_ticks),
        cmocka_unit_test(log_ticks),
        cmocka_unit_test(ticks_of_random_ranges),
        cmocka_unit_test(labels_do_not_overlap),
        cmocka_unit_test(similarity_plot),
        cmocka_unit_test(gallery_and_panels),
        cmocka_unit_test(one_colour_for_a_method),
        cmocka_unit_test(methods_have_their_colours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
