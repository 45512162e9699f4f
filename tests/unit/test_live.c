/* Live sources that break: a server of the test's own sends uneven.mkv (50 frames, 3 s) over TCP,
 * whole, in part, or not at all. */
#include "check.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "media/video.h"

enum { FRAMES = 50, MOST = 8 };

/* What a connection gets: that many bytes, then its end, or silence until the test is over. */
typedef struct answer {
    size_t bytes;
    bool silent;
} answer;

typedef struct server {
    answer answers[MOST]; /* connection by connection; those beyond get the last */
    size_t count;
    bool leaves; /* nobody listens behind the last answer */
    unsigned char *file;
    size_t size;
    int listener;
    int kept[MOST];
    size_t kept_count;
    atomic_size_t served;
    pthread_t thread;
    char address[64];
} server;

static void *serve(void *arg)
{
    server *s = arg;

    for (size_t i = 0; !s->leaves || i < s->count; i++) {
        const answer *a = &s->answers[i < s->count ? i : s->count - 1];
        int fd = accept(s->listener, NULL, NULL);
        size_t sent = 0;

        if (fd < 0)
            return NULL;
        if (s->leaves && i + 1 == s->count) {
            shutdown(s->listener, SHUT_RDWR);
            close(s->listener);
            s->listener = -1;
        }
        while (sent < a->bytes) {
            ssize_t n = send(fd, s->file + sent, a->bytes - sent, MSG_NOSIGNAL);

            if (n <= 0)
                break;
            sent += (size_t)n;
        }
        atomic_fetch_add(&s->served, 1);
        if (a->silent && s->kept_count < MOST)
            s->kept[s->kept_count++] = fd;
        else
            close(fd);
    }
    return NULL;
}

