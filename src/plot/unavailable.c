/* The plot room of a build without cairo: every call says so. */
#include "plot/chart.h"
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
