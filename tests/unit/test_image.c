/* Pictures: what is written is what is read, whatever the kind of file, and
 * damaged ones are refused. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <zlib.h>

#include "media/image.h"
#include "picture.h"

enum { W = 21, H = 13 };

static void png_keeps_every_pixel(void **state)
{
    (void)state;
    for (size_t channels = 1; channels <= 4; channels++)
        for (int interlaced = 0; interlaced < 2; interlaced++) {
            uint8_t *p = picture_draw(W, H, channels, channels);
            const char *path = test_temp("p%zu%d.png", channels, interlaced);
            cafi_image image = {0};
            caface_error err;
            bool alpha = channels % 2 == 0;

            assert_int_equal(picture_save_png(path, p, W, H, channels, interlaced), 0);
            EXPECT_OK(cafi_image_read(&image, path, &err), err);
            assert_int_equal(image.width, W);
            assert_int_equal(image.height, H);
            for (size_t i = 0; i < W * H; i++)
                for (size_t c = 0; c < 3; c++) {
                    unsigned v = p[i * channels + (channels < 3 ? 0 : c)];
                    unsigned a = alpha ? p[i * channels + channels - 1] : 255;

                    assert_int_equal(image.rgb[3 * i + c], (v * a + 127) / 255);
                }
            cafi_image_clear(&image);
            free(p);
        }
}

/* Quality 100 loses a few units; the picture is smooth. */
static void expect_close(const uint8_t *a, const uint8_t *b, size_t n, int tolerance)
{
    for (size_t i = 0; i < n; i++)
        if (abs((int)a[i] - (int)b[i]) > tolerance)
            fail_msg("byte %zu is %d, want %d", i, a[i], b[i]);
}

static void jpeg_kinds_decode(void **state)
{
    (void)state;
    for (size_t channels = 1; channels <= 4; channels += channels == 1 ? 2 : 1)
        for (int progressive = 0; progressive < 2; progressive++) {
            uint8_t *p = picture_draw(W, H, channels, 7 + channels);
            uint8_t want[W * H * 3];
            const char *path = test_temp("j%zu%d.jpg", channels, progressive);
            cafi_image image = {0};
            caface_error err;

            for (size_t i = 0; i < W * H; i++)
                for (size_t c = 0; c < 3; c++)
                    want[3 * i + c] = channels == 4 ? (uint8_t)(p[4 * i + c] * p[4 * i + 3] / 255)
                                                    : p[i * channels + (channels == 3 ? c : 0)];
            assert_int_equal(
                picture_save_jpeg(path, p, W, H, channels, (picture_jpeg){100, 0, progressive}), 0);
            EXPECT_OK(cafi_image_read(&image, path, &err), err);
            assert_int_equal(image.width, W);
            expect_close(image.rgb, want, sizeof want, 12);
            cafi_image_clear(&image);
            free(p);
        }
}

/* CMYK whose marks were taken out: the inks are as Adobe's programs leave them. */
static void cmyk_without_a_marker_is_the_same(void **state)
{
    uint8_t *p = picture_draw(W, H, 4, 11);
    const char *path = test_temp("cmyk.jpg");
    cafi_image with = {0}, without = {0};
    caface_error err;
    size_t size = 0, at = 2;
    unsigned char *bytes = NULL;

    (void)state;
    assert_int_equal(picture_save_jpeg(path, p, W, H, 4, (picture_jpeg){100, 0, 0}), 0);
    bytes = test_read(path, &size);
    EXPECT_OK(cafi_image_decode(&with, bytes, size, &err), err);
    while (bytes[at + 1] != 0xee) /* APP14 */
        at += 2 + ((size_t)bytes[at + 2] << 8 | bytes[at + 3]);
    assert_memory_equal(bytes + at + 4, "Adobe", 5);
    memmove(bytes + at, bytes + at + 16, size - at - 16);
    EXPECT_OK(cafi_image_decode(&without, bytes, size - 16, &err), err);
    assert_memory_equal(with.rgb, without.rgb, (size_t)W * H * 3);
    cafi_image_clear(&with);
    cafi_image_clear(&without);
    free(bytes);
    free(p);
}

/* Where the upright pixel (x, y) of a W' x H' picture lies in the stored one. */
static size_t stored_at(int orientation, size_t x, size_t y)
{
    switch (orientation) {
    case 2:
        return y * W + (W - 1 - x);
    case 3:
        return (H - 1 - y) * W + (W - 1 - x);
    case 4:
        return (H - 1 - y) * W + x;
    case 5:
        return x * W + y;
    case 6:
        return (H - 1 - x) * W + y;
    case 7:
        return (H - 1 - x) * W + (W - 1 - y);
    case 8:
        return x * W + (W - 1 - y);
    default:
        return y * W + x;
    }
}

