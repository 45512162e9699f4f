/* A zip archive: its directory, and its entries' bytes. */
#ifndef CAFI_FILES_ZIP_H
#define CAFI_FILES_ZIP_H

#include "files/mapped.h"
#include "files/names.h"

/* Limits, explained in docs/files.md. */
#define CAFI_ZIP_MAX_ENTRIES ((size_t)1 << 18)
/* Inflated bytes of one archive: this much for nothing, this many times the
 * file's size beyond it, and never more than the last. */
#define CAFI_ZIP_FREE_INFLATED ((size_t)16 << 20)
#define CAFI_ZIP_MAX_RATIO ((size_t)100)
#define CAFI_ZIP_MAX_INFLATED CAFI_GIB(4)

/* What these say for a file of this size. */
size_t cafi_inflated_limit(size_t file_size);

typedef struct cafi_zip_entry {
    const char *name; /* not NUL-terminated, inside the map */
    size_t name_size;
    size_t header; /* offset of the local header */
    size_t end;    /* offset that the entry's bytes must not pass */
    size_t packed, size;
    uint32_t crc;
    uint16_t method, flags;
} cafi_zip_entry;

typedef struct cafi_zip {
    const cafi_mapped *file;
    cafi_zip_entry *entries; /* in the directory's order */
    size_t count;
    cafi_names names;
    size_t inflated; /* bytes handed out by cafi_zip_inflate */
} cafi_zip;

/* Reads the directory, 32 or 64 bit. EFORMAT: damaged, entries that overlap or
 * share a name; ELIMIT: more than CAFI_ZIP_MAX_ENTRIES. EUNSUPPORTED: more
 * than one disk. The map must outlive the archive. */
caface_status cafi_zip_open(cafi_zip *out, const cafi_mapped *file, caface_error *err);
void cafi_zip_close(cafi_zip *zip);

/* CAFI_NO_NAME when there is none. */
size_t cafi_zip_find(const cafi_zip *zip, const char *name, size_t size);

/* Where the bytes of a stored entry lie in the map. The local header is
 * compared with the directory; the bytes themselves are not looked at. */
caface_status cafi_zip_stored(const cafi_zip *zip, size_t entry, const unsigned char **data,
                              caface_error *err);

/* Inflates a deflated entry, or copies a stored one, into memory from malloc
 * of exactly the entry's size (and a byte more), and checks its CRC-32. ELIMIT:
 * more bytes than the archive may inflate to. */
caface_status cafi_zip_inflate(cafi_zip *zip, size_t entry, unsigned char **out, caface_error *err);

/* zlib's version. */
const char *cafi_zip_library(void);

#endif
