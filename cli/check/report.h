/* What `caface check` has seen of a model, in lines and as JSON. */
#ifndef CAFACE_CLI_CHECK_REPORT_H
#define CAFACE_CLI_CHECK_REPORT_H

#include "caface/check.h"
#include "files/json.h"

/* One line: the verdict. */
void check_report_print(const caface_check *check, const char *model);
void check_report_json(cafi_json *json, const caface_check *check, const char *model);

#endif
