/* Video on two small clips of FFmpeg's test pattern (fixtures/video): turned.mp4 is 64x48 H.264
 * with a quarter turn in its header, uneven.mkv 30 frames at 30 a second, then 20 at 10; late.mkv
 * begins at 11.4 s, unsized.mkv is the same as a pipe gets it; fragments.mp4 is fragmented. The
 * last two announce no length. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "media/folder.h"
#include "media/image_write.h"
#include "media/video.h"
#include "picture.h"

typedef struct reading {
    size_t frames;
    cafi_stream_counts counts;
    cafi_stream_info info;
    size_t width, height; /* of the frames */
    double first, last;   /* seconds */
    uint64_t sum;         /* of all pixels */
} reading;

static caface_status read_all(reading *r, const char *path, const cafi_video_options *options,
                              caface_error *err)
{
    cafi_video *video = NULL;
    cafi_frame frame = {0};
    bool got = false;
    caface_status st = cafi_video_open(&video, path, options, err);

    *r = (reading){0};
    while (!st && !(st = cafi_video_next(video, &frame, &got, err)) && got) {
        assert_true(r->frames == 0 || frame.seconds >= r->last);
        r->first = r->frames ? r->first : frame.seconds;
        r->last = frame.seconds;
        r->width = frame.width;
        r->height = frame.height;
        for (size_t i = 0; i < frame.width * frame.height * 3; i++)
            r->sum = r->sum * 31 + frame.rgb[i];
        r->frames++;
    }
    if (video) {
        r->counts = cafi_video_counts(video);
        r->info = cafi_video_info(video);
    }
    cafi_frame_free(&frame);
    cafi_video_close(video);
    return st;
}

static void frames_are_upright(void **state)
{
    cafi_video *video = NULL;
    cafi_frame frame = {0};
    caface_error err;
    bool got = false;
    const uint8_t *p = NULL;

    (void)state;
    EXPECT_OK(cafi_video_open(&video, test_fixture("video/turned.mp4"), NULL, &err), err);
    assert_int_equal(cafi_video_info(video).width, 48);
    assert_int_equal(cafi_video_info(video).height, 64);
    assert_int_equal(cafi_video_info(video).rotation, 270);
    assert_string_equal(cafi_video_info(video).codec, "h264");
    EXPECT_OK(cafi_video_next(video, &frame, &got, &err), err);
    assert_true(got && frame.width == 48 && frame.height == 64);
    /* The pattern's bars run from black on the left to white on the right; turned to the left
     * by a quarter, white is on top and black below. */
    p = frame.rgb + 5 * 3;
    assert_true(p[0] > 180 && p[1] > 180 && p[2] > 180);
    p = frame.rgb + (63 * 48 + 5) * 3;
    assert_true(p[0] < 40 && p[1] < 40 && p[2] < 40);
    cafi_frame_free(&frame);
    cafi_video_close(video);
}

static void uneven_times_are_kept(void **state)
{
    cafi_video_options options = {0};
    caface_error err;
    reading r, again;

    (void)state;
    EXPECT_OK(read_all(&r, test_fixture("video/uneven.mkv"), NULL, &err), err);
    assert_int_equal(r.frames, 50);
    assert_int_equal(r.counts.decoded, 50);
    assert_int_equal(r.counts.broken + r.counts.missing, 0);
    assert_true(r.first == 0.0 && fabs(r.last - 2.9) < 1e-3);
    options.threads = 1;
    EXPECT_OK(read_all(&again, test_fixture("video/uneven.mkv"), &options, &err), err);
    assert_true(again.sum == r.sum);
    options = (cafi_video_options){.every = 7};
    EXPECT_OK(read_all(&r, test_fixture("video/uneven.mkv"), &options, &err), err);
    assert_int_equal(r.frames, 8);
    options = (cafi_video_options){.start = 1.45, .duration = 1.0};
    EXPECT_OK(read_all(&r, test_fixture("video/uneven.mkv"), &options, &err), err);
    assert_int_equal(r.frames, 10);
    assert_true(fabs(r.first - 1.5) < 1e-3 && fabs(r.last - 2.4) < 1e-3);
    options = (cafi_video_options){.start = 100};
    EXPECT_OK(read_all(&r, test_fixture("video/uneven.mkv"), &options, &err), err);
    assert_int_equal(r.frames, 0);
}

