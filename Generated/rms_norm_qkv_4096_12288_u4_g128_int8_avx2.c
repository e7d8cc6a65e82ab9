/*
 * rms_norm_qkv_4096_12288_u4_g128_int8_avx2: a kernel for avx2, emitted by NormGen. Regenerate with
 *
 *   normgen emit rms_norm_qkv_4096_12288_u4_g128_int8 --target avx2
 *
 *   kernel rms_norm_qkv_4096_12288_u4_g128_int8(
 *     x: f32[rows, 4096],
 *     gain: f32[4096],
 *     w_pack: u4_g128[12288, 4096]
 *   ) {
 *     rms_norm {
 *       mean_square = mean(x * x)
 *       inv_rms = 1.0 / sqrt(mean_square + 1e-06)
 *       %1 = x * inv_rms * gain
 *     }
 *     %2 = reshape(%1, [rows, 32, 128])
 *     quantize_rows {
 *       abs_max = row_max(abs(%2))
 *       scale = abs_max / 127.0
 *       factor = 127.0 / abs_max
 *       %3 = i8(%2 * factor)
 *     }
 *     qkv = matmul(reshape(%3, [rows, 4096]), w_pack, layout: out_in, accumulate: int8, scale: reshape(scale, [rows, 32]))
 *   } -> qkv: f32
 *
 * Schedule row_streaming: 4 steps over a chunk of at most 112 rows.
 *   step 1: 2 passes over a row: each pass reads the row from memory or cache; pass 1: mean_square
 *      over 4096; pass 2: store rms_norm_kept
 *   step 2: 3 passes over a row: each pass reads the row from memory or cache; pass 1: abs_max over
 *      128; pass 2: row_sum over 128; store value_rows; store value_scales, one a row; pass 3:
 *      store value_group_sums, one a row
 *   step 3: qkv_sums = value_rows × packed w_pack (4096 × 12288 u4_g128, int8)
 *   step 4: 1 pass over a row: each pass reads the row from memory or cache; pass 1: store qkv
 *   panel value_rows: 4096 i8 a row, 4160 bytes
 *   panel value_scales: 32 f32 a row, 192 bytes
 *   panel value_group_sums: 32 f32 a row, 192 bytes
 *   panel qkv_sums: 12288 f32 a row, 49216 bytes
 *   panel rms_norm_kept: 4096 f32 a row, 16448 bytes
 *
 * The bits are the same on every target, for any number of rows and any stride. Contraction and
 * reassociation would change them. Flags that allow them are refused where the compiler announces
 * them, and switched off here where it does not. Clang neither announces nor lets a file switch off
 * -ffp-contract=fast, -ffp-model=fast, -funsafe-math-optimizations and -fno-honor-nans: leave them
 * out.
 */
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#if defined(__clang__) ? __clang_major__ < 11 : __GNUC__ < 10
#error "rms_norm_qkv_4096_12288_u4_g128_int8_avx2.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "rms_norm_qkv_4096_12288_u4_g128_int8_avx2.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "rms_norm_qkv_4096_12288_u4_g128_int8_avx2.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("rms_norm_qkv_4096_12288_u4_g128_int8_avx2.h")
#include "rms_norm_qkv_4096_12288_u4_g128_int8_avx2.h"
#endif
#if defined(__clang__)
#pragma float_control(push)
#pragma float_control(precise, on)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC push_options
// Without -O3 partials stay in memory where the loops over them are not peeled.
#pragma GCC optimize("fp-contract=off", "peel-loops")
#if __GNUC__ >= 11
// This pass of gcc 12 takes some addresses for null, overlooks stores behind them, and leaves out calls
// that do nothing else.
#pragma GCC optimize("no-ipa-modref")
#endif
#if !__has_builtin(__builtin_shufflevector)
// Before gcc 12 the lanes' numbers are a vector of integers as wide as the lanes.
#define __builtin_shufflevector(a, b, ...) __builtin_shuffle(a, b, \
    (__typeof__(__builtin_choose_expr(sizeof((a)[0]) == 2, (short)0, 0)) \
        __attribute__((vector_size(sizeof(a))))){__VA_ARGS__})
