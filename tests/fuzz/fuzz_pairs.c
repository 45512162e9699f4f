/* .bin pair sets: refused with a sentence, or every picture's bytes are there. */
#include <string.h>

#include "files/pair_bin.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(data, size);
    cafi_pair_bin *bin = NULL;
    caface_error err = {CAFACE_OK, ""};

    if (cafi_pair_bin_open(&bin, path, &err)) {
        fuzz_check(strncmp(err.message, path, strlen(path)) == 0, "an error without its path");
        return 0;
    }
    for (size_t i = 0; i < 2 * cafi_pair_bin_pairs(bin); i++) {
        size_t n = 0;
        const void *bytes = cafi_pair_bin_picture(bin, i, &n);

        fuzz_read(bytes, n);
        fuzz_read(cafi_pair_bin_same(bin) + i / 2, sizeof(bool));
    }
    cafi_pair_bin_close(bin);
    return 0;
}
