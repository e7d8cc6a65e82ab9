/*
 * rms_norm_gated_mlp_4096_14336_bf16_avx512bf16, emitted by NormGen. Regenerate with
 *
 *   normgen emit rms_norm_gated_mlp_4096_14336_bf16 --target avx512bf16
 */
#ifndef NORMGEN_rms_norm_gated_mlp_4096_14336_bf16_avx512bf16_H
#define NORMGEN_rms_norm_gated_mlp_4096_14336_bf16_avx512bf16_H

#include <stdint.h>

#if defined(__x86_64__)
#ifdef __cplusplus
extern "C" {
#endif

/*
 * rms_norm_gated_mlp_4096_14336_bf16_avx512bf16 of `rows` rows; with none, nothing is read or
 * written.
 *
 *   x       bf16 [rows, 4096]; x_stride elements from row to row
 *   gain    bf16 [4096]
 *   w_gate  bf16 [14336, 4096];
 *           as rms_norm_gated_mlp_4096_14336_bf16_avx512bf16_pack_w_gate leaves them
 *   w_up    bf16 [14336, 4096];
 *           as rms_norm_gated_mlp_4096_14336_bf16_avx512bf16_pack_w_up leaves them
 *   y       bf16 [rows, 14336], written; y_stride elements from row to row
 *
 * scratch: rms_norm_gated_mlp_4096_14336_bf16_avx512bf16_scratch_bytes(rows, 1) bytes of any
 * alignment that nobody else uses.
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void rms_norm_gated_mlp_4096_14336_bf16_avx512bf16(int64_t rows, const uint16_t *x,
    int64_t x_stride, const uint16_t *gain, const uint16_t *w_gate, const uint16_t *w_up,
    uint16_t *y, int64_t y_stride, void *scratch);

/*
 * The same by `parts` threads: every phase from 0 to
 * rms_norm_gated_mlp_4096_14336_bf16_avx512bf16_phases(rows, parts) - 1 in order, each with all
 * parts from 0 to parts - 1, at once or one after the other, on scratch memory of
 * rms_norm_gated_mlp_4096_14336_bf16_avx512bf16_scratch_bytes(rows, parts) bytes. The bits do not
 * depend on the number of parts.
 */
void rms_norm_gated_mlp_4096_14336_bf16_avx512bf16_part(int64_t rows, const uint16_t *x,
    int64_t x_stride, const uint16_t *gain, const uint16_t *w_gate, const uint16_t *w_up,
    uint16_t *y, int64_t y_stride, void *scratch, int64_t phase, int64_t part, int64_t parts);
int64_t rms_norm_gated_mlp_4096_14336_bf16_avx512bf16_phases(int64_t rows, int64_t parts);
int64_t rms_norm_gated_mlp_4096_14336_bf16_avx512bf16_scratch_bytes(int64_t rows, int64_t parts);

// The bf16 elements of packed w_gate.
int64_t rms_norm_gated_mlp_4096_14336_bf16_avx512bf16_packed_elements_w_gate(void);

// Packs w_gate: reads bf16 [14336, 4096] and writes 58720256 elements.
void rms_norm_gated_mlp_4096_14336_bf16_avx512bf16_pack_w_gate(const uint16_t *weights,
    uint16_t *packed);

// The bf16 elements of packed w_up.
int64_t rms_norm_gated_mlp_4096_14336_bf16_avx512bf16_packed_elements_w_up(void);

// Packs w_up: reads bf16 [14336, 4096] and writes 58720256 elements.
void rms_norm_gated_mlp_4096_14336_bf16_avx512bf16_pack_w_up(const uint16_t *weights,
    uint16_t *packed);

/*
 * The same for a caller that has its parameters in arrays: buffers[i] and strides[i] belong to the
 * i-th tensor above; the stride of a tensor without rows is not read.
 */
void rms_norm_gated_mlp_4096_14336_bf16_avx512bf16_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts);

#ifdef __cplusplus
}
#endif
#endif

#endif
