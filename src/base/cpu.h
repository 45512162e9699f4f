/* What the processor can do, and its floating-point mode. */
#ifndef CAFI_BASE_CPU_H
#define CAFI_BASE_CPU_H

#include <stdbool.h>
#include <stdbool.h>
#include <stddef.h>

/* Instruction sets a kernel may be written for, in ascending order. */
typedef enum cafi_isa {
    CAFI_ISA_PLAIN,
    CAFI_ISA_NEON, /* arm64, which always has it */
    CAFI_ISA_AVX2,
    CAFI_ISA_AVX512,
    CAFI_ISA_COUNT
} cafi_isa;

/* The best set this processor and its system support. AVX2 means AVX2, FMA and F16C;
 * AVX512 means F, BW, DQ and VL. The environment variable CAFACE_ISA (plain,
 * neon, avx2, avx512) lowers it, for tests and for finding a fault; it never raises
 * it. Any thread. */
cafi_isa cafi_cpu_isa(void);
const char *cafi_isa_name(cafi_isa isa);

/* Does it have the SHA-256 instructions of x86? Not with CAFACE_ISA=plain. Any thread. */
bool cafi_cpu_has_sha(void);

/* Does one instruction multiply and add four bytes: VNNI beside CAFI_ISA_AVX512, or the dot product
 * beside CAFI_ISA_NEON? Not when CAFACE_ISA names a set, the best one included. */
bool cafi_cpu_has_byte_dot(void);
/* And does one move any bytes of a vector: VBMI? */
bool cafi_cpu_has_byte_moves(void);

/* Does it add as much beside products as it multiplies, in units for sums of their own? AMD's
 * processors with CAFI_ISA_AVX512 (Zen 4 and later) do. Any thread. */
bool cafi_cpu_adds_beside(void);

/* The processor's name as it gives it, or its architecture; cut to fit. */
void cafi_cpu_name(char *out, size_t size);

/* Cores this process may run on, at least 1. */
size_t cafi_cpu_count(void);

/* Makes this thread flush denormals to zero, on input and output, and returns
 * the mode to give back to cafi_fp_restore. Trained PReLU slopes hold
 * denormals, which cost a factor of ten. A no-op where the CPU has no such
 * mode. */
unsigned cafi_fp_flush_denormals(void);
void cafi_fp_restore(unsigned mode);

/* Said in a loop that waits for another thread: the core's other work goes first. */
static inline void cafi_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
