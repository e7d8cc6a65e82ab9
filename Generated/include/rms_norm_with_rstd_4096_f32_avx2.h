/*
 * rms_norm_with_rstd_4096_f32_avx2, emitted by NormGen. Regenerate with
 *
 *   normgen emit rms_norm_with_rstd_4096_f32 --target avx2
 */
#ifndef NORMGEN_rms_norm_with_rstd_4096_f32_avx2_H
#define NORMGEN_rms_norm_with_rstd_4096_f32_avx2_H

#include <stdint.h>

#if defined(__x86_64__)
#ifdef __cplusplus
extern "C" {
#endif

/*
 * rms_norm_with_rstd_4096_f32_avx2 of `rows` rows; with none, nothing is read or written.
 *
 *   x     f32 [rows, 4096]; x_stride elements from row to row
 *   gain  f32 [4096]
 *   y     f32 [rows, 4096], written; y_stride elements from row to row
 *   rstd  f32 [rows, 1], written; rstd_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void rms_norm_with_rstd_4096_f32_avx2(int64_t rows, const float *x, int64_t x_stride,
    const float *gain, float *y, int64_t y_stride, float *rstd, int64_t rstd_stride);

/*
 * The same by `parts` threads: every phase from 0 to rms_norm_with_rstd_4096_f32_avx2_phases(rows,
 * parts) - 1 in order, each with all parts from 0 to parts - 1, at once or one after the other, on
 * scratch memory of rms_norm_with_rstd_4096_f32_avx2_scratch_bytes(rows, parts) bytes. The bits do
 * not depend on the number of parts.
 */
void rms_norm_with_rstd_4096_f32_avx2_part(int64_t rows, const float *x, int64_t x_stride,
    const float *gain, float *y, int64_t y_stride, float *rstd, int64_t rstd_stride, void *scratch,
    int64_t phase, int64_t part, int64_t parts);
int64_t rms_norm_with_rstd_4096_f32_avx2_phases(int64_t rows, int64_t parts);
int64_t rms_norm_with_rstd_4096_f32_avx2_scratch_bytes(int64_t rows, int64_t parts);

/*
 * The same for a caller that has its parameters in arrays: buffers[i] and strides[i] belong to the
 * i-th tensor above; the stride of a tensor without rows is not read.
 */
void rms_norm_with_rstd_4096_f32_avx2_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts);

#ifdef __cplusplus
}
#endif
#endif

#endif
