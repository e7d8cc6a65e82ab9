/*
 * add_rms_norm_4096_bf16_avx2, emitted by NormGen. Regenerate with
 *
 *   normgen emit add_rms_norm_4096_bf16 --target avx2
 */
#ifndef NORMGEN_add_rms_norm_4096_bf16_avx2_H
#define NORMGEN_add_rms_norm_4096_bf16_avx2_H

#include <stdint.h>

#if defined(__x86_64__)
#ifdef __cplusplus
extern "C" {
#endif

/*
 * add_rms_norm_4096_bf16_avx2 of `rows` rows; with none, nothing is read or written.
 *
 *   x         bf16 [rows, 4096]; x_stride elements from row to row
 *   residual  bf16 [rows, 4096]; residual_stride elements from row to row
 *   gain      bf16 [4096]
 *   hidden    bf16 [rows, 4096], written; hidden_stride elements from row to row
 *   normed    bf16 [rows, 4096], written; normed_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void add_rms_norm_4096_bf16_avx2(int64_t rows, const uint16_t *x, int64_t x_stride,
    const uint16_t *residual, int64_t residual_stride, const uint16_t *gain, uint16_t *hidden,
    int64_t hidden_stride, uint16_t *normed, int64_t normed_stride);

/*
 * The same by `parts` threads: every phase from 0 to add_rms_norm_4096_bf16_avx2_phases(rows,
 * parts) - 1 in order, each with all parts from 0 to parts - 1, at once or one after the other, on
 * scratch memory of add_rms_norm_4096_bf16_avx2_scratch_bytes(rows, parts) bytes. The bits do not
 * depend on the number of parts.
 */
void add_rms_norm_4096_bf16_avx2_part(int64_t rows, const uint16_t *x, int64_t x_stride,
    const uint16_t *residual, int64_t residual_stride, const uint16_t *gain, uint16_t *hidden,
    int64_t hidden_stride, uint16_t *normed, int64_t normed_stride, void *scratch, int64_t phase,
    int64_t part, int64_t parts);
int64_t add_rms_norm_4096_bf16_avx2_phases(int64_t rows, int64_t parts);
int64_t add_rms_norm_4096_bf16_avx2_scratch_bytes(int64_t rows, int64_t parts);

/*
 * The same for a caller that has its parameters in arrays: buffers[i] and strides[i] belong to the
 * i-th tensor above; the stride of a tensor without rows is not read.
 */
void add_rms_norm_4096_bf16_avx2_entry(int64_t rows, void *const *buffers, const int64_t *strides,
    void *scratch, int64_t phase, int64_t part, int64_t parts);

#ifdef __cplusplus
}
#endif
#endif

#endif
