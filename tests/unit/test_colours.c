/* Frames of video as R G B: by planes, with swscale's vector code, the bytes are those of its plain
 * code for pixels. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#include "media/colours.h"

#define GUARD 64

static AVFrame *random_frame(test_rng *rng, int format, int width, int height)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format);
    AVFrame *f = av_frame_alloc();

    assert_non_null(f);
    f->format = format;
    f->width = width;
    f->height = height;
    f->colorspace = test_below(rng, 2) ? AVCOL_SPC_BT709 : AVCOL_SPC_UNSPECIFIED;
    f->color_range = test_below(rng, 2) ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    assert_true(av_frame_get_buffer(f, 64) >= 0);
    for (int p = 0; p < 4 && f->data[p]; p++) {
        int shift = p == 1 || p == 2 ? d->log2_chroma_h : 0;
        size_t bytes = (size_t)f->linesize[p] * (size_t)((height + (1 << shift) - 1) >> shift);

        for (size_t i = 0; i < bytes; i++) /* two bytes a number: within its bits */
            f->data[p][i] = (uint8_t)test_below(
                rng, d->comp[0].depth > 8 && i % 2 ? (size_t)1 << (d->comp[0].depth - 8) : 256);
    }
    return f;
}

/* As swscale's plain code writes them. */
static void expect_pixels(uint8_t *rgb, const AVFrame *f)
{
    struct SwsContext *s = sws_getContext(
        f->width, f->height, f->format, f->width, f->height, AV_PIX_FMT_RGB24,
        SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP, NULL, NULL, NULL);
    uint8_t *const to[4] = {rgb};
    const int strides[4] = {f->width * 3};
    const int *matrix =
        sws_getCoefficients(f->colorspace == AVCOL_SPC_BT709 ? SWS_CS_ITU709 : SWS_CS_DEFAULT);

    assert_non_null(s);
    (void)sws_setColorspaceDetails(s, matrix, f->color_range == AVCOL_RANGE_JPEG,
                                   sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
    assert_int_equal(
        sws_scale(s, (const uint8_t *const *)f->data, f->linesize, 0, f->height, to, strides),
        f->height);
    sws_freeContext(s);
}

static void full_chroma_is_the_plain_codes(void **state)
{
    static const int formats[] = {
        AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P,  AV_PIX_FMT_YUV444P,     AV_PIX_FMT_NV12,
        AV_PIX_FMT_YUYV422, AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUV420P10LE, AV_PIX_FMT_YUVA420P,
        AV_PIX_FMT_GRAY8,   AV_PIX_FMT_RGB24,    AV_PIX_FMT_GBRP,        AV_PIX_FMT_YUV410P,
        AV_PIX_FMT_YUV411P, AV_PIX_FMT_UYVY422,  AV_PIX_FMT_YUV444P12LE};
    test_rng rng = {test_seed()};
    cafi_colours c = {0};

    (void)state;
    av_log_set_level(AV_LOG_QUIET);
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++)
        for (int round = 0; round < 20; round++) {
            AVFrame *f = random_frame(&rng, formats[k], 2 + (int)test_below(&rng, 200),
                                      2 + (int)test_below(&rng, 100));
            size_t bytes = (size_t)f->width * (size_t)f->height * 3;
            uint8_t *want = calloc(bytes + GUARD, 1), *got = calloc(bytes + GUARD, 1);
            caface_error err = {CAFACE_OK, ""};

            assert_non_null(want);
            assert_non_null(got);
            expect_pixels(want, f);
            EXPECT_OK(cafi_colours_run(&c, f, CAFI_CHROMA_FULL, got, &err), err);
            for (size_t i = 0; i < bytes; i++)
                if (got[i] != want[i])
                    fail_msg("%s, %dx%d, matrix %d, range %d: %d at (%zu, %zu, %zu), not %d",
                             av_get_pix_fmt_name(f->format), f->width, f->height,
                             (int)f->colorspace, (int)f->color_range, got[i],
                             i / 3 / (size_t)f->width, i / 3 % (size_t)f->width, i % 3, want[i]);
            free(want);
            free(got);
            av_frame_free(&f);
        }
    cafi_colours_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_chroma_is_the_plain_codes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
