/* For test_train.sh and test_train_mpi.sh. `train-tool make FOLDER` writes a small
 * training store with clean features and centres, in FOLDER/probes a feature set to validate on,
 * and in FOLDER/meta lists for it in IJB's layout. `train-tool compare A B TOLERANCE [all]`
 * compares float tensors of two models, |difference| against |A| of each; biases only when asked
 * for all. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "dataset/centres.h"
#include "files/bundle.h"
#include "files/npy.h"
#include "files/output.h"

enum { IMAGES = 40, VARIANTS = 3, C = 12, S = 10, CLASSES = 7 };
/* Templates of a class and faces of a template, to validate on. */
enum { TEMPLATES = 4 * CLASSES, FACES = 5 };

static caface_status save_text(const char *folder, const char *file, cafi_buf *text,
                               caface_error *err)
{
    char path[4096];
    caface_status st;

    snprintf(path, sizeof path, "%s/%s", folder, file);
    st = cafi_output_save(path, text->data, text->size, err);
    cafi_buf_free(text);
    return st;
}

/* Noisy faces, so that some pairs go wrong; template t is of class t / 4. */
static caface_status make_probes(const char *folder, const float *centres, caface_error *err)
{
    static float features[TEMPLATES * FACES * C];
    static float styles[TEMPLATES * FACES * S * 2];
    size_t fshape[] = {TEMPLATES * FACES, C};
    size_t sshape[] = {TEMPLATES * FACES, S, 2};
    cafi_rng rng = {5};
    cafi_buf index = {0};
    cafi_buf list = {0};
    cafi_buf pairs = {0};
    char set[3072];
    char path[4096];
    caface_status st;

    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        features[i] =
            centres[i / (C * FACES) / 4 * C + i % C] * 6.0f + 14.0f * (float)cafi_rng_normal(&rng);
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++)
        styles[i] = (float)cafi_rng_normal(&rng);
    cafi_buf_text(&index, "template\tmedia\tlabel\n");
    for (size_t i = 0; i < TEMPLATES * FACES; i++) {
        cafi_buf_printf(&index, "%zu\t%zu\t%zu\n", i / FACES, i, i / FACES / 4);
        cafi_buf_printf(&list, "%zu.jpg %zu %zu\n", i, i / FACES, i);
    }
    /* not all pairs: only templates of unequal parity */
    for (size_t a = 0; a < TEMPLATES; a++)
        for (size_t b = a + 1; b < TEMPLATES; b += 2)
            cafi_buf_printf(&pairs, "%zu %zu %d\n", a, b, a / 4 == b / 4);
    snprintf(set, sizeof set, "%s/probes", folder);
    mkdir(set, 0777);
    snprintf(path, sizeof path, "%s/features.npy", set);
    if ((st = cafi_npy_save(path, CAFI_F32, 2, fshape, features, err)))
        return st;
    snprintf(path, sizeof path, "%s/styles.npy", set);
    if ((st = cafi_npy_save(path, CAFI_F32, 3, sshape, styles, err)) ||
        (st = save_text(set, "index.tsv", &index, err)))
        return st;
    snprintf(set, sizeof set, "%s/meta", folder);
    mkdir(set, 0777);
    st = save_text(set, "ijbx_face_tid_mid.txt", &list, err);
    return st ? st : save_text(set, "ijbx_template_pair_label.txt", &pairs, err);
}

