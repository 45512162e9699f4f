/* HEIF pictures: what their container says is done: turns, windows, parts, transparency. Written by
 * libavif and libheif (tests/fixtures/media); the numbers are those that were given to them. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "media/heif.h"
#include "media/image.h"

typedef struct shown {
    const char *name;
    size_t width, height;
    int slope[3][2]; /* of x and y in R, G and B */
    int alpha;
} shown;

/* Lossy: 4 levels of 255, where a turn that is wrong is 100 and more. */
#define MOST 4

static bool is_read(const char *name)
{
    cafi_image image = {0};
    caface_error err = {0};
    caface_status st = cafi_image_read(&image, test_fixture("media/%s", name), &err);

    cafi_image_clear(&image);
    if (st == CAFACE_EUNSUPPORTED)
        print_message("# skipped: %s\n", err.message);
    return st != CAFACE_EUNSUPPORTED;
}

static void what_the_container_says_is_done(void **state)
{
#define RAMP                                                                                       \
    {                                                                                              \
        {6, 0}, {0, 10},                                                                           \
        {                                                                                          \
            3, 3                                                                                   \
        }                                                                                          \
    }
    static const shown all[] = {
        {"ramp.heic", 40, 24, RAMP, 255},
        {"irot_imir.avif", 40, 24, RAMP, 255},
        {"window.avif", 40, 24, RAMP, 255},
        {"alpha.avif", 40, 24, RAMP, 128},
        {"grid.avif", 128, 128, {{2, 0}, {0, 2}, {1, 1}}, 255},
    };

    (void)state;
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        const shown *s = all + k;
        cafi_image image = {0};
        caface_error err = {0};

        if (!is_read(s->name))
            continue;
        EXPECT_OK(cafi_image_read(&image, test_fixture("media/%s", s->name), &err), err);
        assert_true(image.width == s->width && image.height == s->height);
        for (int i = 0; i < (int)(s->width * s->height * 3); i++) {
            int x = i / 3 % (int)s->width, y = i / 3 / (int)s->width, c = i % 3;
            int want = (s->slope[c][0] * x + s->slope[c][1] * y) * s->alpha / 255;

            if (abs(image.rgb[i] - want) > MOST)
                fail_msg("%s: %d,%d channel %d is %d, not %d", s->name, x, y, c, image.rgb[i],
                         want);
        }
        cafi_image_clear(&image);
    }
}

/* Cut at every byte, every byte changed: a picture within the limits or a sentence. */
static void damage_is_survived(void **state)
{
    static const char *const names[] = {"ramp.heic", "irot_imir.avif", "alpha.avif"};

    (void)state;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        size_t size = 0;
        unsigned char *bytes = test_read(test_fixture("media/%s", names[k]), &size);

        for (size_t n = 0; n < 2 * size; n++) {
            size_t kept = n < size ? n : size;
            unsigned char *other = malloc(kept ? kept : 1);
            cafi_image image = {0};
            caface_error err = {0};

            memcpy(other, bytes, kept);
            if (n >= size)
                other[n - size] ^= n & 1 ? 0x5a : 0xff;
            if (cafi_image_decode(&image, other, kept, &err))
                assert_true(!image.rgb && *err.message);
            cafi_image_clear(&image);
            free(other);
        }
        free(bytes);
    }
}

static unsigned char *find(unsigned char *bytes, size_t size, const char *kind)
{
    for (size_t i = 0; i + 4 <= size; i++)
        if (memcmp(bytes + i, kind, 4) == 0)
            return bytes + i;
    fail_msg("no %s", kind);
    return NULL;
}

/* One byte of a box's contents, then: what does it say? */
static void expect_refused(const char *name, const char *box, size_t at, unsigned char value,
                           const char *word)
{
    size_t size = 0;
    unsigned char *bytes = test_read(test_fixture("media/%s", name), &size);
    cafi_image image = {0};
    caface_error err = {0};

    find(bytes, size, box)[at] = value;
    assert_int_not_equal(cafi_image_decode(&image, bytes, size, &err), CAFACE_OK);
    if (!strstr(err.message, word))
        fail_msg("%s, %s: %s", name, box, err.message);
    free(bytes);
}

static void what_cannot_be_shown_is_said(void **state)
{
    (void)state;
    if (!is_read("grid.avif"))
        return;
    expect_refused("irot_imir.avif", "nclx", 9, 8, "colour matrix 8"); /* YCgCo */
    expect_refused("irot_imir.avif", "irot", 0, 'x', "cannot be shown without xrot");
    expect_refused("window.avif", "clap", 7, 200, "outside of 60x40"); /* its width */
    expect_refused("window.avif", "clap", 11, 0, "outside of 60x40");  /* N / 0 */
    expect_refused("grid.avif", "grid", 0, 'o', "of the kind orid");
    expect_refused("grid.avif", "dimg", 7, 3, "with 3 pictures");
    expect_refused("irot_imir.avif", "pitm", 9, 77, "picture 77 is not listed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_container_says_is_done),
        cmocka_unit_test(damage_is_survived),
        cmocka_unit_test(what_cannot_be_shown_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
