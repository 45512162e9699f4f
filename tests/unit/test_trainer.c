/* A training run is a function of its configuration and data: stopped, killed or
 * spread over threads, it ends with the same bits. And it learns. */
#include "check.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "caface/model.h"
#include "dataset/centres.h"
#include "files/bundle.h"
#include "files/npy.h"
#include "files/safetensors.h"
#include "train/trainer.h"
#include "train/validate.h"

enum { IMAGES = 40, VARIANTS = 3, C = 12, S = 10, CLASSES = 7 };

typedef struct world {
    cafi_store *store;
    float *centres;
} world;

static const char *const class_names[CLASSES] = {"a", "b", "c", "d", "e", "f", "g"};

/* The last class has one image. */
static size_t class_of(size_t image)
{
    return image + 1 < IMAGES ? image % (CLASSES - 1) : CLASSES - 1;
}

/* Features: a direction of the class, more or less noise; the style says how much. */
static void make_store(const char *folder)
{
    float features[IMAGES][VARIANTS][C];
    float styles[IMAGES][VARIANTS][S][2];
    float centres[CLASSES][C];
    float clean[IMAGES][C];
    float clean_styles[IMAGES][S][2] = {{{0}}};
    size_t cshape[] = {IMAGES, C};
    size_t csshape[] = {IMAGES, S, 2};
    size_t fshape[] = {IMAGES, VARIANTS, C};
    size_t sshape[] = {IMAGES, VARIANTS, S, 2};
    char path[512];
    char index[IMAGES * 16 + 32] = "source\tlabel\n";
    test_rng rng = {11};
    caface_error err;

    mkdir(folder, 0777);
    test_fill(&rng, &centres[0][0], CLASSES * C, 1.0f);
    for (size_t i = 0; i < IMAGES; i++) {
        snprintf(index + strlen(index), 16, "%zu\t%s\n", i, class_names[class_of(i)]);
        for (size_t c = 0; c < C; c++) /* without a draw, which other figures here depend on */
            clean[i][c] = 8.0f * (centres[class_of(i)][c] + 0.1f * (float)((i + c) % 3));
        for (size_t v = 0; v < VARIANTS; v++) {
            float noise = v == 1 ? 4.0f : 0.2f;

            for (size_t c = 0; c < C; c++)
                features[i][v][c] = 8.0f * (centres[class_of(i)][c] + noise * test_uniform(&rng));
            for (size_t s = 0; s < S; s++) {
                styles[i][v][s][0] = noise + 0.1f * test_uniform(&rng);
                styles[i][v][s][1] = 1.0f + 0.1f * test_uniform(&rng);
            }
        }
    }
    snprintf(path, sizeof path, "%s/features.npy", folder);
    EXPECT_OK(cafi_npy_save(path, CAFI_F32, 3, fshape, features, &err), err);
    snprintf(path, sizeof path, "%s/styles.npy", folder);
    EXPECT_OK(cafi_npy_save(path, CAFI_F32, 4, sshape, styles, &err), err);
    snprintf(path, sizeof path, "%s/clean.npy", folder);
    EXPECT_OK(cafi_npy_save(path, CAFI_F32, 2, cshape, clean, &err), err);
    snprintf(path, sizeof path, "%s/clean_styles.npy", folder);
    EXPECT_OK(cafi_npy_save(path, CAFI_F32, 3, csshape, clean_styles, &err), err);
    snprintf(path, sizeof path, "%s/index.tsv", folder);
    test_write(path, index, strlen(index));
    snprintf(path, sizeof path, "%s/centers.safetensors", folder);
    EXPECT_OK(
        cafi_centres_save(path, &centres[0][0], class_names, CLASSES, C, (cafi_origin){0}, &err),
        err);
}

static world open_world(void)
{
    world w;
    char path[512];
    caface_error err;
    const char *folder = test_temp("store");

    make_store(folder);
    EXPECT_OK(cafi_store_open(&w.store, folder, NULL, &err), err);
    snprintf(path, sizeof path, "%s/centers.safetensors", folder);
    EXPECT_OK(cafi_centres_load(&w.centres, path, w.store, &err), err);
    return w;
}

