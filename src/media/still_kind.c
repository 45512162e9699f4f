#include <string.h>

#include "media/still.h"

/* ISO media files: a box "ftyp" with brands of four letters. */
static const char *iso_kind(const unsigned char *b, size_t size)
{
    static const struct {
        const char brand[5];
        const char *kind;
    } brands[] = {{"avif", "AVIF"}, {"avis", "AVIF"}, {"heic", "HEIC"}, {"heix", "HEIC"},
                  {"heim", "HEIC"}, {"heis", "HEIC"}, {"mif1", "HEIC"}, {"msf1", "HEIC"}};
    size_t end = 0;

    if (size < 16 || memcmp(b + 4, "ftyp", 4) != 0)
        return NULL;
    end = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
    if (end > size)
        end = size;
    /* the main brand, then, behind a version, the compatible ones: AVIF before HEIC's mif1 */
    for (size_t k = 0; k < sizeof brands / sizeof *brands; k++)
        for (size_t at = 8; at + 4 <= end; at += at == 8 ? 8 : 4)
            if (memcmp(b + at, brands[k].brand, 4) == 0)
                return brands[k].kind;
    return NULL;
}

const char *cafi_still_kind(const unsigned char *b, size_t size)
{
    if (size >= 12 && memcmp(b, "RIFF", 4) == 0 && memcmp(b + 8, "WEBP", 4) == 0)
        return "WebP";
    if (size >= 26 && memcmp(b, "BM", 2) == 0)
        return "BMP";
    if (size >= 6 && (memcmp(b, "GIF87a", 6) == 0 || memcmp(b, "GIF89a", 6) == 0))
        return "GIF";
    if (size >= 8 && (memcmp(b, "II*\0", 4) == 0 || memcmp(b, "MM\0*", 4) == 0))
        return "TIFF";
    return iso_kind(b, size);
}