#endif
#endif

#if defined(__clang__)
#pragma clang attribute push(__attribute__((no_builtin("memcpy", "memmove", "memset"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx2,fma,f16c")
#endif

// Eight Float32 lanes of an AVX2 register.
typedef float vec __attribute__((vector_size(32)));

// Eight Int32 lanes; a comparison gives -1 (true) or 0 in each.
typedef int32_t ivec __attribute__((vector_size(32)));

// Eight lanes of bits, for arithmetic that wraps.
typedef uint32_t uvec __attribute__((vector_size(32)));

// Eight 16-bit lanes: the stored form of a vector of bf16 or f16.
typedef uint16_t hvec __attribute__((vector_size(16)));

// Eight 8-bit lanes: the stored form of a vector of i8.
typedef int8_t bvec __attribute__((vector_size(8)));

// Thirty-two 8-bit lanes: four bvecs side by side.
typedef int8_t bquad __attribute__((vector_size(32)));

// A vec in memory with the alignment of one element.
typedef float vec_in_memory __attribute__((vector_size(32), aligned(4), may_alias));

// A bvec in memory with the alignment of one element.
typedef int8_t bvec_in_memory __attribute__((vector_size(8), aligned(1), may_alias));

// A bquad in memory with the alignment of one element.
typedef int8_t bquad_in_memory __attribute__((vector_size(32), aligned(1), may_alias));

// The same value in every lane.
static inline vec broadcast(float s) {
  return (vec){s, s, s, s, s, s, s, s};
}

// Lanes of a where the mask is set, of b elsewhere.
static inline vec vec_select(ivec mask, vec a, vec b) {
  return __builtin_ia32_blendvps256(b, a, (vec)mask);
}

// Eight consecutive floats.
static inline vec load_f32(const float *p) {
  return *(const vec_in_memory *)p;
}

// Eight consecutive floats.
static inline void store_f32(float *p, vec v) {
  *(vec_in_memory *)p = v;
}

// Eight consecutive 8-bit values.
static inline bvec load_s8(const int8_t *p) {
  return *(const bvec_in_memory *)p;
}

// Thirty-two consecutive 8-bit values.
static inline void store_s8_quad(int8_t *p, bquad b) {
  *(bquad_in_memory *)p = b;
}

// Half precision to Float32, exactly.
static inline vec widen_f16(hvec h) {
#if __has_builtin(__builtin_ia32_vcvtph2ps256)
  typedef short shorts __attribute__((vector_size(16)));
  vec v = (vec)__builtin_ia32_vcvtph2ps256((shorts)h);
#else
  typedef _Float16 halves __attribute__((vector_size(16)));
  vec v = __builtin_convertvector((halves)h, vec);
#endif
#if defined(__clang__)
  // LLVM compares halves lane by lane where it knows that v holds them; this hides it.
  __asm__("" : "+x"(v));
#endif
  return v;
}

// The nearest whole numbers up to 127, ties to even; 0 for NaN. What no Int32 holds is below.
static inline ivec nearest_up_to_127(vec v) {
  vec clamped = __builtin_ia32_minps256(v, broadcast(127.0f));
  return __builtin_ia32_cvtps2dq256((vec)((ivec)clamped & (v == v)));
}

// The nearest whole numbers from -128 to 127, ties to even; 0 for NaN, which the maximum keeps.
static inline ivec nearest_i8(vec v) {
  return nearest_up_to_127(__builtin_ia32_maxps256(broadcast(-128.0f), v));
}

// Four vectors of Float32 to i8: packing saturates below, within each half of a register.
static inline bquad narrow_i8_quad(const vec *v) {
  typedef short shorts __attribute__((vector_size(32)));
  shorts low = (shorts)__builtin_ia32_packssdw256(
      nearest_up_to_127(v[0]), nearest_up_to_127(v[1]));
  shorts high = (shorts)__builtin_ia32_packssdw256(
      nearest_up_to_127(v[2]), nearest_up_to_127(v[3]));
  ivec packed = (ivec)__builtin_ia32_packsswb256(low, high);
  return (bquad)__builtin_shufflevector(packed, packed, 0, 4, 1, 5, 2, 6, 3, 7);
}

