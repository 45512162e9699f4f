/* Lists of picture pairs, LFW's among them, against an index of a few names. */
#include <string.h>

#include "eval/image_pairs.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "source\tlabel\na/Ann_0001.jpg\tann\na/Ann_0002.jpg\tann\n"
                               "b/Bob_0001.jpg\tbob\nb/Bob_0002.png\tbob\nx.jpg\t\n";
    const char *path = fuzz_file(data, size);
    cafi_index *index = NULL;
    cafi_image_pairs pairs;
    caface_error err;

    fuzz_check(!cafi_index_open(&index, fuzz_second_file(text, sizeof text - 1), &err), "no index");
    if (cafi_image_pairs_read(&pairs, path, index, "set", &err))
        fuzz_check(strncmp(err.message, path, strlen(path)) == 0, "an error without its path");
    else {
        for (size_t i = 0; i < pairs.count; i++)
            fuzz_check(pairs.a[i] < 5 && pairs.b[i] < 5, "a pair of no row");
        cafi_image_pairs_free(&pairs);
    }
    cafi_index_free(index);
    return 0;
}
