/* eval_generate FOLDER: an evaluation of the size of IJB-C, made up. 469,375
 * rows of 512 features and 64 compact styles in 23,124 templates of 3,531
 * subjects, and 15,658,489 pairs of which 19,557 are genuine: set/, T.txt and
 * P.txt. The same bytes every time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "files/feature_set_write.h"
#include "files/output.h"

enum { ROWS = 469375, TEMPLATES = 23124, SUBJECTS = 3531, C = 512, E = 64, STRIP = 1024 };
enum { PAIRS = 15658489, GENUINE = 19557 };

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Mean 0, variance 1: four uniform numbers of 16 bits added up. */
static float next_normal(uint64_t *state)
{
    uint64_t r = next_random(state);
    int sum =
        (int)(r & 0xffff) + (int)(r >> 16 & 0xffff) + (int)(r >> 32 & 0xffff) + (int)(r >> 48);

    return (float)(sum - 131070) / 37837.0f;
}

/* Templates 0..SUBJECTS-1 are the gallery, one a subject; the others are
 * probes. Every template gets a row, the rest go to probes, unevenly. */
static size_t template_of(size_t row, uint64_t *state)
{
    uint64_t r = next_random(state);
    size_t span = TEMPLATES - SUBJECTS;

    if (row < TEMPLATES)
        return row;
    return SUBJECTS + (size_t)((r >> 32) % span) * (size_t)(r & 0xffff) / 65536;
}

static size_t subject_of(size_t t)
{
    return t < SUBJECTS ? t : (t * 2654435761u) % SUBJECTS;
}

/* A row is its subject's direction plus noise of its own amount. */
static void fill_row(float *feature, float *compact, size_t subject, uint64_t *state)
{
    uint64_t own = subject * 77777u + 5;
    float quality = (float)(next_random(state) >> 40) / 16777216.0f;

    for (size_t c = 0; c < C; c++)
        feature[c] = quality * next_normal(&own) + 1.1f * next_normal(state);
    for (size_t e = 0; e < E; e++)
        compact[e] = next_normal(state) + (e % 4 == 0 ? 2 * quality - 1 : 0);
}

static caface_status write_rows(const char *folder, caface_error *err)
{
    const cafi_set_layout layout = {C, 0, E, CAFI_F32, NULL, 0};
    const cafi_set_info info = {.precision = "fp32", .command = "eval_generate"};
    float *feature = NULL;
    float *compact = NULL;
    cafi_set_writer *set = NULL;
    cafi_output *list = NULL;
    uint64_t state = 1;
    uint64_t noise = 2;
    char path[4096];
    caface_status st = CAFACE_OK;

    snprintf(path, sizeof path, "%s/set", folder);
    if ((st = cafi_alloc_f32(&feature, STRIP, C, err)) ||
        (st = cafi_alloc_f32(&compact, STRIP, E, err)) ||
        (st = cafi_set_begin(&set, path, &layout, err)))
        return st;
    snprintf(path, sizeof path, "%s/T.txt", folder);
    st = cafi_output_open(&list, path, err);
    for (size_t row = 0; !st && row < ROWS; row += STRIP) {
        size_t n = ROWS - row < STRIP ? ROWS - row : STRIP;
        cafi_buf text = {0};

        for (size_t i = 0; i < n; i++) {
            size_t t = template_of(row + i, &state);

            fill_row(feature + i * C, compact + i * E, subject_of(t), &noise);
            cafi_buf_printf(&text, "%zu.jpg %zu %zu %zu\n", row + i, t + 1, (row + i) / 3,
                            subject_of(t));
        }
        st = text.failed ? cafi_fail_memory(err, 0)
                         : cafi_output_write(list, text.data, text.size, err);
        cafi_buf_free(&text);
        if (!st)
            st = cafi_set_append(set, n, feature, NULL, compact, NULL, err);
    }
    free(feature);
    free(compact);
    if (st)
        return st;
    st = cafi_output_commit(list, err);
    return st ? st : cafi_set_commit(set, &info, err);
}

/* As in IJB-C: the pairs of a gallery template stand together. Each has its
 * genuine probes, and as many impostors as it takes. */
static caface_status write_pairs(const char *folder, caface_error *err)
{
    cafi_output *list = NULL;
    uint64_t state = 3;
    size_t genuine = 0;
    size_t written = 0;
    char path[4096];
    caface_status st = CAFACE_OK;

    snprintf(path, sizeof path, "%s/P.txt", folder);
    st = cafi_output_open(&list, path, err);
    for (size_t g = 0; !st && g < SUBJECTS; g++) {
        size_t until = (size_t)((double)PAIRS * (double)(g + 1) / SUBJECTS);
        cafi_buf text = {0};

        for (size_t t = SUBJECTS; t < TEMPLATES && genuine < GENUINE; t++)
            if (subject_of(t) == g) {
                cafi_buf_printf(&text, "%zu %zu 1\n", g + 1, t + 1);
                genuine++;
                written++;
            }
        while (written < until) {
            size_t t = SUBJECTS + next_random(&state) % (TEMPLATES - SUBJECTS);

            if (subject_of(t) == g)
                continue;
            cafi_buf_printf(&text, "%zu %zu 0\n", g + 1, t + 1);
            written++;
        }
        st = text.failed ? cafi_fail_memory(err, 0)
                         : cafi_output_write(list, text.data, text.size, err);
        cafi_buf_free(&text);
    }
    return st ? st : cafi_output_commit(list, err);
}

int main(int argc, char **argv)
{
    caface_error err = {CAFACE_OK, ""};

    if (argc != 2) {
        fprintf(stderr, "usage: eval_generate FOLDER\n");
        return 2;
    }
    if (write_rows(argv[1], &err) || write_pairs(argv[1], &err)) {
        fprintf(stderr, "eval_generate: %s\n", err.message);
        return 1;
    }
    return 0;
}
