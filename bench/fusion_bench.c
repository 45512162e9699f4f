/* Our side of bench/fusion: what bench/README.md says, one JSON object a call. */
#include <cblas.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"
#include "base/threads.h"
#include "caface/set.h"
#include "files/feature_set.h"
#include "files/json.h"
#include "backward/blas.h"
#include "backward/linear.h"
#include "math/kernels.h"

#define PATH_SIZE 4096
#define MAX_RUNS 1000

static const size_t set_sizes[] = {1, 16, 64, 512, 4096, 100000};
static const size_t chunks[] = {256, 512};

/* What every measurement needs. */
typedef struct bench {
    const char *folder;
    size_t threads;
    caface_model *model;
    cafi_feature_set *faces;
    float *features, *styles; /* all of them, in memory */
    cafi_pool *pool;
    caface_error error;
} bench;

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double p = *(const double *)a, q = *(const double *)b;

    return p < q ? -1 : p > q;
}

typedef caface_status (*workload)(bench *b, size_t n, size_t chunk);

/* Median of at least three runs, after one to warm up. */
static caface_status time_of(bench *b, workload work, size_t n, size_t chunk, double at_least,
                             double *out)
{
    static double times[MAX_RUNS];
    size_t count = 0;
    caface_status st = work(b, n, chunk);
    double began = seconds();

    while (!st && (count < 3 || (seconds() - began < at_least && count < MAX_RUNS))) {
        double start = seconds();
        st = work(b, n, chunk);
        times[count++] = seconds() - start;
    }
    if (st)
        return st;
    qsort(times, count, sizeof times[0], by_value);
    *out = times[count / 2];
    return CAFACE_OK;
}

/* One set, pushed whole; its chunks are fused side by side. */
static caface_status fuse(bench *b, size_t n, size_t chunk, float *out)
{
    caface_set_options options;
    caface_model_info info;
    caface_set *set = NULL;
    caface_status st = CAFACE_OK;

    caface_set_options_init(&options);
    caface_model_get_info(b->model, &info);
    options.method = info.method;
    options.chunk = chunk;
    options.threads = b->threads;
    if ((st = caface_set_new(&set, b->model, &options, &b->error)) ||
        (st = caface_set_push(set, b->features, b->styles, n, &b->error)))
        goto done;
    st = caface_set_template(set, out, &b->error);
done:
    caface_set_free(set);
    return st;
}

static caface_status one_set(bench *b, size_t n, size_t chunk)
{
    float template[512];

    return fuse(b, n, chunk, template);
}

/* As many sets as the batch has, shared out among the threads. */
static caface_status fuse_one_of_many(void *ctx, size_t index, size_t worker, caface_error *err)
{
    bench *b = ctx;
    caface_set_options options;
    caface_set *set = NULL;
    float template[512];
    caface_status st = CAFACE_OK;

    (void)worker;
    caface_set_options_init(&options);
    options.chunk = 256;
    st = caface_set_new(&set, b->model, &options, err);
    if (!st)
        st = caface_set_push(set, b->features + index * 256 * 512, b->styles + index * 256 * 768,
                             256, err);
    if (!st)
        st = caface_set_template(set, template, err);
    caface_set_free(set);
    return st;
}

static caface_status many_sets(bench *b, size_t n, size_t chunk)
{
    (void)chunk;
    return cafi_pool_run(b->pool, n, fuse_one_of_many, b, &b->error);
}

enum { GEMM_ROWS = 1024, GEMM_SIZE = 1024 };

typedef struct gemm {
    const float *a, *b;
    float *c; /* [threads][GEMM_ROWS][GEMM_SIZE] */
} gemm;

static caface_status multiply(void *ctx, size_t index, size_t worker, caface_error *err)
{
    const gemm *g = ctx;

    (void)worker;
    (void)err;
    cafi_blas_single_thread();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, GEMM_ROWS, GEMM_SIZE, GEMM_SIZE, 1, g->a,
                GEMM_SIZE, g->b, GEMM_SIZE, 0, g->c + index * GEMM_ROWS * GEMM_SIZE, GEMM_SIZE);
    return CAFACE_OK;
}

/* FLOP/s of single-threaded SGEMMs, one on each thread at the same time; the
 * best of several, since a peak is meant. */
