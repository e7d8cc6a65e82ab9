/*
 * gemma_sandwich_2304_bf16_avx2, emitted by NormGen. Regenerate with
 *
 *   normgen emit gemma_sandwich_2304_bf16 --target avx2
 */
#ifndef NORMGEN_gemma_sandwich_2304_bf16_avx2_H
#define NORMGEN_gemma_sandwich_2304_bf16_avx2_H

#include <stdint.h>

#if defined(__x86_64__)
#ifdef __cplusplus
extern "C" {
#endif

/*
 * gemma_sandwich_2304_bf16_avx2 of `rows` rows; with none, nothing is read or written.
 *
 *   o          bf16 [rows, 2304]; o_stride elements from row to row
 *   residual   bf16 [rows, 2304]; residual_stride elements from row to row
 *   post_gain  bf16 [2304]
 *   pre_gain   bf16 [2304]
 *   hidden     bf16 [rows, 2304], written; hidden_stride elements from row to row
 *   normed     bf16 [rows, 2304], written; normed_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void gemma_sandwich_2304_bf16_avx2(int64_t rows, const uint16_t *o, int64_t o_stride,
    const uint16_t *residual, int64_t residual_stride, const uint16_t *post_gain,
    const uint16_t *pre_gain, uint16_t *hidden, int64_t hidden_stride, uint16_t *normed,
    int64_t normed_stride);

/*
 * The same by `parts` threads: every phase from 0 to gemma_sandwich_2304_bf16_avx2_phases(rows,
 * parts) - 1 in order, each with all parts from 0 to parts - 1, at once or one after the other, on
 * scratch memory of gemma_sandwich_2304_bf16_avx2_scratch_bytes(rows, parts) bytes. The bits do not
 * depend on the number of parts.
 */
void gemma_sandwich_2304_bf16_avx2_part(int64_t rows, const uint16_t *o, int64_t o_stride,
    const uint16_t *residual, int64_t residual_stride, const uint16_t *post_gain,
    const uint16_t *pre_gain, uint16_t *hidden, int64_t hidden_stride, uint16_t *normed,
    int64_t normed_stride, void *scratch, int64_t phase, int64_t part, int64_t parts);
int64_t gemma_sandwich_2304_bf16_avx2_phases(int64_t rows, int64_t parts);
int64_t gemma_sandwich_2304_bf16_avx2_scratch_bytes(int64_t rows, int64_t parts);

/*
 * The same for a caller that has its parameters in arrays: buffers[i] and strides[i] belong to the
 * i-th tensor above; the stride of a tensor without rows is not read.
 */
void gemma_sandwich_2304_bf16_avx2_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts);

#ifdef __cplusplus
}
#endif
#endif

#endif
