/* caface/image.h: every pixel format against a naive conversion in double, odd
 * sizes, strides either way, and arguments that are refused. */
#include "check.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "caface/image.h"
#include "picture.h"

enum { WIDTH = 7, HEIGHT = 5, GAP = 9, ROOM = 4096 };

/* Three planes of random bytes, rows `stride` apart, forwards or backwards. */
typedef struct planes {
    uint8_t bytes[3][ROOM];
    caface_pixels pixels;
} planes;

static size_t row_bytes(caface_pixel_format format, int plane)
{
    size_t half = (WIDTH + 1) / 2;

    if (plane == 0)
        return format <= CAFACE_PIXELS_BGR    ? 3 * WIDTH
               : format <= CAFACE_PIXELS_BGRA ? 4 * WIDTH
                                              : WIDTH;
    return format == CAFACE_PIXELS_NV12 ? 2 * half : half;
}

static void make(planes *p, test_rng *rng, caface_pixel_format format, caface_yuv yuv, size_t gap,
                 int backwards)
{
    for (int i = 0; i < 3; i++)
        for (size_t k = 0; k < ROOM; k++)
            p->bytes[i][k] = (uint8_t)test_next(rng);
    caface_pixels_init(&p->pixels);
    p->pixels.format = format;
    p->pixels.yuv = yuv;
    p->pixels.width = WIDTH;
    p->pixels.height = HEIGHT;
    for (int i = 0; i < 3; i++) {
        size_t rows = i ? (HEIGHT + 1) / 2 : HEIGHT, stride = row_bytes(format, i) + gap;

        p->pixels.plane[i] = p->bytes[i] + (backwards ? (rows - 1) * stride : 0);
        p->pixels.stride[i] =
            gap || backwards ? (backwards ? -(ptrdiff_t)stride : (ptrdiff_t)stride) : 0;
    }
}

static const uint8_t *at(const planes *p, int plane, size_t row)
{
    ptrdiff_t stride = p->pixels.stride[plane] ? p->pixels.stride[plane]
                                               : (ptrdiff_t)row_bytes(p->pixels.format, plane);

    return (const uint8_t *)p->pixels.plane[plane] + (ptrdiff_t)row * stride;
}

/* ITU-R BT.601 and BT.709 as they are written: E'R - E'Y = 2 (1 - kr) E'Cr, and so on. */
static void from_yuv(double y, double u, double v, caface_yuv yuv, double *out)
{
    double kr = yuv == CAFACE_YUV_BT709 || yuv == CAFACE_YUV_BT709_FULL ? 0.2126 : 0.299;
    double kb = yuv == CAFACE_YUV_BT709 || yuv == CAFACE_YUV_BT709_FULL ? 0.0722 : 0.114;
    int full = yuv >= CAFACE_YUV_BT601_FULL;
    double Y = full ? y / 255 : (y - 16) / 219;
    double Cb = (u - 128) / (full ? 255 : 224), Cr = (v - 128) / (full ? 255 : 224);

    out[0] = Y + 2 * (1 - kr) * Cr;
    out[2] = Y + 2 * (1 - kb) * Cb;
    out[1] = (Y - kr * out[0] - kb * out[2]) / (1 - kr - kb);
    for (int c = 0; c < 3; c++)
        out[c] = 255 * fmin(1, fmax(0, out[c]));
}

static void want(const planes *p, size_t x, size_t y, double *out)
{
    const uint8_t *a = at(p, 0, y);

    switch (p->pixels.format) {
    case CAFACE_PIXELS_RGB:
    case CAFACE_PIXELS_RGBA:
    case CAFACE_PIXELS_BGR:
    case CAFACE_PIXELS_BGRA:
        for (size_t c = 0; c < 3; c++) {
            int bgr =
                p->pixels.format == CAFACE_PIXELS_BGR || p->pixels.format == CAFACE_PIXELS_BGRA;
            size_t step = p->pixels.format <= CAFACE_PIXELS_BGR ? 3 : 4;

            out[c] = a[x * step + (bgr ? 2 - c : c)];
        }
        return;
    case CAFACE_PIXELS_GREY:
        out[0] = out[1] = out[2] = a[x];
        return;
    case CAFACE_PIXELS_NV12:
        from_yuv(a[x], at(p, 1, y / 2)[x / 2 * 2], at(p, 1, y / 2)[x / 2 * 2 + 1], p->pixels.yuv,
                 out);
        return;
    case CAFACE_PIXELS_I420:
        from_yuv(a[x], at(p, 1, y / 2)[x / 2], at(p, 2, y / 2)[x / 2], p->pixels.yuv, out);
        return;
    }
}

