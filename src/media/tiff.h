/* TIFF files as FFmpeg's decoder takes them. */
#ifndef CAFI_MEDIA_TIFF_H
#define CAFI_MEDIA_TIFF_H

#include <stddef.h>

/* Takes out of the first directory, in place, every entry that has no part in the pixels:
 * the decoder refuses a file for an entry that it does not know, if damage is to be refused
 * at all, and nearly every program writes one. The data stays where it is. NULL, or
 * what would be read as if it were something else, in words after "a TIFF picture whose ": samples
 * that are no whole numbers without a sign, Y Cb Cr of another matrix or range than JPEG's. What
 * is no TIFF, or damaged, stays as it is. */
const char *cafi_tiff_strip(unsigned char *bytes, size_t size);

#endif
