/* index.tsv: whatever opens has text in every field, and comes back when it is
 * written and read again. */
#include <stdlib.h>
#include <string.h>

#include "files/index.h"
#include "fuzz.h"

/* With a byte order mark, which the reader takes away: a first column's name
 * may begin with one of its own. */
static void write_again(const cafi_index *index, cafi_buf *out)
{
    cafi_buf_text(out, "\xef\xbb\xbf");
    for (size_t row = 0; row <= cafi_index_rows(index); row++) {
        for (size_t c = 0; c < cafi_index_columns(index); c++) {
            if (c)
                cafi_buf_text(out, "\t");
            cafi_index_escape(out,
                              row ? cafi_index_text(index, c, row - 1) : cafi_index_name(index, c));
        }
        cafi_buf_text(out, "\n");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cafi_index *index = NULL;
    cafi_index *again = NULL;
    cafi_buf text = {0};
    caface_error err;
    const char *path = fuzz_file(data, size);

    if (cafi_index_open(&index, path, &err)) {
        fuzz_check(strncmp(err.message, path, strlen(path)) == 0, "an error without its path");
        return 0;
    }
    write_again(index, &text);
    path = fuzz_file(text.data, text.size);
    fuzz_check(cafi_index_open(&again, path, &err) == CAFACE_OK, "our own text is refused");
    fuzz_check(cafi_index_rows(index) == cafi_index_rows(again) &&
                   cafi_index_columns(index) == cafi_index_columns(again),
               "another number of rows or columns");
    for (size_t c = 0; c < cafi_index_columns(index); c++) {
        int64_t *numbers = calloc(cafi_index_rows(index) + 1, sizeof *numbers);

        fuzz_check(numbers != NULL, "no memory");
        for (size_t row = 0; row < cafi_index_rows(index); row++)
            fuzz_check(strcmp(cafi_index_text(index, c, row), cafi_index_text(again, c, row)) == 0,
                       "another text");
        (void)cafi_index_integers(index, c, numbers, &err);
        free(numbers);
    }
    cafi_buf_free(&text);
    cafi_index_free(index);
    cafi_index_free(again);
    return 0;
}
