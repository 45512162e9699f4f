#define _GNU_SOURCE
#include "base/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#else
#include <sys/utsname.h>
#endif
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#if defined(__x86_64__)
/* Compilers ask for it by different names, and asking a virtual processor takes long. */
static bool has_f16c(void)
{
    static _Atomic int known = -1;
    unsigned a = 0, b = 0, c = 0, d = 0;

    if (known < 0)
        known = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
    return known > 0;
}
#endif

static cafi_isa detect(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c())
        return CAFI_ISA_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c())
        return CAFI_ISA_AVX2;
#elif defined(__aarch64__)
    return CAFI_ISA_NEON;
#endif
    return CAFI_ISA_PLAIN;
}

const char *cafi_isa_name(cafi_isa isa)
{
    static const char *const names[CAFI_ISA_COUNT] = {"plain", "neon", "avx2", "avx512"};
    return (unsigned)isa < CAFI_ISA_COUNT ? names[isa] : "unknown";
}

/* The set that the environment names; CAFI_ISA_COUNT: none. */
static cafi_isa named_isa(void)
{
    const char *wish = getenv("CAFACE_ISA");

    for (int isa = 0; wish && isa < CAFI_ISA_COUNT; isa++)
        if (strcmp(wish, cafi_isa_name((cafi_isa)isa)) == 0)
            return (cafi_isa)isa;
    return CAFI_ISA_COUNT;
}

cafi_isa cafi_cpu_isa(void)
{
    cafi_isa best = detect();
    cafi_isa named = named_isa();

    /* NEON is below AVX2 in name only. */
    return named < best && named != CAFI_ISA_NEON ? named : best;
}

bool cafi_cpu_has_byte_dot(void)
{
    if (named_isa() != CAFI_ISA_COUNT)
        return false;
#if defined(__x86_64__)
    return detect() == CAFI_ISA_AVX512 && __builtin_cpu_supports("avx512vnni");
#elif defined(__aarch64__)
    return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
#else
    return false;
#endif
}

bool cafi_cpu_has_byte_moves(void)
{
#if defined(__x86_64__)
    return cafi_cpu_has_byte_dot() && __builtin_cpu_supports("avx512vbmi");
#else
    return false;
#endif
}

static int detect_sha(void)
{
#if defined(__x86_64__)
    unsigned a = 0, b = 0, c = 0, d = 0;

    if (cafi_cpu_isa() != CAFI_ISA_PLAIN && __get_cpuid_count(7, 0, &a, &b, &c, &d))
        return b >> 29 & 1;
#endif
    return 0;
}

bool cafi_cpu_has_sha(void)
{
    /* asking a virtual processor takes longer than hashing a page */
    static _Atomic int known = -1;
    int has = known;

    if (has < 0)
        known = has = detect_sha();
    return has > 0;
}

bool cafi_cpu_adds_beside(void)
{
#if defined(__x86_64__)
    static _Atomic int known = -1;
    unsigned a = 0, maker[3] = {0};

    if (known < 0)
        known = __get_cpuid(0, &a, &maker[0], &maker[2], &maker[1]) &&
                memcmp(maker, "AuthenticAMD", sizeof maker) == 0;
    return known > 0 && cafi_cpu_isa() == CAFI_ISA_AVX512;
#else
    return false;
#endif
}

void cafi_cpu_name(char *out, size_t size)
{
#if defined(__x86_64__)
    unsigned words[12] = {0};
    char name[sizeof words + 1] = {0};

    for (unsigned i = 0; i < 3; i++)
        if (!__get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2],
                         &words[4 * i + 3]))
            words[0] = 0;
    memcpy(name, words, sizeof words);
    snprintf(out, size, "%s", name[0] ? name : "x86-64");
#else
    struct utsname system;

    snprintf(out, size, "%s", uname(&system) < 0 ? "unknown" : system.machine);
#endif
}

size_t cafi_cpu_count(void)
{
    cpu_set_t set;
    long online = 0;

    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (size_t)CPU_COUNT(&set);
    online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (size_t)online : 1;
}

unsigned cafi_fp_flush_denormals(void)
{
#if defined(__x86_64__)
    unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | 0x8040u); /* FTZ and DAZ */
    return mode;
#elif defined(__aarch64__)
    unsigned long mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    __asm__ volatile("msr fpcr, %0" : : "r"(mode | (1ul << 24)));
    return (unsigned)mode;
#else
    return 0;
#endif
}

void cafi_fp_restore(unsigned mode)
{
#if defined(__x86_64__)
    _mm_setcsr(mode);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"((unsigned long)mode));
#else
    (void)mode;
#endif
}
