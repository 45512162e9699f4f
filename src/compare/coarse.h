/* A crop as a very coarse JPEG shows it. */
#ifndef CAFI_COMPARE_COARSE_H
#define CAFI_COMPARE_COARSE_H

#include <stdint.h>

/* Rounds the 8x8 cosine transforms of luma and colour differences (ITU-T T.81, at full resolution)
 * to five times the steps of its Annex K, which is quality 10 of libjpeg; in place,
 * u8 [112][112][3]. */
void cafi_coarse(uint8_t *crop);

#endif
