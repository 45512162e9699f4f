/* Text that comes from elsewhere, made fit to be shown. */
#ifndef CAFI_BASE_SHOWN_H
#define CAFI_BASE_SHOWN_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the character at text, which is one that a terminal obeys or that
 * turns the order of what is around it: C0 (less those in keep), DEL, C1, line and
 * paragraph separators, the marks and overrides of bidirectional text. 0: an
 * ordinary one. */
size_t cafi_text_control(const char *text, const char *keep);

/* Every such character becomes one '?', and so does every byte that is no UTF-8; in
 * place. */
void cafi_text_clean(char *text, const char *keep);

/* Takes the password out of every address in text (SCHEME://USER:PASSWORD@HOST, and of options,
 * ?password=, whose name says that it is one), in place. In those of PostgreSQL a password with a /
 * that is not escaped is found too, and one behind a / that is missing. */
void cafi_text_hide_passwords(char *text);

#endif
