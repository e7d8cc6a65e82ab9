/*
 * ngpt_update_1024_f32_neon, emitted by NormGen. Regenerate with
 *
 *   normgen emit ngpt_update_1024_f32 --target neon
 */
#ifndef NORMGEN_ngpt_update_1024_f32_neon_H
#define NORMGEN_ngpt_update_1024_f32_neon_H

#include <stdint.h>

#if defined(__aarch64__)
#ifdef __cplusplus
extern "C" {
#endif

/*
 * ngpt_update_1024_f32_neon of `rows` rows; with none, nothing is read or written.
 *
 *   h      f32 [rows, 1024]; h_stride elements from row to row
 *   block  f32 [rows, 1024]; block_stride elements from row to row
 *   alpha  f32 [1024]
 *   y      f32 [rows, 1024], written; y_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void ngpt_update_1024_f32_neon(int64_t rows, const float *h, int64_t h_stride, const float *block,
    int64_t block_stride, const float *alpha, float *y, int64_t y_stride);

/*
 * The same by `parts` threads: every phase from 0 to ngpt_update_1024_f32_neon_phases(rows, parts)
 * - 1 in order, each with all parts from 0 to parts - 1, at once or one after the other, on scratch
 * memory of ngpt_update_1024_f32_neon_scratch_bytes(rows, parts) bytes. The bits do not depend on
 * the number of parts.
 */
void ngpt_update_1024_f32_neon_part(int64_t rows, const float *h, int64_t h_stride,
    const float *block_, int64_t block__stride, const float *alpha, float *y, int64_t y_stride,
    void *scratch, int64_t phase, int64_t part, int64_t parts);
int64_t ngpt_update_1024_f32_neon_phases(int64_t rows, int64_t parts);
int64_t ngpt_update_1024_f32_neon_scratch_bytes(int64_t rows, int64_t parts);

/*
 * The same for a caller that has its parameters in arrays: buffers[i] and strides[i] belong to the
 * i-th tensor above; the stride of a tensor without rows is not read.
 */
void ngpt_update_1024_f32_neon_entry(int64_t rows, void *const *buffers, const int64_t *strides,
    void *scratch, int64_t phase, int64_t part, int64_t parts);

#ifdef __cplusplus
}
#endif
#endif

#endif
