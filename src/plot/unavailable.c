/* The plot room of a build without cairo: every call says so. */
#include "plot/chart.h"
#include "plot/lettering.h"
#include "plot/similarity.h"

bool cafi_plot_available(void)
{
    return false;
}

const char *cafi_plot_library(void)
{
    return "none";
}

caface_status cafi_plot_check(const char *path, caface_error *err)
{
    return cafi_fail(err, CAFACE_EUNSUPPORTED,
                     "%s: this caface was built without cairo, so it draws no pictures", path);
}

caface_status cafi_chart_save(const cafi_chart *chart, const char *path, caface_error *err)
{
    (void)chart;
    return cafi_plot_check(path, err);
}

caface_status cafi_similarity_save(const cafi_similarity *plot, const char *path, caface_error *err)
{
    (void)plot;
    return cafi_plot_check(path, err);
}

uint8_t *cafi_lettering_mask(const char *text, size_t pixels, size_t *width, size_t *height)
{
    (void)text;
    (void)pixels;
    (void)width;
    (void)height;
    return NULL;
}

bool cafi_lettering_has(const char *text)
{
    (void)text;
    return true;
}
