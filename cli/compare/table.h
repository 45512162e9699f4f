/* What `caface compare` prints: a row a track and identity, and who the tracks are. */
#ifndef CAFACE_CLI_COMPARE_TABLE_H
#define CAFACE_CLI_COMPARE_TABLE_H

#include "compare/comparison.h"

/* Prints it. confirm: frames that a track needs not to be called brief. ENOMEM. */
caface_status cli_compare_table(const cafi_comparison *comparison, size_t confirm,
                                caface_error *err);

#endif
