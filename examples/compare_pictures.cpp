// Are two people one? The cosine of the best faces of two pictures.
//     compare_pictures DETECTOR BACKBONE PICTURE PICTURE
#include <caface/caface.h>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>

// Opens anything: f(&p, arguments..., &err). What it gives is freed at the end of its block.
template <class T, class F, class... A> auto open(void (*free)(T *), F f, A... a)
{
    T *p = nullptr;
    caface_error err;
    if (f(&p, a..., &err))
        throw std::runtime_error(err.message);
    return std::unique_ptr<T, void (*)(T *)>(p, free);
}

int main(int argc, char **argv) try {
    if (argc != 5)
        throw std::runtime_error("usage: compare_pictures DETECTOR BACKBONE PICTURE PICTURE");
    auto detector = open(caface_detector_free, caface_detector_open, argv[1], nullptr);
    auto encoder = open(caface_encoder_free, caface_encoder_open, argv[2], nullptr);
    auto faces = open(caface_faces_free, caface_faces_new);
    caface_encoder_info info;
    caface_encoder_get_info(encoder.get(), &info);
    std::vector<float> f(2 * info.C);
    std::vector<uint8_t> crop(CAFACE_CROP_SIZE);
    for (size_t i = 0; i < 2; i++) {
        auto image = open(caface_image_free, caface_image_open, argv[3 + i]);
        caface_error err{CAFACE_EINVAL, "no face is found"};
        if (caface_detector_find(detector.get(), image.get(), faces.get(), &err) || !caface_faces_count(faces.get()) ||
            caface_align(image.get(), caface_faces_at(faces.get(), 0)->landmark, crop.data(), &err) ||
            caface_encoder_run(encoder.get(), crop.data(), 1, &f[i * info.C], nullptr, &err))
            throw std::runtime_error(err.message);
    }
    std::printf("%.4f\n", caface_cosine(&f[0], &f[info.C], info.C));
} catch (const std::exception &e) {
    return std::fprintf(stderr, "compare_pictures: %s\n", e.what()), 1;
}
