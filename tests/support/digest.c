#include "digest.h"

#include <stdlib.h>
#include <zlib.h>

#include "check.h"
#include "files/bytes.h"

void test_digest(cafi_buf *out, const cafi_tensor *t)
{
    size_t n = cafi_tensor_count(t);
    size_t size = cafi_dtype_size(t->dtype);
    unsigned char *bytes = malloc(n * size + 1);
    char shape[128];

    assert_non_null(bytes);
    cafi_tensor_read_raw(t, 0, n, bytes);
    cafi_put_numbers(bytes, bytes, n, size); /* the sums are of little-endian numbers */
    cafi_buf_printf(out, "%s\t%s\t%s\t%08lx", t->name, cafi_dtype_name(t->dtype),
                    cafi_shape_text(shape, sizeof shape, t->ndim, t->shape),
                    crc32_z(crc32_z(0, NULL, 0), bytes, n * size));
    free(bytes);
}
