#include "CNormGenTemplates.h"

#include <string.h>

// Part of C23, which compilers know in earlier standards.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char simd_avx2_h[] = {
#embed "../../Templates/simd/avx2.h.in"
    , 0};
static const unsigned char simd_avx512_h[] = {
#embed "../../Templates/simd/avx512.h.in"
    , 0};
static const unsigned char simd_avx512bf16_h[] = {
#embed "../../Templates/simd/avx512bf16.h.in"
    , 0};
static const unsigned char simd_avx512vnni_h[] = {
#embed "../../Templates/simd/avx512vnni.h.in"
    , 0};
static const unsigned char simd_neon_h[] = {
#embed "../../Templates/simd/neon.h.in"
    , 0};
static const unsigned char simd_neondot_h[] = {
#embed "../../Templates/simd/neondot.h.in"
    , 0};
static const unsigned char simd_portable_h[] = {
#embed "../../Templates/simd/portable.h.in"
    , 0};
static const unsigned char math_bf16_dot_h[] = {
#embed "../../Templates/math/bf16_dot.h.in"
    , 0};
static const unsigned char math_binade_h[] = {
#embed "../../Templates/math/binade.h.in"
    , 0};
static const unsigned char math_blocks_h[] = {
#embed "../../Templates/math/blocks.h.in"
    , 0};
static const unsigned char math_erf_h[] = {
#embed "../../Templates/math/erf.h.in"
    , 0};
static const unsigned char math_exp_h[] = {
#embed "../../Templates/math/exp.h.in"
    , 0};
static const unsigned char math_float8_h[] = {
#embed "../../Templates/math/float8.h.in"
    , 0};
static const unsigned char math_integers_h[] = {
#embed "../../Templates/math/integers.h.in"
    , 0};
static const unsigned char math_log_h[] = {
#embed "../../Templates/math/log.h.in"
    , 0};
static const unsigned char math_order_h[] = {
#embed "../../Templates/math/order.h.in"
    , 0};
static const unsigned char math_pairs_h[] = {
#embed "../../Templates/math/pairs.h.in"
    , 0};
static const unsigned char math_parts_h[] = {
#embed "../../Templates/math/parts.h.in"
    , 0};
static const unsigned char math_prefetch_h[] = {
#embed "../../Templates/math/prefetch.h.in"
    , 0};
static const unsigned char math_put_h[] = {
#embed "../../Templates/math/put.h.in"
    , 0};
static const unsigned char math_sigmoid_h[] = {
#embed "../../Templates/math/sigmoid.h.in"
    , 0};
static const unsigned char math_storage_h[] = {
#embed "../../Templates/math/storage.h.in"
    , 0};
static const unsigned char math_tanh_h[] = {
#embed "../../Templates/math/tanh.h.in"
    , 0};
static const unsigned char math_unrolled_h[] = {
#embed "../../Templates/math/unrolled.h.in"
    , 0};
static const unsigned char files_kernel_c[] = {
#embed "../../Templates/files/kernel.c.in"
    , 0};
static const unsigned char files_kernel_h[] = {
#embed "../../Templates/files/kernel.h.in"
    , 0};
static const unsigned char measure_limits_c[] = {
#embed "../../Templates/measure/limits.c.in"
    , 0};
static const unsigned char emulation_bare_c[] = {
#embed "../../Templates/emulation/emulation_bare.c"
    , 0};
static const unsigned char emulation_bare_ld[] = {
#embed "../../Templates/emulation/emulation_bare.ld"
    , 0};
static const unsigned char emulation_firmware_S[] = {
#embed "../../Templates/emulation/emulation_firmware.S"
    , 0};
static const unsigned char emulation_firmware_ld[] = {
#embed "../../Templates/emulation/emulation_firmware.ld"
    , 0};
static const unsigned char emulation_linux_c[] = {
#embed "../../Templates/emulation/emulation_linux.c"
    , 0};
static const unsigned char emulation_program_c[] = {
#embed "../../Templates/emulation/emulation_program.c"
    , 0};
static const unsigned char emulation_protocol_h[] = {
#embed "../../Templates/emulation/emulation_protocol.h"
    , 0};

static const struct {
  const char *path;
  const unsigned char *text;
} templates[] = {
    {"simd/avx2.h.in", simd_avx2_h},
    {"simd/avx512.h.in", simd_avx512_h},
    {"simd/avx512bf16.h.in", simd_avx512bf16_h},
    {"simd/avx512vnni.h.in", simd_avx512vnni_h},
    {"simd/neon.h.in", simd_neon_h},
    {"simd/neondot.h.in", simd_neondot_h},
    {"simd/portable.h.in", simd_portable_h},
    {"math/bf16_dot.h.in", math_bf16_dot_h},
    {"math/binade.h.in", math_binade_h},
    {"math/blocks.h.in", math_blocks_h},
    {"math/erf.h.in", math_erf_h},
    {"math/exp.h.in", math_exp_h},
    {"math/float8.h.in", math_float8_h},
    {"math/integers.h.in", math_integers_h},
    {"math/log.h.in", math_log_h},
    {"math/order.h.in", math_order_h},
    {"math/pairs.h.in", math_pairs_h},
    {"math/parts.h.in", math_parts_h},
    {"math/prefetch.h.in", math_prefetch_h},
    {"math/put.h.in", math_put_h},
    {"math/sigmoid.h.in", math_sigmoid_h},
    {"math/storage.h.in", math_storage_h},
    {"math/tanh.h.in", math_tanh_h},
    {"math/unrolled.h.in", math_unrolled_h},
    {"files/kernel.c.in", files_kernel_c},
    {"files/kernel.h.in", files_kernel_h},
    {"measure/limits.c.in", measure_limits_c},
    {"emulation/emulation_bare.c", emulation_bare_c},
    {"emulation/emulation_bare.ld", emulation_bare_ld},
    {"emulation/emulation_firmware.S", emulation_firmware_S},
    {"emulation/emulation_firmware.ld", emulation_firmware_ld},
    {"emulation/emulation_linux.c", emulation_linux_c},
    {"emulation/emulation_program.c", emulation_program_c},
    {"emulation/emulation_protocol.h", emulation_protocol_h},
};

const char *normgen_template(const char *path) {
  for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
    if (strcmp(templates[i].path, path) == 0) return (const char *)templates[i].text;
  }
  return NULL;
}
