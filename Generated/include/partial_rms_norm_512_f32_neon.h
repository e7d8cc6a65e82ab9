/*
 * partial_rms_norm_512_f32_neon, emitted by NormGen. Regenerate with
 *
 *   normgen emit partial_rms_norm_512_f32 --target neon
 */
#ifndef NORMGEN_partial_rms_norm_512_f32_neon_H
#define NORMGEN_partial_rms_norm_512_f32_neon_H

#include <stdint.h>

#if defined(__aarch64__)
#ifdef __cplusplus
extern "C" {
#endif

/*
 * partial_rms_norm_512_f32_neon of `rows` rows; with none, nothing is read or written.
 *
 *   x     f32 [rows, 512]; x_stride elements from row to row
 *   gain  f32 [512]
 *   y     f32 [rows, 512], written; y_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void partial_rms_norm_512_f32_neon(int64_t rows, const float *x, int64_t x_stride,
    const float *gain, float *y, int64_t y_stride);

/*
 * The same by `parts` threads: every phase from 0 to partial_rms_norm_512_f32_neon_phases(rows,
 * parts) - 1 in order, each with all parts from 0 to parts - 1, at once or one after the other, on
 * scratch memory of partial_rms_norm_512_f32_neon_scratch_bytes(rows, parts) bytes. The bits do not
 * depend on the number of parts.
 */
void partial_rms_norm_512_f32_neon_part(int64_t rows, const float *x, int64_t x_stride,
    const float *gain, float *y, int64_t y_stride, void *scratch, int64_t phase, int64_t part,
    int64_t parts);
int64_t partial_rms_norm_512_f32_neon_phases(int64_t rows, int64_t parts);
int64_t partial_rms_norm_512_f32_neon_scratch_bytes(int64_t rows, int64_t parts);

/*
 * The same for a caller that has its parameters in arrays: buffers[i] and strides[i] belong to the
 * i-th tensor above; the stride of a tensor without rows is not read.
 */
void partial_rms_norm_512_f32_neon_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts);

#ifdef __cplusplus
}
#endif
#endif

#endif
