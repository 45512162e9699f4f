#include <stdio.h>
#include <string.h>

#include "backward/blas.h"
#include "base/cpu.h"
#include "cli/command.h"
#include "files/zip.h"
#include "plot/chart.h"

#ifdef CAFACE_HAVE_GALLERY
#include "gallery/storage.h"
#endif
#ifdef CAFACE_HAVE_VISION
#include "graph/onednn.h"
#include "graph/plan.h"
#include "media/decoders.h"
#include "media/stream.h"
#endif

static void print_vision(void)
{
#ifdef CAFACE_HAVE_VISION
    printf("oneDNN      %s, %s\n", cafi_dnn_version(), cafi_dnn_isa());
    printf("precisions ");
    for (int p = CAFACE_FP32; p <= CAFACE_INT8; p++)
        if (!cafi_precision_check((caface_precision)p, NULL))
            printf(" %s", cafi_precision_name((caface_precision)p));
    printf("\nlibjpeg     %s\nlibpng      %s\nFFmpeg      %s\n", cafi_jpeg_library(),
           cafi_png_library(), cafi_stream_library());
#else
    printf("vision      not in this build\n");
#endif
}

void cli_print_versions(void)
{
    const char *blas = cafi_blas_library();
    char processor[128];
#ifdef CAFACE_HAVE_POSTGRES
    char libpq[16];
#endif

    cafi_cpu_name(processor, sizeof processor);
    printf("processor   %s, %zu cores\n", processor, cafi_cpu_count());
    printf("kernels     %s\n", cafi_isa_name(cafi_cpu_isa()));
    print_vision();
    printf("zlib        %s\n", cafi_zip_library());
#ifdef CAFACE_HAVE_GALLERY
    printf("SQLite      %s\n", cafi_sqlite_library());
#ifdef CAFACE_HAVE_POSTGRES
    printf("libpq       %s\n", cafi_postgres_library(libpq));
#endif
#endif
    printf("BLAS        %s\n", blas ? blas : "not OpenBLAS");
    printf("cairo       %s\n", cafi_plot_library());
}
