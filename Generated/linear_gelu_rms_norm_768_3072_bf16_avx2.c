/*
 * linear_gelu_rms_norm_768_3072_bf16_avx2: a kernel for avx2, emitted by NormGen. Regenerate with
 *
 *   normgen emit linear_gelu_rms_norm_768_3072_bf16 --target avx2
 *
 *   kernel linear_gelu_rms_norm_768_3072_bf16(
 *     x: bf16[rows, 768],
 *     w: bf16[768, 3072],
 *     bias: bf16[3072],
 *     gain: bf16[3072]
 *   ) {
 *     %1 = matmul(x, w, accumulate: bf16_dot) + bias
 *     gelu {
 *       %2 = %1 * 0.5 * (erf(%1 * 0.70710677) + 1.0)
 *     }
 *     rms_norm {
 *       mean_square = mean(%2 * %2)
 *       inv_rms = 1.0 / sqrt(mean_square + 1e-06)
 *       y = %2 * inv_rms * gain
 *     }
 *   } -> y: bf16
 *
 * Schedule row_streaming: 3 steps over a chunk of at most 108 rows.
 *   step 1: 1 pass over a row: each pass reads the row from memory or cache; pass 1: store x_rows
 *   step 2: w_sums = x_rows × packed w (768 × 3072 bf16, bf16_dot)
 *   step 3: 2 passes over a row: each pass reads the row from memory or cache; pass 1: mean_square
 *      over 3072; pass 2: store y
 *   panel x_rows: 768 bf16 a row, 1600 bytes
 *   panel w_sums: 3072 f32 a row, 12352 bytes
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
#error "linear_gelu_rms_norm_768_3072_bf16_avx2.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "linear_gelu_rms_norm_768_3072_bf16_avx2.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "linear_gelu_rms_norm_768_3072_bf16_avx2.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("linear_gelu_rms_norm_768_3072_bf16_avx2.h")
#include "linear_gelu_rms_norm_768_3072_bf16_avx2.h"
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

// Sixteen 16-bit lanes: two hvecs side by side.
typedef uint16_t hpair __attribute__((vector_size(32)));

// A vec in memory with the alignment of one element.
typedef float vec_in_memory __attribute__((vector_size(32), aligned(4), may_alias));

// An hvec in memory with the alignment of one element.
typedef uint16_t hvec_in_memory __attribute__((vector_size(16), aligned(2), may_alias));

// An hpair in memory with the alignment of one element.
typedef uint16_t hpair_in_memory __attribute__((vector_size(32), aligned(2), may_alias));

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

// Eight consecutive 16-bit values.
static inline hvec load_u16(const uint16_t *p) {
  return *(const hvec_in_memory *)p;
}

// Sixteen consecutive 16-bit values.
static inline void store_u16_pair(uint16_t *p, hpair h) {
  *(hpair_in_memory *)p = h;
}

// bf16 to Float32: the upper half of its bits.
static inline vec widen_bf16(hvec h) {
#if __has_builtin(__builtin_ia32_pmovzxwd256)
  typedef short shorts __attribute__((vector_size(16)));
  return (vec)((uvec)__builtin_ia32_pmovzxwd256((shorts)h) << 16u);
#else
  return (vec)(__builtin_convertvector(h, uvec) << 16u);
#endif
}

// Float32 bits rounded to nearest at bit 16, ties to even; NaN is made quiet.
static inline uvec rounded_bf16_bits(vec v) {
  uvec bits = (uvec)v;
  uvec rounded = bits + 0x7fffu + (bits >> 16u & 1u);
  return (uvec)vec_select(v != v, (vec)(bits | 0x400000u), (vec)rounded);
}

// Two vectors of Float32 to bf16, to nearest, ties to even.
static inline hpair narrow_bf16_pair(vec low, vec high) {
  uvec a = rounded_bf16_bits(low);
  uvec b = rounded_bf16_bits(high);
  return __builtin_shufflevector((hpair)a, (hpair)b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23,
      25, 27, 29, 31);
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

// One vector of consecutive bf16 values, as Float32.
static inline vec load_bf16(const uint16_t *p) {
  return widen_bf16(load_u16(p));
}

// 64 lanes, each rounded to bf16.
static inline void store_bf16_group(uint16_t *p, const vec *v) {
  enum { lanes = sizeof(vec) / sizeof(float) };
  for (int k = 0; k < 64 / lanes; k += 2) {
    store_u16_pair(p + k * lanes, narrow_bf16_pair(v[k], v[k + 1]));
  }
}

// e^x as fraction · 2^exponent for |x| < 2^20: the fraction is e^r with |r| <= log(2)/2, a
// polynomial; 1.5·2^23 is added to round x/log(2) to a whole number in the low bits.
static inline vec exp_fraction(vec x, ivec *exponent) {
  vec shifted = multiply_add(x, broadcast(0x1.715476p0f), broadcast(0x1.8p23f));
  vec n = shifted - 0x1.8p23f;
  vec r = multiply_add(n, broadcast(-0x1.62e43p-1f), x);
  r = multiply_add(n, broadcast(0x1.05c61p-29f), r);
  vec p = broadcast(0x1.6ac782p-10f);
  p = multiply_add(p, r, broadcast(0x1.123de2p-7f));
  p = multiply_add(p, r, broadcast(0x1.555858p-5f));
  p = multiply_add(p, r, broadcast(0x1.55548cp-3f));
  p = multiply_add(p, r, broadcast(0x1.fffffcp-2f));
  *exponent = (ivec)((uvec)shifted - 0x4b400000u);
  return multiply_add(multiply_add(p, r, broadcast(1)), r, broadcast(1));
}

// 2^n for -127 < n < 128.
static inline vec power_of_two(ivec n) {
  return (vec)(((uvec)n + 127u) << 23u);
}

// e^x for -87 <= x <= 88 or NaN, where the result is neither denormal nor infinite.
static inline vec exp_in_range(vec x) {
  ivec exponent;
  vec fraction = exp_fraction(x, &exponent);
  return fraction * power_of_two(exponent);
}

// Unrolls the loop behind it, whose entries stay in registers only then, however long its body is;
// gcc peels such loops by itself.
#if defined(__clang__)
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED
#endif

// The error function: an odd polynomial below 0.9375, 1 - e^-q(t) above with a polynomial
// q = -log erfc, 1 from 3.92 on.
static inline vec vec_erf(vec x) {
  vec t = absolute(x);
  vec s = t * t;
  vec p = broadcast(0x1.98043p-20f);
  p = multiply_add(p, s, broadcast(0x1.3e539cp-14f));
  p = multiply_add(p, s, broadcast(-0x1.a3e28cp-11f));
  p = multiply_add(p, s, broadcast(0x1.5429dcp-8f));
  p = multiply_add(p, s, broadcast(-0x1.b7ff66p-6f));
  p = multiply_add(p, s, broadcast(0x1.ce2d5cp-4f));
  p = multiply_add(p, s, broadcast(-0x1.81274p-2f));
  p = multiply_add(p, s, broadcast(0x1.06eba8p-3f));
  vec small = multiply_add(p, t, t);
  vec u = vec_select(t > 4.0f, broadcast(4), t);
  vec q = broadcast(0x1.32092ap-22f);
  q = multiply_add(q, u, broadcast(0x1.27a744p-16f));
  q = multiply_add(q, u, broadcast(-0x1.b4c566p-12f));
  q = multiply_add(q, u, broadcast(0x1.0e0092p-8f));
  q = multiply_add(q, u, broadcast(-0x1.9a1ce8p-6f));
  q = multiply_add(q, u, broadcast(0x1.bb21d4p-4f));
  q = multiply_add(q, u, broadcast(0x1.444dd6p-1f));
  q = multiply_add(q, u, broadcast(0x1.21268cp0f));
  q = multiply_add(q, u, broadcast(-0x1.684464p-13f));
  vec large = 1.0f - exp_in_range((vec)((uvec)q ^ 0x80000000u));
  vec magnitude = vec_select(t < 0.9375f, small, large);
  return (vec)((uvec)magnitude | ((uvec)x & 0x80000000u));
}

// Pairs of 16-bit values, a pair a lane; the first of a pair is the lane's lower half.
static inline uvec load_u16_pairs(const uint16_t *p) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "pairs of 16-bit values are read as a little-endian machine has them"
#endif
  return (uvec)load_f32((const float *)(const void *)p);
}

// The same pair in every lane.
static inline uvec broadcast_u16_pair(const uint16_t *p) {
  return (uvec){0} + (p[0] | (uint32_t)p[1] << 16);
}

// The first bf16 of each pair as Float32.
static inline vec widen_bf16_first(uvec pairs) {
  return (vec)(pairs << 16u);
}

// The second bf16 of each pair as Float32.
static inline vec widen_bf16_second(uvec pairs) {
  return (vec)(pairs & 0xffff0000u);
}

// a · b + c as x86's dot product of bf16 takes a step: denormals count as zeros, one rounding to
// nearest, and a result below the normal numbers becomes a zero of its sign.
static inline vec bf16_dot_step(vec a, vec b, vec c) {
  a = vec_select(absolute(a) < 0x1p-126f, (vec)((uvec)a & 0x80000000u), a);
  b = vec_select(absolute(b) < 0x1p-126f, (vec)((uvec)b & 0x80000000u), b);
  c = vec_select(absolute(c) < 0x1p-126f, (vec)((uvec)c & 0x80000000u), c);
  vec sum = multiply_add(a, b, c);
  // At the least normal number the exact result may lie below: 2^64 higher nothing is lost.
  vec scaled = multiply_add(a * 0x1p64f, b, c * 0x1p64f);
  ivec is_tiny = (absolute(sum) < 0x1p-126f)
      | ((absolute(sum) == 0x1p-126f) & (absolute(scaled) < 0x1p-62f));
  return vec_select(is_tiny, (vec)((uvec)sum & 0x80000000u), sum);
}

// sums + the dot product of bf16 pairs: the product of the second elements is added first, then
// that of the first, as x86's instruction does.
static inline vec bf16_dot(vec sums, uvec x, uvec w) {
  sums = bf16_dot_step(widen_bf16_second(x), widen_bf16_second(w), sums);
  return bf16_dot_step(widen_bf16_first(x), widen_bf16_first(w), sums);
}

// Asks for 64 floats to come closer. They need not be readable, nor belong to an array, so that
// their addresses are taken as numbers.
static inline void prefetch_f32_group(const float *p) {
  for (uintptr_t byte = 0; byte < 256; byte += 64) {
    __builtin_prefetch((const void *)((uintptr_t)p + byte), 0, 2);
  }
}

// Asks for the cache line `byte` bytes behind p to come closer; it need not be readable.
static inline void prefetch_line(const void *p, int64_t byte) {
  __builtin_prefetch((const void *)((uintptr_t)p + (uintptr_t)byte));
}

// Where part `part` of `parts` begins among `count` things: all take as many, and the first parts
// one more where some are left. One part takes all without a division.
static inline int64_t begin_of_part(int64_t count, int64_t part, int64_t parts) {
  if (parts == 1) return count * part;
  const int64_t left = count % parts;
  return count / parts * part + (part < left ? part : left);
}

// Step 1: 1 pass over a row: each pass reads the row from memory or cache; pass 1: store x_rows.
static void step1(int64_t rows, const uint16_t *restrict x, int64_t x_stride,
    uint16_t *restrict x_rows, int64_t x_rows_stride) {
  for (int64_t row = 0; row < rows; ++row) {
    const uint16_t *x_row = x + row * x_stride;
    uint16_t *x_rows_row = x_rows + row * x_rows_stride;
    // Pass 1: output x_rows.
    for (int64_t i = 0; i < 768; i += 64) {
      vec x_rows_group[8];
      for (int64_t p = 0; p < 8; ++p) x_rows_group[p] = load_bf16(x_row + i + p * 8);
      store_bf16_group(x_rows_row + i, x_rows_group);
    }
  }
}

// `depth` steps of a sliver of 16 columns of weights, from its first one on, as the product reads
// them: pairs of steps, column by column; zeros beyond the `count` columns that are left.
static void gather_768x3072(const uint16_t *weights, int64_t count, int64_t depth,
    uint16_t *block) {
  for (int64_t i = 0; i < depth; ++i) {
    for (int64_t c = 0; c < 16; ++c) {
      block[16 * (i - i % 2) + 2 * c + i % 2] = c < count ? weights[3072 * i + c] : 0;
    }
  }
}

// The bf16 elements of packed w.
int64_t linear_gelu_rms_norm_768_3072_bf16_avx2_packed_elements_w(void) {
  return 2359296;
}

// Packs w: reads bf16 [768, 3072] and writes 2359296 elements.
void linear_gelu_rms_norm_768_3072_bf16_avx2_pack_w(const uint16_t *weights, uint16_t *packed) {
  for (int64_t sliver = 0; sliver < 192; ++sliver) {
    for (int64_t k = 0; k < 768; k += 512) {
      const int64_t depth = 768 - k < 512 ? 768 - k : 512;
      gather_768x3072(weights + 3072 * k + 16 * sliver, 3072 - 16 * sliver, depth,
          packed + 12288 * sliver + 16 * k);
    }
  }
}

// The sums of `height` rows and the 16 columns of a sliver over `depth` steps, for each one chain
// of dot products of bf16 pairs from +0. What an earlier block has summed is added to.
static inline __attribute__((always_inline)) void tile_768x3072(int64_t depth, const uint16_t *x,
    const uint16_t *sliver, float *sums, int is_first, const int64_t height) {
  vec chain[6][2];
  UNROLLED for (int64_t r = 0; r < height; ++r) {
    for (int64_t v = 0; v < 2; ++v) chain[r][v] = broadcast(0.0f);
  }
  for (int64_t k = 0; k < depth - 1; k += 2) {
    const uint16_t *step = sliver + 16 * k;
    uvec weights[2];
    for (int64_t v = 0; v < 2; ++v) weights[v] = load_u16_pairs(step + 16 * v);
    prefetch_line(step, 2048);
    UNROLLED for (int64_t r = 0; r < height; ++r) {
      const uvec pair = broadcast_u16_pair(x + 800 * r + k);
      for (int64_t v = 0; v < 2; ++v) chain[r][v] = bf16_dot(chain[r][v], pair, weights[v]);
    }
  }
  UNROLLED for (int64_t r = 0; r < height; ++r) {
    for (int64_t v = 0; v < 2; ++v) {
      float *sum = sums + 3088 * r + 8 * v;
      store_f32(sum, is_first ? chain[r][v] : load_f32(sum) + chain[r][v]);
    }
  }
}

// Rows of 768 elements times a matrix of 3072 columns: the slivers of 16 columns from `first` up to
// `end`.
static void multiply_768x3072(int64_t rows, const uint16_t *x, const uint16_t *weights,
    float *sums, int64_t first, int64_t end) {
  for (int64_t sliver = first; sliver < end; ++sliver) {
    for (int64_t k = 0; k < 768; k += 512) {
      const int64_t depth = 768 - k < 512 ? 768 - k : 512;
      const uint16_t *block = weights + 12288 * sliver + 16 * k;
      const uint16_t *x_block = x + k;
      float *sliver_sums = sums + 16 * sliver;
      int64_t row = 0;
      for (; row + 6 <= rows; row += 6) {
        tile_768x3072(depth, x_block + 800 * row, block, sliver_sums + 3088 * row, k == 0, 6);
      }
      for (; row + 4 <= rows; row += 4) {
        tile_768x3072(depth, x_block + 800 * row, block, sliver_sums + 3088 * row, k == 0, 4);
      }
      for (; row + 2 <= rows; row += 2) {
        tile_768x3072(depth, x_block + 800 * row, block, sliver_sums + 3088 * row, k == 0, 2);
      }
      for (; row < rows; ++row) {
        tile_768x3072(depth, x_block + 800 * row, block, sliver_sums + 3088 * row, k == 0, 1);
      }
    }
  }
}

// Step 3: 2 passes over a row: each pass reads the row from memory or cache; pass 1: mean_square
// over 3072; pass 2: store y.
static void step3(int64_t rows, const uint16_t *restrict bias, const uint16_t *restrict gain,
    const float *restrict w_sums, int64_t w_sums_stride, uint16_t *restrict y, int64_t y_stride) {
  for (int64_t row = 0; row < rows; ++row) {
    const float *w_sums_row = w_sums + row * w_sums_stride;
    uint16_t *y_row = y + row * y_stride;
    float product_kept[3072];
    const int64_t next = row + 1 < rows ? row + 1 : row;
    // Pass 1: mean_square = mean(%2 * %2), over all 3072; keeps product.
    vec mean_square_partials[8] = {{0}};
    for (int64_t i = 0; i < 3072; i += 64) {
      for (int64_t p = 0; p < 8; ++p) {
        const vec sum_i = load_f32(w_sums_row + i + p * 8) + load_bf16(bias + i + p * 8);
        const vec product_i = sum_i * 0.5f * (vec_erf(sum_i * 0.70710677f) + 1.0f);
        mean_square_partials[p] = multiply_add(product_i, product_i, mean_square_partials[p]);
        store_f32(product_kept + i + p * 8, product_i);
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 3072.0f;
    const float inv_rms = 1.0f / square_root_scalar(mean_square + 1e-06f);
    // Pass 2: output y.
    for (int64_t i = 0; i < 3072; i += 64) {
      prefetch_f32_group(w_sums + next * w_sums_stride + i);
      vec y_group[8];
      for (int64_t p = 0; p < 8; ++p) {
        y_group[p] = load_f32(product_kept + i + p * 8) * inv_rms * load_bf16(gain + i + p * 8);
      }
      store_bf16_group(y_row + i, y_group);
    }
  }
}

// The phases of a call that `parts` threads share: with few rows they share every step, with many
// each takes rows of its own through all of them.
int64_t linear_gelu_rms_norm_768_3072_bf16_avx2_phases(int64_t rows, int64_t parts) {
  return parts > 1 && rows <= 108 ? 3 : 1;
}

// The bytes of scratch memory of such a call.
int64_t linear_gelu_rms_norm_768_3072_bf16_avx2_scratch_bytes(int64_t rows, int64_t parts) {
  const int64_t chunk = rows < 1 ? 0 : (rows < 108 ? rows : 108);
  const int64_t copies = linear_gelu_rms_norm_768_3072_bf16_avx2_phases(rows, parts) > 1 ? 1
      : parts;
  return copies * chunk * 13952 + 64;
}

// The steps from `first_step` up to `end_step`, counted from 0, for a chunk of rows; parts share
// its rows and the products' columns.
static void run_steps(int64_t rows, const uint16_t *x, int64_t x_stride, const uint16_t *w,
    const uint16_t *bias, const uint16_t *gain, uint16_t *y, int64_t y_stride, char *panels,
    int64_t first_step, int64_t end_step, int64_t part, int64_t parts) {
  const int64_t row = begin_of_part(rows, part, parts);
  const int64_t count = begin_of_part(rows, part + 1, parts) - row;
  uint16_t *x_rows = (uint16_t *)panels;
  float *w_sums = (float *)(panels + rows * 1600);
  for (int64_t step = first_step; step < end_step; ++step) {
    switch (step) {
    case 0:
      step1(count, x + row * x_stride, x_stride, x_rows + row * 800, 800);
      break;
    case 1:
      multiply_768x3072(rows, x_rows, w, w_sums, begin_of_part(192, part, parts),
          begin_of_part(192, part + 1, parts));
      break;
    case 2:
      step3(count, bias, gain, w_sums + row * 3088, 3088, y + row * y_stride, y_stride);
      break;
    }
  }
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void linear_gelu_rms_norm_768_3072_bf16_avx2_part(int64_t rows, const uint16_t *x,
    int64_t x_stride, const uint16_t *w, const uint16_t *bias, const uint16_t *gain, uint16_t *y,
    int64_t y_stride, void *scratch, int64_t phase, int64_t part, int64_t parts) {
  if (rows < 1) return;
  char *panels = (char *)(((uintptr_t)scratch + 63) / 64 * 64);
  if (linear_gelu_rms_norm_768_3072_bf16_avx2_phases(rows, parts) > 1) {
    run_steps(rows, x, x_stride, w, bias, gain, y, y_stride, panels, phase, phase + 1, part, parts);
    return;
  }
  // As many rows for each part, in chunks of about the same size, whole tiles of 6.
  const int64_t first = begin_of_part(rows, part, parts);
  const int64_t end = begin_of_part(rows, part + 1, parts);
  if (end <= first) return;
  char *own_panels = panels + part * (rows < 108 ? rows : 108) * 13952;
  const int64_t chunks = (end - first + 107) / 108;
  const int64_t size = ((end - first + chunks - 1) / chunks + 5) / 6 * 6;
  for (int64_t row = first; row < end; row += size) {
    const int64_t count = end - row < size ? end - row : size;
    run_steps(count, x + row * x_stride, x_stride, w, bias, gain, y + row * y_stride, y_stride,
        own_panels, 0, 3, 0, 1);
  }
}

/*
 * linear_gelu_rms_norm_768_3072_bf16_avx2 of `rows` rows; with none, nothing is read or written.
 *
 *   x     bf16 [rows, 768]; x_stride elements from row to row
 *   w     bf16 [768, 3072]; as linear_gelu_rms_norm_768_3072_bf16_avx2_pack_w leaves them
 *   bias  bf16 [3072]
 *   gain  bf16 [3072]
 *   y     bf16 [rows, 3072], written; y_stride elements from row to row
 *
 * scratch: linear_gelu_rms_norm_768_3072_bf16_avx2_scratch_bytes(rows, 1) bytes of any alignment
 * that nobody else uses.
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void linear_gelu_rms_norm_768_3072_bf16_avx2(int64_t rows, const uint16_t *x, int64_t x_stride,
    const uint16_t *w, const uint16_t *bias, const uint16_t *gain, uint16_t *y, int64_t y_stride,
    void *scratch) {
  linear_gelu_rms_norm_768_3072_bf16_avx2_part(rows, x, x_stride, w, bias, gain, y, y_stride,
      scratch, 0, 0, 1);
}

void linear_gelu_rms_norm_768_3072_bf16_avx2_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts) {
  linear_gelu_rms_norm_768_3072_bf16_avx2_part(rows, buffers[0], strides[0], buffers[1],
      buffers[2], buffers[3], buffers[4], strides[4], scratch, phase, part, parts);
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
