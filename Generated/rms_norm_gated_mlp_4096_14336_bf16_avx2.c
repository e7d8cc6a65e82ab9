/*
 * rms_norm_gated_mlp_4096_14336_bf16_avx2: a kernel for avx2, emitted by NormGen. Regenerate with
 *
 *   normgen emit rms_norm_gated_mlp_4096_14336_bf16 --target avx2
 *
 *   kernel rms_norm_gated_mlp_4096_14336_bf16(
 *     x: bf16[rows, 4096],
 *     gain: bf16[4096],
 *     w_gate: bf16[14336, 4096],
 *     w_up: bf16[14336, 4096]
 *   ) {
 *     rms_norm {
 *       mean_square = mean(x * x)
 *       inv_rms = 1.0 / sqrt(mean_square + 1e-05)
 *       %1 = bf16(bf16(x * inv_rms) * gain)
 *     }
 *     %2 = matmul(%1, w_gate, layout: out_in, accumulate: bf16_dot)
 *     silu {
 *       %3 = %2 * sigmoid(%2)
 *     }
 *     y = %3 * matmul(%1, w_up, layout: out_in, accumulate: bf16_dot)
 *   } -> y: bf16
 *
 * Schedule row_streaming: 3 steps over a chunk of at most 66 rows.
 *   step 1: 2 passes over a row: each pass reads the row from memory or cache; the last pass
 *      handles 4 rows together; pass 1: mean_square over 4096; pass 2: store rms_norm_rows
 *   step 2: w_gate_sums = rms_norm_rows × packed w_gate (4096 × 14336 bf16, bf16_dot)
 *   step 2: w_up_sums = rms_norm_rows × packed w_up (4096 × 14336 bf16, bf16_dot)
 *   step 3: 1 pass over a row: each pass reads the row from memory or cache; pass 1: store y
 *   panel rms_norm_rows: 4096 bf16 a row, 8256 bytes
 *   panel w_gate_sums: 14336 f32 a row, 57408 bytes
 *   panel w_up_sums: 14336 f32 a row, 57408 bytes
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
#error "rms_norm_gated_mlp_4096_14336_bf16_avx2.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "rms_norm_gated_mlp_4096_14336_bf16_avx2.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "rms_norm_gated_mlp_4096_14336_bf16_avx2.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("rms_norm_gated_mlp_4096_14336_bf16_avx2.h")
#include "rms_norm_gated_mlp_4096_14336_bf16_avx2.h"
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

// v rounded to bf16, as Float32.
static inline vec round_bf16(vec v) {
  return (vec)(rounded_bf16_bits(v) & 0xffff0000u);
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

// e^x. Past the clamps lie only 0 and infinity; 2^n in two factors rounds denormals once.
static inline vec vec_exp(vec x) {
  ivec exponent;
  x = vec_select(x > 89.0f, broadcast(89), x);
  x = vec_select(x < -104.0f, broadcast(-104), x);
  vec fraction = exp_fraction(x, &exponent);
  ivec half = exponent >> 1;
  return fraction * power_of_two(half) * power_of_two((ivec)((uvec)exponent - (uvec)half));
}

// Unrolls the loop behind it, whose entries stay in registers only then, however long its body is;
// gcc peels such loops by itself.
#if defined(__clang__)
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED
#endif

// 1 / (1 + e^-x), through z = e^-|x| <= 1: 1 / (1 + z), or z / (1 + z) where x < 0, so that small
// results keep their precision. The division's remainder corrects it, with what 1 + z had lost.
static inline vec vec_sigmoid(vec x) {
  vec z = vec_exp((vec)((uvec)x | 0x80000000u));
  vec sum = z + 1.0f;
  vec lost = z - (sum - 1.0f);
  vec inverse = 1.0f / sum;
  vec numerator = vec_select(x < 0.0f, z, broadcast(1));
  vec quotient = numerator * inverse;
  vec remainder = multiply_add(-quotient, sum, numerator);
  remainder = multiply_add(-quotient, lost, remainder);
  return multiply_add(remainder, inverse, quotient);
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

// Asks for 64 values of 16 bits to come closer; they need not be readable.
static inline void prefetch_u16_group(const uint16_t *p) {
  __builtin_prefetch(p, 0, 2);
  __builtin_prefetch((const void *)((uintptr_t)p + 64), 0, 2);
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

// The rows from `first` on, as many as a tile has.
static inline __attribute__((always_inline)) void step1_tile(int64_t rows,
    const uint16_t *restrict x, int64_t x_stride, const uint16_t *restrict gain,
    uint16_t *restrict rms_norm_rows, int64_t rms_norm_rows_stride, int64_t first,
    const int64_t tile) {
  float inv_rms[4];
  for (int64_t row = first; row < first + tile; ++row) {
    const uint16_t *x_row = x + row * x_stride;
    // Pass 1: mean_square = mean(x * x), over all 4096.
    vec mean_square_partials[8] = {{0}};
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 8; ++p) {
        const vec x_i = load_bf16(x_row + i + p * 8);
        mean_square_partials[p] = multiply_add(x_i, x_i, mean_square_partials[p]);
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 4096.0f;
    inv_rms[row - first] = 1.0f / square_root_scalar(mean_square + 1e-05f);
  }
  // Pass 2: output rms_norm_rows.
  for (int64_t i = 0; i < 4096; i += 64) {
    for (int64_t row = first; row < first + tile; ++row) {
      const int64_t next = row + tile < rows ? row + tile : row;
      prefetch_u16_group(x + next * x_stride + i);
    }
    vec rms_norm_rows_group[4][8];
    for (int64_t p = 0; p < 8; ++p) {
      const vec gain_i = load_bf16(gain + i + p * 8);
      for (int64_t row = first; row < first + tile; ++row) {
        rms_norm_rows_group[row - first][p] =
            round_bf16(load_bf16(x + row * x_stride + i + p * 8) * inv_rms[row - first]) * gain_i;
      }
    }
    for (int64_t row = first; row < first + tile; ++row) {
      store_bf16_group(rms_norm_rows + row * rms_norm_rows_stride + i,
          rms_norm_rows_group[row - first]);
    }
  }
}

// Step 1: 2 passes over a row: each pass reads the row from memory or cache; the last pass handles
// 4 rows together; pass 1: mean_square over 4096; pass 2: store rms_norm_rows.
static void step1(int64_t rows, const uint16_t *restrict x, int64_t x_stride,
    const uint16_t *restrict gain, uint16_t *restrict rms_norm_rows, int64_t rms_norm_rows_stride) {
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    step1_tile(rows, x, x_stride, gain, rms_norm_rows, rms_norm_rows_stride, row, 4);
  }
  for (; row < rows; ++row) {
    step1_tile(rows, x, x_stride, gain, rms_norm_rows, rms_norm_rows_stride, row, 1);
  }
}

// `depth` steps of a sliver of 16 columns of weights, from its first one on, as the product reads
// them: pairs of steps, column by column; zeros beyond the `count` columns that are left.
static void gather_4096x14336(const uint16_t *weights, int64_t count, int64_t depth,
    uint16_t *block) {
  for (int64_t c = 0; c < 16; ++c) {
    for (int64_t i = 0; i < depth; ++i) {
      block[16 * (i - i % 2) + 2 * c + i % 2] = c < count ? weights[4096 * c + i] : 0;
    }
  }
}

// The bf16 elements of packed w_gate.
int64_t rms_norm_gated_mlp_4096_14336_bf16_avx2_packed_elements_w_gate(void) {
  return 58720256;
}

// Packs w_gate: reads bf16 [14336, 4096] and writes 58720256 elements.
void rms_norm_gated_mlp_4096_14336_bf16_avx2_pack_w_gate(const uint16_t *weights,
    uint16_t *packed) {
  for (int64_t sliver = 0; sliver < 896; ++sliver) {
    for (int64_t k = 0; k < 4096; k += 512) {
      const int64_t depth = 4096 - k < 512 ? 4096 - k : 512;
      gather_4096x14336(weights + 65536 * sliver + k, 14336 - 16 * sliver, depth,
          packed + 65536 * sliver + 16 * k);
    }
  }
}

// The sums of `height` rows and the 16 columns of a sliver over `depth` steps, for each one chain
// of dot products of bf16 pairs from +0. What an earlier block has summed is added to.
static inline __attribute__((always_inline)) void tile_4096x14336(int64_t depth, const uint16_t *x,
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
      const uvec pair = broadcast_u16_pair(x + 4128 * r + k);
      for (int64_t v = 0; v < 2; ++v) chain[r][v] = bf16_dot(chain[r][v], pair, weights[v]);
    }
  }
  UNROLLED for (int64_t r = 0; r < height; ++r) {
    for (int64_t v = 0; v < 2; ++v) {
      float *sum = sums + 14352 * r + 8 * v;
      store_f32(sum, is_first ? chain[r][v] : load_f32(sum) + chain[r][v]);
    }
  }
}

// Rows of 4096 elements times a matrix of 14336 columns: the slivers of 16 columns from `first` up
// to `end`.
static void multiply_4096x14336(int64_t rows, const uint16_t *x, const uint16_t *weights,
    float *sums, int64_t first, int64_t end) {
  for (int64_t sliver = first; sliver < end; ++sliver) {
    for (int64_t k = 0; k < 4096; k += 512) {
      const int64_t depth = 4096 - k < 512 ? 4096 - k : 512;
      const uint16_t *block = weights + 65536 * sliver + 16 * k;
      const uint16_t *x_block = x + k;
      float *sliver_sums = sums + 16 * sliver;
      int64_t row = 0;
      for (; row + 6 <= rows; row += 6) {
        tile_4096x14336(depth, x_block + 4128 * row, block, sliver_sums + 14352 * row, k == 0, 6);
      }
      for (; row + 4 <= rows; row += 4) {
        tile_4096x14336(depth, x_block + 4128 * row, block, sliver_sums + 14352 * row, k == 0, 4);
      }
      for (; row + 2 <= rows; row += 2) {
        tile_4096x14336(depth, x_block + 4128 * row, block, sliver_sums + 14352 * row, k == 0, 2);
      }
      for (; row < rows; ++row) {
        tile_4096x14336(depth, x_block + 4128 * row, block, sliver_sums + 14352 * row, k == 0, 1);
      }
    }
  }
}

// The bf16 elements of packed w_up.
int64_t rms_norm_gated_mlp_4096_14336_bf16_avx2_packed_elements_w_up(void) {
  return 58720256;
}

// Packs w_up: reads bf16 [14336, 4096] and writes 58720256 elements.
void rms_norm_gated_mlp_4096_14336_bf16_avx2_pack_w_up(const uint16_t *weights, uint16_t *packed) {
  for (int64_t sliver = 0; sliver < 896; ++sliver) {
    for (int64_t k = 0; k < 4096; k += 512) {
      const int64_t depth = 4096 - k < 512 ? 4096 - k : 512;
      gather_4096x14336(weights + 65536 * sliver + k, 14336 - 16 * sliver, depth,
          packed + 65536 * sliver + 16 * k);
    }
  }
}

// Step 3: 1 pass over a row: each pass reads the row from memory or cache; pass 1: store y.
static void step3(int64_t rows, const float *restrict w_gate_sums, int64_t w_gate_sums_stride,
    const float *restrict w_up_sums, int64_t w_up_sums_stride, uint16_t *restrict y,
    int64_t y_stride) {
  for (int64_t row = 0; row < rows; ++row) {
    const float *w_gate_sums_row = w_gate_sums + row * w_gate_sums_stride;
    const float *w_up_sums_row = w_up_sums + row * w_up_sums_stride;
    uint16_t *y_row = y + row * y_stride;
    // Pass 1: output y.
    for (int64_t i = 0; i < 14336; i += 64) {
      vec y_group[8];
      for (int64_t p = 0; p < 8; ++p) {
        const vec w_gate_sums_i = load_f32(w_gate_sums_row + i + p * 8);
        y_group[p] = w_gate_sums_i * vec_sigmoid(w_gate_sums_i)
            * load_f32(w_up_sums_row + i + p * 8);
      }
      store_bf16_group(y_row + i, y_group);
    }
  }
}

// The phases of a call that `parts` threads share: with few rows they share every step, with many
// each takes rows of its own through all of them.
int64_t rms_norm_gated_mlp_4096_14336_bf16_avx2_phases(int64_t rows, int64_t parts) {
  return parts > 1 && rows <= 66 ? 3 : 1;
}

// The bytes of scratch memory of such a call.
int64_t rms_norm_gated_mlp_4096_14336_bf16_avx2_scratch_bytes(int64_t rows, int64_t parts) {
  const int64_t chunk = rows < 1 ? 0 : (rows < 66 ? rows : 66);
  const int64_t copies = rms_norm_gated_mlp_4096_14336_bf16_avx2_phases(rows, parts) > 1 ? 1
      : parts;
  return copies * chunk * 123072 + 64;
}

// The steps from `first_step` up to `end_step`, counted from 0, for a chunk of rows; parts share
// its rows and the products' columns.
static void run_steps(int64_t rows, const uint16_t *x, int64_t x_stride, const uint16_t *gain,
    const uint16_t *w_gate, const uint16_t *w_up, uint16_t *y, int64_t y_stride, char *panels,
    int64_t first_step, int64_t end_step, int64_t part, int64_t parts) {
  const int64_t row = begin_of_part(rows, part, parts);
  const int64_t count = begin_of_part(rows, part + 1, parts) - row;
  uint16_t *rms_norm_rows = (uint16_t *)panels;
  float *w_gate_sums = (float *)(panels + rows * 8256);
  float *w_up_sums = (float *)(panels + rows * 65664);
  for (int64_t step = first_step; step < end_step; ++step) {
    switch (step) {
    case 0:
      step1(count, x + row * x_stride, x_stride, gain, rms_norm_rows + row * 4128, 4128);
      break;
    case 1:
      multiply_4096x14336(rows, rms_norm_rows, w_gate, w_gate_sums,
          begin_of_part(896, part, parts), begin_of_part(896, part + 1, parts));
      multiply_4096x14336(rows, rms_norm_rows, w_up, w_up_sums, begin_of_part(896, part, parts),
          begin_of_part(896, part + 1, parts));
      break;
    case 2:
      step3(count, w_gate_sums + row * 14352, 14352, w_up_sums + row * 14352, 14352,
          y + row * y_stride, y_stride);
      break;
    }
  }
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void rms_norm_gated_mlp_4096_14336_bf16_avx2_part(int64_t rows, const uint16_t *x,
    int64_t x_stride, const uint16_t *gain, const uint16_t *w_gate, const uint16_t *w_up,
    uint16_t *y, int64_t y_stride, void *scratch, int64_t phase, int64_t part, int64_t parts) {
  if (rows < 1) return;
  char *panels = (char *)(((uintptr_t)scratch + 63) / 64 * 64);
  if (rms_norm_gated_mlp_4096_14336_bf16_avx2_phases(rows, parts) > 1) {
    run_steps(rows, x, x_stride, gain, w_gate, w_up, y, y_stride, panels, phase, phase + 1, part,
        parts);
    return;
  }
  // As many rows for each part, in chunks of about the same size, whole tiles of 6.
  const int64_t first = begin_of_part(rows, part, parts);
  const int64_t end = begin_of_part(rows, part + 1, parts);
  if (end <= first) return;
  char *own_panels = panels + part * (rows < 66 ? rows : 66) * 123072;
  const int64_t chunks = (end - first + 65) / 66;
  const int64_t size = ((end - first + chunks - 1) / chunks + 5) / 6 * 6;
  for (int64_t row = first; row < end; row += size) {
    const int64_t count = end - row < size ? end - row : size;
    run_steps(count, x + row * x_stride, x_stride, gain, w_gate, w_up, y + row * y_stride,
        y_stride, own_panels, 0, 3, 0, 1);
  }
}

/*
 * rms_norm_gated_mlp_4096_14336_bf16_avx2 of `rows` rows; with none, nothing is read or written.
 *
 *   x       bf16 [rows, 4096]; x_stride elements from row to row
 *   gain    bf16 [4096]
 *   w_gate  bf16 [14336, 4096]; as rms_norm_gated_mlp_4096_14336_bf16_avx2_pack_w_gate leaves them
 *   w_up    bf16 [14336, 4096]; as rms_norm_gated_mlp_4096_14336_bf16_avx2_pack_w_up leaves them
 *   y       bf16 [rows, 14336], written; y_stride elements from row to row
 *
 * scratch: rms_norm_gated_mlp_4096_14336_bf16_avx2_scratch_bytes(rows, 1) bytes of any alignment
 * that nobody else uses.
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void rms_norm_gated_mlp_4096_14336_bf16_avx2(int64_t rows, const uint16_t *x, int64_t x_stride,
    const uint16_t *gain, const uint16_t *w_gate, const uint16_t *w_up, uint16_t *y,
    int64_t y_stride, void *scratch) {
  rms_norm_gated_mlp_4096_14336_bf16_avx2_part(rows, x, x_stride, gain, w_gate, w_up, y, y_stride,
      scratch, 0, 0, 1);
}

void rms_norm_gated_mlp_4096_14336_bf16_avx2_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts) {
  rms_norm_gated_mlp_4096_14336_bf16_avx2_part(rows, buffers[0], strides[0], buffers[1],
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
