/* The curves of a training run. */
#ifndef CAFACE_CLI_TRAIN_PLOT_H
#define CAFACE_CLI_TRAIN_PLOT_H

#include "base/status.h"

/* Draws loss, and validation where there is any, of FOLDER/log.csv onto path. */
caface_status train_plot(const char *path, const char *folder, double far, caface_error *err);

#endif
