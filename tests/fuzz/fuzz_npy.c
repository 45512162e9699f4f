/* NumPy arrays: headers, byte orders, pickled dicts of arrays. */
#include "files/readers.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 6 && memcmp(data, "\x93NUMPY", 6) == 0)
        fuzz_bundle(data, size);
    return 0;
}