// The bits of 8-bit lanes, zeros above them; gcc extends them lane by lane unless it is told the
// instruction.
static inline uvec bits_of_lanes(bvec b) {
#if defined(__clang__)
  typedef uint8_t bytes __attribute__((vector_size(8)));
  return __builtin_convertvector((bytes)b, uvec);
#else
  typedef char chars __attribute__((vector_size(16)));
  typedef long long whole __attribute__((vector_size(8)));
  typedef long long pair __attribute__((vector_size(16)));
  return (uvec)__builtin_ia32_pmovzxbd256((chars)(pair){((whole)b)[0], 0});
#endif
}

// u8 to Float32.
static inline vec widen_u8(bvec b) {
  return __builtin_convertvector((ivec)bits_of_lanes(b), vec);
}

// a · b + c with one rounding.
static inline vec multiply_add(vec a, vec b, vec c) {
#if __has_builtin(__builtin_elementwise_fma)
  return __builtin_elementwise_fma(a, b, c);
#else
  return __builtin_ia32_vfmaddps256(a, b, c);
#endif
}

// The correctly rounded square root.
static inline float square_root_scalar(float s) {
#if __has_builtin(__builtin_elementwise_sqrt)
  return __builtin_elementwise_sqrt(s);
#else
  typedef float quad __attribute__((vector_size(16)));
  return __builtin_ia32_sqrtss((quad){s, 0, 0, 0})[0];
#endif
}

// |v|: the sign bit cleared.
static inline vec absolute(vec v) {
  return (vec)((uvec)v & 0x7fffffffu);
}

// The greater of a and b; b where they compare equal, NaN where either is NaN.
static inline vec maximum(vec a, vec b) {
  return vec_select(a != a, a, __builtin_ia32_maxps256(a, b));
}

// The greater of a, a magnitude or -infinity, and |b|; NaN where either is NaN. As integers, the
// bits of magnitudes have their order, and NaN is above infinity.
static inline vec maximum_magnitude(vec a, vec b) {
#if __has_builtin(__builtin_elementwise_max)
  return (vec)__builtin_elementwise_max((ivec)a, (ivec)absolute(b));
#else
  return (vec)__builtin_ia32_pmaxsd256((ivec)a, (ivec)absolute(b));
#endif
}

// The sum of 64 partials by halves: partial i takes in partial i + s for s = 32, 16, ..., 1.
static inline float sum_partials(const vec p[8]) {
  vec a = p[0] + p[4];
  vec b = p[1] + p[5];
  vec c = p[2] + p[6];
  vec d = p[3] + p[7];
  a = a + c;
  b = b + d;
  a = a + b;
  a = a + __builtin_shufflevector(a, a, 4, 5, 6, 7, 0, 1, 2, 3);
  a = a + __builtin_shufflevector(a, a, 2, 3, 0, 1, 6, 7, 4, 5);
  a = a + __builtin_shufflevector(a, a, 1, 0, 3, 2, 5, 4, 7, 6);
  return a[0];
}

// The greatest of 64 partials by halves: partial i takes in partial i + s for s = 32, 16, ..., 1.
static inline float max_partials(const vec p[8]) {
  vec a = maximum(p[0], p[4]);
  vec b = maximum(p[1], p[5]);
  vec c = maximum(p[2], p[6]);
  vec d = maximum(p[3], p[7]);
  a = maximum(a, c);
  b = maximum(b, d);
  a = maximum(a, b);
  a = maximum(a, __builtin_shufflevector(a, a, 4, 5, 6, 7, 0, 1, 2, 3));
  a = maximum(a, __builtin_shufflevector(a, a, 2, 3, 0, 1, 6, 7, 4, 5));
  a = maximum(a, __builtin_shufflevector(a, a, 1, 0, 3, 2, 5, 4, 7, 6));
  return a[0];
}

// 16-bit sums of products of bytes, two a word.
typedef int16_t pair_sums __attribute__((vector_size(32)));

