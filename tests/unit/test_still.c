/* Pictures that FFmpeg decodes for us, and colour profiles: against the formula that the files were
 * made with, and another program's colours. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "media/image.h"
#include "media/profile.h"

#ifdef CAFACE_HAVE_VIDEO
/* What FFmpeg decodes for us, against the formula the files were made with. */
static void other_kinds_decode(void **state)
{
    static const struct {
        const char *name, *kind;
        int alpha;
    } files[] = {
        {"a.webp", "WebP", 255},      {"a.bmp", "BMP", 255},       {"a.gif", "GIF", 255},
        {"a.tiff", "TIFF", 255},      {"lzw.tif", "TIFF", 255},    {"tagged.tiff", "TIFF", 255},
        {"opencv.tiff", "TIFF", 255}, {"alpha.webp", "WebP", 128}, {"anim.webp", "WebP", 255}};

    (void)state;
    for (size_t k = 0; k < sizeof files / sizeof *files; k++) {
        cafi_image image = {0};
        caface_error err = {0};
        size_t size = 0;
        unsigned char *bytes = test_read(test_fixture("media/%s", files[k].name), &size);

        assert_string_equal(cafi_image_kind(bytes, size), files[k].kind);
        EXPECT_OK(cafi_image_decode(&image, bytes, size, &err), err);
        assert_true(image.width == 7 && image.height == 5);
        for (int y = 0; y < 5; y++)
            for (int x = 0; x < 7; x++) {
                const int want[3] = {36 * x, 50 * y, (x + y) % 2 * 200};

                for (int c = 0; c < 3; c++)
                    assert_int_equal(image.rgb[(y * 7 + x) * 3 + c],
                                     (want[c] * files[k].alpha + 127) / 255);
            }
        cafi_image_clear(&image);
        for (size_t n = 0; n < size; n++) { /* cuts: refused, or the picture still */
            unsigned char *cut = malloc(n ? n : 1);

            memcpy(cut, bytes, n);
            if (cafi_image_decode(&image, cut, n, &err))
                assert_null(image.rgb);
            cafi_image_clear(&image);
            free(cut);
        }
        free(bytes);
    }
}

/* A ramp in each colour; the largest difference from it, and the mean over all channels. */
static void expect_ramp(const char *name, int most, double mean, bool grey)
{
    cafi_image image = {0};
    caface_error err = {0};
    double sum[3] = {0};

    EXPECT_OK(cafi_image_read(&image, test_fixture("media/%s", name), &err), err);
    assert_true(image.width == 40 && image.height == 24);
    for (int y = 0; y < 24; y++)
        for (int x = 0; x < 40; x++) {
            const int want[3] = {6 * x, grey ? 6 * x : 10 * y, grey ? 6 * x : 3 * (x + y)};

            for (int c = 0; c < 3; c++) {
                int off = image.rgb[(y * 40 + x) * 3 + c] - want[c];

                sum[c] += off / (40.0 * 24);
                if (abs(off) > most)
                    fail_msg("%s: %d,%d channel %d off by %d", name, x, y, c, off);
            }
        }
    for (int c = 0; c < 3; c++)
        if (fabs(sum[c]) > mean)
            fail_msg("%s: channel %d off by %.2f in the mean", name, c, sum[c]);
    cafi_image_clear(&image);
}

/* Strips and tiles that are JPEGs, of Y Cb Cr, R G B and grey, as libtiff writes them. */
static void a_tiff_of_jpegs_decodes(void **state)
{
    static const char *const names[] = {"jpeg_rgb.tiff", "jpeg_ycc.tiff", "jpeg_tiles.tiff",
                                        "jpeg_grey.tiff"};

    (void)state;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        size_t size = 0;
        unsigned char *bytes = test_read(test_fixture("media/%s", names[k]), &size);

        expect_ramp(names[k], 10, 1.0, k == 3);
        for (size_t n = 0; n < 2 * size; n++) { /* cuts, then damage: any answer, no crash */
            size_t kept = n < size ? n : size;
            unsigned char *other = malloc(kept ? kept : 1);
            cafi_image image = {0};

            memcpy(other, bytes, kept);
            if (n >= size)
                other[n - size] ^= 0x5a;
            if (cafi_image_decode(&image, other, kept, &(caface_error){0}))
                assert_null(image.rgb);
            cafi_image_clear(&image);
            free(other);
        }
        free(bytes);
    }
}

