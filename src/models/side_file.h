/* What a published backbone says in a file beside its weights: CVLface puts a
 * model.yaml, or on a model hub a config.json, into the same folder, with the
 * order of the colours and the normalisation the network was trained with. */
#ifndef CAFI_MODELS_SIDE_FILE_H
#define CAFI_MODELS_SIDE_FILE_H

#include "models/network.h"

/* Looks for model.yaml and config.json in the folder of path. From what names a
 * color_space (RGB or BGR), network->input takes the order, and mean and std where
 * that mapping names them, one number or three each: in units of a picture whose
 * values run from 0 to 1, or of bytes where one of them is above 1;
 * network->input_from says so. Nothing changes where there is none, and input_from
 * says why a file that is there counts for nothing. EMODEL names the file: another
 * color_space, two that differ, in one file or between both, one that is written in
 * a way that is not read; another input_size than the network's; mean or std that
 * are no such numbers. EFORMAT: a config.json with a color_space that is no JSON.
 * ENOMEM. */
caface_status cafi_side_file_apply(cafi_network *network, const char *path, caface_error *err);

#endif