static void start(server *s)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof where;

    s->file = test_read(test_fixture("video/uneven.mkv"), &s->size);
    for (size_t i = 0; i < s->count; i++)
        if (s->answers[i].bytes == SIZE_MAX)
            s->answers[i].bytes = s->size;
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&where, sizeof where), 0);
    assert_int_equal(listen(s->listener, MOST), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&where, &size), 0);
    snprintf(s->address, sizeof s->address, "tcp://127.0.0.1:%d", ntohs(where.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void finish(server *s)
{
    if (!s->leaves)
        shutdown(s->listener, SHUT_RDWR); /* ends the accept that waits */
    pthread_join(s->thread, NULL);
    if (s->listener >= 0)
        close(s->listener);
    while (s->kept_count)
        close(s->kept[--s->kept_count]);
    free(s->file);
}

typedef struct seen {
    size_t frames, said;
    double before, after; /* times around the break */
    double last;
    cafi_stream_counts counts;
    char sentences[4][256];
} seen;

static void note(void *ctx, const char *sentence)
{
    seen *r = ctx;

    if (r->said < 4)
        snprintf(r->sentences[r->said], sizeof r->sentences[0], "%s", sentence);
    r->said++;
}

static caface_status watch(seen *r, const server *s, cafi_video_options o, caface_error *err)
{
    cafi_video *video = NULL;
    cafi_frame frame = {0};
    bool got = false;
    size_t reopened = 0;
    caface_status st = CAFACE_OK;

    *r = (seen){0};
    o.live = true;
    o.say = note;
    o.say_ctx = r;
    st = cafi_video_open(&video, s->address, &o, err);
    while (!st && !(st = cafi_video_next(video, &frame, &got, err)) && got) {
        assert_int_equal(frame.index, r->frames);
        assert_true(frame.seconds >= r->last);
        if (cafi_video_counts(video).reopened > reopened) {
            r->before = r->last;
            r->after = frame.seconds;
            reopened = cafi_video_counts(video).reopened;
        }
        r->last = frame.seconds;
        r->frames++;
    }
    if (video) {
        assert_true(cafi_video_info(video).live);
        r->counts = cafi_video_counts(video);
    }
    cafi_frame_free(&frame);
    cafi_video_close(video);
    return st;
}

static void a_source_that_breaks_is_opened_again(void **state)
{
    server s = {.answers = {{4000, false}, {0, false}, {SIZE_MAX, false}}, .count = 3};
    seen r;
    caface_error err;

    (void)state;
    start(&s);
    EXPECT_OK(watch(&r, &s, (cafi_video_options){.reopen = 600.0, .silence = 600.0}, &err), err);
    finish(&s);
    assert_int_equal(atomic_load(&s.served), 3);
    assert_int_equal(r.counts.reopened, 1); /* the second gave nothing */
    assert_false(r.counts.lost);
    assert_true(r.frames > FRAMES && r.frames < 2 * FRAMES);
    /* It was away for two pauses at least, 0.1 and 0.2 s; then 3 s follow. */
    assert_true(r.after >= r.before + 0.3);
    assert_true(r.last - r.after > 2.8 && r.last - r.after < 3.0);
    assert_int_equal(r.said, 2);
    assert_non_null(strstr(r.sentences[0], "broke off at"));
    assert_non_null(strstr(r.sentences[1], "is back after"));
    assert_true(cafi_counts_complete(&r.counts) || r.counts.broken);
}

static void a_source_that_stays_away_is_given_up(void **state)
{
    server s = {.answers = {{4000, false}}, .count = 1, .leaves = true};
    seen r;
    char text[256];
    caface_error err;

    (void)state;
    start(&s);
    EXPECT_OK(watch(&r, &s, (cafi_video_options){.reopen = 0.5, .silence = 600.0}, &err), err);
    finish(&s);
    assert_true(r.frames > 0 && r.frames < FRAMES);
    assert_int_equal(r.counts.reopened, 0);
    assert_true(r.counts.lost);
    assert_false(cafi_counts_complete(&r.counts));
    assert_non_null(
        strstr(cafi_counts_text(&r.counts, text, sizeof text), "could not be opened again"));
    assert_int_equal(r.said, 1);
}

static void without_reopening_a_break_is_the_end(void **state)
{
    server s = {.answers = {{4000, false}, {SIZE_MAX, false}}, .count = 2};
    seen r;
    caface_error err;

    (void)state;
    start(&s);
    EXPECT_OK(watch(&r, &s, (cafi_video_options){.silence = 600.0}, &err), err);
    finish(&s);
    assert_int_equal(atomic_load(&s.served), 1);
    assert_true(r.frames > 0 && r.frames < FRAMES);
    assert_false(r.counts.lost);
    assert_int_equal(r.said, 0);
}

static void silence_is_a_break(void **state)
{
    server s = {.answers = {{4000, true}, {SIZE_MAX, false}}, .count = 2};
    seen r;
    caface_error err;

    (void)state;
    start(&s);
    EXPECT_OK(
        watch(&r, &s, (cafi_video_options){.threads = 1, .reopen = 600.0, .silence = 1.0}, &err),
        err);
    finish(&s);
    /* A second of silence, although the decoder's last frames come at its end. */
    assert_true(r.after >= r.before + 0.8);
    assert_true(r.counts.reopened >= 1); /* more on a machine that needs a second for a frame */
    assert_false(r.counts.lost);
    assert_true(r.frames > FRAMES);
}

/* What is whole ends, and is not asked for again. */
static void a_recording_ends(void **state)
{
    server s = {.answers = {{SIZE_MAX, false}}, .count = 1};
    seen r;
    caface_error err;

    (void)state;
    start(&s);
    EXPECT_OK(watch(&r, &s, (cafi_video_options){.reopen = 600.0, .silence = 600.0}, &err), err);
    finish(&s);
    assert_int_equal(r.frames, FRAMES);
    assert_int_equal(r.counts.decoded, FRAMES);
    assert_int_equal(atomic_load(&s.served), 1);
    assert_true(cafi_counts_complete(&r.counts));
    assert_int_equal(r.said, 0);
}

static bool has_heard(void *ctx)
{
    return ((const seen *)ctx)->said > 0;
}

/* Somebody who wants to stop does not wait until a source is given up: here from its break on. */
static void a_wish_to_stop_comes_first(void **state)
{
    server s = {.answers = {{4000, false}}, .count = 1, .leaves = true};
    seen r;
    caface_error err;

    (void)state;
    start(&s);
    EXPECT_OK(watch(&r, &s,
                    (cafi_video_options){.reopen = 1e9, .silence = 600.0, .stop = {has_heard, &r}},
                    &err),
              err);
    finish(&s);
    assert_true(r.frames > 0);
    assert_false(r.counts.lost);
    assert_int_equal(r.said, 1);
}

static void *write_pipe(void *path)
{
    size_t size = 0;
    unsigned char *file = test_read(test_fixture("video/uneven.mkv"), &size);

    test_write(path, file, size);
    free(file);
    return NULL;
}

static void a_pipe_is_live_and_a_file_is_not(void **state)
{
    cafi_video *video = NULL;
    cafi_video_options o = {.live = true, .reopen = 600.0};
    cafi_frame frame = {0};
    size_t frames = 0;
    bool got = false;
    char path[256];
    pthread_t writer;
    caface_error err;

    (void)state;
    EXPECT_FAIL(cafi_video_open(&video, test_fixture("video/uneven.mkv"), &o, &err), CAFACE_EINVAL,
                err, "uneven.mkv", "live is for a camera");
    assert_null(video);
    snprintf(path, sizeof path, "%s", test_temp("live.fifo"));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_pipe, path), 0);
    EXPECT_OK(cafi_video_open(&video, path, &o, &err), err);
    while (!cafi_video_next(video, &frame, &got, &err) && got)
        frames++;
    pthread_join(writer, NULL);
    assert_int_equal(frames, FRAMES);
    cafi_frame_free(&frame);
    cafi_video_close(video);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_that_breaks_is_opened_again),
        cmocka_unit_test(a_source_that_stays_away_is_given_up),
        cmocka_unit_test(without_reopening_a_break_is_the_end),
        cmocka_unit_test(silence_is_a_break),
        cmocka_unit_test(a_recording_ends),
        cmocka_unit_test(a_wish_to_stop_comes_first),
        cmocka_unit_test(a_pipe_is_live_and_a_file_is_not),
    };
    return cmocka_run_group_tests_name("live", tests, NULL, NULL);
}
