/*
 * linear_ngpt_update_1024_f32_neon, emitted by NormGen. Regenerate with
 *
 *   normgen emit linear_ngpt_update_1024_f32 --target neon
 */
#ifndef NORMGEN_linear_ngpt_update_1024_f32_neon_H
#define NORMGEN_linear_ngpt_update_1024_f32_neon_H

#include <stdint.h>

#if defined(__aarch64__)
#ifdef __cplusplus
extern "C" {
#endif

/*
 * linear_ngpt_update_1024_f32_neon of `rows` rows; with none, nothing is read or written.
 *
 *   h      f32 [rows, 1024]; h_stride elements from row to row
 *   a      f32 [rows, 1024]; a_stride elements from row to row
 *   w      f32 [1024, 1024]; as linear_ngpt_update_1024_f32_neon_pack_w leaves them
 *   alpha  f32 [1024]
 *   y      f32 [rows, 1024], written; y_stride elements from row to row
 *
 * scratch: linear_ngpt_update_1024_f32_neon_scratch_bytes(rows, 1) bytes of any alignment that
 * nobody else uses.
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void linear_ngpt_update_1024_f32_neon(int64_t rows, const float *h, int64_t h_stride,
    const float *a, int64_t a_stride, const float *w, const float *alpha, float *y,
    int64_t y_stride, void *scratch);

/*
 * The same by `parts` threads: every phase from 0 to linear_ngpt_update_1024_f32_neon_phases(rows,
 * parts) - 1 in order, each with all parts from 0 to parts - 1, at once or one after the other, on
 * scratch memory of linear_ngpt_update_1024_f32_neon_scratch_bytes(rows, parts) bytes. The bits do
 * not depend on the number of parts.
 */
void linear_ngpt_update_1024_f32_neon_part(int64_t rows, const float *h, int64_t h_stride,
    const float *a, int64_t a_stride, const float *w, const float *alpha, float *y,
    int64_t y_stride, void *scratch, int64_t phase, int64_t part, int64_t parts);
int64_t linear_ngpt_update_1024_f32_neon_phases(int64_t rows, int64_t parts);
int64_t linear_ngpt_update_1024_f32_neon_scratch_bytes(int64_t rows, int64_t parts);

// The f32 elements of packed w.
int64_t linear_ngpt_update_1024_f32_neon_packed_elements_w(void);

// Packs w: reads f32 [1024, 1024] and writes 1048576 elements.
void linear_ngpt_update_1024_f32_neon_pack_w(const float *weights, float *packed);

/*
 * The same for a caller that has its parameters in arrays: buffers[i] and strides[i] belong to the
 * i-th tensor above; the stride of a tensor without rows is not read.
 */
void linear_ngpt_update_1024_f32_neon_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts);

#ifdef __cplusplus
}
#endif
#endif

#endif
