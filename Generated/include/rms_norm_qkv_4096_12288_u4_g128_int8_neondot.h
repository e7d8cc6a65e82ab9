/*
 * rms_norm_qkv_4096_12288_u4_g128_int8_neondot, emitted by NormGen. Regenerate with
 *
 *   normgen emit rms_norm_qkv_4096_12288_u4_g128_int8 --target neondot
 */
#ifndef NORMGEN_rms_norm_qkv_4096_12288_u4_g128_int8_neondot_H
#define NORMGEN_rms_norm_qkv_4096_12288_u4_g128_int8_neondot_H

#include <stdint.h>

#if defined(__aarch64__)
#ifdef __cplusplus
extern "C" {
#endif

/*
 * rms_norm_qkv_4096_12288_u4_g128_int8_neondot of `rows` rows; with none, nothing is read or
 * written.
 *
 *   x       f32 [rows, 4096]; x_stride elements from row to row
 *   gain    f32 [4096]
 *   w_pack  u8 [12288, 2144];
 *           as rms_norm_qkv_4096_12288_u4_g128_int8_neondot_pack_w_pack leaves them
 *   qkv     f32 [rows, 12288], written; qkv_stride elements from row to row
 *
 * scratch: rms_norm_qkv_4096_12288_u4_g128_int8_neondot_scratch_bytes(rows, 1) bytes of any
 * alignment that nobody else uses.
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void rms_norm_qkv_4096_12288_u4_g128_int8_neondot(int64_t rows, const float *x, int64_t x_stride,
    const float *gain, const uint8_t *w_pack, float *qkv, int64_t qkv_stride, void *scratch);

/*
 * The same by `parts` threads: every phase from 0 to
 * rms_norm_qkv_4096_12288_u4_g128_int8_neondot_phases(rows, parts) - 1 in order, each with all
 * parts from 0 to parts - 1, at once or one after the other, on scratch memory of
 * rms_norm_qkv_4096_12288_u4_g128_int8_neondot_scratch_bytes(rows, parts) bytes. The bits do not
 * depend on the number of parts.
 */
void rms_norm_qkv_4096_12288_u4_g128_int8_neondot_part(int64_t rows, const float *x,
    int64_t x_stride, const float *gain, const uint8_t *w_pack, float *qkv, int64_t qkv_stride,
    void *scratch, int64_t phase, int64_t part, int64_t parts);
int64_t rms_norm_qkv_4096_12288_u4_g128_int8_neondot_phases(int64_t rows, int64_t parts);
int64_t rms_norm_qkv_4096_12288_u4_g128_int8_neondot_scratch_bytes(int64_t rows, int64_t parts);

// The u8 elements of packed w_pack.
int64_t rms_norm_qkv_4096_12288_u4_g128_int8_neondot_packed_elements_w_pack(void);

// Packs w_pack: reads u4_g128 blocks of [12288, 4096], row after row, and writes 26345472 bytes.
void rms_norm_qkv_4096_12288_u4_g128_int8_neondot_pack_w_pack(const uint8_t *weights,
    uint8_t *packed);

/*
 * The same for a caller that has its parameters in arrays: buffers[i] and strides[i] belong to the
 * i-th tensor above; the stride of a tensor without rows is not read.
 */
void rms_norm_qkv_4096_12288_u4_g128_int8_neondot_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts);

#ifdef __cplusplus
}
#endif
#endif

#endif
