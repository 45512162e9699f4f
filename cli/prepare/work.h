/* What `prepare features` and `prepare centers` have in common: pictures, a
 * backbone, progress, and pictures that can't be used. */
#ifndef CAFACE_CLI_PREPARE_WORK_H
#define CAFACE_CLI_PREPARE_WORK_H

#include "cli/command.h"
#include "dataset/feature_build.h"
#include "cli/progress.h"

typedef struct prepare_work {
    const cli_common *common;
    cafi_face_list *faces;
    cafi_encoder *encoder;
    cafi_pool *pool;
    cli_progress progress;
    double started;
} prepare_work;

#define PREPARE_SWAP_OPTION(member)                                                                \
    {                                                                                              \
        "swap-colors", 0, CLI_FLAG, member, NULL,                                                  \
            "exchange red and blue, for sets that were written with these exchanged", 0, 0         \
    }

#define PREPARE_STYLES_OPTION(member)                                                              \
    {                                                                                              \
        "styles", 0, CLI_STRING, member, "3,5",                                                    \
            "styles by the release's indices, as in `caface encode`", 0, 0                         \
    }

/* What makes features of pictures. */
typedef struct prepare_backbone {
    const char *model, *weights_key, *styles; /* styles: NULL for the model's */
    const char *precision;
    bool swap_colors; /* red and blue of the pictures */
} prepare_backbone;

/* CLI_OK, or CLI_USAGE with the sentence printed: values that no file would make right. */
int prepare_check(const char *command, const prepare_backbone *backbone);
/* Opens pictures and backbone, which were checked, and starts the progress bar. */
caface_status prepare_begin(prepare_work *work, const cli_common *common, const char *faces,
                            const prepare_backbone *backbone, caface_error *err);
/* Sets pool, progress, failed and ctx. */
void prepare_options(prepare_work *work, cafi_build_options *options);
void prepare_end(prepare_work *work);

/* Prints the outcome, as text or JSON, and returns the exit status. */
int prepare_report(const prepare_work *work, const cafi_build_result *result, const char *output,
                   size_t classes);

/* Warns of a record set's damaged records, and returns how many there are; 0 for no set. */
size_t prepare_left_out(const cafi_face_list *faces);

#endif
