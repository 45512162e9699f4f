#include "base/text.h"
#include "caface/version.h"
#include "gallery/storage.h"

size_t caface_gallery_about(char *text, size_t size)
{
    size_t n = cafi_text_add(text, size, 0, "SQLite      %s\n", cafi_sqlite_library());
    char version[16];

    return cafi_postgres_library(version)
               ? cafi_text_add(text, size, n, "libpq       %s\n", version)
               : n;
}
