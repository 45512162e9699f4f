/* What made a training's data, its centres and its validation set is compared. */
#include "check.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "dataset/centres.h"
#include "files/npy.h"
#include "files/safetensors.h"
#include "train/validate.h"

enum { C = 12 };

/* What made the features is compared where both say it: centres, validation. Without names,
 * more centres than classes are found by the classes' numbers. */
static void test_what_made_it(void **state)
{
    static const char set_json[] =
        "{\"backbone\": \"b1\", \"input\": \"rgb mean 0 0 0 scale 1 1 1\"}";
    static const char index[] = "label\n7\n2\n7\n";
    const size_t shape[] = {3, C}, sshape[] = {3, 2, 2};
    float rows[3 * C] = {0}, styles[3 * 2 * 2] = {0}, all[9 * C];
    cafi_tensor t = {.name = "center.weight",
                     .data = (const unsigned char *)all,
                     .dtype = CAFI_F32,
                     .ndim = 2,
                     .shape = {9, C},
                     .stride = {C, 1}};
    const cafi_tensor *list[] = {&t};
    const char *const names[] = {"7", "2"};
    cafi_validation_source source = {.far = 0.1};
    cafi_validation *validation = NULL;
    cafi_store *store = NULL;
    float *centres = NULL;
    caface_error err;

    (void)state;
    assert_int_equal(mkdir(test_temp("made"), 0700), 0);
    EXPECT_OK(cafi_npy_save(test_temp("made/features.npy"), CAFI_F32, 2, shape, rows, &err), err);
    EXPECT_OK(cafi_npy_save(test_temp("made/styles.npy"), CAFI_F32, 3, sshape, styles, &err), err);
    test_write(test_temp("made/index.tsv"), index, sizeof index - 1);
    test_write(test_temp("made/set.json"), set_json, sizeof set_json - 1);
    EXPECT_OK(cafi_store_open(&store, test_temp("made"), NULL, &err), err);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        all[i] = 1 + (float)(i / C);
    EXPECT_OK(cafi_safetensors_save(test_temp("c9.safetensors"), list, 1, NULL, &err), err);
    EXPECT_OK(cafi_centres_load(&centres, test_temp("c9.safetensors"), store, &err), err);
    assert_float_equal(centres[0], 3, 0); /* of class 2 */
    assert_float_equal(centres[C], 8, 0); /* of class 7 */
    free(centres);
    t.shape[0] = 5; /* none of number 7 */
    EXPECT_OK(cafi_safetensors_save(test_temp("c5.safetensors"), list, 1, NULL, &err), err);
    EXPECT_FAIL(cafi_centres_load(&centres, test_temp("c5.safetensors"), store, &err),
                CAFACE_EMODEL, err, "5 centres", "7");
    EXPECT_OK(cafi_centres_save(test_temp("other"), all, names, 2, C,
                                (cafi_origin){.backbone = "b2"}, &err),
              err);
    EXPECT_FAIL(cafi_centres_load(&centres, test_temp("other"), store, &err), CAFACE_EMODEL, err,
                "backbone b2", "b1");
    EXPECT_OK(cafi_centres_save(test_temp("bgr"), all, names, 2, C,
                                (cafi_origin){.backbone = "b1", .input = "bgr"}, &err),
              err);
    EXPECT_FAIL(cafi_centres_load(&centres, test_temp("bgr"), store, &err), CAFACE_EMODEL, err,
                "input bgr", "input", "rgb mean 0");
    EXPECT_OK(
        cafi_centres_save(test_temp("same"), all, names, 2, C, cafi_store_origin(store), &err),
        err);
    EXPECT_OK(cafi_centres_load(&centres, test_temp("same"), store, &err), err);
    free(centres);
    source.set = test_temp("made");
    source.trained_on = (cafi_origin){"train", "b1", "bgr"};
    EXPECT_FAIL(cafi_validation_open(&validation, &source, C, 2, NULL, &err), CAFACE_EMODEL, err,
                "made", "train with bgr");
    cafi_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_made_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
