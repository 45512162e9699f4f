#include "backward/kernels.h"

#include "backward/rows.h"

#include "backward/simd/table.h"

static const cafi_backward_kernels plain = {
    .isa = CAFI_ISA_PLAIN,
    .layernorm_bwd = cafi_layernorm_bwd_plain,
    .gelu_save = cafi_gelu_save_plain,
    .gelu_bwd = cafi_gelu_bwd_plain,
    .softmax_columns_bwd = cafi_softmax_columns_bwd_plain,
    .column_sums = cafi_column_sums_plain,
    .attention_bwd = cafi_attention_bwd_plain,
};

const cafi_backward_kernels *cafi_backward_for(cafi_isa isa)
{
    if (isa == CAFI_ISA_PLAIN)
        return &plain;
#if defined(__x86_64__)
    if (isa == CAFI_ISA_AVX2)
        return &cafi_backward_avx2;
    if (isa == CAFI_ISA_AVX512)
        return &cafi_backward_avx512;
#elif defined(__aarch64__)
    if (isa == CAFI_ISA_NEON)
        return &cafi_backward_neon;
#endif
    return NULL;
}

const cafi_backward_kernels *cafi_backward_get(void)
{
    const cafi_backward_kernels *best = cafi_backward_for(cafi_cpu_isa());

    return best ? best : &plain;
}
