#include "files/readers.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (cafi_is_safetensors(data, size))
        fuzz_bundle(data, size);
    return 0;
}