static void close_world(world *w)
{
    cafi_store_close(w->store);
    free(w->centres);
}

static cafi_train_config small_config(void)
{
    cafi_train_config c = cafi_train_defaults();
    caface_error err;

    c.net.T = 8;
    c.batch = 9;
    c.epochs = 3;
    c.save_every = 2;
    c.log_every = 3;
    c.schedule.lr = 3e-3;
    EXPECT_OK(cafi_train_dims_make(&c.net.dims, C, S, 3, 2, C, &err), err);
    return c;
}

static caface_status run_reported(const world *w, const cafi_train_config *c, const char *folder,
                                  bool resume, size_t threads, cafi_train_progress *p,
                                  caface_error *err, cafi_train_report report, void *ctx)
{
    cafi_pool *pool = NULL;
    cafi_train_job job = {.store = w->store,
                          .centres = w->centres,
                          .folder = folder,
                          .resume = resume,
                          .report = report,
                          .ctx = ctx};
    caface_status st;

    mkdir(folder, 0777);
    EXPECT_OK(cafi_pool_new(&pool, threads, err), *err);
    job.pool = pool;
    st = cafi_train_run(c, &job, p, err);
    cafi_pool_free(pool);
    return st;
}

static caface_status run(const world *w, const cafi_train_config *c, const char *folder,
                         bool resume, size_t threads, cafi_train_progress *p, caface_error *err)
{
    return run_reported(w, c, folder, resume, threads, p, err, NULL, NULL);
}

static void same_file(const char *a, const char *b, const char *file)
{
    char x[512];
    char y[512];
    size_t n;
    size_t m;
    unsigned char *p;
    unsigned char *q;

    snprintf(x, sizeof x, "%s/%s", a, file);
    snprintf(y, sizeof y, "%s/%s", b, file);
    p = test_read(x, &n);
    q = test_read(y, &m);
    if (n != m || memcmp(p, q, n) != 0)
        fail_msg("%s differs", file);
    free(p);
    free(q);
}

/* Every file of a run, byte for byte. */
static void same_runs(const char *a, const char *b)
{
    static const char *const files[] = {"last.safetensors", "best.safetensors", "log.csv",
                                        "checkpoint.safetensors"};

    for (size_t i = 0; i < 4; i++)
        same_file(a, b, files[i]);
}

static void test_threads_and_resume(void **state)
{
    world w = open_world();
    cafi_train_config c = small_config();
    cafi_train_progress p;
    caface_error err;

    (void)state;
    EXPECT_OK(run(&w, &c, test_temp("one"), false, 1, &p, &err), err);
    assert_int_equal(p.epoch, 3);
    EXPECT_OK(run(&w, &c, test_temp("three"), false, 3, &p, &err), err);
    same_runs(test_temp("one"), test_temp("three"));
    /* stopped after every third update */
    c.stop_after = 3;
    for (int i = 0; i < 20; i++) {
        caface_status st = run(&w, &c, test_temp("steps"), i > 0, 2, &p, &err);

        if (st == CAFACE_OK)
            break;
        assert_int_equal(st, CAFACE_ECANCELLED);
        assert_true(i < 19);
    }
    same_runs(test_temp("one"), test_temp("steps"));
    close_world(&w);
}

/* With the restoring fusion's losses: the same bits in pieces, a column of the log, and another
 * model than without them. */
static void test_other_losses(void **state)
{
    world w = open_world();
    cafi_train_config c = small_config();
    cafi_train_progress p;
    caface_error err;
    size_t size = 0;
    char *log;

    (void)state;
    c.leave_out = true;
    c.net.lambda_entropy = 0.3;
    EXPECT_OK(run(&w, &c, test_temp("loss1"), false, 1, &p, &err), err);
    assert_true(p.last.entropy > 0);
    log = (char *)test_read(test_temp("loss1/log.csv"), &size);
    assert_non_null(strstr(log, "memory_loss,entropy_loss,gradient_norm,validation\n"));
    free(log);
    c.stop_after = 2;
    while (run(&w, &c, test_temp("loss2"), true, 3, &p, &err) == CAFACE_ECANCELLED)
        ;
    same_runs(test_temp("loss1"), test_temp("loss2"));
    c.stop_after = 0;
    c.leave_out = false;
    EXPECT_FAIL(run(&w, &c, test_temp("loss1"), true, 1, &p, &err), CAFACE_EMODEL, err,
                "own pictures", "this run has");
    close_world(&w);
}

