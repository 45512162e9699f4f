/* Saved and packed sets: the target adds the checksum and the hash of its model, which no
 * changed byte would pass otherwise. Whatever loads gives a template or a
 * sentence, and is saved as it was. */
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "caface/set.h"
#include "fusion/set_format.h"
#include "fusion_model.h"
#include "fuzz.h"

enum { C = 6, S = 3, E = 4, D = 6, M = 2, HASH_AT = 80, HASH_SIZE = 64 };

static caface_model *model_once(void)
{
    static caface_model *model;
    test_rng rng = {1};
    const char *path = NULL;
    test_model m;
    caface_error err;

    if (model)
        return model;
    m = test_model_new(&rng, test_sizes_of(C, S, E, D, M, 1, 1, 1));
    path = fuzz_file("", 0);
    test_model_save(&m, path, 0);
    test_model_free(&m);
    fuzz_check(caface_model_open(&model, path, &err) == CAFACE_OK, "no model");
    return model;
}

/* Saves, loads what was saved, and saves that. */
static void save_again(const caface_set *set, const caface_model *model)
{
    void *bytes = NULL, *more = NULL;
    size_t size = 0, count = 0;
    caface_set *again = NULL;
    caface_error err;

    fuzz_check(caface_set_save_memory(set, &bytes, &size, &err) == CAFACE_OK, "cannot save");
    fuzz_check(caface_set_load_memory(&again, model, bytes, size, &err) == CAFACE_OK,
               "our own bytes are refused");
    fuzz_check(caface_set_save_memory(again, &more, &count, &err) == CAFACE_OK, "cannot save");
    fuzz_check(size == count && memcmp(bytes, more, size) == 0, "saved another way");
    caface_set_free(again);
    free(bytes);
    free(more);
}

static void check(caface_status st, caface_set *set, const caface_model *model, caface_error *err)
{
    float *template = NULL;

    if (st) {
        fuzz_check(err->message[0] != 0 && !set, "an error without a sentence");
        return;
    }
    template = malloc(caface_set_width(set) * sizeof *template);
    fuzz_check(template != NULL, "no memory");
    if (caface_set_template(set, template, err))
        fuzz_check(err->message[0] != 0, "an error without a sentence");
    save_again(set, model);
    free(template);
    caface_set_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const caface_model *model = model_once();
    unsigned char *bytes = malloc(size + CAFI_SHA256_SIZE);
    caface_model_info info;
    cafi_sha256 hash;
    caface_set *set = NULL;
    caface_error err = {CAFACE_OK, ""};
    caface_status st = CAFACE_OK;

    fuzz_check(bytes != NULL, "no memory");
    caface_model_get_info(model, &info);
    if (size)
        memcpy(bytes, data, size);
    if (size >= HASH_AT + HASH_SIZE && bytes[HASH_AT] != '0')
        memcpy(bytes + HASH_AT, info.hash, HASH_SIZE);
    cafi_sha256_begin(&hash);
    cafi_sha256_add(&hash, bytes, size);
    cafi_sha256_end(&hash, bytes + size);
    st = caface_set_load_memory(&set, model, bytes, size + CAFI_SHA256_SIZE, &err);
    check(st, set, model, &err);
    if (size >= 8) {
        memcpy(bytes, CAFI_SET_PACKED, 8);
        st = caface_set_unpack(&set, model, bytes, size, &err);
        check(st, set, model, &err);
    }
    free(bytes);
    return 0;
}
