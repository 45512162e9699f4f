#include "faces/detector_files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "caface/version.h"
#include "faces/landmark_net.h"
#include "files/safetensors.h"

#define DETECTOR_TENSOR "detector.onnx"
#define LANDMARKS_TENSOR "landmarks.onnx"

static caface_status recognise(cafi_detector_files *f, caface_error *err)
{
    cafi_onnx_file *file = NULL;
    caface_status st = cafi_onnx_parse(&file, f->path, f->onnx.data, f->onnx.size, err);

    if (st)
        return st;
    if (!cafi_shot_recognise(file, &f->family))
        st = cafi_fail(err, CAFACE_EMODEL,
                       "%s: its %zu outputs are those of neither YuNet, SCRFD, UltraFace nor LFFD",
                       f->path, file->output_count);
    cafi_onnx_close(file);
    return st;
}

static caface_status open_onnx(cafi_detector_files *f, caface_error *err)
{
    caface_status st = cafi_mapped_open(&f->onnx, f->path, err);

    return st ? cafi_prefix(err, st, f->path) : recognise(f, err);
}

static bool is_bytes(const cafi_tensor *t)
{
    return t->dtype == CAFI_U8 && t->ndim == 1 && cafi_tensor_is_contiguous(t);
}

/* A converted file: both networks are bytes in it. */
static caface_status open_converted(cafi_detector_files *f, const cafi_tensor *detector,
                                    caface_error *err)
{
    const cafi_tensor *landmarks = cafi_bundle_find(f->bundle, LANDMARKS_TENSOR);

    if (f->landmarks.data)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: holds a landmark network already; it is this one or another",
                         f->path);
    if (!landmarks || !is_bytes(landmarks) || !is_bytes(detector))
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: %s and %s, both rows of bytes, are expected in it", f->path,
                         DETECTOR_TENSOR, LANDMARKS_TENSOR);
    cafi_mapped_borrow(&f->onnx, detector->data, cafi_tensor_count(detector));
    cafi_mapped_borrow(&f->landmarks, landmarks->data, cafi_tensor_count(landmarks));
    return recognise(f, err);
}

static caface_status open_tensors(cafi_detector_files *f, caface_error *err)
{
    const cafi_tensor *detector = NULL;
    caface_status st = cafi_bundle_open(&f->bundle, f->path, err);

    if (st)
        return st;
    if ((detector = cafi_bundle_find(f->bundle, DETECTOR_TENSOR)))
        return open_converted(f, detector, err);
    if (cafi_mtcnn_is(f->bundle)) {
        cafi_bundle_close(f->bundle);
        f->bundle = NULL;
        f->is_cascade = true;
        return cafi_mtcnn_open(&f->mtcnn, f->path, err);
    }
    f->family = CAFI_RETINAFACE;
    return cafi_retinaface_is(f->bundle)
               ? CAFACE_OK
               : cafi_fail(err, CAFACE_EMODEL,
                           "%s: its tensors are those of no detector (MTCNN, RetinaFace)", f->path);
}

static caface_status open_path(cafi_detector_files *f, caface_error *err)
{
    struct stat info;

    if (stat(f->path, &info) == 0 && S_ISDIR(info.st_mode)) {
        f->is_cascade = true;
        return cafi_mtcnn_open(&f->mtcnn, f->path, err);
    }
    return cafi_onnx_is(f->path) ? open_onnx(f, err) : open_tensors(f, err);
}

static caface_status open_landmarks(cafi_detector_files *f, const char *path, caface_error *err)
{
    caface_status st = path ? cafi_mapped_open(&f->landmarks, path, err) : CAFACE_OK;

    return st ? cafi_prefix(err, st, path) : CAFACE_OK;
}

static caface_status finish(cafi_detector_files *f, const char *landmarks, caface_error *err)
{
    unsigned char digest[CAFI_SHA256_SIZE];
    char text[CAFI_SHA256_TEXT];

    if (!f->landmarks.data)
        return f->is_cascade || !cafi_shot_finds_boxes_alone(f->family)
                   ? CAFACE_OK
                   : cafi_fail(
                         err, CAFACE_EMODEL,
                         "%s: finds only boxes; a landmark network is needed too (--landmarks)",
                         f->path);
    cafi_sha256_of(f->landmarks.data, f->landmarks.size, digest);
    memcpy(f->landmark_digest, cafi_sha256_hex(digest, text), sizeof f->landmark_digest - 1);
    return cafi_strdup(&f->landmark_path, landmarks ? landmarks : f->path, err);
}

