/* Landmark lists beside a template list, parted by a zero byte. */
#include <math.h>
#include <string.h>

#include "faces/landmark_list.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t first = fuzz_parting(data, size);
    const char *path = fuzz_file(data, first);
    const char *templates = fuzz_second_file(first < size ? data + first + 1 : data,
                                             first < size ? size - first - 1 : 0);
    cafi_landmark_list list;
    caface_error err;

    if (cafi_landmark_list_read(&list, path, templates, &err)) {
        fuzz_check(strncmp(err.message, path, strlen(path)) == 0 ||
                       strncmp(err.message, templates, strlen(templates)) == 0,
                   "an error without its path");
        return 0;
    }
    for (size_t i = 0; i < list.count; i++) {
        fuzz_read(cafi_landmark_name(&list, i), strlen(cafi_landmark_name(&list, i)) + 1);
        for (int k = 0; k < CAFI_LANDMARKS; k++)
            fuzz_check(isfinite(list.faces[i].landmark[k].x) &&
                           isfinite(list.faces[i].landmark[k].y),
                       "a point that is nowhere");
    }
    cafi_landmark_list_free(&list);
    return 0;
}
