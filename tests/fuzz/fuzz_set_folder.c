/* Feature sets as folders. The bytes are the files, each behind its length in two bytes (255 255:
 * it is not there): features.npy, styles.npy, compact.npy, index.tsv, set.json. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "files/feature_set.h"
#include "fuzz.h"

static const char *const names[] = {"features.npy", "styles.npy", "compact.npy", "index.tsv",
                                    "set.json"};
enum { FILES = sizeof names / sizeof *names, MOST_WIDTH = 1 << 16 };

static char folder[64];

static const char *path_of(int i)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    return path;
}

static void remove_folder(void)
{
    for (int i = 0; i < FILES; i++)
        unlink(path_of(i));
    rmdir(folder);
}

static void write_files(const uint8_t *data, size_t size)
{
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/caface-fuzz-XXXXXX");
        fuzz_check(mkdtemp(folder) != NULL, "no temporary folder");
        atexit(remove_folder);
    }
    for (int i = 0; i < FILES; i++) {
        size_t n = size < 2 ? 0xffff : (size_t)data[0] | (size_t)data[1] << 8;
        FILE *f = NULL;

        unlink(path_of(i));
        data += size < 2 ? 0 : 2;
        size -= size < 2 ? 0 : 2;
        if (n == 0xffff)
            continue;
        n = n < size ? n : size;
        f = fopen(path_of(i), "wb");
        fuzz_check(f && fwrite(data, 1, n, f) == n && fclose(f) == 0, "cannot write");
        data += n;
        size -= n;
    }
}

static void read_rows(const cafi_feature_set *set)
{
    size_t n = set->N < 8 ? set->N : 8;
    float *rows = NULL;
    caface_error err;

    if (set->C > MOST_WIDTH || set->S > MOST_WIDTH || set->compact > MOST_WIDTH ||
        cafi_alloc_f32(&rows, n + 1, set->C + 2 * set->S + set->compact, &err))
        return;
    cafi_feature_set_rows(set, set->N - n, n, rows, set->S ? rows + n * set->C : NULL);
    if (set->compact)
        cafi_feature_set_compact(set, set->N - n, n, rows + n * (set->C + 2 * set->S));
    fuzz_read(rows, n * (set->C + 2 * set->S + set->compact) * sizeof *rows);
    free(rows);
}

static void read_index(const cafi_feature_set *set)
{
    size_t columns = set->index ? cafi_index_columns(set->index) : 0;

    for (size_t c = 0; c < columns; c++) {
        fuzz_check(cafi_index_name(set->index, c) != NULL, "a column without a name");
        for (size_t r = 0; r < set->N && r < 64; r++)
            fuzz_check(cafi_index_text(set->index, c, r) != NULL, "a row without a text");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cafi_feature_set *set = NULL;
    caface_error err;

    write_files(data, size);
    if (cafi_feature_set_open(&set, folder, &err)) {
        fuzz_check(strncmp(err.message, folder, strlen(folder)) == 0, "an error without its path");
        return 0;
    }
    read_rows(set);
    read_index(set);
    cafi_feature_set_close(set);
    return 0;
}