caface_status cafi_detector_files_open(cafi_detector_files *out, const char *path,
                                       const char *landmarks, caface_error *err)
{
    caface_status st = CAFACE_OK;

    *out = (cafi_detector_files){.onnx.fd = -1, .landmarks.fd = -1};
    (void)((st = cafi_strdup(&out->path, path, err)) ||
           (st = open_landmarks(out, landmarks, err)) || (st = open_path(out, err)) ||
           (st = finish(out, landmarks, err)));
    if (st)
        cafi_detector_files_clear(out);
    return st;
}

void cafi_detector_files_clear(cafi_detector_files *f)
{
    cafi_mtcnn_clear(&f->mtcnn);
    cafi_mapped_close(&f->onnx);
    cafi_mapped_close(&f->landmarks);
    cafi_bundle_close(f->bundle);
    free(f->path);
    free(f->landmark_path);
    *f = (cafi_detector_files){.onnx.fd = -1, .landmarks.fd = -1};
}

/* ---- one file of two ---------------------------------------------------------------------- */

caface_status cafi_detector_files_is_onnx(bool *is, const char *path, caface_error *err)
{
    cafi_onnx_file *file = NULL;
    cafi_shot_family family;
    caface_error why = {CAFACE_OK, ""};
    caface_status st = cafi_onnx_is(path) ? cafi_onnx_open(&file, path, &why) : CAFACE_OK;

    *is = file && cafi_shot_recognise(file, &family);
    cafi_onnx_close(file);
    return st == CAFACE_ENOMEM ? cafi_fail(err, st, "%s", why.message) : CAFACE_OK;
}

/* What is written is tried before. */
static caface_status try_networks(const cafi_detector_files *f, caface_error *err)
{
    const cafi_shot_options options = cafi_shot_defaults(f->family);
    cafi_onnx_file *file = NULL;
    cafi_shot_detector *shot = NULL;
    cafi_landmark_net *net = NULL;
    caface_status st = cafi_onnx_parse(&file, f->path, f->onnx.data, f->onnx.size, err);

    if (!st)
        st = cafi_shot_detector_new(&shot, f->family, file, NULL, &options, 1, err);
    cafi_shot_detector_free(shot);
    cafi_onnx_close(file);
    file = NULL;
    if (!st)
        st = cafi_onnx_parse(&file, f->landmark_path, f->landmarks.data, f->landmarks.size, err);
    if (!st)
        st = cafi_landmark_net_new(&net, file, 1, CAFI_CHECK_ONCE, err);
    cafi_landmark_net_free(net);
    cafi_onnx_close(file);
    return st;
}

static cafi_tensor bytes_tensor(const char *name, const cafi_mapped *bytes)
{
    return (cafi_tensor){.name = name,
                         .data = bytes->data,
                         .dtype = CAFI_U8,
                         .ndim = 1,
                         .shape = {bytes->size},
                         .stride = {1}};
}

caface_status cafi_detector_files_save(const char *path, const char *detector,
                                       const char *landmarks, caface_error *err)
{
    static char key[] = "caface.version", version[] = CAFACE_VERSION;
    static char *keys[] = {key};
    cafi_value value = {.kind = CAFI_STRING, .u.text = {version, sizeof version - 1}};
    const cafi_value metadata = {.kind = CAFI_DICT, .u.list = {&value, keys, 1}};
    cafi_detector_files f;
    cafi_tensor parts[2];
    const cafi_tensor *const tensors[] = {&parts[0], &parts[1]};
    caface_status st = cafi_detector_files_open(&f, detector, landmarks, err);

    if (st)
        return st;
    if (!f.onnx.data)
        st = cafi_fail(err, CAFACE_EMODEL, "%s: only detectors that are ONNX share a file", f.path);
    if (!st && !(st = try_networks(&f, err))) {
        parts[0] = bytes_tensor(DETECTOR_TENSOR, &f.onnx);
        parts[1] = bytes_tensor(LANDMARKS_TENSOR, &f.landmarks);
        st = cafi_safetensors_save(path, tensors, 2, &metadata, err);
    }
    cafi_detector_files_clear(&f);
    return st;
}