static void exif_turns_pictures(void **state)
{
    uint8_t *p = picture_draw(W, H, 3, 99);

    (void)state;
    for (int o = 1; o <= 8; o++) {
        const char *path = test_temp("o%d.jpg", o);
        cafi_image image = {0};
        caface_error err;

        assert_int_equal(picture_save_jpeg(path, p, W, H, 3, (picture_jpeg){100, o, 0}), 0);
        EXPECT_OK(cafi_image_read(&image, path, &err), err);
        assert_int_equal(image.width, o < 5 ? W : H);
        assert_int_equal(image.height, o < 5 ? H : W);
        for (size_t y = 0; y < image.height; y++)
            for (size_t x = 0; x < image.width; x++)
                expect_close(image.rgb + 3 * (y * image.width + x), p + 3 * stored_at(o, x, y), 3,
                             12);
        cafi_image_clear(&image);
    }
    free(p);
}

static void exif_blocks_are_not_trusted(void **state)
{
    static const unsigned char good[] = "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";

    (void)state;
    assert_int_equal(cafi_exif_orientation(good, 22), 6);
    for (size_t n = 0; n < 20; n++) {
        unsigned char *cut = malloc(n ? n : 1);

        memcpy(cut, good, n);
        assert_int_equal(cafi_exif_orientation(cut, n), 1);
        free(cut);
    }
    assert_int_equal(cafi_exif_orientation((const unsigned char *)"II*\0\xff\xff\xff\xff", 8), 1);
    assert_int_equal(cafi_exif_orientation((const unsigned char *)"MM\0*\0\0\0\x08\xff\xff", 10),
                     1);
}

/* Every cut of a file fails or, behind the last pixel, still is the picture. */
static void cut_files_are_refused(void **state)
{
    uint8_t *p = picture_draw(W, H, 3, 3);
    const char *paths[3] = {test_temp("c.png"), test_temp("c.jpg"), test_temp("cp.jpg")};

    (void)state;
    assert_int_equal(picture_save_png(paths[0], p, W, H, 3, 1), 0);
    assert_int_equal(picture_save_jpeg(paths[1], p, W, H, 3, (picture_jpeg){90, 6, 0}), 0);
    assert_int_equal(picture_save_jpeg(paths[2], p, W, H, 3, (picture_jpeg){90, 0, 1}), 0);
    for (int k = 0; k < 3; k++) {
        size_t size = 0;
        unsigned char *bytes = test_read(paths[k], &size);
        cafi_image whole = {0};

        EXPECT_OK(cafi_image_decode(&whole, bytes, size, &(caface_error){0}), (caface_error){0});
        for (size_t n = 0; n < size; n++) {
            unsigned char *cut = malloc(n ? n : 1);
            cafi_image image = {0};
            caface_error err = {CAFACE_OK, ""};

            memcpy(cut, bytes, n);
            if (cafi_image_decode(&image, cut, n, &err)) {
                assert_int_equal(err.status, CAFACE_EFORMAT);
                assert_null(image.rgb);
                assert_true(n + 2 < size); /* without its last byte or two it is whole */
            } else {
                assert_memory_equal(image.rgb, whole.rgb, whole.width * whole.height * 3);
                assert_true(n + 40 > size); /* behind the last pixel: end markers, checksums */
            }
            cafi_image_clear(&image);
            if (n + 40 > size) { /* who asks for it gets what is there */
                EXPECT_OK(cafi_image_decode_damaged(&image, cut, n, &err), err);
                assert_int_equal(image.width, whole.width);
                if (k == 0) /* the first pixel of a PNG that is not turned comes first */
                    assert_memory_equal(image.rgb, whole.rgb, 3);
                cafi_image_clear(&image);
            }
            free(cut);
        }
        for (size_t i = 0; i < size; i++) { /* damage: any answer, no crash */
            cafi_image image = {0};

            bytes[i] ^= 0x5a;
            (void)cafi_image_decode(&image, bytes, size, NULL);
            bytes[i] ^= 0x5a;
            cafi_image_clear(&image);
        }
        cafi_image_clear(&whole);
        free(bytes);
    }
    free(p);
}

/* A trailer behind the last pixel, in place of the end marker: a phone's, one with bytes that look
 * like markers, another picture's head. */
