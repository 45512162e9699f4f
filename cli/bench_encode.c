/* caface bench encode: how fast a backbone runs, and where the time goes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "caface/encoder.h"
#include "cli/command.h"
#include "files/bundle.h"
#include "files/json.h"
#include "files/npy.h"

typedef struct bench_options {
    cli_common common;
    const char *model;
    const char *precision;
    bool low_memory;
    size_t batch;
    double seconds;
    const char *crops;
    const char *features;
    bool profile;
} bench_options;

static void defaults(void *options)
{
    bench_options *o = options;

    o->precision = "fp32";
    o->batch = 8;
    o->seconds = 3;
}

#define MEMBER(m) offsetof(bench_options, m)

static const cli_option options[] = {
    {"model", 'm', CLI_STRING, MEMBER(model), "M", "the backbone", 0, 0},
    {"precision", 0, CLI_STRING, MEMBER(precision), "P", "fp32 (default), bf16 or int8", 0, 0},
    {"low-memory", 0, CLI_FLAG, MEMBER(low_memory), NULL, "without Winograd", 0, 0},
    {"batch", 0, CLI_SIZE, MEMBER(batch), "N", "faces of one call (default: 8)", 1, 1024},
    {"seconds", 0, CLI_REAL, MEMBER(seconds), "S", "how long to measure (default: 3)", 0.01, 3600},
    {"crops", 0, CLI_STRING, MEMBER(crops), "FILE",
     "crops to encode, u8 [n][112][112][3] in an .npy (default: noise)", 0, 0},
    {"features", 0, CLI_STRING, MEMBER(features), "FILE",
     "write the features of the crops to an .npy, to compare them", 0, 0},
    {"profile", 0, CLI_FLAG, MEMBER(profile), NULL, "time every step of the network", 0, 0},
    CLI_SELF_CHECK_OPTION,
    {0},
};

/* What is encoded and where it goes. */
typedef struct load {
    uint8_t *crops;
    size_t n; /* at least one batch */
    float *features, *styles;
} load;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Crops from a file, or reproducible noise. */
static caface_status make_crops(const bench_options *o, const caface_encoder *e, load *l,
                                caface_error *err)
{
    caface_encoder_info info;
    size_t height = 0;
    size_t width = 0;
    cafi_bundle *file = NULL;
    const cafi_tensor *t = NULL;
    uint64_t noise = 1;
    caface_status st = CAFACE_OK;

    caface_encoder_get_info(e, &info);
    height = info.height;
    width = info.width;
    l->n = o->batch;
    if (o->crops) {
        st = cafi_bundle_open(&file, o->crops, err);
        t = st ? NULL : cafi_bundle_at(file, 0);
        if (!st && (!t || t->ndim != 4 || t->dtype != CAFI_U8 || !t->shape[0] ||
                    t->shape[1] != height || t->shape[2] != width || t->shape[3] != 3))
            st = cafi_fail(err, CAFACE_EINVAL, "%s: not u8 [n][%zu][%zu][3]", o->crops, height,
                           width);
        l->n = st ? 0 : t->shape[0];
    }
    if (!st)
        st = cafi_alloc(&l->crops, l->n, height * width * 3, err);
    if (!st && t)
        cafi_tensor_read_raw(t, 0, cafi_tensor_count(t), l->crops);
    for (size_t i = 0; !st && !t && i < l->n * height * width * 3; i++) {
        noise = noise * 6364136223846793005u + 1442695040888963407u;
        l->crops[i] = (uint8_t)(noise >> 56);
    }
    cafi_bundle_close(file);
    if (!st)
        st = cafi_alloc_f32(&l->features, l->n, info.C, err);
    if (!st)
        st = cafi_alloc_f32(&l->styles, l->n, 2 * info.S, err);
    return st;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

#define MOST_RUNS 4096

/* Median seconds of a run over the first `batch` crops. */
static caface_status measure(const bench_options *o, caface_encoder *e, const load *l, size_t batch,
                             double *median, caface_error *err)
{
    double *runs = NULL;
    double start = 0;
    size_t count = 0;
    caface_status st = CAFI_NEW(&runs, MOST_RUNS, err);

    if (!st)
        st = caface_encoder_run(e, l->crops, batch, l->features, l->styles, err);
    start = now();
    while (!st && count < MOST_RUNS && (count < 3 || now() - start < o->seconds)) {
        double from = now();

        st = caface_encoder_run(e, l->crops, batch, l->features, l->styles, err);
        runs[count++] = now() - from;
    }
    if (!st) {
        qsort(runs, count, sizeof *runs, by_value);
        *median = runs[count / 2];
    }
    free(runs);
    return st;
}

/* The work of a face; and, when wanted, one run of the network with a clock at every step. */
static caface_status profile(caface_encoder *e, const load *l, bool wanted, double *flops,
                             caface_error *err)
{
    caface_encoder_step s;

    *flops = 0;
    for (size_t i = 0; caface_encoder_get_step(e, i, &s); i++)
        *flops += s.flops / (double)s.faces;
    return wanted ? caface_encoder_profile(e, l->crops, err) : CAFACE_OK;
}

static void print_profile(const caface_encoder *e)
{
    double total = 0;
    caface_encoder_step s;

    for (size_t i = 0; caface_encoder_get_step(e, i, &s); i++)
        total += s.seconds;
    cli_say(stdout, "\n%-40s %-10s %9s %7s %8s  %s\n", "node", "step", "ms", "share", "GFLOP/s",
            "implementation");
    for (size_t i = 0; caface_encoder_get_step(e, i, &s); i++)
        cli_say(stdout, "%-40s %-10s %9.3f %6.1f%% %8.1f  %s\n", s.node, s.kind, 1e3 * s.seconds,
                total > 0 ? 100 * s.seconds / total : 0,
                s.seconds > 0 ? s.flops / s.seconds / 1e9 : 0, s.implementation);
}

static void json_profile(cafi_json *json, const caface_encoder *e)
{
    caface_encoder_step s;

    cafi_json_begin_array(json, "steps");
    for (size_t i = 0; caface_encoder_get_step(e, i, &s); i++) {
        cafi_json_begin_object(json, NULL);
        cafi_json_string(json, "node", s.node);
        cafi_json_string(json, "step", s.kind);
        cafi_json_string(json, "implementation", s.implementation);
        cafi_json_real(json, "flops", s.flops);
        cafi_json_real(json, "seconds", s.seconds);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
}

typedef struct figures {
    double open, run, flops; /* seconds, seconds of a batch, FLOP of a face */
    size_t peak;
} figures;

static size_t peak_bytes(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) ? 0 : (size_t)usage.ru_maxrss * 1024;
}

static int report(const bench_options *o, const caface_encoder *e, const figures *f)
{
    double rate = (double)o->batch / f->run;
    caface_encoder_info info;
    cafi_buf text = {0};
    cafi_json json = {.out = &text};

    caface_encoder_get_info(e, &info);
    if (!o->common.json) {
        cli_say(stdout,
                "%s, %s%s, batch %zu: %.1f images/s, %.1f GFLOP/s; opened in %.2f s; weights "
                "%.0f MB, buffers %.0f MB a thread, peak %.0f MB\n",
                info.family, o->precision, o->low_memory ? " (low memory)" : "", o->batch, rate,
                rate * f->flops / 1e9, f->open, (double)info.weight_bytes / 1e6,
                (double)info.buffer_bytes / 1e6, (double)f->peak / 1e6);
        if (o->profile)
            print_profile(e);
        return CLI_OK;
    }
    cafi_json_begin_object(&json, NULL);
    cafi_json_string(&json, "family", info.family);
    cafi_json_string(&json, "precision", o->precision);
    cafi_json_bool(&json, "low_memory", o->low_memory);
    cafi_json_int(&json, "batch", (int64_t)o->batch);
    cafi_json_real(&json, "images_per_second", rate);
    cafi_json_real(&json, "gflops_per_image", f->flops / 1e9);
    cafi_json_real(&json, "open_seconds", f->open);
    cafi_json_int(&json, "weight_bytes", (int64_t)info.weight_bytes);
    cafi_json_int(&json, "buffer_bytes", (int64_t)info.buffer_bytes);
    cafi_json_int(&json, "peak_bytes", (int64_t)f->peak);
    if (o->profile)
        json_profile(&json, e);
    cafi_json_end_object(&json);
    return cli_print(&text);
}

static caface_status save_features(const bench_options *o, caface_encoder *e, const load *l,
                                   caface_error *err)
{
    caface_encoder_info info;
    size_t shape[2] = {l->n, 0};
    caface_status st = caface_encoder_run(e, l->crops, l->n, l->features, l->styles, err);

    caface_encoder_get_info(e, &info);
    shape[1] = info.C;
    return st ? st : cafi_npy_save(o->features, CAFI_F32, 2, shape, l->features, err);
}

static caface_status run_all(const bench_options *o, caface_encoder *e, load *l, figures *f,
                             caface_error *err)
{
    size_t batch = 0;
    caface_status st = make_crops(o, e, l, err);

    if (st)
        return st;
    batch = o->batch < l->n ? o->batch : l->n;
    if (batch < o->batch)
        return cafi_fail(err, CAFACE_EINVAL, "%s: %zu crops, a batch of %zu needs as many",
                         o->crops, l->n, o->batch);
    if (o->features)
        st = save_features(o, e, l, err);
    if (!st)
        st = measure(o, e, l, batch, &f->run, err);
    f->peak = peak_bytes();
    if (!st)
        st = profile(e, l, o->profile, &f->flops, err);
    return st;
}

static int run(void *arg)
{
    const bench_options *o = arg;
    caface_encoder_options eo;
    caface_encoder *e = NULL;
    caface_error err = {0};
    figures f = {0};
    load l = {0};
    int status = CLI_FAILED;

    if (!o->model)
        return cli_usage("bench encode", "--model is missing");
    caface_encoder_options_init(&eo);
    eo.low_memory = o->low_memory;
    eo.batch = o->batch;
    eo.threads = o->common.threads;
    if (caface_precision_parse(&eo.precision, o->precision, NULL))
        return cli_usage("bench encode", "--precision %s: fp32, bf16 or int8", o->precision);
    f.open = now();
    if (caface_encoder_open(&e, o->model, &eo, &err))
        return cli_fail(&err);
    f.open = now() - f.open;
    status = run_all(o, e, &l, &f, &err) ? cli_fail(&err) : report(o, e, &f);
    free(l.crops);
    free(l.features);
    free(l.styles);
    caface_encoder_free(e);
    return status;
}

const cli_command cli_bench_encode = {
    .name = "bench encode",
    .summary = "speed, memory and profile of a backbone",
    .synopsis = "--model M [--precision P] [--batch N] [--profile]",
    .text = "Encodes the same batch over and over for some seconds and reports the median,\n"
            "the work of a face, the time to open the model and the memory it took. With\n"
            "--profile every step of the network is timed in one thread, with the name of\n"
            "the code that runs it.",
    .example = "  caface bench encode --model ir_101.safetensors --batch 8 --profile",
    .options = options,
    .options_size = sizeof(bench_options),
    .defaults = defaults,
    .run = run,
};
