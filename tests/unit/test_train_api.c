/* caface/train.h: a run of both fusions from outside, its reports, a stop and a resume with the
 * same bits, and everything that is refused. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "caface/train.h"
#include "caface/version.h"
#include "dataset/centres.h"
#include "files/npy.h"

enum { IMAGES = 48, VARIANTS = 3, C = 12, S = 10, CLASSES = 6 };

static const char *const class_names[CLASSES] = {"a", "b", "c", "d", "e", "f"};
static char store[256], probes[256], centers[256];

static void save(const char *folder, const char *file, int ndim, const size_t *shape,
                 const float *data)
{
    char path[300];
    caface_error err;

    snprintf(path, sizeof path, "%s/%s", folder, file);
    EXPECT_OK(cafi_npy_save(path, CAFI_F32, ndim, shape, data, &err), err);
}

static const char made_by[] = "{\"backbone\": \"b1\", \"input\": \"rgb\", \"precision\": \"bf16\", "
                              "\"flip\": true, \"taps\": [\"x\", \"y\"]}";

/* A folder of rows [images][variants] around the directions of their classes, with the columns
 * that training (label) and validation (template) look for. */
static void make_rows(const char *folder, const float *directions, size_t variants, uint64_t seed)
{
    size_t rows = IMAGES * variants;
    float *features = malloc(rows * C * sizeof *features);
    float *styles = malloc(rows * S * 2 * sizeof *styles);
    float clean[IMAGES][C];
    char index[IMAGES * 32 + 64] = "source\tlabel\ttemplate\n", path[300];
    test_rng rng = {seed};
    const size_t fshape[] = {IMAGES, variants, C}, sshape[] = {IMAGES, variants, S, 2};
    const size_t flat[] = {IMAGES, C}, sflat[] = {IMAGES, S, 2}, cshape[] = {IMAGES, C};

    assert_non_null(features);
    assert_non_null(styles);
    for (size_t i = 0; i < IMAGES; i++) {
        size_t n = strlen(index);

        snprintf(index + n, sizeof index - n, "%zu\t%s\t%zu\n", i, class_names[i % CLASSES],
                 i % (2 * CLASSES)); /* two templates a class */
        for (size_t c = 0; c < C; c++)
            clean[i][c] = 8 * (directions[i % CLASSES * C + c] + 0.05f * test_uniform(&rng));
    }
    for (size_t r = 0; r < rows; r++) {
        float noise = r % 3 == 1 ? 3.0f : 0.3f;

        for (size_t c = 0; c < C; c++)
            features[r * C + c] = clean[r / variants][c] + 8 * noise * test_uniform(&rng);
        for (size_t s = 0; s < 2 * S; s++)
            styles[r * 2 * S + s] = noise + 0.1f * test_uniform(&rng);
    }
    if (variants > 1) {
        save(folder, "features.npy", 3, fshape, features);
        save(folder, "styles.npy", 4, sshape, styles);
        save(folder, "clean.npy", 2, cshape, &clean[0][0]);
        save(folder, "clean_styles.npy", 3, sflat, styles);
    } else {
        save(folder, "features.npy", 2, flat, features);
        save(folder, "styles.npy", 3, sflat, styles);
    }
    snprintf(path, sizeof path, "%s/index.tsv", folder);
    test_write(path, index, strlen(index));
    snprintf(path, sizeof path, "%s/set.json", folder);
    test_write(path, made_by, sizeof made_by - 1);
    free(features);
    free(styles);
}

static int set_up(void **state)
{
    float directions[CLASSES * C];
    test_rng rng = {test_seed()};
    caface_error err;

    (void)state;
    test_fill(&rng, directions, CLASSES * C, 1.0f);
    snprintf(store, sizeof store, "%s-XXXXXX", test_temp("store"));
    snprintf(probes, sizeof probes, "%s-XXXXXX", test_temp("probes"));
    snprintf(centers, sizeof centers, "%s", test_temp("centers.safetensors"));
    assert_non_null(mkdtemp(store));
    assert_non_null(mkdtemp(probes));
    make_rows(store, directions, VARIANTS, 1);
    make_rows(probes, directions, 1, 2);
    EXPECT_OK(
        cafi_centres_save(centers, directions, class_names, CLASSES, C, (cafi_origin){0}, &err),
        err);
    return 0;
}