// Sums with the four products of each word's bytes and a quad's added; the quad's have signs, and
// no sum leaves 16 bits.
static inline pair_sums add_quads(pair_sums sums, uvec words, uvec quad) {
  typedef char bytes __attribute__((vector_size(32)));
  sums += (pair_sums)__builtin_ia32_pmaddubsw256((bytes)words, (bytes)quad);
  // LLVM makes trees of such sums, which take more registers than there are; this hides them.
  __asm__("" : "+x"(sums));
  return sums;
}

// Each word's sum as a Float32 number.
static inline vec float_from_pair_sums(pair_sums sums) {
  typedef short shorts __attribute__((vector_size(32)));
  shorts ones = (shorts)(uvec){0} + 1;
  return __builtin_convertvector((ivec)__builtin_ia32_pmaddwd256((shorts)sums, ones), vec);
}

// v rounded to i8, as Float32.
static inline vec round_i8(vec v) {
  return __builtin_convertvector(nearest_i8(v), vec);
}

// 64 lanes, each rounded to i8.
static inline void store_i8_group(int8_t *p, const vec *v) {
  enum { lanes = sizeof(vec) / sizeof(float) };
  for (int k = 0; k < 64 / lanes; k += 4) {
    store_s8_quad(p + k * lanes, narrow_i8_quad(v + k));
  }
}

// One vector of consecutive u8 values, as Float32.
static inline vec load_u8(const uint8_t *p) {
  return widen_u8(load_s8((const int8_t *)p));
}

// Unrolls the loop behind it, whose entries stay in registers only then, however long its body is;
// gcc peels such loops by itself.
#if defined(__clang__)
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED
#endif

// Words of four bytes, a word a lane; the first byte is the lowest.
static inline uvec load_words(const void *p) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "words of bytes are read as a little-endian machine has them"
#endif
  typedef uint32_t words __attribute__((vector_size(sizeof(uvec)), aligned(1), may_alias));
  return *(const words *)p;
}

// `count` bits of each of the four bytes of each word, from the byte's bit `from` on.
static inline uvec bits_of_bytes(uvec words, int64_t from, uint32_t count) {
  return words >> (uint32_t)from & ((1u << count) - 1) * 0x01010101u;
}

// Four bytes in every word; the first is the lowest.
static inline uvec broadcast_quad(const int8_t *p) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "words of bytes are read as a little-endian machine has them"
#endif
  typedef uint32_t word __attribute__((aligned(1), may_alias));
  return (uvec){0} + *(const word *)p;
}

// One vector of half-precision values that lie among bytes, as Float32.
static inline vec load_f16_bytes(const uint8_t *p) {
  typedef uint16_t halves __attribute__((vector_size(sizeof(hvec)), aligned(1), may_alias));
  return widen_f16(*(const halves *)p);
}

// `count` bits, all in one byte, from bit `position` of some bytes on.
static inline uint32_t stored_bits(const uint8_t *p, int64_t position, uint32_t count) {
  const uint64_t bit = (uint64_t)position;
  return (uint32_t)p[bit / 8] >> bit % 8 & ((1u << count) - 1);
}

// Asks for 64 floats to come closer. They need not be readable, nor belong to an array, so that
// their addresses are taken as numbers.
static inline void prefetch_f32_group(const float *p) {
  for (uintptr_t byte = 0; byte < 256; byte += 64) {
    __builtin_prefetch((const void *)((uintptr_t)p + byte), 0, 2);
  }
}

// The same, no closer than the second level of caches.
static inline void prefetch_line_to_l2(const void *p, int64_t byte) {
  __builtin_prefetch((const void *)((uintptr_t)p + (uintptr_t)byte), 0, 2);
}

// Where part `part` of `parts` begins among `count` things: all take as many, and the first parts
// one more where some are left. One part takes all without a division.
static inline int64_t begin_of_part(int64_t count, int64_t part, int64_t parts) {
  if (parts == 1) return count * part;
  const int64_t left = count % parts;
  return count / parts * part + (part < left ? part : left);
}