static caface_status sgemm_peak(bench *b, double *out)
{
    size_t count = cafi_pool_size(b->pool);
    float *operands = NULL;
    gemm g = {0};
    double best = INFINITY;
    caface_status st = cafi_alloc_f32(&operands, 2 + count, GEMM_ROWS * GEMM_SIZE, &b->error);

    if (st)
        return st;
    for (size_t i = 0; i < (size_t)2 * GEMM_ROWS * GEMM_SIZE; i++)
        operands[i] = (float)(i % 17) / 17;
    g = (gemm){operands, operands + GEMM_ROWS * GEMM_SIZE, operands + 2 * GEMM_ROWS * GEMM_SIZE};
    for (int run = 0; run < 15 && !st; run++) {
        double start = seconds();
        st = cafi_pool_run(b->pool, count, multiply, &g, &b->error);
        best = fmin(best, seconds() - start);
    }
    free(operands);
    *out = 2.0 * GEMM_ROWS * GEMM_SIZE * GEMM_SIZE * (double)count / best;
    return st;
}

static caface_status path_in(const bench *b, char *path, const char *name, caface_error *err)
{
    int n = snprintf(path, PATH_SIZE, "%s/%s", b->folder, name);

    if (n < 0 || n >= PATH_SIZE)
        return cafi_fail(err, CAFACE_EINVAL, "%s: the path is too long", b->folder);
    return CAFACE_OK;
}

static caface_status open_faces(bench *b)
{
    char features[PATH_SIZE], styles[PATH_SIZE];
    caface_status st = CAFACE_OK;

    if ((st = path_in(b, features, "features.npy", &b->error)) ||
        (st = path_in(b, styles, "styles.npy", &b->error)) ||
        (st = cafi_feature_set_from_files(&b->faces, features, styles, &b->error)))
        return st;
    if (b->faces->C != 512 || b->faces->S != 384 || b->faces->N < 100000)
        return cafi_fail(&b->error, CAFACE_EINVAL,
                         "%s: [%zu][%zu] with %zu styles, needed [100000][512] with 384", b->folder,
                         b->faces->N, b->faces->C, b->faces->S);
    return CAFACE_OK;
}

static caface_status read_faces(bench *b)
{
    caface_status st = open_faces(b);

    if (st || (st = cafi_alloc_f32(&b->features, b->faces->N, 512, &b->error)) ||
        (st = cafi_alloc_f32(&b->styles, b->faces->N, 768, &b->error)))
        return st;
    cafi_feature_set_rows(b->faces, 0, b->faces->N, b->features, b->styles);
    return CAFACE_OK;
}

static caface_status compare(bench *b, cafi_json *json)
{
    float got[512], want[512];
    double largest = 0;
    caface_status st = read_faces(b);

    for (size_t i = 0; !st && i < 6; i++)
        for (size_t k = 0; !st && k < 2; k++) {
            char name[64], path[PATH_SIZE];
            cafi_bundle *bundle = NULL;

            snprintf(name, sizeof name, "template_%zu_%zu.npy", set_sizes[i], chunks[k]);
            if ((st = path_in(b, path, name, &b->error)) ||
                (st = cafi_bundle_open(&bundle, path, &b->error)))
                break;
            if (cafi_tensor_count(cafi_bundle_at(bundle, 0)) != 512)
                st = cafi_fail(&b->error, CAFACE_EINVAL, "%s: not a template of 512", path);
            else
                cafi_tensor_read_f32(cafi_bundle_at(bundle, 0), 0, 512, want);
            cafi_bundle_close(bundle);
            if (!st && !(st = fuse(b, set_sizes[i], chunks[k], got)))
                for (size_t c = 0; c < 512; c++) {
                    double difference = fabs((double)got[c] - (double)want[c]);
                    largest = difference <= largest ? largest : difference; /* NaN stays */
                }
        }
    cafi_json_real(json, "largest_difference", largest);
    return st;
}

static caface_status measure(bench *b, cafi_json *json)
{
    double took = 0;
    caface_status st = read_faces(b);

    for (size_t i = 0; !st && i < 6; i++)
        for (size_t k = 0; !st && k < 2; k++) {
            char key[64];

            snprintf(key, sizeof key, "set %zu chunk %zu", set_sizes[i], chunks[k]);
            st = time_of(b, one_set, set_sizes[i], chunks[k], 0.15, &took);
            cafi_json_real(json, key, took);
        }
    if (!st && !(st = time_of(b, many_sets, 8, 256, 0.3, &took)))
        cafi_json_real(json, "8 sets of 256", took);
    if (!st && !(st = sgemm_peak(b, &took)))
        cafi_json_real(json, "sgemm", took);
    return st;
}