/* With accumulation, so that a checkpoint may only fall between updates. */
static void test_accumulation_resumes(void **state)
{
    world w = open_world();
    cafi_train_config c = small_config();
    cafi_train_progress p;
    caface_error err;

    (void)state;
    c.accumulate = 2;
    c.clip = 0.5;
    c.optimiser.kind = CAFI_SGD;
    EXPECT_OK(run(&w, &c, test_temp("acc"), false, 2, &p, &err), err);
    c.stop_after = 2;
    while (run(&w, &c, test_temp("acc2"), true, 1, &p, &err) == CAFACE_ECANCELLED)
        ;
    same_runs(test_temp("acc"), test_temp("acc2"));
    close_world(&w);
}

/* The tensor "weights" of a run's checkpoint, or all of last.safetensors' floats. */
static float *read_floats(const char *path, const char *name, size_t *count)
{
    cafi_bundle *b = NULL;
    const cafi_tensor *t;
    float *out;
    caface_error err;

    EXPECT_OK(cafi_bundle_open(&b, path, &err), err);
    t = cafi_bundle_find(b, name);
    assert_non_null(t);
    *count = cafi_tensor_count(t);
    out = malloc((*count + 1) * sizeof *out);
    assert_non_null(out);
    cafi_tensor_read_f32(t, 0, *count, out);
    cafi_bundle_close(b);
    return out;
}

/* Five batches an epoch: a window of seven holds five and is divided by seven all the same.
 * Plain descent shows it: the update is that of a window of five at 5/7 of the rate. */
static void test_accumulation_cut_short(void **state)
{
    world w = open_world();
    cafi_train_config c = small_config();
    cafi_train_progress p;
    caface_error err;
    float *five;
    float *seven;
    size_t n;
    size_t m;

    (void)state;
    c.optimiser.kind = CAFI_SGD;
    c.optimiser.momentum = 0.0;
    c.optimiser.weight_decay = 0.0;
    c.epochs = 1;
    c.accumulate = 7;
    c.schedule.lr = 0.7;
    EXPECT_OK(run(&w, &c, test_temp("seven"), false, 1, &p, &err), err);
    c.accumulate = 5;
    c.schedule.lr = 0.5;
    EXPECT_OK(run(&w, &c, test_temp("five"), false, 1, &p, &err), err);
    seven = read_floats(test_temp("seven/checkpoint.safetensors"), "weights", &n);
    five = read_floats(test_temp("five/checkpoint.safetensors"), "weights", &m);
    assert_int_equal(n, m);
    EXPECT_NEAR_F32(seven, five, n, 1e-6, "five of seven batches");
    /* neither window is a whole one of five of the same rate */
    c.schedule.lr = 0.7;
    EXPECT_OK(run(&w, &c, test_temp("whole5"), false, 1, &p, &err), err);
    free(five);
    five = read_floats(test_temp("whole5/checkpoint.safetensors"), "weights", &m);
    for (m = 0; m < n && fabsf(five[m] - seven[m]) < 1e-4f; m++)
        ;
    assert_true(m < n);
    free(five);
    free(seven);
    close_world(&w);
}

/* One update of SGD with decay, less one without: -rate * decay * the initial weights, of
 * tensors of two and more dimensions and of scalars; nothing of biases and other vectors. */
