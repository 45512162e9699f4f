/* MXNet's RecordIO: a file of records (.rec), where each lies (.idx), and a list
 * of labels and paths (.lst).
 *
 * A record is u32 0xced7230a, u32 (part << 29 | length), and the payload padded
 * to 4 bytes. A payload that holds the magic number at a multiple of 4 is cut
 * there into parts (1 first, 2 middle, 3 last), without the magic itself. The
 * payload begins with a header: u32 flag, f32 label, u64 id, u64 id2, and, where
 * flag is not 0, that many f32 labels in place of the one. */
#ifndef CAFI_FILES_RECORDIO_H
#define CAFI_FILES_RECORDIO_H

#include <stdint.h>

#include "base/mem.h"

typedef struct cafi_recordio cafi_recordio;

/* One record. labels and body are borrowed: from the file, or, where the record
 * is cut into parts, from the buffer given to the read; labels is unaligned. */
typedef struct cafi_record {
    uint64_t key; /* of the .idx; the record's number where there is none */
    uint64_t id, id2;
    uint32_t label_count;        /* at least 1 */
    float label;                 /* the first */
    const unsigned char *labels; /* f32 [label_count], little-endian */
    const unsigned char *body;
    size_t size;
} cafi_record;

/* Opens PATH.rec, and PATH.idx beside it if it exists (without it, the file is
 * walked once). The offsets may be in any order. A record 0 in InsightFace's
 * manner, whose labels (n, m) say that keys 1..n-1 are pictures, is recognised
 * and left out, and so are the identities' records behind them. Every error
 * names the file. EIO; EFORMAT: no records, an .idx line that is not "key TAB
 * offset", a key at two places, an offset without a record. */
caface_status cafi_recordio_open(cafi_recordio **out, const char *path, caface_error *err);
/* The same, and what is damaged is left out: records without a whole head or a
 * header that fits, those that an .idx places outside the file, a tail that was
 * cut off; of a key's records all but the one that lies last in the file. Reads the head of every
 * record. *bad (may be NULL) is how many were left out; the first is told in why (may be NULL).
 * EFORMAT: no good record. */
caface_status cafi_recordio_open_damaged(cafi_recordio **out, const char *path, size_t *bad,
                                         caface_error *why, caface_error *err);
void cafi_recordio_close(cafi_recordio *rec);

size_t cafi_recordio_count(const cafi_recordio *rec);
/* The number of the record with a key, or SIZE_MAX. */
size_t cafi_recordio_find(const cafi_recordio *rec, uint64_t key);
/* Reads record `index` in the order of keys. buf is the caller's scratch, reused
 * from call to call. EFORMAT: damaged; the sentence names the key. Any thread,
 * each with a buf of its own. */
caface_status cafi_recordio_read(const cafi_recordio *rec, size_t index, cafi_buf *buf,
                                 cafi_record *out, caface_error *err);
/* Is this a .rec? Looks at the first bytes. */
bool cafi_is_recordio(const unsigned char *bytes, size_t size);

/* A .lst, one record a line: MXNet's index TAB labels... TAB path, or
 * InsightFace's 0|1 TAB path TAB label [TAB box [TAB landmarks]], whose n-th
 * picture, from 1, is the record of key n. */
typedef struct cafi_record_list {
    char *text; /* what paths point into */
    size_t count;
    uint64_t *keys;
    float *labels; /* the first of each line */
    const char **paths;
} cafi_record_list;

/* EIO, EFORMAT with the line's number. */
caface_status cafi_record_list_open(cafi_record_list *out, const char *path, caface_error *err);
void cafi_record_list_close(cafi_record_list *list);

/* Writes PREFIX.rec, PREFIX.idx and PREFIX.lst; none appears before commit. */
typedef struct cafi_record_writer cafi_record_writer;
caface_status cafi_record_begin(cafi_record_writer **out, const char *prefix, caface_error *err);
/* One record with one label. path goes to the list; a tab or newline in it is
 * EINVAL. ELIMIT: a body of 2^29 bytes or more. */
caface_status cafi_record_append(cafi_record_writer *writer, uint64_t key, float label,
                                 const char *path, const void *body, size_t size,
                                 caface_error *err);
caface_status cafi_record_commit(cafi_record_writer *writer, caface_error *err); /* frees always */
void cafi_record_abort(cafi_record_writer *writer);

#endif