// Step 1: 2 passes over a row: each pass reads the row from memory or cache; pass 1: mean_square
// over 4096; pass 2: store rms_norm_kept.
static void step1(int64_t rows, const float *restrict x, int64_t x_stride,
    const float *restrict gain, float *restrict rms_norm_kept, int64_t rms_norm_kept_stride) {
  for (int64_t row = 0; row < rows; ++row) {
    const float *x_row = x + row * x_stride;
    float *rms_norm_kept_row = rms_norm_kept + row * rms_norm_kept_stride;
    const int64_t next = row + 1 < rows ? row + 1 : row;
    // Pass 1: mean_square = mean(x * x), over all 4096.
    vec mean_square_partials[8] = {{0}};
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 8; ++p) {
        const vec x_i = load_f32(x_row + i + p * 8);
        mean_square_partials[p] = multiply_add(x_i, x_i, mean_square_partials[p]);
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 4096.0f;
    const float inv_rms = 1.0f / square_root_scalar(mean_square + 1e-06f);
    // Pass 2: output rms_norm_kept.
    for (int64_t i = 0; i < 4096; i += 64) {
      prefetch_f32_group(x + next * x_stride + i);
      for (int64_t p = 0; p < 8; ++p) {
        store_f32(rms_norm_kept_row + i + p * 8,
            load_f32(x_row + i + p * 8) * inv_rms * load_f32(gain + i + p * 8));
      }
    }
  }
}

// Step 2: 3 passes over a row: each pass reads the row from memory or cache; pass 1: abs_max over
// 128; pass 2: row_sum over 128; store value_rows; store value_scales, one a row; pass 3: store
// value_group_sums, one a row.
static void step2(int64_t rows, const float *restrict rms_norm_kept, int64_t rms_norm_kept_stride,
    int8_t *restrict value_rows, int64_t value_rows_stride, float *restrict value_scales,
    int64_t value_scales_stride, float *restrict value_group_sums,
    int64_t value_group_sums_stride) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t outer0 = 0; outer0 < 32; ++outer0) {
      const float *rms_norm_kept_row = rms_norm_kept + row * rms_norm_kept_stride + outer0 * 128;
      int8_t *value_rows_row = value_rows + row * value_rows_stride + outer0 * 128;
      float *value_scales_row = value_scales + row * value_scales_stride + outer0;
      float *value_group_sums_row = value_group_sums + row * value_group_sums_stride + outer0;
      // Pass 1: abs_max = row_max(abs(rms_norm_kept)), over all 128.
      vec abs_max_partials[8];
      for (int64_t p = 0; p < 8; ++p) abs_max_partials[p] = broadcast(-__builtin_inff());
      for (int64_t i = 0; i < 128; i += 64) {
        for (int64_t p = 0; p < 8; ++p) {
          abs_max_partials[p] = maximum_magnitude(abs_max_partials[p],
              load_f32(rms_norm_kept_row + i + p * 8));
        }
      }
      const float abs_max = max_partials(abs_max_partials);
      const float scale = abs_max / 127.0f;
      const float factor = 127.0f / abs_max;
      value_scales_row[0] = scale;
      // Pass 2: row_sum = sum(%1), over all 128; output value_rows.
      vec row_sum_partials[8] = {{0}};
      for (int64_t i = 0; i < 128; i += 64) {
        vec value_rows_group[8];
        for (int64_t p = 0; p < 8; ++p) {
          const vec rounded_i = round_i8(load_f32(rms_norm_kept_row + i + p * 8) * factor);
          row_sum_partials[p] = row_sum_partials[p] + rounded_i;
          value_rows_group[p] = rounded_i;
        }
        store_i8_group(value_rows_row + i, value_rows_group);
      }
      const float row_sum = sum_partials(row_sum_partials);
      value_group_sums_row[0] = row_sum;
    }
  }
}

