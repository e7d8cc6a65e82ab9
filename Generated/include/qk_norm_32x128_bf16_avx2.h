/*
 * qk_norm_32x128_bf16_avx2, emitted by NormGen. Regenerate with
 *
 *   normgen emit qk_norm_32x128_bf16 --target avx2
 */
#ifndef NORMGEN_qk_norm_32x128_bf16_avx2_H
#define NORMGEN_qk_norm_32x128_bf16_avx2_H

#include <stdint.h>

#if defined(__x86_64__)
#ifdef __cplusplus
extern "C" {
#endif

/*
 * qk_norm_32x128_bf16_avx2 of `rows` rows; with none, nothing is read or written.
 *
 *   q     bf16 [rows, 32, 128]; q_stride elements from row to row
 *   gain  bf16 [128]
 *   y     bf16 [rows, 32, 128], written; y_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void qk_norm_32x128_bf16_avx2(int64_t rows, const uint16_t *q, int64_t q_stride,
    const uint16_t *gain, uint16_t *y, int64_t y_stride);

/*
 * The same by `parts` threads: every phase from 0 to qk_norm_32x128_bf16_avx2_phases(rows, parts) -
 * 1 in order, each with all parts from 0 to parts - 1, at once or one after the other, on scratch
 * memory of qk_norm_32x128_bf16_avx2_scratch_bytes(rows, parts) bytes. The bits do not depend on
 * the number of parts.
 */
void qk_norm_32x128_bf16_avx2_part(int64_t rows, const uint16_t *q, int64_t q_stride,
    const uint16_t *gain, uint16_t *y, int64_t y_stride, void *scratch, int64_t phase,
    int64_t part, int64_t parts);
int64_t qk_norm_32x128_bf16_avx2_phases(int64_t rows, int64_t parts);
int64_t qk_norm_32x128_bf16_avx2_scratch_bytes(int64_t rows, int64_t parts);

/*
 * The same for a caller that has its parameters in arrays: buffers[i] and strides[i] belong to the
 * i-th tensor above; the stride of a tensor without rows is not read.
 */
void qk_norm_32x128_bf16_avx2_entry(int64_t rows, void *const *buffers, const int64_t *strides,
    void *scratch, int64_t phase, int64_t part, int64_t parts);

#ifdef __cplusplus
}
#endif
#endif

#endif
