/* SHA-256 (FIPS 180-4): the identity of a set of tensors, the checksum of a
 * saved state. */
#ifndef CAFI_BASE_SHA256_H
#define CAFI_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define CAFI_SHA256_SIZE 32
/* Lower-case hexadecimal, the final NUL included. */
#define CAFI_SHA256_TEXT 65

typedef struct cafi_sha256 {
    uint32_t state[8];
    uint64_t length; /* bytes so far */
    unsigned char block[64];
} cafi_sha256;

void cafi_sha256_begin(cafi_sha256 *hash);
void cafi_sha256_add(cafi_sha256 *hash, const void *bytes, size_t n);
/* Numbers as they are in a file: little-endian, whatever this machine is. */
void cafi_sha256_add_u64(cafi_sha256 *hash, uint64_t v);
void cafi_sha256_add_f32(cafi_sha256 *hash, const float *v, size_t n);
void cafi_sha256_end(cafi_sha256 *hash, unsigned char digest[CAFI_SHA256_SIZE]);
/* The definition: count blocks of 64 bytes into a state, in plain C. What is added goes
 * through the processor's SHA instructions where it has them; the digest is the same. */
void cafi_sha256_blocks_plain(uint32_t state[8], const unsigned char *p, size_t count);
/* begin, add and end. */
void cafi_sha256_of(const void *bytes, size_t n, unsigned char digest[CAFI_SHA256_SIZE]);
/* Writes the digest as text and returns text. */
char *cafi_sha256_hex(const unsigned char digest[CAFI_SHA256_SIZE], char text[CAFI_SHA256_TEXT]);

#endif