static void test_decay_of_matrices(void **state)
{
    world w = open_world();
    cafi_train_config c = small_config();
    cafi_params params;
    caface_error err;
    float *initial;

    (void)state;
    EXPECT_OK(cafi_params_new(&params, &c.net.dims, &err), err);
    initial = calloc(params.total, sizeof *initial);
    assert_non_null(initial);
    EXPECT_OK(cafi_params_init(&params, initial, c.seed, &err), err);
    c.optimiser.kind = CAFI_SGD;
    c.schedule.lr = 0.1;
    c.stop_after = 1;
    for (int all = 0; all < 2; all++) {
        float *after[2];
        size_t n;

        for (int k = 0; k < 2; k++) {
            const char *folder = test_temp("decay%d%d", all, k);
            cafi_train_progress p;
            char path[512];

            c.optimiser.weight_decay = k ? 0.5 : 0.0;
            c.optimiser.decay_all = all;
            assert_int_equal(run(&w, &c, folder, false, 1, &p, &err), CAFACE_ECANCELLED);
            snprintf(path, sizeof path, "%s/checkpoint.safetensors", folder);
            after[k] = read_floats(path, "weights", &n);
            assert_int_equal(n, params.total);
        }
        for (size_t i = 0; i < params.count; i++) {
            const cafi_param *q = &params.items[i];
            double decay = all || q->ndim != 1 ? 0.1 * 0.5 : 0.0;

            for (size_t k = q->offset; k < q->offset + q->count; k++)
                if (!(fabs((double)after[0][k] - (double)after[1][k] -
                           decay * (double)initial[k]) <= 2e-7))
                    fail_msg("%s: %.9g with decay, %.9g without, from %.9g", q->name,
                             (double)after[1][k], (double)after[0][k], (double)initial[k]);
        }
        free(after[0]);
        free(after[1]);
    }
    free(initial);
    cafi_params_free(&params);
    close_world(&w);
}

static void no_temporaries(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)))
        if (strstr(entry->d_name, ".tmp-"))
            fail_msg("%s was left behind", entry->d_name);
    closedir(dir);
}

/* Ends the process as kill -9 does, when so many batches are done. */
static bool dies_after(void *ctx, const cafi_train_progress *progress)
{
    size_t *left = ctx;

    (void)progress;
    if (--*left == 0)
        kill(getpid(), SIGKILL);
    return true;
}

/* A child trains. It is killed between batches, each time one batch later, and
 * in between while it writes, at a growing length of the file, until it gets
 * through: by its progress, so that no machine is too slow or too fast. */
