/* Files of restoring fusions that are damaged in one place each. */
#include "restore_model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "caface/model.h"

/* Saves the model after one change, and opens it. */
static void expect_model_refused(restore_model *m, caface_status want, const char *word,
                                 const char *again)
{
    const char *path = test_temp("bad.safetensors");
    caface_model *model = NULL;
    caface_error err;

    test_model_save(&m->tensors, path, 0);
    EXPECT_FAIL(caface_model_open(&model, path, &err), want, err, "bad.safetensors", word, again);
    assert_null(model);
}

static void damaged_models_are_refused(void **state)
{
    test_rng rng = {.state = test_seed()};
    restore_sizes z = restore_sizes_random(&rng);
    restore_model m;

    (void)state;
    z.members = 1, z.K = 2, z.MI = 4, z.EI = 5, z.R2 = 3;
    m = restore_model_new(&rng, z);
    for (size_t i = 0; i < m.tensors.count; i++) { /* each one missing, too long, not a number */
        test_tensor *t = &m.tensors.tensors[i];
        char name[160];
        float first = t->data[0];

        memcpy(name, t->name, sizeof name);
        t->data[0] = NAN;
        expect_model_refused(&m, CAFACE_EMODEL, name, "NaN");
        t->data[0] = first;
        /* Without one of these the file has no such network, or another form, whose other
         * tensors are then of no use. */
        snprintf(t->name, sizeof t->name, "restore.other");
        if (strcmp(name, "restore.pw") != 0 && strcmp(name, "restore.sm") != 0 &&
            strcmp(name, "restore.hg.weight") != 0)
            expect_model_refused(&m, CAFACE_EMODEL, "", "");
        memcpy(t->name, name, sizeof name);
    }
    restore_model_find(&m, 0, "ss")->data[0] = 0.0f;
    expect_model_refused(&m, CAFACE_EMODEL, "ss", "divide");
    restore_model_find(&m, 0, "ss")->data[0] = 1.0f;
    restore_model_find(&m, 0, "ns")->data[0] = 0.0f;
    expect_model_refused(&m, CAFACE_EMODEL, "ns", "divide");
    restore_model_free(&m);
    z.members = 2, z.power = 1.5f;
    m = restore_model_new(&rng, z);
    expect_model_refused(&m, CAFACE_EMODEL, "power", "at most 1");
    restore_model_free(&m);
    z.power = 0.85f;
    m = restore_model_new(&rng, z);
    snprintf(restore_model_find(&m, 1, "t2.bias")->name, 160, "restore.7.t2.bias");
    expect_model_refused(&m, CAFACE_EMODEL, "restore.7.t2.bias", "ensemble of 2");
    restore_model_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_models_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
