/*
 * onnx_rms_norm_1024_f16_avx512, emitted by NormGen. Regenerate with
 *
 *   normgen emit onnx_rms_norm_1024_f16 --target avx512
 */
#ifndef NORMGEN_onnx_rms_norm_1024_f16_avx512_H
#define NORMGEN_onnx_rms_norm_1024_f16_avx512_H

#include <stdint.h>

#if defined(__x86_64__)
#ifdef __cplusplus
extern "C" {
#endif

/*
 * onnx_rms_norm_1024_f16_avx512 of `rows` rows; with none, nothing is read or written.
 *
 *   x     f16 [rows, 1024]; x_stride elements from row to row
 *   gain  f16 [1024]
 *   y     f16 [rows, 1024], written; y_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void onnx_rms_norm_1024_f16_avx512(int64_t rows, const uint16_t *x, int64_t x_stride,
    const uint16_t *gain, uint16_t *y, int64_t y_stride);

/*
 * The same for a caller that has its parameters in arrays: buffers[i] and strides[i] belong to the
 * i-th tensor above; the stride of a tensor without rows is not read.
 */
void onnx_rms_norm_1024_f16_avx512_entry(int64_t rows, void *const *buffers,
    const int64_t *strides);

#ifdef __cplusplus
}
#endif
#endif

#endif