/* The restoring fusions and Cluster and Aggregate by turns, so that whatever else the
 * machine does hurts both: medians of ratios would hide that, so seconds are given. */
static caface_status measure_restore(bench *b, cafi_json *json)
{
    static const char *const forms[] = {"caface", "plain", "heads", "exchange"};
    static const size_t sizes[] = {1, 16, 100000};
    caface_model *models[4] = {b->model};
    double took = 0;
    caface_status st = read_faces(b);

    for (size_t k = 1; !st && k < 4; k++) {
        char name[32], path[PATH_SIZE];

        snprintf(name, sizeof name, "%s.npz", forms[k]);
        if (!(st = path_in(b, path, name, &b->error)))
            st = caface_model_open(&models[k], path, &b->error);
    }
    for (size_t i = 0; !st && i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; !st && k < 4; k++) {
            char key[64];

            b->model = models[k];
            snprintf(key, sizeof key, "%s %zu", forms[k], sizes[i]);
            st = time_of(b, one_set, sizes[i], 256, 0.15, &took);
            cafi_json_real(json, key, took);
        }
    if (!st && !(st = sgemm_peak(b, &took)))
        cafi_json_real(json, "sgemm", took);
    for (size_t k = 1; k < 4; k++)
        caface_model_free(models[k]);
    b->model = models[0];
    return st;
}

/* One linear layer, for a while: GFLOP/s of its best run. */
static double layer_speed(size_t R, size_t K, size_t J, const float *x, float *y, const float *w,
                          const cafi_packed *packed)
{
    double best = INFINITY;

    for (int run = 0; run < 300; run++) {
        double start = seconds();
        for (int i = 0; i < 4; i++)
            if (packed)
                cafi_kernels_get()->linear(y, J, x, K, R, packed, CAFI_STORE);
            else
                cafi_linear_fwd(y, x, w, NULL, R, K, J);
        best = fmin(best, (seconds() - start) / 4);
    }
    return 2.0 * (double)R * (double)K * (double)J / best / 1e9;
}

/* The network's layers as they are, packed, and through CBLAS. */
static caface_status layers(bench *b, cafi_json *json)
{
    static const size_t shapes[][3] = {
        {260, 128, 384}, {260, 512, 128}, {20, 128, 512}, {5, 128, 512}, {1, 128, 512}};
    enum { SIZE = 260 * 512 };
    float *memory = NULL;
    caface_status st = cafi_alloc_f32(&memory, 4, SIZE, &b->error);

    if (st)
        return st;
    cafi_blas_single_thread();
    for (size_t i = 0; i < (size_t)3 * SIZE; i++)
        memory[i] = (float)(i % 17) / 17;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t R = shapes[i][0], K = shapes[i][1], J = shapes[i][2];
        float *x = memory, *w = memory + SIZE, *y = memory + (size_t)3 * SIZE;
        cafi_packed packed = cafi_pack_linear(memory + (size_t)2 * SIZE, w, NULL, K, J);
        char key[64];

        snprintf(key, sizeof key, "%zu rows %zu x %zu", R, K, J);
        cafi_json_begin_object(json, key);
        cafi_json_real(json, "packed", layer_speed(R, K, J, x, y, w, &packed));
        cafi_json_real(json, "cblas", layer_speed(R, K, J, x, y, w, NULL));
        cafi_json_end_object(json);
    }
    free(memory);
    return CAFACE_OK;
}

/* Bytes of a line of /proc/self/status, such as "RssAnon:"; 0 where there is no
 * such file. */
static size_t status_bytes(const char *line)
{
    FILE *file = fopen("/proc/self/status", "r");
    char text[256];
    size_t kib = 0;

    while (file && fgets(text, sizeof text, file))
        if (strncmp(text, line, strlen(line)) == 0)
            kib = strtoull(text + strlen(line), NULL, 10);
    if (file)
        fclose(file);
    return kib * 1024;
}