// A block of each of the 16 columns of a sliver, as the product reads them: scales and zero points,
// then quants in words of 4 bytes, column by column; zeros beyond the `count` columns that are
// left.
static void gather_4096x12288(const uint8_t *weights, int64_t count, uint8_t *block) {
  for (int64_t c = 0; c < 16; ++c) {
    for (int64_t i = 0; i < 2; ++i) block[2 * c + i] = c < count ? weights[2144 * c + i] : 0;
    block[c + 32] = c < count ? stored_bits(weights, 17152 * c + 16, 8) : 0;
    for (int64_t w = 0; w < 16; ++w) {
      for (int64_t j = 0; j < 4; ++j) {
        const int64_t element = 8 * w + j;
        const int64_t bit = 17152 * c + 24 + 4 * element;
        const int64_t bit_2 = 17152 * c + 24 + 4 * (element + 4);
        block[64 * w + 4 * c + j + 48] = c < count
            ? stored_bits(weights, bit, 4) | stored_bits(weights, bit_2, 4) << 4u : 0;
      }
    }
  }
}

// The u8 elements of packed w_pack.
int64_t rms_norm_qkv_4096_12288_u4_g128_int8_avx2_packed_elements_w_pack(void) {
  return 26345472;
}

// Packs w_pack: reads u4_g128 blocks of [12288, 4096], row after row, and writes 26345472 bytes.
void rms_norm_qkv_4096_12288_u4_g128_int8_avx2_pack_w_pack(const uint8_t *weights,
    uint8_t *packed) {
  for (int64_t sliver = 0; sliver < 768; ++sliver) {
    for (int64_t b = 0; b < 32; ++b) {
      gather_4096x12288(weights + 34304 * sliver + 67 * b, 12288 - 16 * sliver,
          packed + 34304 * sliver + 1072 * b);
    }
  }
}

// The sums of `height` rows of integers and the 16 columns of a sliver: for each one chain from +0
// of fused multiply-adds, with an exact sum of 128 products in each.
static inline __attribute__((always_inline)) void tile_of_integers_4096x12288(const int8_t *x,
    const float *x_scales, const float *x_sums, const uint8_t *packed, float *sums,
    const int64_t height) {
  vec chain[4][2];
  UNROLLED for (int64_t r = 0; r < height; ++r) {
    for (int64_t v = 0; v < 2; ++v) chain[r][v] = broadcast(0.0f);
  }
  for (int64_t k = 0; k < 4096; k += 128) {
    const uint8_t *group = packed + 1072 * (k / 128);
    if (height > 2) {
      for (int64_t i = 0; i < 17; ++i) prefetch_line_to_l2(group, 64 * i + 4096);
    }
    vec scales[2];
    for (int64_t v = 0; v < 2; ++v) scales[v] = load_f16_bytes(group + 16 * v);
    vec zero_points[2];
    for (int64_t v = 0; v < 2; ++v) zero_points[v] = load_u8(group + 8 * v + 32);
    vec totals[4][2];
    UNROLLED for (int64_t r = 0; r < height; ++r) {
      for (int64_t v = 0; v < 2; ++v) totals[r][v] = broadcast(0.0f);
    }
    for (int64_t f = 0; f < 4; ++f) {
      pair_sums dots[4][2];
      UNROLLED for (int64_t r = 0; r < height; ++r) {
        for (int64_t v = 0; v < 2; ++v) dots[r][v] = (pair_sums){0};
      }
      for (int64_t u = 0; u < 4; ++u) {
        uvec words[2];
        for (int64_t v = 0; v < 2; ++v) {
          words[v] = load_words(group + 32 * v + 64 * (4 * f + u) + 48);
        }
        UNROLLED for (int64_t t = 0; t < 2; ++t) {
          uvec weights[2];
          for (int64_t v = 0; v < 2; ++v) weights[v] = bits_of_bytes(words[v], 4 * t, 4);
          UNROLLED for (int64_t r = 0; r < height; ++r) {
            const uvec quad = broadcast_quad(x + 4160 * r + k + 32 * f + 8 * u + 4 * t);
            for (int64_t v = 0; v < 2; ++v) dots[r][v] = add_quads(dots[r][v], weights[v], quad);
          }
        }
      }
      UNROLLED for (int64_t r = 0; r < height; ++r) {
        for (int64_t v = 0; v < 2; ++v) {
          totals[r][v] = totals[r][v] + float_from_pair_sums(dots[r][v]);
        }
      }
    }
    UNROLLED for (int64_t r = 0; r < height; ++r) {
      const vec x_scale = broadcast(x_scales[48 * r + k / 128]);
      const vec x_sum = broadcast(x_sums[48 * r + k / 128]);
      const vec minus_x_sum = -x_sum;
      for (int64_t v = 0; v < 2; ++v) {
        chain[r][v] = multiply_add(multiply_add(minus_x_sum, zero_points[v], totals[r][v]),
            x_scale * scales[v], chain[r][v]);
      }
    }
  }
  UNROLLED for (int64_t r = 0; r < height; ++r) {
    for (int64_t v = 0; v < 2; ++v) {
      float *sum = sums + 12304 * r + 8 * v;
      store_f32(sum, chain[r][v]);
    }
  }
}

