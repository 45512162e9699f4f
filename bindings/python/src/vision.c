/* caface._vision: pictures and video to faces, features and tracks, what libcaface-vision does. It
 * needs oneDNN, libjpeg-turbo, libpng and FFmpeg, and is loaded when one of its classes is used. */
#include "vision.h"

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    "_vision",
    "Handles of libcaface-vision. Use the caface package.",
    -1,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__vision(void);

PyMODINIT_FUNC PyInit__vision(void)
{
    PyMethodDef *const methods[] = {image_methods, encoder_methods, detector_methods, video_methods,
                                    file_methods};

    return module_of(&module, methods, sizeof methods / sizeof *methods);
}
