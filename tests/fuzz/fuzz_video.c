/* A short video through the whole way: decoded, searched, cut out, encoded, followed and fused. The
 * bytes as a file, and as patches (two bytes of a place, one of a value) of a fixture. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caface/video.h"
#include "fuzz.h"

/* Frames and pixels beyond these only take time. */
enum { FRAMES = 12, PIXELS = 1 << 16 };

static caface_detector *detector;
static caface_encoder *encoder;

static void open_models(void)
{
    caface_detector_options d;
    caface_error err;

    if (encoder)
        return;
    caface_detector_options_init(&d);
    d.min_face = 1;
    fuzz_check(!caface_detector_open(&detector, FIXTURES "/detect/scrfd_any.onnx", &d, &err) &&
                   !caface_encoder_open(&encoder, FIXTURES "/detect/face_112.onnx", NULL, &err),
               "no detector or encoder");
}

static void check_event(const caface_video_event *e, float *template)
{
    caface_error err;

    if (e->kind == CAFACE_FRAME)
        return;
    fuzz_check(e->track > 0 && e->count > 0 && e->set != NULL, "an event without its track");
    if (e->kind == CAFACE_TRACK_END)
        fuzz_check(!caface_set_template(e->set, template, &err), "a track without a template");
}

static void run(const char *path)
{
    const caface_video_event *event = NULL;
    caface_video_info info;
    caface_video_options o;
    caface_encoder_info encoded;
    caface_video *video = NULL;
    caface_error err = {CAFACE_OK, ""};
    caface_status st;
    float *template = NULL;
    size_t frames = 0;

    caface_video_options_init(&o);
    o.threads = 1;
    if (caface_video_open(&video, path, detector, encoder, NULL, &o, &err)) {
        fuzz_check(err.message[0] != '\0', "an error without a sentence");
        return;
    }
    caface_encoder_get_info(encoder, &encoded);
    template = malloc(encoded.C * sizeof *template);
    fuzz_check(template != NULL, "no memory");
    caface_video_get_info(video, &info);
    while (info.width * info.height <= PIXELS && !(st = caface_video_next(video, &event, &err)) &&
           event) {
        check_event(event, template);
        if (event->kind == CAFACE_FRAME && ++frames == FRAMES)
            caface_video_stop(video);
    }
    free(template);
    caface_video_free(video);
}

static unsigned char *fixture(size_t *size)
{
    static unsigned char bytes[1 << 16];
    static size_t used;

    if (!used) {
        FILE *f = fopen(FIXTURES "/video/squares.mp4", "rb");

        fuzz_check(f != NULL, "no fixture");
        used = fread(bytes, 1, sizeof bytes, f);
        fclose(f);
        fuzz_check(used > 0 && used < sizeof bytes, "a fixture of another size than was thought");
    }
    *size = used;
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = 0;
    const unsigned char *whole = fixture(&n);
    unsigned char *copy = malloc(n);

    open_models();
    fuzz_check(copy != NULL, "no memory");
    run(fuzz_file(data, size));
    memcpy(copy, whole, n);
    for (size_t i = 0; i + 2 < size; i += 3)
        copy[((size_t)data[i] << 8 | data[i + 1]) % n] = data[i + 2];
    run(fuzz_second_file(copy, n));
    free(copy);
    return 0;
}
