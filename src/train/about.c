#include "backward/blas.h"
#include "base/text.h"
#include "caface/version.h"

size_t caface_train_about(char *text, size_t size)
{
    const char *blas = cafi_blas_library();

    return cafi_text_add(text, size, 0, "BLAS        %s\n", blas ? blas : "not OpenBLAS");
}