/* Matrix and range are the file's: BT.601 of a video's range, BT.709 of the full one in 10
 * bits. Taken for each other they are off by ten levels and more. */
static void colours_of_avif_are_the_pictures(void **state)
{
    cafi_image image = {0};
    caface_error err = {0};

    (void)state;
    if (cafi_image_read(&image, test_fixture("media/bt601.avif"), &err) == CAFACE_EUNSUPPORTED) {
        print_message("# skipped: %s\n", err.message);
        return;
    }
    cafi_image_clear(&image);
    expect_ramp("bt601.avif", 12, 1.0, false);
    expect_ramp("bt709.avif", 8, 1.0, false);
}

/* Samples that are no whole numbers without a sign are not read as if they were. */
static void a_tiff_of_floats_is_refused(void **state)
{
    cafi_image image = {0};
    caface_error err = {0};

    (void)state;
    EXPECT_FAIL(cafi_image_read(&image, test_fixture("media/float.tiff"), &err),
                CAFACE_EUNSUPPORTED, err, "float.tiff", "floating point");
}

/* Y Cb Cr in whole bytes, as Pillow writes it, are JPEG's; another range is refused. */
static void a_tiff_of_y_cb_cr_decodes(void **state)
{
    size_t size = 0, at = 0;
    unsigned char *bytes = test_read(test_fixture("media/ycc.tiff"), &size);
    cafi_image image = {0};
    caface_error err = {0};

    (void)state;
    expect_ramp("ycc.tiff", 3, 1.5, false); /* Pillow cut off where it could have rounded */
    for (size_t i = 0; i + 12 <= size; i++) /* 532, six RATIONALs: the first is black, 0 / 1 */
        if (memcmp(bytes + i, "\x14\x02\5\0\6\0\0\0", 8) == 0)
            at = bytes[i + 8] + (size_t)bytes[i + 9] * 256;
    assert_true(at > 0 && at < size);
    bytes[at] = 16;
    EXPECT_FAIL(cafi_image_decode(&image, bytes, size, &err), CAFACE_EUNSUPPORTED, err,
                "a TIFF picture whose Y Cb Cr");
    free(bytes);
}

/* EXIF's 6: the picture's rows are what is seen as columns, from the right. */
static void other_kinds_are_turned(void **state)
{
    static const char *const names[] = {"turned.webp", "turned.tiff"};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        cafi_image image = {0};
        caface_error err = {0};

        EXPECT_OK(cafi_image_read(&image, test_fixture("media/%s", names[k]), &err), err);
        assert_true(image.width == 5 && image.height == 7);
        for (int y = 0; y < 5; y++)
            for (int x = 0; x < 7; x++) {
                const uint8_t *p = image.rgb + (size_t)(x * 5 + 4 - y) * 3;

                assert_true(p[0] == 36 * x && p[1] == 50 * y && p[2] == (x + y) % 2 * 200);
            }
        cafi_image_clear(&image);
    }
}

/* 12 bits a sample, blocks of one level each: grey, and Y beside Cb and Cr that stay. Two
 * levels are swscale's rounding. */
static void jpegs_of_12_bits_decode(void **state)
{
    cafi_image image = {0};
    caface_error err = {0};

    (void)state;
    EXPECT_OK(cafi_image_read(&image, test_fixture("media/grey12.jpg"), &err), err);
    assert_true(image.width == 56 && image.height == 40);
    for (int i = 0; i < 35; i++) {
        const uint8_t *p = image.rgb + (size_t)((i / 7 * 8 + 3) * 56 + i % 7 * 8 + 3) * 3;
        double want = (double)(i * 4095 / 34) * 255.0 / 4095.0;

        for (int c = 0; c < 3; c++)
            if (fabs(p[c] - want) > 2.0)
                fail_msg("block %d channel %d: %d, want %.1f", i, c, p[c], want);
    }
    EXPECT_OK(cafi_image_read(&image, test_fixture("media/colour12.jpg"), &err), err);
    for (int i = 0; i < 35; i++) {
        const uint8_t *p = image.rgb + (size_t)((i / 7 * 8 + 3) * 56 + i % 7 * 8 + 3) * 3;
        double y = i * 4095 / 34, cb = 1000 - 2048, cr = 3000 - 2048; /* JFIF's equations */
        const double want[3] = {y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb};

        for (int c = 0; c < 3; c++) {
            double v = want[c] < 0 ? 0 : want[c] > 4095 ? 4095 : want[c];

            if (fabs(p[c] - v * 255 / 4095) > 2.0)
                fail_msg("block %d channel %d: %d, want %.1f", i, c, p[c], v * 255 / 4095);
        }
    }
    cafi_image_clear(&image);
}
#endif

