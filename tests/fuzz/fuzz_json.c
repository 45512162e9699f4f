/* JSON: what is read, written and read again stays the same. */
#include <stdlib.h>
#include <string.h>

#include "files/json.h"
#include "fuzz.h"

static char *written(const cafi_value *value)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};

    cafi_json_value(&json, NULL, value);
    fuzz_check(!text.failed, "no memory for the text");
    return text.data;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cafi_value value;
    cafi_value back;
    caface_error err;
    char *first = NULL;
    char *second = NULL;

    if (cafi_json_parse(&value, (const char *)data, size, &err)) {
        fuzz_check(strncmp(err.message, "JSON byte ", 10) == 0, "an error without its place");
        return 0;
    }
    first = written(&value);
    fuzz_check(cafi_json_parse(&back, first, strlen(first), &err) == CAFACE_OK,
               "our own text is refused");
    second = written(&back);
    fuzz_check(strcmp(first, second) == 0, "the text changes");
    free(first);
    free(second);
    cafi_value_clear(&value);
    cafi_value_clear(&back);
    return 0;
}