/* A short run into a folder of its own; it validates. */
static caface_train_options quick(caface_method fusion, const char *output)
{
    caface_train_options o;

    memset(&o, 0x5a, sizeof o);
    caface_train_options_init(&o, fusion);
    o.data = store;
    o.centers = fusion == CAFACE_METHOD_CAFACE ? centers : NULL;
    o.output = output;
    o.validate = probes;
    o.far = 0.1;
    o.log_every = 2;
    o.threads = 2;
    if (fusion == CAFACE_METHOD_CAFACE) {
        o.epochs = 2;
        o.batch = 12;
        o.group = 4;
        o.clusters = 2;
        o.blocks = 1;
    } else {
        o.form = "plain";
        o.steps = 8;
        o.faces = 64;
        o.validate_every = 4;
    }
    return o;
}

/* What a run reported; stop: after so many batches, 0 never. */
typedef struct reports {
    size_t batches, rows, validated, stop;
    double loss_of_row;
} reports;

static int count(void *context, const caface_train_progress *p)
{
    reports *r = context;

    assert_int_equal(p->processes, 1);
    assert_int_equal(p->rank, 0);
    assert_true(p->done <= p->all);
    assert_true(isfinite(p->loss));
    if (p->is_row) {
        r->rows++;
        r->validated += !isnan(p->validation);
        r->loss_of_row = p->loss;
        return 1;
    }
    r->batches++;
    return !r->stop || r->batches < r->stop;
}

static char *read_file(const char *folder, const char *file, size_t *size)
{
    char path[300];
    char *text;

    snprintf(path, sizeof path, "%s/%s", folder, file);
    text = (char *)test_read(path, size);
    text = realloc(text, *size + 1);
    assert_non_null(text);
    text[*size] = '\0';
    return text;
}

