#include "backward/simd/table.h"

#include "backward/simd/names.h"

const cafi_backward_kernels CAFI_SIMD_NAME(cafi_backward) = {
#if defined(__AVX512F__)
    .isa = CAFI_ISA_AVX512,
#elif defined(__ARM_NEON)
    .isa = CAFI_ISA_NEON,
#else
    .isa = CAFI_ISA_AVX2,
#endif
    .layernorm_bwd = cafi_simd_layernorm_bwd,
    .gelu_save = cafi_simd_gelu_save,
    .gelu_bwd = cafi_simd_gelu_bwd,
    .softmax_columns_bwd = cafi_simd_softmax_columns_bwd,
    .column_sums = cafi_simd_column_sums,
    .attention_bwd = cafi_simd_attention_bwd,
};
