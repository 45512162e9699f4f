#include "math/simd/table.h"

#include "math/simd/names.h"

const cafi_kernels CAFI_CODES_NAME(cafi_kernels) = {
#if defined(__AVX512F__)
    .isa = CAFI_ISA_AVX512,
#elif defined(__ARM_NEON)
    .isa = CAFI_ISA_NEON,
#else
    .isa = CAFI_ISA_AVX2,
#endif
    .linear = cafi_simd_linear,
    .attention = cafi_simd_attention,
    .layernorm = cafi_simd_layernorm,
    .layernorm_save = cafi_simd_layernorm_save,
    .gelu = cafi_simd_gelu,
    .softmax = cafi_simd_softmax,
    .softmax_columns = cafi_simd_softmax_columns,
    .mix_rows = cafi_simd_mix_rows,
    .style_mix = cafi_simd_style_mix,
    .norms = cafi_simd_norms,
    .weighted_sum = cafi_simd_weighted_sum,
    .clip_rows = cafi_simd_clip_rows,
    .exp_pairs = cafi_simd_exp_pairs,
    .dots = cafi_simd_dots,
    .exact_floats = cafi_simd_exact_floats,
    .exact_sum = cafi_simd_exact_sum,
    .finite_rows = cafi_simd_finite_rows,
    .scan_rows = cafi_simd_scan_rows,
    .scan_halves = cafi_simd_scan_halves,
    .scan_codes = cafi_simd_scan_codes,
    .linear_codes = cafi_simd_linear_codes,
    .sift = cafi_simd_sift,
    .widen = cafi_simd_widen,
    .narrow = cafi_simd_narrow,
    .ordered_dot = cafi_simd_ordered_dot,
};
