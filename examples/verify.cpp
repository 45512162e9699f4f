// Are the faces of two feature sets one person's? Fuses each set and compares the templates.
//     verify MODEL SET_A SET_B
#include <caface/caface.h>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>

template <class T> using owned = std::unique_ptr<T, void (*)(T *)>;
static caface_error err;
static void check(caface_status st)
{
    if (st)
        throw std::runtime_error(err.message);
}
static std::vector<float> fuse(const caface_model *model, const char *path)
{
    caface_features *faces;
    caface_groups *all;
    caface_features_info info;
    check(caface_features_open(&faces, path, &err));
    owned<caface_features> a(faces, caface_features_close);
    caface_features_get_info(faces, &info);
    check(caface_groups_new(&all, nullptr, info.n, &err));
    owned<caface_groups> b(all, caface_groups_free);
    std::vector<float> out(info.C);
    check(caface_batch_fuse(model, faces, all, nullptr, out.data(), nullptr, nullptr, &err));
    return out;
}
int main(int argc, char **argv)
try {
    caface_model *model;
    check(caface_model_open(&model, argc == 4 ? argv[1] : "MODEL SET_A SET_B", &err));
    owned<caface_model> m(model, caface_model_free);
    auto a = fuse(model, argv[2]), b = fuse(model, argv[3]);
    double similarity = caface_cosine(a.data(), b.data(), a.size());
    std::printf("%.4f %s\n", similarity, similarity >= 0.35 ? "same person" : "different people");
} catch (const std::exception &e) {
    return std::fprintf(stderr, "verify: %s\n", e.what()), 1;
}
