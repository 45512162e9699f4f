#include "base/cpu.h"
#include "base/text.h"
#include "caface/version.h"
#include "files/zip.h"

size_t caface_about(char *text, size_t size)
{
    char processor[128];
    size_t n = 0;

    cafi_cpu_name(processor, sizeof processor);
    n = cafi_text_add(text, size, n, "processor   %s, %zu cores\n", processor, cafi_cpu_count());
    n = cafi_text_add(text, size, n, "kernels     %s\n", cafi_isa_name(cafi_cpu_isa()));
    return cafi_text_add(text, size, n, "zlib        %s\n", cafi_zip_library());
}
