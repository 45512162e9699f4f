/* Map kernels that need no instruction set of their own, and the choice of the
 * others. */
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
#endif
    return &cafi_graph_kernels_plain;
}

void cafi_reorder(const cafi_reorder_args *a)
{
    size_t from_groups = (a->channels + a->from_lanes - 1) / a->from_lanes;
    size_t to_groups = (a->channels + a->to_lanes - 1) / a->to_lanes;
    size_t padded = to_groups * a->to_lanes;

    for (size_t n = 0; n < a->rows; n++)
        for (size_t c = 0; c < padded; c++) {
            size_t x = (n * from_groups + c / a->from_lanes) * a->positions * a->from_lanes +
                       c % a->from_lanes;
            size_t y =
                (n * to_groups + c / a->to_lanes) * a->positions * a->to_lanes + c % a->to_lanes;

            for (size_t p = 0; p < a->positions; p++)
                cafi_elem_store(
                    a->y, a->to, y + p * a->to_lanes,
                    c < a->channels ? cafi_elem_load(a->x, a->from, x + p * a->from_lanes) : 0, 0);
        }
}
