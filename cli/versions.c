#include <stdio.h>

#include "caface/version.h"
#include "cli/command.h"
#include "plot/chart.h"

/* What a library runs on, a line each. */
static void print_about(size_t (*about)(char *text, size_t size))
{
    char text[1024];

    (void)about(text, sizeof text);
    printf("%s", text);
}

void cli_print_versions(void)
{
    print_about(caface_about);
#ifdef CAFACE_HAVE_VISION
    print_about(caface_vision_about);
#else
    printf("vision      not in this build\n");
#endif
#ifdef CAFACE_HAVE_GALLERY
    print_about(caface_gallery_about);
#endif
    print_about(caface_train_about);
    printf("cairo       %s\n", cafi_plot_library());
}
