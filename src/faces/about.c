#include "base/text.h"
#include "caface/version.h"
#include "graph/onednn.h"
#include "graph/precision.h"
#include "media/decoders.h"
#include "media/stream.h"

size_t caface_vision_about(char *text, size_t size)
{
    size_t n = cafi_text_add(text, size, 0, "oneDNN      %s, %s\nprecisions ", cafi_dnn_version(),
                             cafi_dnn_isa());

    for (int p = CAFACE_FP32; p <= CAFACE_INT8; p++)
        if (!cafi_precision_check((caface_precision)p, NULL))
            n = cafi_text_add(text, size, n, " %s", cafi_precision_name((caface_precision)p));
    return cafi_text_add(text, size, n, "\nlibjpeg     %s\nlibpng      %s\nFFmpeg      %s\n",
                         cafi_jpeg_library(), cafi_png_library(), cafi_stream_library());
}
