/* A detector and its landmark network in one file, for `caface convert`. A build without the part
 * for pictures has the same functions; they find none. */
#ifndef CAFACE_CLI_DETECTOR_PAIR_H
#define CAFACE_CLI_DETECTOR_PAIR_H

#include "cli/command.h"

/* True when the first of the files is a detector as ONNX. */
bool cli_detector_pair(const cli_list *files);
/* Writes the file and tells of it; returns an exit status. */
int cli_detector_pair_save(const char *output, const cli_list *files, const cli_common *common);

#endif
