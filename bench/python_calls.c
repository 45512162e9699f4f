/* The C side of bench/python: the calls that Python makes, timed from C in Python's own process, on
 * the very models and encoders that Python has open, by the same build of the library. Called by
 * ctypes; seconds of `rounds` calls, below 0 for an error. */
#include <stdlib.h>
#include <time.h>

#include "caface/batch.h"
#include "caface/encoder.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT double bench_fuse(const caface_model *model, const float *feat, const float *style, size_t n,
                         size_t C, size_t rounds);
EXPORT double bench_encode(caface_encoder *encoder, const unsigned char *crops, size_t n,
                           size_t rounds);

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static caface_status fuse_once(const caface_model *model, caface_method method, const float *feat,
                               const float *style, size_t n, size_t C, float *template)
{
    caface_set_options o;
    caface_set *set = NULL;
    caface_status st;

    caface_set_options_init(&o);
    o.method = method;
    o.expected_n = n;
    o.width = C;
    st = caface_set_new(&set, model, &o, NULL);
    if (!st)
        st = caface_set_push(set, feat, style, n, NULL);
    if (!st)
        st = caface_set_template(set, template, NULL);
    caface_set_free(set);
    return st;
}

/* By the model's own method; by average without one. */
double bench_fuse(const caface_model *model, const float *feat, const float *style, size_t n,
                  size_t C, size_t rounds)
{
    caface_model_info info = {.method = CAFACE_METHOD_AVERAGE};
    float *template = malloc(C * sizeof *template);
    caface_status st = CAFACE_OK;
    double began;

    if (model)
        caface_model_get_info(model, &info);
    began = seconds();
    for (size_t i = 0; i < rounds && template && !st; i++)
        st = fuse_once(model, info.method, feat, style, n, C, template);
    began = seconds() - began;
    free(template);
    return st || !template ? -1 : began;
}

double bench_encode(caface_encoder *encoder, const unsigned char *crops, size_t n, size_t rounds)
{
    caface_encoder_info info;
    float *features = NULL;
    caface_status st = CAFACE_OK;
    double began;

    caface_encoder_get_info(encoder, &info);
    features = malloc(n * info.C * sizeof *features + n * (info.S * 2 + 1) * sizeof *features);
    began = seconds();
    for (size_t i = 0; i < rounds && features && !st; i++)
        st = caface_encoder_run(encoder, crops, n, features, info.S ? features + n * info.C : NULL,
                                NULL);
    began = seconds() - began;
    free(features);
    return st || !features ? -1 : began;
}