/* The index is in front in turned.mp4, so that a file cut short still opens. */
static void a_cut_file_gives_what_it_has(void **state)
{
    const char *path = test_temp("short.mp4");
    size_t size = 0;
    unsigned char *bytes = test_read(test_fixture("video/turned.mp4"), &size);
    caface_error err;
    reading r;

    (void)state;
    test_write(path, bytes, size * 85 / 100);
    EXPECT_OK(read_all(&r, path, NULL, &err), err);
    assert_true(r.frames > 0 && r.frames < 20);
    assert_true(r.counts.missing > 0);
    free(bytes);
}

/* A file that announces a length and ends before it: both are said. One that
 * announces nothing, but breaks off inside a part, too. */
static void a_short_file_says_both_lengths(void **state)
{
    static const struct {
        const char *file;
        double part;
        const char *says;
    } cuts[] = {{"uneven.mkv", 0.6, "it should last 2.93 s"},
                {"late.mkv", 0.7, "it should last 14.40 s"},
                {"late.mkv", 0.93, "it should last 14.40 s"}, /* less than half a second is lost */
                {"unsized.mkv", 0.7, "inside a part that ends at"},
                {"unsized.mkv", 1, NULL},
                {"fragments.mp4", 0.55, "inside a part that ends at"},
                {"fragments.mp4", 1, NULL},
                {"late.mkv", 1, NULL},
                {"uneven.mkv", 1, NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        size_t size = 0;
        unsigned char *bytes = test_read(test_fixture("video/%s", cuts[i].file), &size);
        const char *path = test_temp("cut-%zu", i);
        reading r;
        char text[256];
        caface_error err;

        test_write(path, bytes, (size_t)((double)size * cuts[i].part));
        EXPECT_OK(read_all(&r, path, NULL, &err), err);
        cafi_counts_text(&r.counts, text, sizeof text);
        if (!cuts[i].says)
            assert_int_equal(r.counts.broken + r.counts.missing, 0);
        else if (r.counts.broken + r.counts.missing == 0 || !strstr(text, cuts[i].says))
            fail_msg("%s at %g: %s", cuts[i].file, cuts[i].part, text);
        free(bytes);
    }
}

/* Times are the container's. */
static void a_late_file_is_reported_late(void **state)
{
    const cafi_video_options late = {.start = 12.4};
    const cafi_video_options brief = {.duration = 0.5};
    reading r;
    caface_error err;

    (void)state;
    EXPECT_OK(read_all(&r, test_fixture("video/late.mkv"), NULL, &err), err);
    assert_true(r.frames == 30 && fabs(r.first - 11.4) < 1e-3);
    EXPECT_OK(read_all(&r, test_fixture("video/late.mkv"), &late, &err), err);
    assert_true(r.frames == 20 && fabs(r.first - 12.4) < 1e-3);
    EXPECT_OK(read_all(&r, test_fixture("video/late.mkv"), &brief, &err), err);
    assert_int_equal(r.frames, 5);
}

/* Any byte may be wrong, and any end missing: frames or a sentence. */
static void damage_is_survived(void **state)
{
    const char *path = test_temp("damaged.mp4");
    size_t size = 0;
    unsigned char *good = test_read(test_fixture("video/turned.mp4"), &size);
    unsigned char *bytes = malloc(size);
    test_rng rng = {test_seed()};

    (void)state;
    assert_non_null(bytes);
    for (int trial = 0; trial < 60; trial++) {
        caface_error err = {0};
        reading r;

        memcpy(bytes, good, size);
        for (size_t i = 0; i < 1 + test_below(&rng, 20); i++)
            bytes[test_below(&rng, size)] = (unsigned char)test_next(&rng);
        test_write(path, bytes, trial % 2 ? size : test_below(&rng, size));
        if (read_all(&r, path, NULL, &err))
            assert_true(strstr(err.message, "damaged.mp4: ") != NULL);
        else
            assert_true(r.frames <= 40);
    }
    free(bytes);
    free(good);
}

static void what_is_no_video_is_refused(void **state)
{
    static const char text[] = "Just some lines\nof plain text\nand no video at all.\n";
    const char *path = NULL;
    caface_error err;
    reading r;

    (void)state;
    path = test_temp("text.mp4");
    test_write(path, text, sizeof text - 1);
    EXPECT_FAIL(read_all(&r, path, NULL, &err), CAFACE_EFORMAT, err, "text.mp4");
    path = test_temp("text.txt");
    test_write(path, text, sizeof text - 1);
    EXPECT_FAIL(read_all(&r, path, NULL, &err), CAFACE_EFORMAT, err, "text.txt");
    path = test_temp("empty.mp4");
    test_write(path, "", 0);
    EXPECT_FAIL(read_all(&r, path, NULL, &err), CAFACE_EFORMAT, err, "empty.mp4");
    EXPECT_FAIL(read_all(&r, test_temp("none.mp4"), NULL, &err), CAFACE_EIO, err, "none.mp4",
                "No such file");
}

/* Frames of 8192x8192 are refused with both numbers, before one is decoded. */
static void frames_beyond_the_limit_are_named(void **state)
{
    size_t size = 0, at = 0;
    unsigned char *bytes = test_read(test_fixture("video/squares.mp4"), &size);
    caface_error err;
    reading r;

    (void)state;
    while (at + 32 < size && memcmp(bytes + at, "avc1\0\0\0\0\0\0", 10) != 0)
        at++;
    assert_true(at + 32 < size);
    memcpy(bytes + at + 28, "\x20\0\x20\0", 4); /* width and height of the sample entry */
    test_write(test_temp("large.mp4"), bytes, size);
    EXPECT_FAIL(read_all(&r, test_temp("large.mp4"), NULL, &err), CAFACE_ELIMIT, err, "large.mp4",
                "8192x8192", "33554432");
    free(bytes);
}

/* A playlist may not reach the network, nor another file's protocol. */
static void playlists_stay_local(void **state)
{
    static const char list[] = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n"
                               "http://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n";
    const char *path = test_temp("list.m3u8");
    caface_error err;
    reading r;

    (void)state;
    test_write(path, list, sizeof list - 1);
    assert_true(read_all(&r, path, NULL, &err) != CAFACE_OK);
}

static void save_picture(const char *path, uint8_t shade)
{
    uint8_t rgb[8 * 6 * 3];
    cafi_view view = {rgb, 8, 6};
    cafi_buf png = {0};
    caface_error err;

    memset(rgb, shade, sizeof rgb);
    EXPECT_OK(cafi_png_encode(&png, &view, &err), err);
    test_write(path, png.data, png.size);
    cafi_buf_free(&png);
}

/* Ten comes after two, a damaged picture is counted, other files are passed over. */
static void folders_are_videos(void **state)
{
    const char *folder = test_temp("frames");
    cafi_video *video = NULL;
    cafi_frame frame = {0};
    bool got = true;
    caface_error err;
    uint8_t want = 1;

    (void)state;
    assert_int_equal(mkdir(folder, 0777), 0);
    save_picture(test_temp("frames/f10.png"), 3);
    save_picture(test_temp("frames/f2.png"), 2);
    save_picture(test_temp("frames/f001.PNG"), 1);
    test_write(test_temp("frames/f3.jpg"), "no picture", 10);
    test_write(test_temp("frames/notes.txt"), "text", 4);
    EXPECT_OK(cafi_video_open(&video, folder, NULL, &err), err);
    for (size_t i = 0; i < 3; i++, want++) {
        EXPECT_OK(cafi_video_next(video, &frame, &got, &err), err);
        assert_true(got && frame.index == i && frame.width == 8 && frame.height == 6);
        assert_int_equal(frame.rgb[0], want);
    }
    EXPECT_OK(cafi_video_next(video, &frame, &got, &err), err);
    assert_false(got);
    assert_int_equal(cafi_video_counts(video).decoded, 3);
    assert_int_equal(cafi_video_counts(video).broken, 1);
    cafi_frame_free(&frame);
    cafi_video_close(video);
    assert_true(cafi_folder_order("a9", "a10") < 0 && cafi_folder_order("a010", "a9") > 0);
    assert_true(cafi_folder_order("a01", "a1") != 0 && cafi_folder_order("b", "b") == 0);
    assert_int_equal(mkdir(test_temp("bare"), 0777), 0);
    EXPECT_FAIL(cafi_video_open(&video, test_temp("bare"), NULL, &err), CAFACE_EFORMAT, err,
                "without pictures");
}

/* A Motion JPEG of three valid grey frames of 8192x8192, a few kilobytes of one
 * repeated block: neither FFmpeg's probing nor its decoder takes memory for it. */
static void announced_sizes_cost_nothing(void **state)
{
    enum { SIDE = 8192, BITS = 6 * (SIDE / 8) * (SIDE / 8) }; /* 001010: no change, no waves */
    uint8_t grey[8 * 8];
    unsigned char *jpeg = NULL;
    cafi_buf movie = {0};
    size_t size = 0;
    size_t data = 0;
    size_t before = 0;
    reading r;
    caface_error err;

    (void)state;
    memset(grey, 128, sizeof grey);
    assert_int_equal(
        picture_save_jpeg(test_temp("one.jpg"), grey, 8, 8, 1, (picture_jpeg){90, 0, 0}), 0);
    jpeg = test_read(test_temp("one.jpg"), &size);
    for (size_t i = 0; i + 9 < size; i++)
        if (memcmp(jpeg + i, "\xff\xc0", 2) == 0)
            memcpy(jpeg + i + 5, "\x20\0\x20\0", 4);
        else if (memcmp(jpeg + i, "\xff\xda", 2) == 0)
            data = i + 2 + jpeg[i + 3];
    for (int frame = 0; frame < 3; frame++) {
        cafi_buf_append(&movie, jpeg, data);
        for (size_t i = 0; i < BITS / 24; i++)
            cafi_buf_append(&movie, "\x28\xa2\x8a", 3);
        cafi_buf_append(&movie, "\xff\xd9", 2);
    }
    assert_false(movie.failed);
    test_write(test_temp("big.mjpeg"), movie.data, movie.size);
    before = test_peak();
    EXPECT_FAIL(read_all(&r, test_temp("big.mjpeg"), NULL, &err), CAFACE_EFORMAT, err, "big.mjpeg",
                "no frame could be decoded");
    assert_true(test_peak() - before < (size_t)100 << 20);
    cafi_buf_free(&movie);
    free(jpeg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_upright),
        cmocka_unit_test(uneven_times_are_kept),
        cmocka_unit_test(a_cut_file_gives_what_it_has),
        cmocka_unit_test(a_short_file_says_both_lengths),
        cmocka_unit_test(a_late_file_is_reported_late),
        cmocka_unit_test(damage_is_survived),
        cmocka_unit_test(what_is_no_video_is_refused),
        cmocka_unit_test(frames_beyond_the_limit_are_named),
        cmocka_unit_test(playlists_stay_local),
        cmocka_unit_test(folders_are_videos),
        cmocka_unit_test(announced_sizes_cost_nothing),
    };
    return cmocka_run_group_tests_name("video", tests, NULL, NULL);
}