// Rows of 4096 elements times a matrix of 12288 columns: the slivers of 16 columns from `first` up
// to `end`.
static void multiply_4096x12288(int64_t rows, const int8_t *x, const float *x_scales,
    const float *x_sums, const uint8_t *weights, float *sums, int64_t first, int64_t end) {
  for (int64_t sliver = first; sliver < end; ++sliver) {
    const uint8_t *packed = weights + 34304 * sliver;
    float *sliver_sums = sums + 16 * sliver;
    int64_t row = 0;
    for (; row + 4 <= rows; row += 4) {
      tile_of_integers_4096x12288(x + 4160 * row, x_scales + 48 * row, x_sums + 48 * row, packed,
          sliver_sums + 12304 * row, 4);
    }
    for (; row + 2 <= rows; row += 2) {
      tile_of_integers_4096x12288(x + 4160 * row, x_scales + 48 * row, x_sums + 48 * row, packed,
          sliver_sums + 12304 * row, 2);
    }
    for (; row < rows; ++row) {
      tile_of_integers_4096x12288(x + 4160 * row, x_scales + 48 * row, x_sums + 48 * row, packed,
          sliver_sums + 12304 * row, 1);
    }
  }
}

// Step 4: 1 pass over a row: each pass reads the row from memory or cache; pass 1: store qkv.
static void step4(int64_t rows, const float *restrict qkv_sums, int64_t qkv_sums_stride,
    float *restrict qkv, int64_t qkv_stride) {
  for (int64_t row = 0; row < rows; ++row) {
    const float *qkv_sums_row = qkv_sums + row * qkv_sums_stride;
    float *qkv_row = qkv + row * qkv_stride;
    // Pass 1: output qkv.
    for (int64_t i = 0; i < 12288; i += 64) {
      for (int64_t p = 0; p < 8; ++p) {
        store_f32(qkv_row + i + p * 8, load_f32(qkv_sums_row + i + p * 8));
      }
    }
  }
}

// The phases of a call that `parts` threads share: with few rows they share every step, with many
// each takes rows of its own through all of them.
int64_t rms_norm_qkv_4096_12288_u4_g128_int8_avx2_phases(int64_t rows, int64_t parts) {
  return parts > 1 && rows <= 112 ? 4 : 1;
}

// The bytes of scratch memory of such a call.
int64_t rms_norm_qkv_4096_12288_u4_g128_int8_avx2_scratch_bytes(int64_t rows, int64_t parts) {
  const int64_t chunk = rows < 1 ? 0 : (rows < 112 ? rows : 112);
  const int64_t copies = rms_norm_qkv_4096_12288_u4_g128_int8_avx2_phases(rows, parts) > 1 ? 1
      : parts;
  return copies * chunk * 70208 + 64;
}

