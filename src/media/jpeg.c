/* JPEG through libjpeg-turbo. Its errors are longjmps, which begin and end in
 * this file. */
#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs FILE and size_t */
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "base/mem.h"
#include "media/decoders.h"
#include "media/still.h"

/* libjpeg's own memory: coefficients of a progressive picture of four colours, of our largest size.
 */
#define MAX_MEMORY (1000L << 20)

typedef struct decoder {
    struct jpeg_decompress_struct info; /* first: handlers are given its address */
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf stop;
    caface_error *err;
    caface_status status;
    cafi_image *out;
    cafi_image_about *about;
    bool allow_damaged;
    bool started;   /* rows may be in out */
    bool early_end; /* the file ended before its end marker */
    bool narrow;    /* 12 bits a sample: more than this library takes */
    const unsigned char *bytes;
    size_t size;
    size_t
        last_scan; /* where in bytes, within the scan with which nothing is missing; 0: not yet */
} decoder;

/* The decoder that a handler's libjpeg object belongs to. */
static decoder *owner(j_common_ptr info)
{
    return (decoder *)(void *)info;
}

static void on_error(j_common_ptr info)
{
    decoder *d = owner(info);
    char text[JMSG_LENGTH_MAX];

    info->err->format_message(info, text);
    d->narrow = info->err->msg_code == JERR_BAD_PRECISION;
    if (d->allow_damaged && d->started)
        longjmp(d->stop, 1);
    d->status = cafi_fail(d->err, CAFACE_EFORMAT, "damaged JPEG: %s", text);
    longjmp(d->stop, 1);
}

/* Warnings that do not mean missing or invented pixels. */
static bool is_harmless(int code)
{
    return code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR ||
           code == JWRN_TOO_MUCH_DATA;
}

static void on_message(j_common_ptr info, int level)
{
    decoder *d = owner(info);

    if (level >= 0 || is_harmless(info->err->msg_code))
        return;
    if (info->err->msg_code == JWRN_JPEG_EOF)
        d->early_end = true; /* harmless where every pixel was there: see is_whole */
    else if (!d->allow_damaged)
        on_error(info);
}

/* After an early end: did every component have its scan, and in a progressive
 * file every coefficient its last bit? What is missing inside a scan is a
 * warning of its own. */
static bool is_whole(const struct jpeg_decompress_struct *info)
{
    for (int c = 0; c < info->num_components; c++) {
        if (!info->comp_info[c].quant_table)
            return false; /* latched at a component's first scan */
        for (int k = 0; info->coef_bits && k < DCTSIZE2; k++)
            if (info->coef_bits[c][k] != 0)
                return false;
    }
    return true;
}

/* libjpeg's own two bytes, which stand for an end marker, are none of the file's. */
static void note_last_scan(decoder *d)
{
    const unsigned char *at = d->info.src->next_input_byte;

    if (is_whole(&d->info) && at > d->bytes + 2 && at <= d->bytes + d->size)
        d->last_scan = (size_t)(at - d->bytes) - (d->info.unread_marker ? 2 : 0);
}

/* The first marker behind the last scan's data: where the picture ends, whatever follows. */
static size_t end_of_last_scan(const decoder *d)
{
    const unsigned char *b = d->bytes;

    for (size_t i = d->last_scan; i + 1 < d->size; i++)
        if (b[i] == 0xff && b[i + 1] != 0 && b[i + 1] != 0xff && (b[i + 1] & 0xf8) != 0xd0)
            return i;
    return d->size;
}

/* A small progressive file may hold thousands of scans, each a pass over the
 * whole picture. */
static void on_progress(j_common_ptr info)
{
    decoder *d = owner(info);
    size_t scans = d->info.input_scan_number < 0 ? 0 : (size_t)d->info.input_scan_number;
    size_t pixels = (size_t)d->info.image_width * d->info.image_height;

    if (scans > CAFI_IMAGE_MAX_SCANS)
        d->status =
            cafi_fail(d->err, CAFACE_ELIMIT, "a JPEG of more than %d scans", CAFI_IMAGE_MAX_SCANS);
    else if (scans * pixels > CAFI_IMAGE_MAX_SCANNED)
        d->status = cafi_fail(d->err, CAFACE_ELIMIT,
                              "a JPEG of %zu scans and more over %zu pixels, at most %zu together",
                              scans, pixels, CAFI_IMAGE_MAX_SCANNED);
    if (d->status)
        longjmp(d->stop, 1);
    note_last_scan(d);
}

static void find_orientation(decoder *d)
{
    for (jpeg_saved_marker_ptr m = d->info.marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 && memcmp(m->data, "Exif\0\0", 6) == 0)
            d->about->orientation = cafi_exif_orientation(m->data + 6, m->data_length - 6);
}

/* A profile lies in APP2 segments, numbered from 1, each with their number in all. */
#define ICC_MARK "ICC_PROFILE"
#define ICC_HEAD (sizeof ICC_MARK + 2)

static const struct jpeg_marker_struct *profile_part(const decoder *d, unsigned number)
{
    for (jpeg_saved_marker_ptr m = d->info.marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 2 && m->data_length > ICC_HEAD &&
            memcmp(m->data, ICC_MARK, sizeof ICC_MARK) == 0 && m->data[ICC_HEAD - 2] == number)
            return m;
    return NULL;
}