static caface_status make(const char *folder, caface_error *err)
{
    static float features[IMAGES * VARIANTS * C];
    static float styles[IMAGES * VARIANTS * S * 2];
    static float clean[IMAGES * C], clean_styles[IMAGES * S * 2];
    static float centres[CLASSES * C];
    static const char *const names[CLASSES] = {"a", "b", "c", "d", "e", "f", "g"};
    size_t fshape[] = {IMAGES, VARIANTS, C};
    size_t sshape[] = {IMAGES, VARIANTS, S, 2};
    size_t clean_shape[] = {IMAGES, C};
    size_t clean_style_shape[] = {IMAGES, S, 2};
    cafi_rng rng = {3};
    cafi_buf index = {0};
    char path[4096];
    caface_status st;

    mkdir(folder, 0777);
    for (size_t i = 0; i < CLASSES * C; i++)
        centres[i] = (float)cafi_rng_normal(&rng);
    for (size_t i = 0; i < IMAGES * VARIANTS * C; i++)
        features[i] = centres[i / (VARIANTS * C) % CLASSES * C + i % C] * 6.0f +
                      3.0f * (float)cafi_rng_normal(&rng);
    for (size_t i = 0; i < IMAGES * VARIANTS * S * 2; i++)
        styles[i] = (float)cafi_rng_normal(&rng);
    cafi_buf_text(&index, "label\n");
    for (size_t i = 0; i < IMAGES; i++)
        cafi_buf_printf(&index, "%s\n", names[i % CLASSES]);
    snprintf(path, sizeof path, "%s/features.npy", folder);
    if ((st = cafi_npy_save(path, CAFI_F32, 3, fshape, features, err)))
        return st;
    snprintf(path, sizeof path, "%s/styles.npy", folder);
    if ((st = cafi_npy_save(path, CAFI_F32, 4, sshape, styles, err)))
        return st;
    for (size_t i = 0; i < IMAGES * C; i++)
        clean[i] = centres[i / C % CLASSES * C + i % C] * 6.0f + (float)cafi_rng_normal(&rng);
    snprintf(path, sizeof path, "%s/clean.npy", folder);
    if ((st = cafi_npy_save(path, CAFI_F32, 2, clean_shape, clean, err)))
        return st;
    snprintf(path, sizeof path, "%s/clean_styles.npy", folder);
    if ((st = cafi_npy_save(path, CAFI_F32, 3, clean_style_shape, clean_styles, err)))
        return st;
    snprintf(path, sizeof path, "%s/centers.safetensors", folder);
    if ((st = save_text(folder, "index.tsv", &index, err)) ||
        (st = cafi_centres_save(path, centres, names, CLASSES, C, (cafi_origin){0}, err)))
        return st;
    return make_probes(folder, centres, err);
}

/* A bias whose gradient is zero by symmetry is moved by rounding alone. */
static int is_noise(const char *name)
{
    return strstr(name, "bias") || strstr(name, "running_mean") ||
           strstr(name, "num_batches_tracked");
}

static int differ(const cafi_bundle *a, const cafi_bundle *b, double tolerance, int all)
{
    for (size_t i = 0; i < cafi_bundle_count(a); i++) {
        const cafi_tensor *x = cafi_bundle_at(a, i);
        const cafi_tensor *y = cafi_bundle_find(b, x->name);
        size_t n = cafi_tensor_count(x);
        double difference = 0.0;
        double norm = 0.0;

        if (!y || cafi_tensor_count(y) != n) {
            fprintf(stderr, "%s: not in both\n", x->name);
            return 1;
        }
        for (size_t k = 0; k < n && (all || !is_noise(x->name)); k++) {
            float p;
            float q;

            cafi_tensor_read_f32(x, k, 1, &p);
            cafi_tensor_read_f32(y, k, 1, &q);
            difference += ((double)p - (double)q) * ((double)p - (double)q);
            norm += (double)p * (double)p;
        }
        /* a bias that only noise moved has next to no length */
        if (!(sqrt(difference) <= tolerance * (sqrt(norm) + (all ? 0.01 : 0.0)))) {
            fprintf(stderr, "%s: %g of %g\n", x->name, sqrt(difference), sqrt(norm));
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    cafi_bundle *a = NULL;
    cafi_bundle *b = NULL;
    caface_error err;
    int status = 1;

    if (argc == 3 && !strcmp(argv[1], "make")) {
        if (!make(argv[2], &err))
            return 0;
    } else if (argc == 5 || (argc == 6 && !strcmp(argv[5], "all"))) {
        if (!cafi_bundle_open(&a, argv[2], &err) && !cafi_bundle_open(&b, argv[3], &err)) {
            status = differ(a, b, strtod(argv[4], NULL), argc == 6);
            cafi_bundle_close(a);
            cafi_bundle_close(b);
            return status;
        }
        cafi_bundle_close(a);
    } else {
        return 2;
    }
    fprintf(stderr, "%s\n", err.message);
    return 1;
}
