/* The pickle machine, and the graph as a tree of values and as JSON. */
#include <string.h>

#include "files/json.h"
#include "files/pickle.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cafi_pickle p;
    cafi_value value;
    caface_error err = {CAFACE_OK, ""};

    if (cafi_pickle_read(&p, data, size, &err)) {
        fuzz_check(strncmp(err.message, "pickle byte ", 12) == 0 || err.status == CAFACE_ENOMEM,
                   "an error without its place");
        return 0;
    }
    fuzz_check(p.size <= size && p.root < p.count, "a result outside the pickle");
    if (!cafi_pickle_value(&p, p.root, &value, &err)) {
        cafi_buf text = {0};
        cafi_json json = {.out = &text};
        cafi_value back;

        cafi_json_value(&json, NULL, &value);
        if (value.kind == CAFI_DICT && !cafi_json_parse(&back, text.data, text.size, &err))
            cafi_value_clear(&back);
        cafi_buf_free(&text);
        cafi_value_clear(&value);
    }
    cafi_pickle_free(&p);
    return 0;
}
