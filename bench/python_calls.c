/* The C side of bench/python: the calls that Python makes, timed from C in Python's own process.
 * Built as a shared library and called by ctypes; seconds of `rounds` calls, below 0 for an error.
 */
#include <stdlib.h>
#include <time.h>

#include "caface/batch.h"
#include "caface/encoder.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT double bench_fuse(const char *model_path, const float *feat, const float *style, size_t n,
                         size_t rounds);
EXPORT double bench_average(const float *feat, size_t n, size_t C, size_t rounds);
EXPORT double bench_encode(const char *path, const unsigned char *crops, size_t n, size_t rounds);

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

double bench_fuse(const char *model_path, const float *feat, const float *style, size_t n,
                  size_t rounds)
{
    static caface_model *model; /* opened once */
    caface_model_info info;
    float *template = NULL;
    caface_status st = model ? CAFACE_OK : caface_model_open(&model, model_path, NULL);
    double began = 0;

    if (st)
        return -1;
    caface_model_get_info(model, &info);
    template = malloc(info.C * sizeof *template);
    began = seconds();
    for (size_t i = 0; i < rounds && template && !st; i++)
        st = fuse_once(model, info.method, feat, style, n, info.C, template);
    began = seconds() - began;
    free(template);
    return st || !template ? -1 : began;
}

double bench_average(const float *feat, size_t n, size_t C, size_t rounds)
{
    float *template = malloc(C * sizeof *template);
    caface_status st = CAFACE_OK;
    double began = seconds();

    for (size_t i = 0; i < rounds && template && !st; i++)
        st = fuse_once(NULL, CAFACE_METHOD_AVERAGE, feat, NULL, n, C, template);
    began = seconds() - began;
    free(template);
    return st || !template ? -1 : began;
}

double bench_encode(const char *path, const unsigned char *crops, size_t n, size_t rounds)
{
    static caface_encoder *encoder; /* opened once */
    caface_encoder_info info;
    float *features = NULL;
    caface_status st = encoder ? CAFACE_OK : caface_encoder_open(&encoder, path, NULL, NULL);
    double began = 0;

    if (st)
        return -1;
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
