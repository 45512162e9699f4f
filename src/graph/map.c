/* The choice of kernels by what the processor has. */
#include "graph/elem.h"

size_t cafi_elem_size(cafi_elem elem)
{
    return elem == CAFI_ELEM_F32 ? 4 : elem == CAFI_ELEM_BF16 ? 2 : 1;
}

const cafi_graph_kernels *cafi_graph_kernels_get(void)
{
#if defined(__x86_64__)
    if (cafi_cpu_isa() == CAFI_ISA_AVX512)
        return &cafi_graph_kernels_avx512;
    if (cafi_cpu_isa() == CAFI_ISA_AVX2)
        return &cafi_graph_kernels_avx2;
#elif defined(__aarch64__)
    if (cafi_cpu_isa() == CAFI_ISA_NEON)
        return &cafi_graph_kernels_neon;
#endif
    return &cafi_graph_kernels_plain;
}

const cafi_map_kernels *cafi_map_kernels_get(void)
{
#if defined(__x86_64__)
    if (cafi_cpu_isa() == CAFI_ISA_AVX512)
        return &cafi_map_kernels_avx512;
    if (cafi_cpu_isa() == CAFI_ISA_AVX2)
        return &cafi_map_kernels_avx2;
#elif defined(__aarch64__)
    if (cafi_cpu_isa() == CAFI_ISA_NEON)
        return &cafi_map_kernels_neon;
#endif
    return &cafi_map_kernels_plain;
}