/* A million faces, read from the mapped files ten times over, 4,096 a push. */
static caface_status stream_million(bench *b, cafi_json *json)
{
    enum { PORTION = 4096, FACES = 1000000 };
    caface_set_options options;
    caface_model_info info;
    caface_set *set = NULL;
    float *features = NULL, *styles = NULL, template[512];
    size_t before = status_bytes("RssAnon:"), peak = before, size = 0;
    void *saved = NULL;
    double start = 0;
    caface_status st = open_faces(b);

    caface_set_options_init(&options);
    options.chunk = 256;
    options.threads = b->threads;
    if (st || (st = cafi_alloc_f32(&features, PORTION, 512, &b->error)) ||
        (st = cafi_alloc_f32(&styles, PORTION, 768, &b->error)) ||
        (st = caface_set_new(&set, b->model, &options, &b->error)))
        goto done;
    start = seconds();
    for (size_t done = 0; !st && done < FACES;) {
        size_t first = done % 100000, n = 100000 - first;
        n = n < PORTION ? n : PORTION;
        cafi_feature_set_rows(b->faces, first, n, features, styles);
        st = caface_set_push(set, features, styles, n, &b->error);
        done += n;
        if (status_bytes("RssAnon:") > peak)
            peak = status_bytes("RssAnon:");
    }
    if (st || (st = caface_set_template(set, template, &b->error)))
        goto done;
    cafi_json_real(json, "seconds", seconds() - start);
    if ((st = caface_set_save_memory(set, &saved, &size, &b->error)))
        goto done;
    caface_model_get_info(b->model, &info);
    cafi_json_int(json, "faces", FACES);
    cafi_json_int(json, "state_bytes", (int64_t)(info.M * (1 + info.C + info.D) * sizeof(double)));
    cafi_json_int(json, "saved_bytes", (int64_t)size);
    cafi_json_int(json, "before_bytes", (int64_t)before);
    cafi_json_int(json, "peak_bytes", (int64_t)peak);
done:
    free(saved);
    caface_set_free(set);
    free(features);
    free(styles);
    return st;
}

/* big.ckpt holds 65 million numbers that the fusion has no use for. */
static caface_status open_big(bench *b, cafi_json *json)
{
    char path[PATH_SIZE];
    struct stat info;
    caface_model *model = NULL;
    size_t resident = status_bytes("VmRSS:"), of_file = status_bytes("RssFile:");
    double start = 0, took = 0;
    caface_status st = path_in(b, path, "big.ckpt", &b->error);

    if (st)
        return st;
    if (stat(path, &info))
        return cafi_fail(&b->error, CAFACE_EIO, "%s: can't be read", path);
    start = seconds();
    if ((st = caface_model_open(&model, path, &b->error)))
        return st;
    took = seconds() - start;
    cafi_json_int(json, "file_bytes", (int64_t)info.st_size);
    cafi_json_real(json, "seconds", took);
    cafi_json_int(json, "resident_bytes", (int64_t)(status_bytes("VmRSS:") - resident));
    cafi_json_int(json, "mapped_resident_bytes", (int64_t)(status_bytes("RssFile:") - of_file));
    caface_model_free(model);
    return CAFACE_OK;
}

static caface_status run(bench *b, const char *what, cafi_json *json)
{
    char path[PATH_SIZE];
    caface_status st = cafi_pool_new(&b->pool, b->threads, &b->error);

    if (st)
        return st;
    if (strcmp(what, "open") == 0)
        return open_big(b, json);
    if (strcmp(what, "layers") == 0)
        return layers(b, json);
    if ((st = path_in(b, path, "fusion.ckpt", &b->error)) ||
        (st = caface_model_open(&b->model, path, &b->error)))
        return st;
    if (strcmp(what, "compare") == 0)
        return compare(b, json);
    if (strcmp(what, "time") == 0)
        return measure(b, json);
    if (strcmp(what, "restore") == 0)
        return measure_restore(b, json);
    if (strcmp(what, "memory") == 0)
        return stream_million(b, json);
    return cafi_fail(&b->error, CAFACE_EINVAL,
                     "%s: not one of compare, time, restore, layers, memory, open", what);
}

int main(int argc, char **argv)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    bench b = {0};
    caface_status st = CAFACE_OK;

    if (argc != 4) {
        fprintf(stderr, "usage: fusion_bench compare|time|layers|memory|open DIR THREADS\n");
        return 2;
    }
    b.folder = argv[2];
    b.threads = strtoull(argv[3], NULL, 10);
    cafi_json_begin_object(&json, NULL);
    st = run(&b, argv[1], &json);
    cafi_json_end_object(&json);
    if (st)
        fprintf(stderr, "fusion_bench: %s\n", b.error.message);
    else
        printf("%s\n", text.data);
    cafi_buf_free(&text);
    cafi_pool_free(b.pool);
    cafi_feature_set_close(b.faces);
    free(b.features);
    free(b.styles);
    caface_model_free(b.model);
    return st ? 1 : 0;
}
