/* Checkpoints: whole files when they begin like one, else a data.pkl to which
 * the archive is added, since a changed one in an archive fails its checksum. */
#include <string.h>

#include "archive.h"
#include "files/readers.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    test_zip zip;

    if ((size >= 4 && memcmp(data, "PK", 2) == 0) || cafi_is_torch_legacy(data, size)) {
        fuzz_bundle(data, size);
        return 0;
    }
    test_checkpoint(&zip, data, size);
    fuzz_bundle((const uint8_t *)zip.out.data, zip.out.size);
    test_zip_free(&zip);
    return 0;
}
