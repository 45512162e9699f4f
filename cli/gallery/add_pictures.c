/* caface gallery add: pictures. */
#include <stdlib.h>
#include <string.h>

#include "cli/gallery/add.h"
#include "cli/interrupt.h"

/* The pictures of one person are together, as folders are. */
typedef struct enrolment {
    cli_gallery_adding *a;
    cli_gallery_eyes *eyes;
    const char *name; /* of all, or NULL: folders are names */
    char *person;     /* whose pictures are being looked at; NULL before the first */
    size_t looked, total;
} enrolment;

/* Adds what was seen of a person. */
static caface_status finish_person(enrolment *e, caface_error *err)
{
    caface_gallery_faces faces;
    caface_status st = cli_gallery_eyes_take(e->eyes, &faces, NULL, err);

    if (!st && faces.n)
        st = cli_gallery_add_faces(e->a, e->person, &faces, err);
    cli_gallery_eyes_forget(e->eyes);
    return st;
}

static caface_status begin_person(enrolment *e, const char *name, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (e->person && strcmp(e->person, name) == 0)
        return CAFACE_OK;
    if (e->person && (st = finish_person(e, err)))
        return st;
    free(e->person);
    e->person = NULL;
    return cafi_strdup(&e->person, name, err);
}

static bool look(void *ctx, const char *path, const char *label, caface_status *st,
                 caface_error *err)
{
    enrolment *e = ctx;
    const char *name = e->name ? e->name : label;
    caface_error why = {CAFACE_OK, ""};
    bool skipped = false;

    if (cli_interrupted()) {
        *st = cafi_fail(err, CAFACE_ECANCELLED,
                        "interrupted; the people finished so far are in the gallery");
        return false;
    }
    if ((*st = begin_person(e, name, err)))
        return false;
    if ((*st = cli_gallery_eyes_look(e->eyes, path, &skipped, &why))) {
        *err = why;
        return false;
    }
    if (skipped) {
        cli_warn("%s", why.message);
        e->a->failed++;
    }
    cli_progress_update(&e->a->progress, ++e->looked);
    return true;
}

caface_status cli_gallery_add_pictures(cli_gallery_adding *a, caface_error *err)
{
    const cli_gallery_add_options *o = a->o;
    const cli_list *args = &o->common.args;
    enrolment e = {.a = a, .name = o->folders ? NULL : args->items[1]};
    caface_status st = cli_gallery_eyes_open(&e.eyes, &a->g, &o->models, &o->seeing,
                                             o->common.threads, a->g.info.keep_crops, err);

    cli_progress_begin(&a->progress, "pictures", 0, o->common.quiet || o->common.json);
    if (!st)
        st = o->folders ? cli_gallery_each_picture(&o->folders, 1, look, &e, &e.total, err)
                        : cli_gallery_each_picture(args->items + 2, args->count - 2, look, &e,
                                                   &e.total, err);
    if (!st && e.person)
        st = finish_person(&e, err);
    cli_progress_end(&a->progress);
    if (!st && a->failed && a->failed == e.total)
        st = cafi_fail(err, CAFACE_EFORMAT, "none of the %zu pictures could be used", e.total);
    free(e.person);
    cli_gallery_eyes_close(e.eyes);
    return st;
}
