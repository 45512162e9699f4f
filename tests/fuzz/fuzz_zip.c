/* The archive reader: every entry located, every one inflated. */
#include <stdlib.h>

#include "files/zip.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cafi_mapped map;
    cafi_zip zip;
    caface_error err;
    unsigned sum = 0;

    cafi_mapped_borrow(&map, data, size);
    if (cafi_zip_open(&zip, &map, &err))
        return 0;
    for (size_t i = 0; i < zip.count; i++) {
        const cafi_zip_entry *e = &zip.entries[i];
        const unsigned char *stored = NULL;
        unsigned char *inflated = NULL;

        fuzz_check(cafi_zip_find(&zip, e->name, e->name_size) == i, "an entry is not found");
        if (!cafi_zip_stored(&zip, i, &stored, &err))
            for (size_t k = 0; k < e->size; k++)
                sum += stored[k];
        if (!cafi_zip_inflate(&zip, i, &inflated, &err))
            for (size_t k = 0; k < e->size; k++)
                sum += inflated[k];
        free(inflated);
    }
    cafi_zip_close(&zip);
    return sum == 0xffffffff;
}
