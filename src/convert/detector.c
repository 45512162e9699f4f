#include "convert/detector.h"

#include <sys/stat.h>

#include "faces/detector_files.h"

caface_status cafi_convert_is_detector(bool *is, const char *path, caface_error *err)
{
    return cafi_detector_files_is_onnx(is, path, err);
}

caface_status cafi_convert_detector(const char *const *inputs, size_t count, const char *output,
                                    caface_convert_info *info, caface_error *err)
{
    struct stat file;
    caface_status st = CAFACE_OK;

    if (count != 2)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s is a detector: it is joined with a landmark network, in two files",
                         inputs[0]);
    if ((st = cafi_detector_files_save(output, inputs[0], inputs[1], err)))
        return st;
    info->tensors = 2;
    for (int i = 0; i < 2; i++) /* their bytes as they are */
        info->bytes += stat(inputs[i], &file) == 0 ? (uint64_t)file.st_size : 0;
    return CAFACE_OK;
}
