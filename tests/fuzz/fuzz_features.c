/* Feature sets in one file (.npz): whatever opens is read in every way. */
#include <stdlib.h>
#include <string.h>

#include "caface/features.h"
#include "fuzz.h"

/* Numbers that are read at most: a hostile shape may announce more than memory has. */
#define MOST ((size_t)1 << 22)

static void read_all(const caface_features *set, const caface_features_info *info)
{
    size_t n = info->n < 64 ? info->n : 64;
    size_t width = info->C + 2 * info->S + info->compact;
    float *rows = width < MOST / 64 ? calloc(n * width + 1, sizeof *rows) : NULL;
    caface_error err;

    if (!rows)
        return;
    fuzz_check(!caface_features_read(set, 0, n, rows, info->S ? rows + n * info->C : NULL,
                                     info->compact ? rows + n * (info->C + 2 * info->S) : NULL,
                                     &err),
               "rows that are there are refused");
    fuzz_check(caface_features_read(set, info->n, 1, rows, NULL, NULL, &err) == CAFACE_EINVAL,
               "a row beyond the end is read");
    fuzz_read(rows, n * width * sizeof *rows);
    free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(data, size);
    caface_features *set = NULL;
    caface_features_info info;
    unsigned char *valid = NULL;
    caface_error err;

    if (caface_features_open(&set, path, &err)) {
        fuzz_check(strncmp(err.message, path, strlen(path)) == 0, "an error without its path");
        return 0;
    }
    caface_features_get_info(set, &info);
    read_all(set, &info);
    if (info.n && info.n < MOST && info.C + 2 * info.S + info.compact < MOST / 1024 &&
        (valid = malloc(info.n))) {
        (void)caface_features_valid(set, 1, 1, valid, &err);
        fuzz_read(valid, info.n);
    }
    free(valid);
    caface_features_close(set);
    return 0;
}