// The steps from `first_step` up to `end_step`, counted from 0, for a chunk of rows; parts share
// its rows and the products' columns.
static void run_steps(int64_t rows, const float *x, int64_t x_stride, const float *gain,
    const uint8_t *w_pack, float *qkv, int64_t qkv_stride, char *panels, int64_t first_step,
    int64_t end_step, int64_t part, int64_t parts) {
  const int64_t row = begin_of_part(rows, part, parts);
  const int64_t count = begin_of_part(rows, part + 1, parts) - row;
  int8_t *value_rows = (int8_t *)panels;
  float *value_scales = (float *)(panels + rows * 4160);
  float *value_group_sums = (float *)(panels + rows * 4352);
  float *qkv_sums = (float *)(panels + rows * 4544);
  float *rms_norm_kept = (float *)(panels + rows * 53760);
  for (int64_t step = first_step; step < end_step; ++step) {
    switch (step) {
    case 0:
      step1(count, x + row * x_stride, x_stride, gain, rms_norm_kept + row * 4112, 4112);
      break;
    case 1:
      step2(count, rms_norm_kept + row * 4112, 4112, value_rows + row * 4160, 4160,
          value_scales + row * 48, 48, value_group_sums + row * 48, 48);
      break;
    case 2:
      multiply_4096x12288(rows, value_rows, value_scales, value_group_sums, w_pack, qkv_sums,
          begin_of_part(768, part, parts), begin_of_part(768, part + 1, parts));
      break;
    case 3:
      step4(count, qkv_sums + row * 12304, 12304, qkv + row * qkv_stride, qkv_stride);
      break;
    }
  }
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void rms_norm_qkv_4096_12288_u4_g128_int8_avx2_part(int64_t rows, const float *x, int64_t x_stride,
    const float *gain, const uint8_t *w_pack, float *qkv, int64_t qkv_stride, void *scratch,
    int64_t phase, int64_t part, int64_t parts) {
  if (rows < 1) return;
  char *panels = (char *)(((uintptr_t)scratch + 63) / 64 * 64);
  if (rms_norm_qkv_4096_12288_u4_g128_int8_avx2_phases(rows, parts) > 1) {
    run_steps(rows, x, x_stride, gain, w_pack, qkv, qkv_stride, panels, phase, phase + 1, part,
        parts);
    return;
  }
  // As many rows for each part, in chunks of about the same size, whole tiles of 4.
  const int64_t first = begin_of_part(rows, part, parts);
  const int64_t end = begin_of_part(rows, part + 1, parts);
  if (end <= first) return;
  char *own_panels = panels + part * (rows < 112 ? rows : 112) * 70208;
  const int64_t chunks = (end - first + 111) / 112;
  const int64_t size = ((end - first + chunks - 1) / chunks + 3) / 4 * 4;
  for (int64_t row = first; row < end; row += size) {
    const int64_t count = end - row < size ? end - row : size;
    run_steps(count, x + row * x_stride, x_stride, gain, w_pack, qkv + row * qkv_stride,
        qkv_stride, own_panels, 0, 4, 0, 1);
  }
}

/*
 * rms_norm_qkv_4096_12288_u4_g128_int8_avx2 of `rows` rows; with none, nothing is read or written.
 *
 *   x       f32 [rows, 4096]; x_stride elements from row to row
 *   gain    f32 [4096]
 *   w_pack  u8 [12288, 2144]; as rms_norm_qkv_4096_12288_u4_g128_int8_avx2_pack_w_pack leaves them
 *   qkv     f32 [rows, 12288], written; qkv_stride elements from row to row
 *
 * scratch: rms_norm_qkv_4096_12288_u4_g128_int8_avx2_scratch_bytes(rows, 1) bytes of any alignment
 * that nobody else uses.
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void rms_norm_qkv_4096_12288_u4_g128_int8_avx2(int64_t rows, const float *x, int64_t x_stride,
    const float *gain, const uint8_t *w_pack, float *qkv, int64_t qkv_stride, void *scratch) {
  rms_norm_qkv_4096_12288_u4_g128_int8_avx2_part(rows, x, x_stride, gain, w_pack, qkv, qkv_stride,
      scratch, 0, 0, 1);
}

void rms_norm_qkv_4096_12288_u4_g128_int8_avx2_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts) {
  rms_norm_qkv_4096_12288_u4_g128_int8_avx2_part(rows, buffers[0], strides[0], buffers[1],
      buffers[2], buffers[3], strides[3], scratch, phase, part, parts);
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#if defined(__clang__)
#pragma clang attribute pop
#endif

#if defined(__clang__)
#pragma float_control(pop)
#elif defined(__GNUC__)
#pragma GCC pop_options
#if __GNUC__ < 12
#undef __builtin_shufflevector
#endif
#endif
#endif
