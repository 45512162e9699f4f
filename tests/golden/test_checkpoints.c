/* Every tensor of the golden checkpoints and of the detectors' and encoders'
 * weights is what torch and numpy read. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "digest.h"
#include "files/bundle.h"

static void check_file(const char *path, unsigned want_count, unsigned long want)
{
    cafi_bundle *b = NULL;
    cafi_buf text = {0};
    caface_error err;

    EXPECT_OK(cafi_bundle_open(&b, path, &err), err);
    EXPECT_OK(cafi_bundle_verify(b, &err), err);
    for (size_t i = 0; i < cafi_bundle_count(b); i++) {
        test_digest(&text, cafi_bundle_at(b, i));
        cafi_buf_text(&text, "\n");
    }
    assert_false(text.failed);
    if (cafi_bundle_count(b) != want_count ||
        crc32_z(0, (const unsigned char *)text.data, text.size) != want)
        fail_msg("%s: not the tensors torch reads", path);
    cafi_buf_free(&text);
    cafi_bundle_close(b);
}

static void tensors_are_those_torch_reads(void **state)
{
    FILE *list = NULL;
    char line[512];
    char path[256];
    int files = 0;

    (void)state;
    if (!test_shared("golden"))
        skip();
    list = fopen(test_fixture("files/golden_digest.txt"), "r");
    assert_non_null(list);
    while (fgets(line, sizeof line, list)) {
        unsigned count = 0;
        unsigned long crc = 0;

        assert_int_equal(sscanf(line, "%255[^\t]\t%u\t%lx", path, &count, &crc), 3);
        check_file(test_shared("%s", path), count, crc);
        files++;
    }
    fclose(list);
    assert_int_equal(files, 10);
}

static void release_configuration_is_read(void **state)
{
    static const char *const names[] = {"cat_default", "catv9_g16_small", "catv9_g1_conf512_small",
                                        "catv9_g4_conf512_small", "catv9_g8_conf512"};

    (void)state;
    if (!test_shared("golden"))
        skip();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cafi_bundle *b = NULL;
        caface_error err;
        int64_t epochs = 0;

        EXPECT_OK(
            cafi_bundle_open(&b, test_shared("golden/fusion/%s/aggregator.ckpt", names[i]), &err),
            err);
        assert_int_equal(cafi_bundle_get_kind(b), CAFI_BUNDLE_LIGHTNING);
        assert_string_equal(cafi_value_text(cafi_bundle_config(b), "decoder_name"), names[i]);
        assert_true(cafi_value_int(cafi_bundle_config(b), "epochs", &epochs));
        assert_int_equal(epochs, 10);
        cafi_bundle_close(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_those_torch_reads),
        cmocka_unit_test(release_configuration_is_read),
    };
    return cmocka_run_group_tests_name("checkpoints", tests, NULL, NULL);
}
