/* Record files without an .idx: refused with a sentence, or every record that is
 * found can be asked for. */
#include <string.h>

#include "files/recordio.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(data, size);
    cafi_recordio *rec = NULL;
    cafi_buf buf = {0};
    caface_error err = {CAFACE_OK, ""};

    if (cafi_recordio_open(&rec, path, &err)) {
        fuzz_check(strncmp(err.message, path, strlen(path)) == 0, "an error without its path");
        return 0;
    }
    for (size_t i = 0; i < cafi_recordio_count(rec); i++) {
        cafi_record record = {0};

        if (cafi_recordio_read(rec, i, &buf, &record, &err)) {
            fuzz_check(err.message[0] != 0, "an error without a sentence");
            continue;
        }
        fuzz_check(cafi_recordio_find(rec, record.key) != SIZE_MAX, "a record without its key");
        fuzz_read(record.body, record.size);
        fuzz_read(record.labels, (size_t)record.label_count * 4);
    }
    cafi_buf_free(&buf);
    cafi_recordio_close(rec);
    return 0;
}