/* Pixels of blocks of `step`, within `tolerance` of a file of R G B. */
static void expect_colours(const char *name, const char *want_name, size_t step, int tolerance)
{
    cafi_image image = {0};
    caface_error err = {0};
    size_t size = 0;
    unsigned char *want = test_read(test_fixture("media/%s", want_name), &size);

    assert_int_equal(size, 105);
    EXPECT_OK(cafi_image_read(&image, test_fixture("media/%s", name), &err), err);
    assert_true(image.width == 7 * step && image.height == 5 * step);
    for (size_t i = 0; i < 35; i++) {
        const uint8_t *p =
            image.rgb + ((i / 7 * step + step / 2) * image.width + i % 7 * step + step / 2) * 3;

        for (int c = 0; c < 3; c++)
            if (abs(p[c] - want[3 * i + (size_t)c]) > tolerance)
                fail_msg("%s: pixel %zu channel %d is %d, want %d", name, i, c, p[c],
                         want[3 * i + (size_t)c]);
    }
    free(want);
    cafi_image_clear(&image);
}

/* Display P3 and Adobe RGB become sRGB as Little CMS has it, relative colorimetric: one
 * level of rounding aside. sRGB's own profile changes nothing. */
static void colour_profiles_are_obeyed(void **state)
{
    cafi_image image = {0};
    caface_error err = {0};

    (void)state;
    expect_colours("p3.png", "p3.rgb", 1, 1);
    expect_colours("adobe.jpg", "adobe_jpg.rgb", 8, 2); /* decoders differ by one, too */
#ifdef CAFACE_HAVE_VIDEO
    expect_colours("p3.tiff", "p3.rgb", 1, 1);
    expect_colours("adobe.webp", "adobe.rgb", 1, 1);
#endif
    EXPECT_OK(cafi_image_read(&image, test_fixture("media/srgb.png"), &err), err);
    for (int y = 0; y < 5; y++)
        for (int x = 0; x < 7; x++) {
            const uint8_t *p = image.rgb + (size_t)(y * 7 + x) * 3;

            assert_true(p[0] == 36 * x && p[1] == 50 * y && p[2] == (x + y) % 2 * 200);
        }
    cafi_image_clear(&image);
}

/* A profile that lies is none: every length, and every byte at some other value. */
static void damaged_profiles_change_nothing(void **state)
{
    test_rng rng = {test_seed()};
    uint8_t pixels[12] = {10, 20, 30, 200, 100, 50, 255, 255, 255, 0, 0, 0}, work[12];
    cafi_image image = {.rgb = work, .width = 2, .height = 2};
    size_t size = 0;
    unsigned char *profile = test_read(test_fixture("media/p3.icc"), &size);

    (void)state;
    memcpy(work, pixels, sizeof work);
    assert_true(cafi_profile_to_srgb(profile, size, &image));
    assert_true(memcmp(work, pixels, sizeof work) != 0);
    for (size_t n = 0; n < size; n++) {
        unsigned char *cut = malloc(n ? n : 1);

        memcpy(cut, profile, n);
        memcpy(work, pixels, sizeof work);
        if (!cafi_profile_to_srgb(cut, n, &image))
            assert_memory_equal(work, pixels, sizeof work);
        free(cut);
    }
    for (size_t i = 0; i < size; i++) {
        unsigned char was = profile[i];

        profile[i] = (unsigned char)test_below(&rng, 256);
        memcpy(work, pixels, sizeof work);
        if (!cafi_profile_to_srgb(profile, size, &image))
            assert_memory_equal(work, pixels, sizeof work);
        profile[i] = was;
    }
    free(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef CAFACE_HAVE_VIDEO
        cmocka_unit_test(other_kinds_decode),
        cmocka_unit_test(other_kinds_are_turned),
        cmocka_unit_test(a_tiff_of_floats_is_refused),
        cmocka_unit_test(a_tiff_of_y_cb_cr_decodes),
        cmocka_unit_test(a_tiff_of_jpegs_decodes),
        cmocka_unit_test(colours_of_avif_are_the_pictures),
        cmocka_unit_test(jpegs_of_12_bits_decode),
#endif
        cmocka_unit_test(colour_profiles_are_obeyed),
        cmocka_unit_test(damaged_profiles_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
