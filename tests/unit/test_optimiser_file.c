/* Optimiser states of a Lightning checkpoint, whose pickle is written here opcode by opcode. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "files/bytes.h"
#include "train/optimiser_file.h"

typedef struct pickler {
    cafi_buf out;
    size_t storage; /* floats of the one storage */
} pickler;

static void op(pickler *p, const char *bytes)
{
    cafi_buf_text(&p->out, bytes);
}

static void integer(pickler *p, size_t n)
{
    unsigned char bytes[5] = {'J', (unsigned char)n, (unsigned char)(n >> 8),
                              (unsigned char)(n >> 16), (unsigned char)(n >> 24)};

    cafi_buf_append(&p->out, bytes, 5);
}

static void text(pickler *p, const char *s)
{
    unsigned char bytes[5] = {'X', (unsigned char)strlen(s), 0, 0, 0};

    cafi_buf_append(&p->out, bytes, 5);
    op(p, s);
}

/* A tensor of the parameter's shape that begins at element `offset` of the storage. */
static void tensor(pickler *p, const cafi_param *q, size_t offset)
{
    op(p, "ctorch._utils\n_rebuild_tensor_v2\n((");
    text(p, "storage");
    op(p, "ctorch\nFloatStorage\n");
    text(p, "0");
    text(p, "cpu");
    integer(p, p->storage);
    op(p, "tQ");
    integer(p, offset);
    for (int strides = 0; strides < 2; strides++) {
        op(p, "(");
        for (int i = 0; i < q->ndim; i++) {
            size_t n = q->shape[i];

            for (int k = i; strides && k + 1 < q->ndim; k++)
                n = k == i ? q->shape[k + 1] : n * q->shape[k + 1];
            integer(p, strides && i + 1 == q->ndim ? 1 : n);
        }
        op(p, "t");
    }
    op(p, "\x89"
          "ccollections\nOrderedDict\n)RtR");
}

enum { STEPS = 37 };

/* The release's numbering: matrices and scalars first, then vectors. Moments of the i-th
 * parameter of cafi_params lie at its offset in the storage, second ones behind all. */
static void write_checkpoint(const char *path, const cafi_params *params, size_t swap,
                             size_t odd_step)
{
    pickler p = {.storage = 2 * params->total};
    float *storage = malloc(p.storage * sizeof *storage);
    test_zip zip = {0};
    size_t number = 0;

    assert_non_null(storage);
    for (size_t i = 0; i < p.storage; i++)
        storage[i] = (float)(i % 8191) + 0.25f;
    cafi_put_numbers((unsigned char *)storage, storage, p.storage, sizeof *storage);
    op(&p, "\x80\x02}(");
    text(&p, "state_dict");
    op(&p, "}");
    text(&p, "optimizer_states");
    op(&p, "]}(");
    text(&p, "state");
    op(&p, "}(");
    for (int vectors = 0; vectors < 2; vectors++)
        for (size_t i = 0; i < params->count; i++) {
            const cafi_param *q = &params->items[i];

            if ((q->ndim == 1) != (vectors == 1))
                continue;
            integer(&p, number);
            op(&p, "}(");
            text(&p, "step");
            integer(&p, number == odd_step ? STEPS + 1 : STEPS);
            text(&p, "exp_avg");
            tensor(&p, number == swap ? &params->items[params->count - 2] : q, q->offset);
            text(&p, "exp_avg_sq");
            tensor(&p, q, params->total + q->offset);
            op(&p, "u");
            number++;
        }
    op(&p, "uuau.");
    test_zip_add(&zip, "archive/data.pkl", p.out.data, p.out.size, 0);
    test_zip_add(&zip, "archive/data/0", storage, p.storage * sizeof *storage, 0);
    test_zip_end(&zip);
    test_write(path, zip.out.data, zip.out.size);
    test_zip_free(&zip);
    cafi_buf_free(&p.out);
    free(storage);
}

static void test_moments(void **state)
{
    const char *path = test_temp("lightning.ckpt");
    cafi_train_dims d;
    cafi_params params;
    cafi_optimiser o;
    cafi_optimiser_config c = cafi_optimiser_defaults();
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_train_dims_make(&d, 5, 3, 2, 2, 5, &err), err);
    EXPECT_OK(cafi_params_new(&params, &d, &err), err);
    EXPECT_OK(cafi_optimiser_new(&o, &c, params.total, &err), err);
    write_checkpoint(path, &params, SIZE_MAX, SIZE_MAX);
    EXPECT_OK(cafi_optimiser_file_load(path, &params, &o, &err), err);
    assert_int_equal(o.updates, STEPS);
    for (size_t i = 0; i < params.count; i++)
        for (size_t k = params.items[i].offset; k < params.items[i].offset + params.items[i].count;
             k++) {
            if (o.first[k] != (float)(k % 8191) + 0.25f ||
                o.second[k] != (float)((params.total + k) % 8191) + 0.25f)
                fail_msg("%s: number %zu is another one's", params.items[i].name, k);
        }
    write_checkpoint(path, &params, 4, SIZE_MAX);
    EXPECT_FAIL(cafi_optimiser_file_load(path, &params, &o, &err), CAFACE_EMODEL, err, path,
                "exp_avg of state 4", "has");
    write_checkpoint(path, &params, SIZE_MAX, 7);
    EXPECT_FAIL(cafi_optimiser_file_load(path, &params, &o, &err), CAFACE_EFORMAT, err, "state 7",
                "38", "37");
    o.config.kind = CAFI_SGD;
    EXPECT_FAIL(cafi_optimiser_file_load(path, &params, &o, &err), CAFACE_EMODEL, err,
                "momentum_buffer");
    EXPECT_FAIL(cafi_optimiser_file_load(test_fixture("files/legacy.pt"), &params, &o, &err),
                CAFACE_EFORMAT, err, "no optimizer_states");
    EXPECT_FAIL(cafi_optimiser_file_load(test_data("sample/model.safetensors"), &params, &o, &err),
                CAFACE_EFORMAT, err, "no checkpoint");
    cafi_optimiser_free(&o);
    cafi_params_free(&params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_moments)};

    return cmocka_run_group_tests_name("optimiser_file", tests, NULL, NULL);
}