static void test_killed(void **state)
{
    world w = open_world();
    cafi_train_config c = small_config();
    cafi_train_progress p;
    caface_error err;
    bool done = false;
    int between = 0;
    int written = 0;

    (void)state;
    c.epochs = 5;
    c.save_every = 1;
    EXPECT_OK(run(&w, &c, test_temp("whole"), false, 2, &p, &err), err);
    for (int i = 0; i < 40 && !done; i++) {
        pid_t child = fork();
        int status;

        if (child == 0) {
            /* parent's threads are not in the child, and it makes its own */
            cafi_train_progress q;
            caface_error e;
            size_t batches = 2 + (size_t)i / 2;
            struct rlimit none = {0, 0};
            struct rlimit length = {700u * (unsigned)i, 700u * (unsigned)i};

            setrlimit(RLIMIT_CORE, &none);
            if (i % 2)
                setrlimit(RLIMIT_FSIZE, &length); /* SIGXFSZ */
            _exit(run_reported(&w, &c, test_temp("killed"), true, 1, &q, &e, dies_after, &batches)
                      ? 1
                      : 0);
        }
        assert_true(child > 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        done = WIFEXITED(status);
        if (done)
            assert_int_equal(WEXITSTATUS(status), 0);
        else if (WTERMSIG(status) == SIGXFSZ)
            written++;
        else if (WTERMSIG(status) == SIGKILL)
            between++;
        else
            fail_msg("signal %d", WTERMSIG(status));
    }
    assert_true(done && between > 2 && written > 2);
    same_runs(test_temp("whole"), test_temp("killed"));
    no_temporaries(test_temp("killed"));
    close_world(&w);
}

static void test_learns(void **state)
{
    world w = open_world();
    cafi_train_config c = small_config();
    cafi_train_progress p;
    caface_error err;
    caface_model *model = NULL;
    caface_model_info info;
    char path[512];
    unsigned char *log;
    size_t size;
    double first = 0.0;
    double last = 0.0;
    size_t rows = 0;

    (void)state;
    c.epochs = 30;
    c.schedule.lr = 2e-3;
    c.schedule.count = 0;
    EXPECT_OK(run(&w, &c, test_temp("learn"), false, 2, &p, &err), err);
    snprintf(path, sizeof path, "%s/log.csv", test_temp("learn"));
    log = test_read(path, &size);
    for (size_t at = 0; at < size; rows++) {
        unsigned char *end = memchr(log + at, '\n', size - at);
        double loss = 0.0;

        assert_non_null(end);
        *end = '\0';
        if (rows) {
            assert_int_equal(sscanf((char *)log + at, "%*u,%*u,%*f,%lf", &loss), 1);
            if (rows <= 3)
                first += loss / 3.0;
            last = 0.8 * last + 0.2 * loss;
        }
        at = (size_t)(end - log) + 1;
    }
    free(log);
    printf("# loss %.4f, then %.4f\n", first, last);
    /* from features with noise to templates near the centres */
    assert_true(last < 0.6 * first);
    snprintf(path, sizeof path, "%s/last.safetensors", test_temp("learn"));
    EXPECT_OK(caface_model_open(&model, path, &err), err);
    caface_model_get_info(model, &info);
    assert_int_equal(info.C, C);
    assert_int_equal(info.M, 3);
    caface_model_free(model);
    close_world(&w);
}

static void test_refusals(void **state)
{
    world w = open_world();
    cafi_train_config c = small_config();
    cafi_train_progress p;
    caface_error err;
    float keep;

    (void)state;
    c.epochs = 1;
    EXPECT_OK(run(&w, &c, test_temp("refuse"), false, 1, &p, &err), err);
    c.seed++;
    EXPECT_FAIL(run(&w, &c, test_temp("refuse"), true, 1, &p, &err), CAFACE_EMODEL, err, "seed 42",
                "seed 43");
    c.seed--;
    /* a centre that makes every loss NaN: nothing new is saved */
    keep = w.centres[0];
    for (size_t i = 0; i < CLASSES; i++)
        w.centres[i * C] = NAN;
    c.epochs = 2;
    EXPECT_FAIL(run(&w, &c, test_temp("nan"), false, 1, &p, &err), CAFACE_EINVAL, err, "not finite",
                "checkpoint");
    assert_true(access(test_temp("nan/last.safetensors"), F_OK) != 0);
    w.centres[0] = keep;
    c.net.dims.C = C + 1;
    EXPECT_FAIL(run(&w, &c, test_temp("width"), false, 1, &p, &err), CAFACE_EMODEL, err, "12",
                "13");
    close_world(&w);
}

/* A missing class, and centres of another width. */
static void test_centres(void **state)
{
    world w = open_world();
    float *centres = NULL;
    float few[(CLASSES - 1) * (C + 1)];
    caface_error err;

    (void)state;
    for (size_t i = 0; i < sizeof few / sizeof *few; i++)
        few[i] = 1.0f;
    EXPECT_OK(cafi_centres_save(test_temp("few"), few, class_names, CLASSES - 1, C,
                                (cafi_origin){0}, &err),
              err);
    EXPECT_FAIL(cafi_centres_load(&centres, test_temp("few"), w.store, &err), CAFACE_EMODEL, err,
                "class g");
    EXPECT_OK(cafi_centres_save(test_temp("wide"), few, class_names, CLASSES - 1, C + 1,
                                (cafi_origin){0}, &err),
              err);
    EXPECT_FAIL(cafi_centres_load(&centres, test_temp("wide"), w.store, &err), CAFACE_EMODEL, err,
                "13", "12");
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_and_resume),
        cmocka_unit_test(test_other_losses),
        cmocka_unit_test(test_accumulation_resumes),
        cmocka_unit_test(test_accumulation_cut_short),
        cmocka_unit_test(test_decay_of_matrices),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_centres),
    };

    return cmocka_run_group_tests_name("trainer", tests, NULL, NULL);
}
