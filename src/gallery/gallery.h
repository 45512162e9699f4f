/* What an open gallery is, for the files of this room. */
#ifndef CAFI_GALLERY_GALLERY_H
#define CAFI_GALLERY_GALLERY_H

#include "caface/gallery.h"
#include "caface/search.h"
#include "gallery/storage.h"

/* What a gallery is for. set.width is C, 0 until the first faces. */
typedef struct cafi_gallery_identity {
    caface_set_options set;
    char *model, *backbone, *input, *encoding; /* "" where nobody told */
    bool keep_crops;
} cafi_gallery_identity;

/* The templates as searches see them, of one version of the file. */
typedef struct cafi_gallery_templates {
    bool valid;
    uint64_t version;
    size_t count, room;
    float *vectors; /* [count][C] */
    int64_t *ids;   /* [count], ascending */
    char **names;
    caface_index *index; /* of them; NULL until the first search */
} cafi_gallery_templates;

struct caface_gallery {
    cafi_storage *storage;
    char *path;                 /* as it is shown */
    const caface_model *model;  /* the caller's, or NULL */
    const caface_model *before; /* while `replaced` is not committed: the one before it */
    bool replaced;
    bool writable, begun;
    cafi_gallery_identity identity;
    cafi_gallery_templates templates;
};

/* Errors of this room begin with the gallery's path: what a public call returns. */
caface_status cafi_gallery_result(const caface_gallery *g, caface_status st, caface_error *err);

/* Begins a change unless the caller has begun one (*own tells which), and looks again at what
 * the gallery is for, which another program may have filled in. */
caface_status cafi_gallery_change(caface_gallery *g, bool *own, caface_error *err);
/* Ends it: commits what is our own; on an error undoes all. Returns st, or what committing did,
 * with the path in front. */
caface_status cafi_gallery_changed(caface_gallery *g, bool own, caface_status st,
                                   caface_error *err);

/* Reads the identity from the storage, or writes it there. */
caface_status cafi_gallery_load_identity(caface_gallery *g, caface_error *err);
caface_status cafi_gallery_store_identity(caface_gallery *g, caface_error *err);

/* Reads all templates, unless what is in memory is what is in the file. */
caface_status cafi_gallery_refresh(caface_gallery *g, caface_error *err);

/* EINVAL: a name that a person cannot have. */
caface_status cafi_gallery_check_name(const char *name, caface_error *err);
/* A template as it is kept: to floats [C]. EFORMAT names the person. */
caface_status cafi_gallery_read_template(const caface_gallery *g, const cafi_person_row *row,
                                         float *out, caface_error *err);

#endif