static void find_profile(decoder *d)
{
    const struct jpeg_marker_struct *first = profile_part(d, 1), *part = NULL;
    unsigned count = first ? first->data[ICC_HEAD - 1] : 0;
    size_t size = 0;
    unsigned char *all = NULL;
    caface_error err;

    for (unsigned i = 1; i <= count; i++) {
        if (!(part = profile_part(d, i)))
            return; /* incomplete: none */
        size += part->data_length - ICC_HEAD;
    }
    if (!count || cafi_alloc_bytes(&all, size, &err))
        return;
    size = 0;
    for (unsigned i = 1; i <= count && (part = profile_part(d, i)); i++) {
        memcpy(all + size, part->data + ICC_HEAD, part->data_length - ICC_HEAD);
        size += part->data_length - ICC_HEAD;
    }
    cafi_image_about_keep(d->about, all, size);
    free(all);
}

/* One row of C M Y K to R G B. Every program that writes such files inverts the inks, as Adobe
 * does; one without Adobe's marker is such a file whose marks were taken out, and is read so by
 * browsers, OpenCV and Pillow, too. */
static void ink_row(const decoder *d, const unsigned char *inks, unsigned char *rgb)
{
    for (JDIMENSION x = 0; x < d->info.output_width; x++, inks += 4, rgb += 3)
        for (int c = 0; c < 3; c++)
            rgb[c] = (unsigned char)((inks[c] * inks[3] + 127) / 255);
}

static void read_rows(decoder *d)
{
    struct jpeg_decompress_struct *info = &d->info;
    bool ink = info->out_color_space == JCS_CMYK;
    JSAMPARRAY line = NULL;

    if (ink)
        line = info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE, info->output_width * 4, 1);
    while (info->output_scanline < info->output_height) {
        unsigned char *row = d->out->rgb + (size_t)info->output_scanline * info->output_width * 3;

        if (ink) {
            jpeg_read_scanlines(info, line, 1);
            ink_row(d, line[0], row);
        } else
            jpeg_read_scanlines(info, &row, 1);
    }
}

/* Returns by longjmp to the caller's setjmp on any error. */
static void decode(decoder *d, const unsigned char *bytes, size_t size)
{
    struct jpeg_decompress_struct *info = &d->info;

    jpeg_create_decompress(info);
    d->progress.progress_monitor = on_progress;
    info->progress = &d->progress;
    jpeg_mem_src(info, bytes, (unsigned long)size);
    jpeg_save_markers(info, JPEG_APP0 + 1, 0xffff);
    jpeg_save_markers(info, JPEG_APP0 + 2, 0xffff);
    jpeg_read_header(info, TRUE);
    find_orientation(d);
    find_profile(d);
    if ((d->status = cafi_image_check(info->image_width, info->image_height, d->err)))
        return;
    info->mem->max_memory_to_use = MAX_MEMORY;
    info->dct_method = JDCT_ISLOW;
    info->out_color_space = info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK
                                ? JCS_CMYK
                                : JCS_RGB;
    d->status = cafi_image_reserve(d->out, info->image_width, info->image_height, 3, d->err);
    if (d->status)
        return;
    d->started = true;
    jpeg_start_decompress(info);
    read_rows(d);
    if (d->early_end && !d->allow_damaged && !is_whole(info)) {
        d->status =
            cafi_fail(d->err, CAFACE_EFORMAT,
                      "damaged JPEG: the file of %zu bytes ends before its last scans", size);
        return;
    }
    jpeg_finish_decompress(info);
}

static void run(decoder *d)
{
    d->info.err = jpeg_std_error(&d->errors);
    d->errors.error_exit = on_error;
    d->errors.emit_message = on_message;
    if (setjmp(d->stop) == 0)
        decode(d, d->bytes, d->size);
    jpeg_destroy_decompress(&d->info);
    if (d->status || d->narrow)
        cafi_image_clear(d->out);
}

caface_status cafi_jpeg_decode(cafi_image *out, const unsigned char *bytes, size_t size,
                               bool allow_damaged, cafi_image_about *about, caface_error *err)
{
    decoder d = {.err = err,
                 .out = out,
                 .about = about,
                 .allow_damaged = allow_damaged,
                 .bytes = bytes,
                 .size = size};
    size_t end = 0;

    run(&d);
    /* without an end marker, what a phone adds behind the picture may look like markers */
    if (d.status == CAFACE_EFORMAT && d.last_scan && (end = end_of_last_scan(&d)) < size) {
        cafi_image_about_clear(about);
        d = (decoder){.err = err, .out = out, .about = about, .bytes = bytes, .size = end};
        run(&d);
    }
    return d.narrow ? cafi_still_decode(out, bytes, size, about, err) : d.status;
}

#define TEXT_OF(x) #x
#define VERSION_TEXT(x) TEXT_OF(x)

const char *cafi_jpeg_library(void)
{
#ifdef LIBJPEG_TURBO_VERSION
    return VERSION_TEXT(LIBJPEG_TURBO_VERSION);
#else
    return VERSION_TEXT(JPEG_LIB_VERSION);
#endif
}
