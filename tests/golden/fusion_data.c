#include "fusion_data.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "files/bundle.h"

int golden_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

float *golden_array(const char *path, size_t *count, size_t shape[8])
{
    cafi_bundle *bundle = NULL;
    const cafi_tensor *t = NULL;
    float *values = NULL;
    caface_error err;

    EXPECT_OK(cafi_bundle_open(&bundle, path, &err), err);
    t = cafi_bundle_at(bundle, 0);
    assert_non_null(t);
    *count = cafi_tensor_count(t);
    if (shape)
        memcpy(shape, t->shape, sizeof t->shape);
    EXPECT_OK(cafi_alloc_f32(&values, 1, *count, &err), err);
    cafi_tensor_read_f32(t, 0, *count, values);
    cafi_bundle_close(bundle);
    return values;
}
