/* What a file beside the weights says, whichever kind of file it is. */
#ifndef CAFI_MODELS_SIDE_WORDS_H
#define CAFI_MODELS_SIDE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* The members that matter, wherever they lie; more than this many are too many. */
#define CAFI_SIDE_ENTRIES 32

typedef enum cafi_side_key {
    CAFI_SIDE_COLOR, /* color_space */
    CAFI_SIDE_MEAN,
    CAFI_SIDE_STD,
    CAFI_SIDE_SIZE, /* input_size */
    CAFI_SIDE_KEYS  /* how many; also: none of them */
} cafi_side_key;

typedef struct cafi_side_entry {
    cafi_side_key key;
    size_t mapping;    /* entries of one mapping have one number */
    char word[16];     /* of COLOR; empty: the value is none that can be read */
    double numbers[3]; /* of the others */
    size_t count;      /* numbers there, of which three are kept */
    bool bad;          /* one of them is no finite number */
} cafi_side_entry;

typedef struct cafi_side {
    cafi_side_entry entries[CAFI_SIDE_ENTRIES + 1]; /* the last takes what is too many */
    size_t count;
    bool many;  /* there were more */
    bool loose; /* color_space stands there, but not as a key with a value */
} cafi_side;

/* The key that a text of n bytes is. */
cafi_side_key cafi_side_key_of(const char *text, size_t n);
/* A new entry; one that counts for nothing when there are too many. */
cafi_side_entry *cafi_side_add(cafi_side *side, cafi_side_key key, size_t mapping);
void cafi_side_add_number(cafi_side_entry *entry, double x);
/* The word of n bytes, where it is short and of letters and digits. */
void cafi_side_set_word(cafi_side_entry *entry, const char *text, size_t n);

/* Reads YAML for these members: block and flow mappings, quoted keys and values,
 * lists of either form over any number of lines, comments, anchors and tags.
 * Aliases, block scalars and values on lines of their own are not followed: a
 * color_space of such a form is an entry without a word, or `loose`. */
void cafi_side_read_yaml(cafi_side *side, const char *text, size_t size);

#endif