static size_t lines_of(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* Every row that was reported is in the log, and what the last one says is its last line. */
static void check_log(const char *folder, const reports *r, caface_method fusion)
{
    size_t size = 0;
    char *log = read_file(folder, "log.csv", &size);
    char *last = log + size - 1;
    double loss = NAN;

    assert_int_equal(lines_of(log), r->rows + 1);
    while (last > log && last[-1] != '\n')
        last--;
    for (size_t comma = fusion == CAFACE_METHOD_CAFACE ? 3 : 2; comma; comma--)
        last = strchr(last, ',') + 1;
    loss = strtod(last, NULL);
    assert_true(fabs(loss - r->loss_of_row) <= 1e-8 * fabs(loss)); /* nine digits are written */
    free(log);
}

static void train_both(void (*each)(caface_method fusion))
{
    each(CAFACE_METHOD_CAFACE);
    each(CAFACE_METHOD_RESTORE);
}

static void check_run(caface_method fusion)
{
    const char *output = test_temp("run-%d", (int)fusion);
    caface_train_options o = quick(fusion, output);
    caface_train_progress p;
    caface_model_info info;
    caface_model *model = NULL;
    reports r = {0};
    char best[300];
    caface_error err;

    EXPECT_OK(caface_train(&o, count, &r, &p, &err), err);
    assert_int_equal(p.done, p.all);
    assert_int_equal(r.batches, 8);
    assert_int_equal(r.batches, p.all);
    assert_int_equal(p.updates, 8);
    assert_int_equal(r.validated, 2);
    assert_true(p.best >= p.validation && p.validation >= 0 && p.best <= 1);
    check_log(output, &r, fusion);
    snprintf(best, sizeof best, "%s/best.safetensors", output);
    EXPECT_OK(caface_model_open(&model, best, &err), err);
    caface_model_get_info(model, &info);
    assert_int_equal(info.method, fusion);
    assert_int_equal(info.C, C);
    assert_int_equal(info.S, S);
    assert_string_equal(info.backbone, "b1");
    assert_string_equal(info.input, "rgb");
    assert_string_equal(info.encoding, "bf16 flip taps x, y");
    caface_model_free(model);
    if (fusion == CAFACE_METHOD_CAFACE) {
        assert_int_equal(p.epoch, 2);
        assert_int_equal(p.batches, 4);
        assert_int_equal(info.M, 2);
    }
    EXPECT_FAIL(caface_train(&o, NULL, NULL, NULL, &err), CAFACE_EINVAL, err, output,
                "holds a run");
    o.resume = 1; /* it is over: nothing to do, and the same to tell */
    r = (reports){0};
    EXPECT_OK(caface_train(&o, count, &r, &p, &err), err);
    assert_int_equal(r.batches, 0);
    assert_int_equal(p.done, p.all);
    o.seed = 43;
    EXPECT_FAIL(caface_train(&o, NULL, NULL, NULL, &err), CAFACE_EMODEL, err, "seed 43");
}

static void test_run(void **state)
{
    (void)state;
    train_both(check_run);
}

static void check_same(const char *a, const char *b, const char *file)
{
    size_t na = 0, nb = 0;
    char *x = read_file(a, file, &na), *y = read_file(b, file, &nb);

    assert_int_equal(na, nb);
    assert_memory_equal(x, y, na);
    free(x);
    free(y);
}

/* Stopped by the callback and by stop_after, then resumed: the same bits as one run. */
static void check_resume(caface_method fusion)
{
    char whole[200], parts[200];
    caface_train_options o;
    caface_train_progress p;
    reports r = {.stop = 3};
    caface_error err;

    snprintf(whole, sizeof whole, "%s", test_temp("whole-%d", (int)fusion));
    snprintf(parts, sizeof parts, "%s", test_temp("parts-%d", (int)fusion));
    o = quick(fusion, whole);
    EXPECT_OK(caface_train(&o, NULL, NULL, NULL, &err), err);
    o.output = parts;
    o.threads = 1;
    EXPECT_FAIL(caface_train(&o, count, &r, &p, &err), CAFACE_ECANCELLED, err, "resume goes on");
    assert_int_equal(p.done, 3);
    o.resume = 1;
    o.stop_after = 2;
    EXPECT_OK(caface_train(&o, NULL, NULL, &p, &err), err);
    assert_int_equal(p.done, 5);
    o.stop_after = 0;
    EXPECT_OK(caface_train(&o, NULL, NULL, &p, &err), err);
    assert_int_equal(p.done, 8);
    check_same(whole, parts, "log.csv");
    check_same(whole, parts, "last.safetensors");
    check_same(whole, parts, "best.safetensors");
}

static void test_resume(void **state)
{
    (void)state;
    train_both(check_resume);
}

/* One batch, and nothing is left. */
static void test_fast_dev_run(void **state)
{
    const char *output = test_temp("tried");
    caface_train_options o = quick(CAFACE_METHOD_CAFACE, output);
    caface_train_progress p;
    char beside[300];
    caface_error err;

    (void)state;
    o.fast_dev_run = 1;
    EXPECT_OK(caface_train(&o, NULL, NULL, &p, &err), err);
    assert_int_equal(p.done, 1);
    snprintf(beside, sizeof beside, "%s.fast-dev-run", output);
    assert_int_not_equal(access(output, F_OK), 0);
    assert_int_not_equal(access(beside, F_OK), 0);
}

static caface_train_options fine(caface_method fusion)
{
    return quick(fusion, test_temp("never"));
}

static void refuse(const caface_train_options *o, const char *word)
{
    caface_train_progress p;
    caface_error err;

    EXPECT_FAIL(caface_train_check(o, &err), CAFACE_EINVAL, err, word);
    EXPECT_FAIL(caface_train(o, NULL, NULL, &p, &err), CAFACE_EINVAL, err, word);
    assert_true(isnan(p.loss));
    assert_int_not_equal(access(test_temp("never"), F_OK), 0);
}

#define REFUSE(fusion, word, ...)                                                                  \
    do {                                                                                           \
        caface_train_options o = fine(fusion);                                                     \
        __VA_ARGS__;                                                                               \
        refuse(&o, word);                                                                          \
    } while (0)
#define A CAFACE_METHOD_CAFACE
#define R CAFACE_METHOD_RESTORE

static void test_refused_options(void **state)
{
    static const size_t turned[] = {6, 6};

    (void)state;
    REFUSE(A, "init", o.size = 8);
    REFUSE(A, "no other fusion", o.fusion = CAFACE_METHOD_UNIT);
    REFUSE(A, "data and output", o.data = NULL);
    REFUSE(A, "data and output", o.output = NULL);
    REFUSE(A, "centers", o.centers = NULL);
    REFUSE(A, "optimizer rms", o.optimizer = "rms");
    REFUSE(A, "schedule flat", o.schedule = "flat");
    REFUSE(A, "scheme", o.scheme = NULL);
    REFUSE(A, "ascending", o.milestones = turned, o.milestone_count = 2);
    REFUSE(A, "milestone_count", o.milestone_count = 65);
    REFUSE(A, "no list", o.milestones = NULL);
    REFUSE(A, "exclude", o.clip = 1, o.clip_value = 1);
    REFUSE(A, "decay_all", o.decay_all = 1);
    REFUSE(A, "init_optimizer", o.init_optimizer = 1);
    REFUSE(A, "first_epoch 2 of 2", o.first_epoch = 2);
    REFUSE(A, "fast_dev_run", o.fast_dev_run = 1, o.resume = 1);
    REFUSE(A, "go with", o.validate = NULL, o.far = 0.01, o.validate_every = 3);
    REFUSE(A, "go with", o.validate = NULL);
    REFUSE(A, "meta and dataset", o.meta = "x");
    REFUSE(A, "exclude", o.meta = "x", o.dataset = "IJBC", o.pairs = "p");
    REFUSE(A, "lr is nan", o.lr = NAN);
    REFUSE(A, "lr is -1", o.lr = -1);
    REFUSE(A, "limit_batches 1.5", o.limit_batches = 1.5);
    REFUSE(A, "group is 2", o.group = 2);
    REFUSE(A, "batch is 0", o.batch = 0);
    REFUSE(A, "log_every is 0", o.log_every = 0);
    REFUSE(A, "epochs is 0", o.epochs = 0);
    REFUSE(A, "far is 0.5", o.far = 0.5);
    REFUSE(A, "steps has no meaning", o.steps = 9);
    REFUSE(A, "form has no meaning", o.form = "plain");
    REFUSE(A, "no_intruders has no meaning", o.no_intruders = 1);
    REFUSE(R, "epochs has no meaning", o.epochs = 9);
    REFUSE(R, "milestones has no meaning", o.milestones = turned);
    REFUSE(R, "memory_weight has no meaning", o.memory_weight = 0);
    REFUSE(R, "tensorboard has no meaning", o.tensorboard = 1);
    REFUSE(R, "form wide", o.form = "wide");
    REFUSE(R, "no chunks", o.chunk = 4);
    REFUSE(R, "faces is 31", o.faces = 31);
    REFUSE(R, "average is 1", o.average = 1);
}

static void test_refused_files(void **state)
{
    caface_train_options o = quick(A, test_temp("x"));
    caface_error err;

    (void)state;
    EXPECT_FAIL(caface_train_check(NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_train(NULL, NULL, NULL, NULL, &err), CAFACE_EINVAL, err, "null");
    o.far = 0.05;
    EXPECT_FAIL(caface_train(&o, NULL, NULL, NULL, &err), CAFACE_EINVAL, err, "FAR 0.05");
    o = quick(A, test_temp("x")), o.data = "/nowhere";
    EXPECT_FAIL(caface_train(&o, NULL, NULL, NULL, &err), CAFACE_EIO, err, "/nowhere");
    o = quick(A, test_temp("x")), o.init = "/nowhere";
    EXPECT_FAIL(caface_train(&o, NULL, NULL, NULL, &err), CAFACE_EIO, err, "/nowhere");
    o = quick(A, "/nowhere/at/all");
    EXPECT_FAIL(caface_train(&o, NULL, NULL, NULL, &err), CAFACE_EIO, err, "/nowhere/at/all");
    o = quick(R, test_temp("y")), o.data = probes; /* no clean features */
    EXPECT_FAIL(caface_train(&o, NULL, NULL, NULL, &err), CAFACE_EMODEL, err, "clean");
    assert_int_equal(caface_train(&o, NULL, NULL, NULL, NULL), CAFACE_EMODEL);
}

/* A program of an earlier version is given no more than it knows, and one of a later version what
 * it does not have is 0. */
static unsigned char seen[sizeof(caface_train_progress) + 16];
static size_t seen_size;
static int look(void *context, const caface_train_progress *p)
{
    (void)context;
    memcpy(seen, p, seen_size);
    return 1;
}

static void test_versions(void **state)
{
    struct {
        caface_train_options options;
        size_t newer;
    } o = {.options = quick(A, test_temp("versions"))};
    unsigned char progress[sizeof seen];
    caface_error err;

    (void)state;
    o.options.size = sizeof o;
    o.newer = 1;
    EXPECT_FAIL(caface_train_check(&o.options, &err), CAFACE_EUNSUPPORTED, err, "does not know");
    o.newer = 0;
    o.options.fast_dev_run = 1;
    memset(progress, 0x5a, sizeof progress);
    seen_size = sizeof seen; /* later */
    EXPECT_OK(caface_train_sized(&o.options, look, NULL, (void *)progress, sizeof progress, &err),
              err);
    for (size_t i = sizeof(caface_train_progress); i < sizeof seen; i++)
        assert_int_equal(seen[i] | progress[i], 0);
    memset(progress, 0x5a, sizeof progress);
    seen_size = offsetof(caface_train_progress, loss); /* earlier */
    EXPECT_OK(caface_train_sized(&o.options, look, NULL, (void *)progress, seen_size, &err), err);
    for (size_t i = seen_size; i < sizeof progress; i++)
        assert_int_equal(progress[i], 0x5a);
}

/* The k-th allocation fails, for every k: ENOMEM, or, where it was for something that may be left
 * out (what a killed run left is swept), the run's own numbers. */
static void check_no_memory(caface_method fusion)
{
    const char *output = test_temp("memory-%d", (int)fusion);
    caface_train_options o = quick(fusion, output);
    uint64_t failed = 1, k = 1, spared = 0;
    double loss = 0;

    o.threads = 1;
    o.steps = fusion == CAFACE_METHOD_RESTORE ? 1 : o.steps;
    o.validate_every = 0;
    o.resume = fusion == CAFACE_METHOD_RESTORE; /* the folder may be there */
    o.fast_dev_run = fusion == CAFACE_METHOD_CAFACE;
    for (k = 0; failed || k < 2; k += k < 300 ? 1 : 11) { /* first without a failure */
        caface_error err = {CAFACE_OK, ""};
        caface_train_progress p;
        reports r = {0};
        caface_status st;
        char checkpoint[300];

        snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint.safetensors", output);
        remove(checkpoint);
        cafi_mem_fail(k, k ? 1 : 0);
        st = caface_train(&o, count, &r, &p, &err);
        failed = cafi_mem_failures();
        cafi_mem_fail(0, 0);
        if (!st) {
            loss = k ? loss : p.loss;
            assert_float_equal(p.loss, loss, 0);
            assert_int_equal(p.done, p.all);
            spared += failed;
            continue;
        }
        if (failed && (st != CAFACE_ENOMEM || err.status != CAFACE_ENOMEM))
            print_message("# allocation %llu: %s, %s\n", (unsigned long long)k,
                          caface_status_name(st), err.message);
        assert_int_equal(st, CAFACE_ENOMEM);
    }
    print_message("# %llu allocations, %llu not needed\n", (unsigned long long)k,
                  (unsigned long long)spared);
    assert_in_range(spared, 0, 8);
}

static void test_no_memory(void **state)
{
    (void)state;
    train_both(check_no_memory);
}

static void test_about(void **state)
{
    char text[256];
    size_t n = caface_train_about(text, sizeof text);

    (void)state;
    assert_int_equal(strlen(text), n);
    assert_int_equal(caface_train_about(NULL, 0), n);
    assert_memory_equal(text, "BLAS        ", strlen("BLAS        "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),           cmocka_unit_test(test_resume),
        cmocka_unit_test(test_fast_dev_run),  cmocka_unit_test(test_refused_options),
        cmocka_unit_test(test_refused_files), cmocka_unit_test(test_versions),
        cmocka_unit_test(test_no_memory),     cmocka_unit_test(test_about)};

    return cmocka_run_group_tests_name("train_api", tests, set_up, NULL);
}
