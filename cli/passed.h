/* What lay in folders beside pictures, and was not taken: told by every command that walks them. */
#ifndef CAFACE_CLI_PASSED_H
#define CAFACE_CLI_PASSED_H

#include <stdio.h>

#include "faces/sources.h"
#include "files/json.h"

typedef struct cli_passed {
    cafi_passed_kind kinds[CAFI_SOURCES_MAX_KINDS];
    size_t count;
} cli_passed;

/* Adds what the folders of `sources` had. */
void cli_passed_take(cli_passed *passed, const cafi_sources *sources);
/* "passed over: 2 .txt, 1 without a suffix", or nothing. */
void cli_passed_print(FILE *out, const cafi_passed_kind *kinds, size_t count);
/* The member passed_over, where there is something: an object of suffixes and counts. */
void cli_passed_json(cafi_json *json, const cafi_passed_kind *kinds, size_t count);

#endif
