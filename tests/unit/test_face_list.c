/* Face crops of a folder, and colours that were written the wrong way round. */
#include "check.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "dataset/face_list.h"
#include "media/image_write.h"

enum { W = 6, H = 5 };

static void test_swapped(void **state)
{
    uint8_t rgb[W * H * 3];
    const cafi_view view = {.rgb = rgb, .width = W, .height = H};
    test_rng rng = {test_seed()};
    cafi_face_list *list = NULL;
    cafi_image image = {0};
    cafi_buf png = {0};
    cafi_buf buf = {0};
    caface_error err;

    (void)state;
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)test_below(&rng, 256);
    EXPECT_OK(cafi_png_encode(&png, &view, &err), err);
    mkdir(test_temp("faces"), 0777);
    mkdir(test_temp("faces/ann"), 0777);
    test_write(test_temp("faces/ann/1.png"), png.data, png.size);
    EXPECT_OK(cafi_face_list_open(&list, test_temp("faces"), &err), err);
    for (int swapped = 0; swapped < 2; swapped++) {
        assert_true(cafi_face_list_swaps_colors(list) == (swapped == 1));
        EXPECT_OK(cafi_face_list_read(list, 0, &buf, W, H, &image, &err), err);
        for (size_t i = 0; i < sizeof rgb; i++)
            assert_int_equal(image.rgb[i], rgb[swapped ? i - i % 3 + 2 - i % 3 : i]);
        cafi_image_clear(&image);
        cafi_face_list_swap_colors(list);
    }
    cafi_face_list_close(list);
    cafi_buf_free(&png);
    cafi_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_swapped)};

    return cmocka_run_group_tests_name("face_list", tests, NULL, NULL);
}
