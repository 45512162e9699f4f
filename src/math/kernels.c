#include "math/kernels.h"

#include "math/exact.h"
#include "math/rows.h"

#include "math/simd/table.h"

static const cafi_kernels plain = {
    .isa = CAFI_ISA_PLAIN,
    .linear = cafi_linear_packed_plain,
    .attention = cafi_attention_plain,
    .layernorm = cafi_layernorm_plain,
    .layernorm_save = cafi_layernorm_save_plain,
    .gelu = cafi_gelu_plain,
    .softmax = cafi_softmax_plain,
    .softmax_columns = cafi_softmax_columns_plain,
    .mix_rows = cafi_mix_rows_plain,
    .style_mix = cafi_style_mix_plain,
    .norms = cafi_norms_plain,
    .weighted_sum = cafi_weighted_sum_plain,
    .clip_rows = cafi_clip_rows_plain,
    .exp_pairs = cafi_exp_pairs_plain,
    .dots = cafi_dots_plain,
    .exact_floats = cafi_exact_floats_plain,
    .exact_sum = cafi_exact_sum_plain,
    .finite_rows = cafi_finite_rows_plain,
    .scan_rows = cafi_scan_rows_plain,
    .scan_halves = cafi_scan_halves_plain,
    .scan_codes = cafi_scan_codes_plain,
    .linear_codes = cafi_linear_codes_plain,
    .sift = cafi_sift_plain,
    .widen = cafi_widen_plain,
    .narrow = cafi_narrow_plain,
    .ordered_dot = cafi_ordered_dot_plain,
};

const cafi_kernels *cafi_kernels_for(cafi_isa isa)
{
    if (isa == CAFI_ISA_PLAIN)
        return &plain;
#if defined(__x86_64__)
    if (isa == CAFI_ISA_AVX2)
        return &cafi_kernels_avx2;
    if (isa == CAFI_ISA_AVX512)
        return &cafi_kernels_avx512;
#elif defined(__aarch64__)
    if (isa == CAFI_ISA_NEON)
        return &cafi_kernels_neon;
#endif
    return NULL;
}

const cafi_kernels *cafi_kernels_with_byte_dot(void)
{
#if defined(__x86_64__) || defined(__aarch64__)
    if (cafi_cpu_has_byte_dot())
        return &cafi_kernels_byte_dot;
#endif
    return NULL;
}

const cafi_kernels *cafi_kernels_get(void)
{
    const cafi_kernels *byte_dot = cafi_kernels_with_byte_dot();
    const cafi_kernels *best = byte_dot ? byte_dot : cafi_kernels_for(cafi_cpu_isa());

    return best ? best : &plain;
}