static void trailers_are_passed_over(void **state)
{
    static const char *const trailers[] = {
        "SEFHtrailer of a phone_SEFT", "x\xff\x17y\xff\xc4z\xff\xff\xda\xff\xd9\xff\xa5",
        "\xff\xd8\xff\xe0..JFIF........................", "\xff\xc4\x01\x02tables that are none"};
    uint8_t *p = picture_draw(W, H, 3, 4);
    const char *path = test_temp("t.jpg");

    (void)state;
    for (size_t k = 0; k < 2 * sizeof trailers / sizeof *trailers; k++) {
        const char *trailer = trailers[k / 2];
        size_t size = 0, more = strlen(trailer) + 1;
        unsigned char *bytes = NULL;
        cafi_image whole = {0}, image = {0};
        caface_error err = {0};

        assert_int_equal(picture_save_jpeg(path, p, W, H, 3, (picture_jpeg){90, 0, k % 2}), 0);
        bytes = test_read(path, &size);
        EXPECT_OK(cafi_image_decode(&whole, bytes, size, &err), err);
        bytes = realloc(bytes, size + more);
        assert_non_null(bytes);
        memcpy(bytes + size - 2, trailer, more);
        EXPECT_OK(cafi_image_decode(&image, bytes, size - 2 + more, &err), err);
        assert_memory_equal(image.rgb, whole.rgb, whole.width * whole.height * 3);
        cafi_image_clear(&image);
        cafi_image_clear(&whole);
        free(bytes);
    }
    free(p);
}

/* The last chunk of a PNG may be damaged, its pixels not. */
static void a_damaged_end_of_a_png_is_passed_over(void **state)
{
    uint8_t *p = picture_draw(W, H, 3, 3);
    const char *path = test_temp("end.png");
    unsigned char *bytes = NULL;
    cafi_image whole = {0}, image = {0};
    caface_error err = {0};
    size_t size = 0;

    (void)state;
    assert_int_equal(picture_save_png(path, p, W, H, 3, 0), 0);
    bytes = test_read(path, &size);
    EXPECT_OK(cafi_image_decode(&whole, bytes, size, &err), err);
    for (size_t back = 1; back <= 8; back++) { /* checksum and name of IEND */
        bytes[size - back] ^= 0x11;
        EXPECT_OK(cafi_image_decode(&image, bytes, size, &err), err);
        assert_memory_equal(image.rgb, whole.rgb, W * H * 3);
        bytes[size - back] ^= 0x11;
    }
    bytes[size - 14] ^= 0x11; /* checksum of the pixels */
    EXPECT_FAIL(cafi_image_decode(&image, bytes, size, &err), CAFACE_EFORMAT, err, "damaged PNG");
    cafi_image_clear(&image);
    cafi_image_clear(&whole);
    free(bytes);
    free(p);
}

/* Names with a suffix decide; a name without one leaves it to the first bytes. */
static void pictures_are_known_by_name_or_bytes(void **state)
{
    (void)state;
    assert_true(cafi_image_is_name("a/B.JFIF"));
    assert_true(cafi_image_is_name("x.heic"));
    assert_false(cafi_image_is_name("clip.mp4"));
    test_write(test_temp("bare"), "\xff\xd8\xff\xe0", 4);
    test_write(test_temp("text"), "hello there", 11);
    test_write(test_temp("note.md"), "\xff\xd8\xff\xe0", 4);
    assert_true(cafi_image_is_picture(test_temp("bare")));
    assert_false(cafi_image_is_picture(test_temp("text")));
    assert_false(cafi_image_is_picture(test_temp("note.md")));
    assert_false(cafi_image_is_picture(test_temp("gone")));
    assert_true(cafi_image_is_picture(test_temp("gone.png"))); /* told when it is read */
}

static void unfit_files_are_named(void **state)
{
    uint8_t *row = calloc(1, 20000);
    cafi_image image = {0};
    caface_error err;
    unsigned char *png = NULL;
    size_t size = 0;
    unsigned long sum = 0;

    (void)state;
    test_write(test_temp("text.jpg"), "this is no picture", 18);
    EXPECT_FAIL(cafi_image_read(&image, test_temp("text.jpg"), &err), CAFACE_EFORMAT, err,
                "text.jpg", "no picture");
    test_write(test_temp("empty.png"), "", 0);
    EXPECT_FAIL(cafi_image_read(&image, test_temp("empty.png"), &err), CAFACE_EFORMAT, err,
                "empty.png", "empty");
    EXPECT_FAIL(cafi_image_read(&image, test_temp("none.png"), &err), CAFACE_EIO, err, "none.png",
                "No such file");
    EXPECT_FAIL(cafi_image_read(&image, test_temp("."), &err), CAFACE_EIO, err, "is a folder");
    assert_int_equal(mkfifo(test_temp("pipe.jpg"), 0600), 0);
    EXPECT_FAIL(cafi_image_read(&image, test_temp("pipe.jpg"), &err), CAFACE_EIO, err, "pipe.jpg");
    /* 20000 x 20000: the header alone says it, so no memory is had for it */
    assert_int_equal(picture_save_png(test_temp("big.png"), row, 20000, 1, 1, 0), 0);
    png = test_read(test_temp("big.png"), &size);
    memcpy(png + 20, "\0\0\x4e\x20", 4); /* height, in IHDR */
    sum = crc32(0, png + 12, 17);
    for (int i = 0; i < 4; i++)
        png[29 + i] = (unsigned char)(sum >> (24 - 8 * i));
    EXPECT_FAIL(cafi_image_decode(&image, png, size, &err), CAFACE_ELIMIT, err, "20000x20000",
                "100000000");
    assert_null(image.rgb);
    assert_int_equal(cafi_image_pixels(png, size), 20000 * 20000);
    free(png);
    free(row);
}