static void every_format_and_stride(void **state)
{
    test_rng rng = {test_seed()};
    planes p;

    (void)state;
    for (int format = 0; format <= CAFACE_PIXELS_I420; format++)
        for (int yuv = 0; yuv <= CAFACE_YUV_BT709_FULL; yuv++)
            for (int how = 0; how < 4; how++) {
                caface_image *image = NULL;
                const uint8_t *rgb = NULL;
                caface_error err;
                double tolerance = format >= CAFACE_PIXELS_NV12 ? 1.0 : 0.0;

                make(&p, &rng, (caface_pixel_format)format, (caface_yuv)yuv, how % 2 ? GAP : 0,
                     how / 2);
                EXPECT_OK(caface_image_wrap(&image, &p.pixels, &err), err);
                assert_int_equal(caface_image_width(image), WIDTH);
                assert_int_equal(caface_image_height(image), HEIGHT);
                EXPECT_OK(caface_image_rgb(image, &rgb, &err), err);
                if (format == CAFACE_PIXELS_RGB && how == 0)
                    assert_ptr_equal(rgb, p.bytes[0]); /* used where it is */
                for (size_t y = 0; y < HEIGHT; y++)
                    for (size_t x = 0; x < WIDTH; x++) {
                        double exact[3];

                        want(&p, x, y, exact);
                        for (size_t c = 0; c < 3; c++)
                            assert_true(fabs(rgb[(y * WIDTH + x) * 3 + c] - exact[c]) <= tolerance);
                    }
                caface_image_free(image);
            }
}

static void *convert(void *arg)
{
    const uint8_t *rgb = NULL;
    caface_error err;

    EXPECT_OK(caface_image_rgb(arg, &rgb, &err), err);
    return (void *)(uintptr_t)rgb;
}

static void threads_convert_once(void **state)
{
    test_rng rng = {3};
    planes p;
    pthread_t threads[4];
    caface_image *image = NULL;
    void *first = NULL, *next = NULL;
    caface_error err;

    (void)state;
    make(&p, &rng, CAFACE_PIXELS_NV12, CAFACE_YUV_BT601, 0, 0);
    EXPECT_OK(caface_image_wrap(&image, &p.pixels, &err), err);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, convert, image), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &next), 0);
        assert_true(i == 0 || next == first);
        first = next;
    }
    caface_image_free(image);
}

static void files_and_memory(void **state)
{
    const char *path = test_temp("a.png");
    uint8_t *drawn = picture_draw(31, 17, 3, 5);
    unsigned char *bytes = NULL;
    const uint8_t *rgb = NULL;
    caface_image *image = NULL;
    caface_error err;
    size_t size = 0;

    (void)state;
    assert_int_equal(picture_save_png(path, drawn, 31, 17, 3, 0), 0);
    EXPECT_OK(caface_image_open(&image, path, &err), err);
    EXPECT_OK(caface_image_rgb(image, &rgb, &err), err);
    assert_memory_equal(rgb, drawn, (size_t)31 * 17 * 3);
    caface_image_free(image);
    bytes = test_read(path, &size);
    EXPECT_OK(caface_image_decode(&image, bytes, size, &err), err);
    memset(bytes, 0, size); /* they are the caller's again */
    EXPECT_OK(caface_image_rgb(image, &rgb, &err), err);
    assert_memory_equal(rgb, drawn, (size_t)31 * 17 * 3);
    caface_image_free(image);
    EXPECT_FAIL(caface_image_decode(&image, bytes, size, &err), CAFACE_EFORMAT, err, "no picture");
    assert_null(image);
    EXPECT_FAIL(caface_image_decode(&image, NULL, 0, &err), CAFACE_EFORMAT, err, "empty");
    EXPECT_FAIL(caface_image_open(&image, test_temp("none.png"), &err), CAFACE_EIO, err,
                "none.png");
    free(bytes);
    free(drawn);
}

