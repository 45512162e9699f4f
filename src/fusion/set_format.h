/* What a set as bytes begins with: docs/fusion.md gives the format. Everything is
 * little-endian and the last 32 bytes are the SHA-256 of what precedes them. */
#ifndef CAFI_FUSION_SET_FORMAT_H
#define CAFI_FUSION_SET_FORMAT_H

#define CAFI_SET_MAGIC "CAFASET\n"
#define CAFI_SET_VERSION 1u
#define CAFI_SET_VERSION_SOURCE 2u   /* the set says what made its features */
#define CAFI_SET_VERSION_ENCODING 3u /* and how they were encoded */

/* A packed set begins otherwise, has no checksum, and its exact sums are in blocks of
 * CAFI_PACKED_BLOCK: a byte, the bytes of each sum, then the sums as integers of so many bytes,
 * in units of 2^-48. Of the low five bytes none is left out. */
#define CAFI_SET_PACKED "CAFAPACK"
#define CAFI_PACKED_BLOCK 64
#define CAFI_PACKED_LEAST 6u
#define CAFI_PACKED_MOST 13u

#define CAFI_SET_PLANNED 1u
#define CAFI_SET_LOG 2u
#define CAFI_SET_LOG_DROPPED 4u
#define CAFI_SET_EMPTY 8u

#endif