/* A PNG's head and nothing else: no memory is taken for what it announces. */
static void announced_sizes_cost_nothing(void **state)
{
    static const struct {
        unsigned width, height, depth, type, interlaced;
    } heads[] = {{0x7fffffff, 0x7fffffff, 8, 2, 0}, {0x7fffffff, 0x7fffffff, 16, 6, 1},
                 {1000000000, 1, 16, 6, 1},         {1, 1000000000, 8, 0, 0},
                 {0x7fffffff, 1, 1, 0, 0},          {65501, 1, 8, 2, 0}};
    size_t before = test_peak();

    (void)state;
    for (size_t k = 0; k < sizeof heads / sizeof *heads; k++) {
        unsigned char png[65] = "\x89PNG\r\n\x1a\n\0\0\0\15IHDR";
        cafi_image image = {0};
        caface_error err;
        char size[40];

        for (int i = 0; i < 4; i++) {
            png[16 + i] = (unsigned char)(heads[k].width >> (24 - 8 * i));
            png[20 + i] = (unsigned char)(heads[k].height >> (24 - 8 * i));
        }
        png[24] = (unsigned char)heads[k].depth;
        png[25] = (unsigned char)heads[k].type;
        png[28] = (unsigned char)heads[k].interlaced;
        for (int i = 0; i < 4; i++)
            png[29 + i] = (unsigned char)(crc32(0, png + 12, 17) >> (24 - 8 * i));
        memcpy(png + 33, "\0\0\0\0IDAT\x35\xaf\x06\x1e", 12);
        snprintf(size, sizeof size, "%ux%u", heads[k].width, heads[k].height);
        EXPECT_FAIL(cafi_image_decode(&image, png, sizeof png, &err), CAFACE_ELIMIT, err, size,
                    "100000000");
        assert_null(image.rgb);
    }
    assert_true(test_peak() - before < (size_t)16 << 20);
}

/* What the head tells is what the decoder finds, and a cut-off head tells 0. */
static void a_head_tells_the_size(void **state)
{
    const char *paths[2] = {test_temp("head.png"), test_temp("head.jpg")};
    uint8_t *p = picture_draw(W, H, 3, 5);

    (void)state;
    assert_int_equal(picture_save_png(paths[0], p, W, H, 3, 0), 0);
    assert_int_equal(picture_save_jpeg(paths[1], p, W, H, 3, (picture_jpeg){90, 6, 1}), 0);
    for (int k = 0; k < 2; k++) {
        size_t size = 0, told = 0;
        unsigned char *bytes = test_read(paths[k], &size);

        assert_int_equal(cafi_image_pixels(bytes, size), W * H);
        for (size_t n = 0; n < size; n++) {
            unsigned char *cut = malloc(n ? n : 1); /* of its own, for the sanitizers */
            size_t pixels;

            memcpy(cut, bytes, n);
            pixels = cafi_image_pixels(cut, n);
            assert_true(pixels == W * H || (pixels == 0 && !told));
            told |= pixels;
            free(cut);
        }
        assert_int_equal(told, W * H);
        free(bytes);
    }
    assert_int_equal(cafi_image_pixels("no picture at all, but text", 27), 0);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trailers_are_passed_over),
        cmocka_unit_test(pictures_are_known_by_name_or_bytes),
        cmocka_unit_test(png_keeps_every_pixel),
        cmocka_unit_test(a_damaged_end_of_a_png_is_passed_over),
        cmocka_unit_test(jpeg_kinds_decode),
        cmocka_unit_test(cmyk_without_a_marker_is_the_same),
        cmocka_unit_test(exif_turns_pictures),
        cmocka_unit_test(exif_blocks_are_not_trusted),
        cmocka_unit_test(cut_files_are_refused),
        cmocka_unit_test(unfit_files_are_named),
        cmocka_unit_test(a_head_tells_the_size),
        cmocka_unit_test(announced_sizes_cost_nothing),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
