#include "gallery_fixture.h"

#include <stdio.h>
#include <string.h>

const char *gallery_person_name(size_t person)
{
    static char names[4][16];
    static int next;

    next = (next + 1) % 4;
    snprintf(names[next], sizeof names[0], "person %zu", person);
    return names[next];
}

caface_gallery_faces gallery_rows(const fixture *f, size_t first, size_t n)
{
    caface_gallery_faces faces;

    caface_gallery_faces_init(&faces);
    faces.n = n;
    faces.C = C;
    faces.S = S;
    faces.feat = f->feat + first * C;
    faces.style = f->style + first * S * 2;
    return faces;
}

const char *gallery_path(void)
{
    static int number;

    return test_temp("g%d.gallery", number++);
}

caface_gallery *gallery_new(const fixture *f, const char *path, caface_method method, size_t chunk)
{
    caface_gallery_options options;
    caface_set_options set;
    caface_gallery *g = NULL;
    caface_error err;

    caface_gallery_options_init(&options);
    caface_set_options_init(&set);
    set.method = method;
    set.chunk = chunk;
    set.norm_power = 3;
    options.set = &set;
    options.keep_crops = 1;
    EXPECT_OK(caface_gallery_create(&g, path, method == CAFACE_METHOD_CAFACE ? f->model : NULL,
                                    &options, &err),
              err);
    return g;
}

void gallery_add(caface_gallery *g, const fixture *f, const char *name, size_t first, size_t n)
{
    caface_gallery_faces faces = gallery_rows(f, first, n);
    caface_error err;

    EXPECT_OK(caface_gallery_add(g, name, &faces, NULL, &err), err);
}

int gallery_copy_template(void *ctx, const caface_gallery_person *person)
{
    memcpy(ctx, person->tmpl, C * sizeof(float));
    return 0;
}

void gallery_template(caface_gallery *g, const char *name, float *out)
{
    caface_error err;

    EXPECT_OK(caface_gallery_find(g, name, gallery_copy_template, out, &err), err);
}

caface_gallery_info gallery_info_of(caface_gallery *g)
{
    caface_gallery_info info;
    caface_error err;

    EXPECT_OK(caface_gallery_get_info(g, &info, &err), err);
    return info;
}

static int count_pictures(void *ctx, const caface_gallery_picture *picture)
{
    assert_true(picture->length >= 0.0);
    ++*(size_t *)ctx;
    return 1;
}

size_t gallery_pictures_of(caface_gallery *g, const char *name)
{
    size_t n = 0;
    caface_error err;

    EXPECT_OK(caface_gallery_pictures(g, name, 0, count_pictures, &n, &err), err);
    return n;
}
