#include "faces/pose.h"

#include <math.h>

#define DEGREES (180.0 / 3.14159265358979323846)
#define EYE_DISTANCE 35.2

/* The alignment template, centred, with depth towards the camera: the tip of
 * the nose stands out by half the distance between the eyes. */
static const double head[CAFI_LANDMARKS][3] = {{-17.7, -20.2, -4.2},
                                               {17.5, -20.4, -4.2},
                                               {0.0, -0.2, 13.8},
                                               {-14.5, 20.5, -2.7},
                                               {14.7, 20.3, -2.7}};

/* The inverse of a symmetric 3x3; false when it has none. */
static bool invert3(double m[3][3], double out[3][3])
{
    double det = 0.0;

    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            int a = (k + 1) % 3, b = (k + 2) % 3, c = (i + 1) % 3, d = (i + 2) % 3;

            out[i][k] = m[a][c] * m[b][d] - m[a][d] * m[b][c];
        }
    for (int k = 0; k < 3; k++)
        det += m[0][k] * out[k][0];
    if (!(fabs(det) > 1e-9))
        return false;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            out[i][k] /= det;
    return true;
}

/* The affine map a [2][3] of least squares from the centred head to the
 * centred points. */
static bool fit_affine(double points[CAFI_LANDMARKS][2], double a[2][3])
{
    double square[3][3] = {{0}}, inverse[3][3], product[2][3] = {{0}};

    for (int l = 0; l < CAFI_LANDMARKS; l++)
        for (int i = 0; i < 3; i++) {
            for (int k = 0; k < 3; k++)
                square[i][k] += head[l][i] * head[l][k];
            for (int r = 0; r < 2; r++)
                product[r][i] += points[l][r] * head[l][i];
        }
    if (!invert3(square, inverse))
        return false;
    for (int r = 0; r < 2; r++)
        for (int i = 0; i < 3; i++) {
            a[r][i] = 0.0;
            for (int k = 0; k < 3; k++)
                a[r][i] += product[r][k] * inverse[k][i];
        }
    return true;
}

/* Rows r [2][3], orthonormal and closest to a, and their scale. */
static bool orthogonal(double a[2][3], double r[2][3], double *scale)
{
    double p = 0.0, q = 0.0, s = 0.0, root = 0.0, trace = 0.0, det = 0.0;

    for (int i = 0; i < 3; i++) {
        p += a[0][i] * a[0][i];
        q += a[0][i] * a[1][i];
        s += a[1][i] * a[1][i];
    }
    root = sqrt(fmax(0.0, p * s - q * q));
    trace = sqrt(p + s + 2.0 * root); /* of the square root of a a' */
    det = root * trace;
    if (!(det > 1e-12) || !isfinite(det))
        return false;
    for (int i = 0; i < 3; i++) {
        /* The inverse of (a a')^(1/2) = (a a' + root I) / trace. */
        r[0][i] = ((s + root) * a[0][i] - q * a[1][i]) / det;
        r[1][i] = ((p + root) * a[1][i] - q * a[0][i]) / det;
    }
    *scale = 0.5 * trace;
    return true;
}

/* The angles of orthonormal rows: the roll turns the axis from mouth to eyes
 * upright, then the head's depth axis has what is left. */
static void angles(cafi_pose *out, double r[2][3])
{
    double roll = atan2(-r[0][1], r[1][1]), c = cos(roll), s = sin(roll);
    double right = c * r[0][2] + s * r[1][2], down = -s * r[0][2] + c * r[1][2];

    out->front = r[0][0] * r[1][1] - r[0][1] * r[1][0];
    out->roll = DEGREES * roll;
    out->yaw = DEGREES * asin(fmax(-1.0, fmin(1.0, right)));
    out->pitch = DEGREES * asin(fmax(-1.0, fmin(1.0, -down)));
}

bool cafi_pose_of(cafi_pose *out, const cafi_point *landmark)
{
    double points[CAFI_LANDMARKS][2], centre[2] = {0.0, 0.0};
    double a[2][3], r[2][3], scale = 0.0, square = 0.0;

    for (int l = 0; l < CAFI_LANDMARKS; l++) {
        centre[0] += (double)landmark[l].x / CAFI_LANDMARKS;
        centre[1] += (double)landmark[l].y / CAFI_LANDMARKS;
    }
    if (!isfinite(centre[0]) || !isfinite(centre[1]))
        return false;
    for (int l = 0; l < CAFI_LANDMARKS; l++) {
        points[l][0] = (double)landmark[l].x - centre[0];
        points[l][1] = (double)landmark[l].y - centre[1];
    }
    if (!fit_affine(points, a) || !orthogonal(a, r, &scale))
        return false;
    for (int l = 0; l < CAFI_LANDMARKS; l++)
        for (int i = 0; i < 2; i++) {
            double d = points[l][i];

            for (int k = 0; k < 3; k++)
                d -= scale * r[i][k] * head[l][k];
            square += d * d;
        }
    out->misfit = sqrt(square / CAFI_LANDMARKS) / (scale * EYE_DISTANCE);
    angles(out, r);
    return true;
}

/* Detectors' landmarks on upright faces, frontal to profile, stay below 0.25;
 * those on faces lying on their side are above. */
#define MOST_MISFIT 0.28
/* The head's front must not face away from the camera. */
#define LEAST_FRONT 0.0

bool cafi_landmarks_are_plausible(const cafi_point *landmark)
{
    cafi_pose pose;

    return cafi_pose_of(&pose, landmark) && pose.misfit <= MOST_MISFIT && pose.front > LEAST_FRONT;
}
