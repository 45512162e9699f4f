/* Times of detectors and of the whole way through a video; one JSON object.
 *
 *   faces_bench detect DETECTOR PICTURE THREADS [RUNS [PRECISION]]     the picture resized to
 * 640x480 faces_bench video DETECTOR BACKBONE VIDEO THREADS FRAMES */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "faces/pipeline.h"
#include "faces/resample.h"
#include "files/index.h"
#include "media/image.h"
#include "media/video.h"

enum { WIDTH = 640, HEIGHT = 480, RUNS = 15, MOST_RUNS = 1000, MOST_THREADS = 1024 };

static double seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* A whole number of 1 to most, all of text. */
static caface_status number(size_t *out, const char *what, const char *text, size_t most,
                            caface_error *err)
{
    int64_t value = 0;

    if (!cafi_parse_int64(text, strlen(text), &value) || value < 1 || (uint64_t)value > most)
        return cafi_fail(err, CAFACE_EINVAL, "%s %s: a number of 1 to %zu is needed", what, text,
                         most);
    *out = (size_t)value;
    return CAFACE_OK;
}

static caface_status time_detector(char **argv, caface_error *err)
{
    cafi_detector_options options = {0};
    cafi_detector *detector = NULL;
    cafi_image image = {0};
    cafi_faces faces = {0};
    cafi_view view = {NULL, WIDTH, HEIGHT}, whole;
    uint8_t *rgb = NULL;
    double times[MOST_RUNS], cpus[MOST_RUNS];
    size_t runs = RUNS;
    caface_status st = number(&options.threads, "threads", argv[4], MOST_THREADS, err);

    if (!st && argv[5])
        st = number(&runs, "runs", argv[5], MOST_RUNS, err);
    if (!st && argv[5] && argv[6])
        st = caface_precision_parse(&options.precision, argv[6], err);
    if (!st)
        st = cafi_image_read(&image, argv[3], err);
    whole = cafi_image_view(&image);
    (void)(st || (st = cafi_resample(&rgb, &whole, WIDTH, HEIGHT, err)) ||
           (st = cafi_detector_open(&detector, argv[2], &options, err)));
    view.rgb = rgb;
    if (!st)
        st = cafi_detector_run(detector, &view, CAFI_OWN_THREADS, &faces,
                               err); /* plans are made here */
    for (size_t i = 0; !st && i < runs; i++) {
        double started = seconds(CLOCK_MONOTONIC), used = seconds(CLOCK_PROCESS_CPUTIME_ID);

        st = cafi_detector_run(detector, &view, CAFI_OWN_THREADS, &faces, err);
        cpus[i] = seconds(CLOCK_PROCESS_CPUTIME_ID) - used;
        times[i] = seconds(CLOCK_MONOTONIC) - started;
    }
    if (!st) {
        qsort(times, runs, sizeof times[0], by_value);
        qsort(cpus, runs, sizeof cpus[0], by_value);
        printf("{\"family\":\"%s\",\"images_per_second\":%.4f,\"cpu_seconds\":%.6f,\"faces\":[",
               cafi_detector_family(detector), 1.0 / times[runs / 2], cpus[runs / 2]);
        for (size_t i = 0; i < faces.count; i++) {
            const cafi_face *f = &faces.items[i];

            printf("%s[%.4f,%.4f,%.4f,%.4f,%.6f]", i ? "," : "", (double)f->box.x1,
                   (double)f->box.y1, (double)f->box.x2, (double)f->box.y2, (double)f->score);
        }
        printf("]}\n");
    }
    cafi_detector_free(detector);
    cafi_faces_free(&faces);
    cafi_image_clear(&image);
    free(rgb);
    return st;
}

typedef struct limit {
    cafi_video *video;
    size_t frames, most;
} limit;

static caface_status read_frame(void *source, cafi_frame *frame, bool *got, caface_error *err)
{
    limit *l = source;

    *got = false;
    return l->frames++ < l->most ? cafi_video_next(l->video, frame, got, err) : CAFACE_OK;
}

static caface_status take_frame(void *ctx, const cafi_done_frame *done, caface_error *err)
{
    (void)ctx;
    (void)done;
    (void)err;
    return CAFACE_OK;
}

static caface_status time_video(char **argv, caface_error *err)
{
    cafi_encoder_options e = {0};
    cafi_video_options v = {0};
    limit l = {0};
    cafi_track_options track;
    cafi_pipeline_options o = {.reader = read_frame, .source = &l, .track = &track};
    cafi_pipeline_result r;
    double wall = 0.0, cpu = 0.0;
    caface_status st = number(&o.threads, "threads", argv[5], MOST_THREADS, err);

    if (!st)
        st = number(&l.most, "frames", argv[6], SIZE_MAX, err);
    e.threads = v.threads = o.threads;
    cafi_track_defaults(&track);
    if (!st)
        st = cafi_encoder_open(&o.encoder, argv[3], &e, err);
    if (!st)
        st = cafi_detector_open(&o.detector, argv[2], NULL, err);
    if (!st)
        st = cafi_video_open(&l.video, argv[4], &v, err);
    wall = seconds(CLOCK_MONOTONIC);
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    if (!st)
        st = cafi_pipeline_run(&r, &o, take_frame, NULL, err);
    wall = seconds(CLOCK_MONOTONIC) - wall;
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    if (!st)
        printf("{\"frames\":%zu,\"faces\":%zu,\"seconds\":%.4f,\"cpu_seconds\":%.4f,"
               "\"read\":%.4f,\"detect\":%.4f,\"encode\":%.4f,\"follow\":%.4f}\n",
               r.frames, r.faces, wall, cpu, r.read_seconds, r.detect_seconds, r.encode_seconds,
               r.take_seconds);
    cafi_video_close(l.video);
    cafi_encoder_free(o.encoder);
    cafi_detector_free(o.detector);
    return st;
}

int main(int argc, char **argv)
{
    caface_error err = {CAFACE_OK, ""};
    caface_status st = CAFACE_EINVAL;

    if (argc >= 5 && argc <= 7 && strcmp(argv[1], "detect") == 0)
        st = time_detector(argv, &err);
    else if (argc == 7 && strcmp(argv[1], "video") == 0)
        st = time_video(argv, &err);
    else
        fprintf(stderr, "faces_bench detect DETECTOR PICTURE THREADS [RUNS [PRECISION]] | "
                        "video DETECTOR BACKBONE VIDEO THREADS FRAMES\n");
    if (st && err.message[0])
        fprintf(stderr, "faces_bench: %s\n", err.message);
    return st ? 1 : 0;
}