static void refused(void **state)
{
    test_rng rng = {1};
    planes p;
    caface_image *image = NULL;
    const uint8_t *rgb = NULL;
    caface_error err;

    (void)state;
#define REFUSE(status, change, ...)                                                                \
    do {                                                                                           \
        make(&p, &rng, CAFACE_PIXELS_I420, CAFACE_YUV_BT601, 0, 0);                                \
        change;                                                                                    \
        image = (caface_image *)(void *)&p;                                                        \
        EXPECT_FAIL(caface_image_wrap(&image, &p.pixels, &err), status, err, __VA_ARGS__);         \
        assert_null(image);                                                                        \
    } while (0)
    REFUSE(CAFACE_EINVAL, p.pixels.width = 0, "0x5");
    REFUSE(CAFACE_EINVAL, p.pixels.height = 0, "7x0");
    REFUSE(CAFACE_EINVAL, p.pixels.format = (caface_pixel_format)99, "format 99");
    REFUSE(CAFACE_EINVAL, p.pixels.yuv = (caface_yuv)-1, "yuv");
    REFUSE(CAFACE_EINVAL, p.pixels.plane[2] = NULL, "plane 2");
    REFUSE(CAFACE_EINVAL, p.pixels.stride[0] = 6, "6 bytes", "7");
    REFUSE(CAFACE_EINVAL, p.pixels.stride[1] = -3, "-3 bytes", "4");
    REFUSE(CAFACE_EINVAL, p.pixels.stride[0] = PTRDIFF_MAX, "bytes apart");
    REFUSE(CAFACE_EINVAL, p.pixels.stride[0] = PTRDIFF_MIN, "bytes apart");
    REFUSE(CAFACE_ELIMIT, p.pixels.width = CAFACE_IMAGE_MAX_SIDE + 1, "65501x5", "65500");
    REFUSE(CAFACE_ELIMIT, p.pixels.width = p.pixels.height = 60000, "100000000");
    REFUSE(CAFACE_ELIMIT, p.pixels.width = SIZE_MAX, "the limit");
    REFUSE(CAFACE_EINVAL, p.pixels.size = 0, "0 bytes");
    REFUSE(CAFACE_EINVAL, p.pixels.size = sizeof p.pixels - 1, "bytes");
#undef REFUSE
    EXPECT_FAIL(caface_image_wrap(&image, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_image_wrap(NULL, &p.pixels, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_image_open(NULL, "a", &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_image_open(&image, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_image_decode(&image, NULL, 5, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_image_rgb(NULL, &rgb, &err), CAFACE_EINVAL, err, "null");
    assert_int_equal(caface_image_width(NULL), 0);
    assert_int_equal(caface_image_wrap(&image, NULL, NULL), CAFACE_EINVAL); /* no error wanted */
    caface_image_free(NULL);
}

/* A program whose struct is larger, and one whose struct ends early. */
static void structs_of_other_versions(void **state)
{
    struct {
        caface_pixels known;
        size_t later;
    } large = {.later = 0};
    unsigned char small[sizeof(caface_pixels)];
    uint8_t byte = 9;
    caface_image *image = NULL;
    caface_error err;

    (void)state;
    caface_pixels_init_sized(&large.known, sizeof large);
    assert_int_equal(large.known.size, sizeof large);
    large.known.format = CAFACE_PIXELS_GREY;
    large.known.width = large.known.height = 1;
    large.known.plane[0] = &byte;
    EXPECT_OK(caface_image_wrap(&image, &large.known, &err), err);
    caface_image_free(image);
    large.later = 1;
    EXPECT_FAIL(caface_image_wrap(&image, &large.known, &err), CAFACE_EUNSUPPORTED, err, "version");
    memset(small, 0xab, sizeof small);
    caface_pixels_init_sized((caface_pixels *)(void *)small, 16);
    for (size_t i = 16; i < sizeof small; i++)
        assert_int_equal(small[i], 0xab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_and_stride),   cmocka_unit_test(threads_convert_once),
        cmocka_unit_test(files_and_memory),          cmocka_unit_test(refused),
        cmocka_unit_test(structs_of_other_versions),
    };
    return cmocka_run_group_tests_name("image_api", tests, NULL, NULL);
}
