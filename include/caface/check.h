/* caface/check.h - does this machine compute a network rightly (libcaface-vision)? What
 * `caface check` does, for a program that is installed on machines nobody has tried.
 *
 *     caface_check *check;
 *
 *     if (caface_check_run(&check, "backbone.onnx", NULL, &err))
 *         puts(err.message); // not a network, or wrong on this machine
 *     caface_check_free(check);
 *
 * A backbone or detector runs on random input, and every step of it is compared with its plain
 * definition, computed in double from the numbers that the step read. So a fault of the processor,
 * of oneDNN or of the compiler is found, whichever it is. A shorter form of the same check runs
 * when a network is opened for the first time on a machine (docs/systems.md). */
#ifndef CAFACE_CHECK_H
#define CAFACE_CHECK_H

#include <stddef.h>

#include "caface/precision.h"
#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a check has found. Immutable: any number of threads may use it at the same time. */
typedef struct caface_check caface_check;

/* Filled by caface_check_options_init; then changed member by member. Later versions add members at
 * the end (caface/version.h). */
typedef struct caface_check_options {
    size_t size;    /* of this struct, set by init */
    size_t threads; /* 0: one per core. Default 0 */
    int quick; /* not 0: step by step only. Default 0: a backbone's feature is also compared with
                  that of the plain definition from end to end, which takes some seconds */
} caface_check_options;

/* The defaults. */
static inline void caface_check_options_init(caface_check_options *options);
/* The inline function calls this with sizeof *options; nothing is written beyond that size. */
CAFACE_API void caface_check_options_init_sized(caface_check_options *options, size_t size);

/* Checks the networks of a file: a detector (or a folder with MTCNN's weights) as it is, a backbone
 * in every precision that the file and the processor allow, for one face and for eight at once.
 * options NULL: the defaults. The caller frees *out with caface_check_free. It is NULL on failure,
 * and CAFACE_OK says that everything is right. EUNSUPPORTED: a wrong number, and nothing on this
 * machine computes it rightly; the message names network and step. The environment variable
 * CAFACE_SELF_CHECK does not matter, and nothing is remembered. EINVAL: null argument. EMODEL:
 * neither detector nor backbone. Other errors as caface_encoder_open. Any thread. */
CAFACE_API caface_status caface_check_run(caface_check **out, const char *path,
                                          const caface_check_options *options, caface_error *err);
/* NULL is allowed. */
CAFACE_API void caface_check_free(caface_check *check);

/* Later versions add members at the end (caface/version.h). The texts are valid until the check is
 * freed. */
typedef struct caface_check_info {
    size_t networks;        /* that were checked: of a backbone, one for each precision and batch */
    const char *family;     /* "ir_101", "onnx", "yunet" ... */
    const char *notes;      /* what was left out, and why: "no bf16 on this processor; not
                             * calibrated for int8". "": nothing */
    const char *processor;  /* its name */
    const char *isa;        /* instruction set of our own kernels: "avx512" ... */
    const char *onednn;     /* version of oneDNN: "3.7.2" */
    const char *onednn_isa; /* the instruction set that it has chosen: "avx512_core_bf16" */
} caface_check_info;

/* One network that was checked. Later versions add members at the end. The text as above. */
typedef struct caface_check_network {
    const char *name; /* of a backbone "bf16, batch 8"; of a detector "P-Net", "landmarks" ... */
    caface_precision precision;
    size_t batch;  /* pictures computed at once */
    size_t steps;  /* of the network, after its layers were joined where possible */
    double cosine; /* of the feature and the plain definition's; NaN: not compared */
} caface_check_network;

/* One step of a network. Later versions add members at the end. The texts as above. */
typedef struct caface_check_step {
    const char *node;           /* name of the layer */
    const char *kind;           /* "conv", "prelu" ... */
    const char *implementation; /* oneDNN's name for its code, "own" or "plain" */
    double error; /* the largest, as a share of what rounding explains; 1 would be wrong */
    int mended;   /* not 0: oneDNN's first choice is wrong on this machine, and another is used */
} caface_check_step;

/* Fills info. Any thread. */
static inline void caface_check_get_info(const caface_check *check, caface_check_info *info);
/* The inline function calls this with sizeof *info; nothing is written beyond that size. */
CAFACE_API void caface_check_get_info_sized(const caface_check *check, caface_check_info *info,
                                            size_t size);

/* Fills info with network `network` and returns 1. Returns 0 and leaves info unchanged when the
 * number is too large. Any thread. */
static inline int caface_check_get_network(const caface_check *check, size_t network,
                                           caface_check_network *info);
/* The inline function calls this with sizeof *info; nothing is written beyond that size. */
CAFACE_API int caface_check_get_network_sized(const caface_check *check, size_t network,
                                              caface_check_network *info, size_t size);

/* The same for step `step` of a network, in the order in which they run. */
static inline int caface_check_get_step(const caface_check *check, size_t network, size_t step,
                                        caface_check_step *info);
/* The inline function calls this with sizeof *info; nothing is written beyond that size. */
CAFACE_API int caface_check_get_step_sized(const caface_check *check, size_t network, size_t step,
                                           caface_check_step *info, size_t size);

static inline void caface_check_options_init(caface_check_options *options)
{
    caface_check_options_init_sized(options, sizeof *options);
}

static inline void caface_check_get_info(const caface_check *check, caface_check_info *info)
{
    caface_check_get_info_sized(check, info, sizeof *info);
}

static inline int caface_check_get_network(const caface_check *check, size_t network,
                                           caface_check_network *info)
{
    return caface_check_get_network_sized(check, network, info, sizeof *info);
}

static inline int caface_check_get_step(const caface_check *check, size_t network, size_t step,
                                        caface_check_step *info)
{
    return caface_check_get_step_sized(check, network, step, info, sizeof *info);
}

#ifdef __cplusplus
}
#endif
#endif
