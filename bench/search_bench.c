/* What a plan for more than one machine needs to know of sets (docs/scale.md): for every
 * method, on one thread, seconds of fusing people of ten faces each, of merging their states,
 * of a template, and the bytes of a saved state. One JSON object; bench/README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/rng.h"
#include "caface/set.h"

enum { PEOPLE = 500, FACES = 10, ROUNDS = 5, C = 512 };

typedef struct bench {
    caface_model *model; /* or NULL */
    caface_set_options options;
    float *features, *styles; /* [PEOPLE * FACES]; styles compact, or NULL */
    size_t style_width;
    caface_set *sets[PEOPLE];
    caface_error error;
} bench;

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double p = *(const double *)a, q = *(const double *)b;

    return p < q ? -1 : p > q;
}

static void fill(float *x, size_t n, uint64_t seed)
{
    cafi_rng rng = {seed};

    for (size_t i = 0; i < n; i++)
        x[i] = (float)cafi_rng_normal(&rng);
}

/* A set for every person, with the faces in it. */
static caface_status fuse(bench *b)
{
    caface_status st = CAFACE_OK;

    for (size_t p = 0; !st && p < PEOPLE; p++) {
        const float *x = b->features + p * FACES * C;

        if ((st = caface_set_new(&b->sets[p], b->model, &b->options, &b->error)))
            break;
        st = b->styles
                 ? caface_set_push_compact(b->sets[p], x, b->styles + p * FACES * b->style_width,
                                           FACES, &b->error)
                 : caface_set_push(b->sets[p], x, NULL, FACES, &b->error);
    }
    return st;
}

static caface_status templates(bench *b)
{
    float out[C];
    caface_status st = CAFACE_OK;

    for (size_t p = 0; !st && p < PEOPLE; p++)
        st = caface_set_template(b->sets[p], out, &b->error);
    return st;
}

static caface_status merge(bench *b)
{
    caface_status st = CAFACE_OK;

    for (size_t p = 1; !st && p < PEOPLE; p++)
        st = caface_set_merge(b->sets[p - 1], b->sets[p], &b->error);
    return st;
}

static void drop(bench *b)
{
    for (size_t p = 0; p < PEOPLE; p++) {
        caface_set_free(b->sets[p]);
        b->sets[p] = NULL;
    }
}

/* Saving and loading every state. */
static caface_status round_trip(bench *b, size_t *bytes)
{
    caface_status st = CAFACE_OK;

    for (size_t p = 0; !st && p < PEOPLE; p++) {
        caface_set *again = NULL;
        void *saved = NULL;

        if (!(st = caface_set_save_memory(b->sets[p], &saved, bytes, &b->error)))
            st = caface_set_load_memory(&again, b->model, saved, *bytes, &b->error);
        caface_set_free(again);
        free(saved);
    }
    return st;
}

static caface_status measure(bench *b, const char *name, const char *more)
{
    static const char *const what[] = {"fuse", "save_load", "merge", "template"};
    double times[4][ROUNDS];
    size_t bytes = 0;
    caface_status st = CAFACE_OK;

    for (size_t r = 0; !st && r < ROUNDS; r++) {
        double start = seconds();

        (void)((st = fuse(b)) || (st = templates(b))); /* from rows to a template each */
        times[0][r] = seconds() - start;
        start = seconds();
        st = st ? st : round_trip(b, &bytes);
        times[1][r] = seconds() - start;
        start = seconds();
        st = st ? st : merge(b);
        times[2][r] = seconds() - start;
        start = seconds();
        st = st ? st : templates(b);
        times[3][r] = seconds() - start;
        drop(b);
    }
    if (st)
        return st;
    printf("%s\n  \"%s\": {\"saved_bytes\": %zu", more, name, bytes);
    for (size_t i = 0; i < 4; i++) {
        qsort(times[i], ROUNDS, sizeof times[i][0], by_value);
        printf(", \"%s\": %.9g", what[i], times[i][ROUNDS / 2] / (i == 2 ? PEOPLE - 1 : PEOPLE));
    }
    printf("}");
    return CAFACE_OK;
}

/* A method whose model is a file of the folder, or has none. */
static caface_status method(bench *b, const char *folder, const char *file, const char *name,
                            caface_method number, const char *more)
{
    char path[4096];
    float *raw = NULL;
    caface_model_info info = {0};
    caface_status st = CAFACE_OK;

    caface_set_options_init(&b->options);
    b->options.method = number;
    b->options.width = C;
    if (file) {
        snprintf(path, sizeof path, "%s/%s", folder, file);
        if ((st = caface_model_open(&b->model, path, &b->error)))
            return st;
        caface_model_get_info(b->model, &info);
        b->style_width = info.compact;
        (void)((st = cafi_alloc_f32(&raw, PEOPLE * FACES, info.S * 2, &b->error)) ||
               (st = cafi_alloc_f32(&b->styles, PEOPLE * FACES, b->style_width, &b->error)));
        if (!st) {
            fill(raw, PEOPLE * FACES * info.S * 2, 2);
            st = caface_model_compact(b->model, raw, PEOPLE * FACES, b->styles, &b->error);
        }
    }
    if (!st)
        st = measure(b, name, more);
    drop(b);
    free(raw);
    free(b->styles);
    b->styles = NULL;
    caface_model_free(b->model);
    b->model = NULL;
    return st;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *file, *name;
        caface_method number;
    } all[] = {{NULL, "average", CAFACE_METHOD_AVERAGE},
               {"plain.npz", "restore plain", CAFACE_METHOD_RESTORE},
               {"heads.npz", "restore heads", CAFACE_METHOD_RESTORE},
               {"exchange.npz", "restore exchange", CAFACE_METHOD_RESTORE},
               {"fusion.ckpt", "caface", CAFACE_METHOD_CAFACE}};
    bench b = {0};
    caface_status st = CAFACE_OK;

    if (argc != 2) {
        fputs("usage: search_bench DIR\n", stderr);
        return 2;
    }
    st = cafi_alloc_f32(&b.features, PEOPLE * FACES, C, &b.error);
    if (!st)
        fill(b.features, PEOPLE * FACES * C, 1);
    printf("{");
    for (size_t i = 0; !st && i < sizeof all / sizeof *all; i++)
        st = method(&b, argv[1], all[i].file, all[i].name, all[i].number, i ? "," : "");
    printf("\n}\n");
    free(b.features);
    if (st)
        fprintf(stderr, "search_bench: %s\n", b.error.message);
    return st ? 1 : 0;
}
