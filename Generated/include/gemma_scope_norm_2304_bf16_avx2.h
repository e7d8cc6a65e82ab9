/*
 * gemma_scope_norm_2304_bf16_avx2, emitted by NormGen. Regenerate with
 *
 *   normgen emit gemma_scope_norm_2304_bf16 --target avx2
 */
#ifndef NORMGEN_gemma_scope_norm_2304_bf16_avx2_H
#define NORMGEN_gemma_scope_norm_2304_bf16_avx2_H

#include <stdint.h>

#if defined(__x86_64__)
#ifdef __cplusplus
extern "C" {
#endif

/*
 * gemma_scope_norm_2304_bf16_avx2 of `rows` rows; with none, nothing is read or written.
 *
 *   z  bf16 [rows, 2304]; z_stride elements from row to row
 *   y  bf16 [rows, 2304], written; y_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void gemma_scope_norm_2304_bf16_avx2(int64_t rows, const uint16_t *z, int64_t z_stride,
    uint16_t *y, int64_t y_stride);

/*
 * The same by `parts` threads: every phase from 0 to gemma_scope_norm_2304_bf16_avx2_phases(rows,
 * parts) - 1 in order, each with all parts from 0 to parts - 1, at once or one after the other, on
 * scratch memory of gemma_scope_norm_2304_bf16_avx2_scratch_bytes(rows, parts) bytes. The bits do
 * not depend on the number of parts.
 */
void gemma_scope_norm_2304_bf16_avx2_part(int64_t rows, const uint16_t *z, int64_t z_stride,
    uint16_t *y, int64_t y_stride, void *scratch, int64_t phase, int64_t part, int64_t parts);
int64_t gemma_scope_norm_2304_bf16_avx2_phases(int64_t rows, int64_t parts);
int64_t gemma_scope_norm_2304_bf16_avx2_scratch_bytes(int64_t rows, int64_t parts);

/*
 * The same for a caller that has its parameters in arrays: buffers[i] and strides[i] belong to the
 * i-th tensor above; the stride of a tensor without rows is not read.
 */
void gemma_scope_norm_2304_bf16_avx2_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts);

#ifdef __cplusplus
}
#endif
#endif

#endif
