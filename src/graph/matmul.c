#include "graph/matmul.h"

#include "base/cpu.h"

cafi_matmul_kernel *cafi_matmul_get(void)
{
#if defined(__x86_64__)
    if (cafi_cpu_isa() == CAFI_ISA_AVX512)
        return cafi_matmul_avx512;
    if (cafi_cpu_isa() == CAFI_ISA_AVX2)
        return cafi_matmul_avx2;
#elif defined(__aarch64__)
    if (cafi_cpu_isa() == CAFI_ISA_NEON)
        return cafi_matmul_neon;
#endif
    return NULL;
}

size_t cafi_matmul_at(const cafi_matmul_args *args, const size_t *step, size_t m)
{
    size_t at = 0;

    for (int d = args->ndim - 1; d >= 0; d--) {
        at += m % args->extent[d] * step[d];
        m /= args->extent[d];
    }
    return at;
}

size_t cafi_matmul_rows(const cafi_matmul_args *args)
{
    size_t rows = args->rows;

    for (int d = 0; d < args->ndim; d++)
        rows *= args->extent[d];
    return rows;
}
