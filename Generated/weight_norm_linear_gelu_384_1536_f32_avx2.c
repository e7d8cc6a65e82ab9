/*
 * weight_norm_linear_gelu_384_1536_f32_avx2: a kernel for avx2, emitted by NormGen. Regenerate with
 *
 *   normgen emit weight_norm_linear_gelu_384_1536_f32 --target avx2
 *
 *   kernel weight_norm_linear_gelu_384_1536_f32(
 *     x: f32[rows, 384],
 *     b_up: f32[1536],
 *     v: f32[1536, 384],
 *     g: f32[1536, 1]
 *   ) {
 *     weight_norm {
 *       sum_square = sum(v * v)
 *       scale = g / sqrt(sum_square)
 *       %1 = v * scale
 *     }
 *     %2 = matmul(x, %1, layout: out_in) + b_up
 *     gelu {
 *       y = %2 * 0.5 * (erf(%2 * 0.70710677) + 1.0)
 *     }
 *   } -> y: f32
 *
 * Schedule row_streaming: 3 steps over a chunk of at most 108 rows.
 *   weights effective_v, computed from v, g when they are packed: 2 passes over a row: each pass
 *      reads the row from memory or cache; pass 1: sum_square over 384; pass 2: store effective_v
 *   step 1: 1 pass over a row: each pass reads the row from memory or cache; pass 1: store x_rows
 *   step 2: effective_v_sums = x_rows × packed effective_v (384 × 1536 f32)
 *   step 3: 1 pass over a row: each pass reads the row from memory or cache; pass 1: store y
 *   panel x_rows: 384 f32 a row, 1600 bytes
 *   panel effective_v_sums: 1536 f32 a row, 6208 bytes
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
#error "weight_norm_linear_gelu_384_1536_f32_avx2.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "weight_norm_linear_gelu_384_1536_f32_avx2.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "weight_norm_linear_gelu_384_1536_f32_avx2.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("weight_norm_linear_gelu_384_1536_f32_avx2.h")
#include "weight_norm_linear_gelu_384_1536_f32_avx2.h"
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

// A vec in memory with the alignment of one element.
typedef float vec_in_memory __attribute__((vector_size(32), aligned(4), may_alias));

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
static void step1(int64_t rows, const float *restrict x, int64_t x_stride, float *restrict x_rows,
    int64_t x_rows_stride) {
  for (int64_t row = 0; row < rows; ++row) {
    const float *x_row = x + row * x_stride;
    float *x_rows_row = x_rows + row * x_rows_stride;
    // Pass 1: output x_rows.
    for (int64_t i = 0; i < 384; i += 64) {
      for (int64_t p = 0; p < 8; ++p) {
        store_f32(x_rows_row + i + p * 8, load_f32(x_row + i + p * 8));
      }
    }
  }
}

// Rows of the weights effective_v: 2 passes over a row: each pass reads the row from memory or
// cache; pass 1: sum_square over 384; pass 2: store effective_v.
static void compute_effective_v(int64_t rows, const float *restrict v, int64_t v_stride,
    const float *restrict g, int64_t g_stride, float *restrict effective_v,
    int64_t effective_v_stride) {
  for (int64_t row = 0; row < rows; ++row) {
    const float *v_row = v + row * v_stride;
    const float *g_row = g + row * g_stride;
    float *effective_v_row = effective_v + row * effective_v_stride;
    const int64_t next = row + 1 < rows ? row + 1 : row;
    const float g2 = g_row[0];
    // Pass 1: sum_square = sum(v * v), over all 384.
    vec sum_square_partials[8] = {{0}};
    for (int64_t i = 0; i < 384; i += 64) {
      for (int64_t p = 0; p < 8; ++p) {
        const vec v_i = load_f32(v_row + i + p * 8);
        sum_square_partials[p] = multiply_add(v_i, v_i, sum_square_partials[p]);
      }
    }
    const float sum_square = sum_partials(sum_square_partials);
    const float scale = g2 / square_root_scalar(sum_square);
    // Pass 2: output effective_v.
    for (int64_t i = 0; i < 384; i += 64) {
      prefetch_f32_group(v + next * v_stride + i);
      for (int64_t p = 0; p < 8; ++p) {
        store_f32(effective_v_row + i + p * 8, load_f32(v_row + i + p * 8) * scale);
      }
    }
  }
}

// `depth` steps of a sliver of 16 columns of weights, from its first one on, as the product reads
// them: step by step; zeros beyond the `count` columns that are left.
static void gather_384x1536(const float *weights, int64_t count, int64_t depth, float *block) {
  for (int64_t c = 0; c < 16; ++c) {
    for (int64_t i = 0; i < depth; ++i) block[16 * i + c] = c < count ? weights[384 * c + i] : 0;
  }
}

// The f32 elements of packed effective_v.
int64_t weight_norm_linear_gelu_384_1536_f32_avx2_packed_elements_effective_v(void) {
  return 595968;
}

// Computes and packs effective_v, f32 [1536, 384]: reads v f32 [1536, 384], g f32 [1536, 1] and
// writes 595968 elements, of which the last 6144 are its own.
void weight_norm_linear_gelu_384_1536_f32_avx2_pack_effective_v(const float *v, const float *g,
    float *packed) {
  for (int64_t sliver = 0; sliver < 96; ++sliver) {
    const int64_t count = 1536 - 16 * sliver < 16 ? 1536 - 16 * sliver : 16;
    float *computed = packed + 589824;
    compute_effective_v(count, v + 6144 * sliver, 384, g + 16 * sliver, 1, computed, 384);
    for (int64_t k = 0; k < 384; k += 512) {
      const int64_t depth = 384 - k < 512 ? 384 - k : 512;
      gather_384x1536(computed + k, count, depth, packed + 6144 * sliver + 16 * k);
    }
  }
}

// The sums of `height` rows and the 16 columns of a sliver over `depth` steps, for each one chain
// of fused multiply-adds from +0. What an earlier block has summed is added to.
static inline __attribute__((always_inline)) void tile_384x1536(int64_t depth, const float *x,
    const float *sliver, float *sums, int is_first, const int64_t height) {
  vec chain[6][2];
  UNROLLED for (int64_t r = 0; r < height; ++r) {
    for (int64_t v = 0; v < 2; ++v) chain[r][v] = broadcast(0.0f);
  }
  for (int64_t k = 0; k < depth; ++k) {
    const float *step = sliver + 16 * k;
    vec weights[2];
    for (int64_t v = 0; v < 2; ++v) weights[v] = load_f32(step + 8 * v);
    prefetch_line(step, 4096);
    UNROLLED for (int64_t r = 0; r < height; ++r) {
      const vec element = broadcast(x[400 * r + k]);
      for (int64_t v = 0; v < 2; ++v) chain[r][v] = multiply_add(element, weights[v], chain[r][v]);
    }
  }
  UNROLLED for (int64_t r = 0; r < height; ++r) {
    for (int64_t v = 0; v < 2; ++v) {
      float *sum = sums + 1552 * r + 8 * v;
      store_f32(sum, is_first ? chain[r][v] : load_f32(sum) + chain[r][v]);
    }
  }
}

// Rows of 384 elements times a matrix of 1536 columns: the slivers of 16 columns from `first` up to
// `end`.
static void multiply_384x1536(int64_t rows, const float *x, const float *weights, float *sums,
    int64_t first, int64_t end) {
  for (int64_t sliver = first; sliver < end; ++sliver) {
    for (int64_t k = 0; k < 384; k += 512) {
      const int64_t depth = 384 - k < 512 ? 384 - k : 512;
      const float *block = weights + 6144 * sliver + 16 * k;
      const float *x_block = x + k;
      float *sliver_sums = sums + 16 * sliver;
      int64_t row = 0;
      for (; row + 6 <= rows; row += 6) {
        tile_384x1536(depth, x_block + 400 * row, block, sliver_sums + 1552 * row, k == 0, 6);
      }
      for (; row + 4 <= rows; row += 4) {
        tile_384x1536(depth, x_block + 400 * row, block, sliver_sums + 1552 * row, k == 0, 4);
      }
      for (; row + 2 <= rows; row += 2) {
        tile_384x1536(depth, x_block + 400 * row, block, sliver_sums + 1552 * row, k == 0, 2);
      }
      for (; row < rows; ++row) {
        tile_384x1536(depth, x_block + 400 * row, block, sliver_sums + 1552 * row, k == 0, 1);
      }
    }
  }
}

// Step 3: 1 pass over a row: each pass reads the row from memory or cache; pass 1: store y.
static void step3(int64_t rows, const float *restrict b_up, const float *restrict effective_v_sums,
    int64_t effective_v_sums_stride, float *restrict y, int64_t y_stride) {
  for (int64_t row = 0; row < rows; ++row) {
    const float *effective_v_sums_row = effective_v_sums + row * effective_v_sums_stride;
    float *y_row = y + row * y_stride;
    // Pass 1: output y.
    for (int64_t i = 0; i < 1536; i += 64) {
      for (int64_t p = 0; p < 8; ++p) {
        const vec sum_i = load_f32(effective_v_sums_row + i + p * 8) + load_f32(b_up + i + p * 8);
        store_f32(y_row + i + p * 8, sum_i * 0.5f * (vec_erf(sum_i * 0.70710677f) + 1.0f));
      }
    }
  }
}

// The phases of a call that `parts` threads share: with few rows they share every step, with many
// each takes rows of its own through all of them.
int64_t weight_norm_linear_gelu_384_1536_f32_avx2_phases(int64_t rows, int64_t parts) {
  return parts > 1 && rows <= 108 ? 3 : 1;
}

// The bytes of scratch memory of such a call.
int64_t weight_norm_linear_gelu_384_1536_f32_avx2_scratch_bytes(int64_t rows, int64_t parts) {
  const int64_t chunk = rows < 1 ? 0 : (rows < 108 ? rows : 108);
  const int64_t copies = weight_norm_linear_gelu_384_1536_f32_avx2_phases(rows, parts) > 1 ? 1
      : parts;
  return copies * chunk * 7808 + 64;
}

// The steps from `first_step` up to `end_step`, counted from 0, for a chunk of rows; parts share
// its rows and the products' columns.
static void run_steps(int64_t rows, const float *x, int64_t x_stride, const float *b_up,
    const float *effective_v, float *y, int64_t y_stride, char *panels, int64_t first_step,
    int64_t end_step, int64_t part, int64_t parts) {
  const int64_t row = begin_of_part(rows, part, parts);
  const int64_t count = begin_of_part(rows, part + 1, parts) - row;
  float *x_rows = (float *)panels;
  float *effective_v_sums = (float *)(panels + rows * 1600);
  for (int64_t step = first_step; step < end_step; ++step) {
    switch (step) {
    case 0:
      step1(count, x + row * x_stride, x_stride, x_rows + row * 400, 400);
      break;
    case 1:
      multiply_384x1536(rows, x_rows, effective_v, effective_v_sums,
          begin_of_part(96, part, parts), begin_of_part(96, part + 1, parts));
      break;
    case 2:
      step3(count, b_up, effective_v_sums + row * 1552, 1552, y + row * y_stride, y_stride);
      break;
    }
  }
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void weight_norm_linear_gelu_384_1536_f32_avx2_part(int64_t rows, const float *x, int64_t x_stride,
    const float *b_up, const float *effective_v, float *y, int64_t y_stride, void *scratch,
    int64_t phase, int64_t part, int64_t parts) {
  if (rows < 1) return;
  char *panels = (char *)(((uintptr_t)scratch + 63) / 64 * 64);
  if (weight_norm_linear_gelu_384_1536_f32_avx2_phases(rows, parts) > 1) {
    run_steps(rows, x, x_stride, b_up, effective_v, y, y_stride, panels, phase, phase + 1, part,
        parts);
    return;
  }
  // As many rows for each part, in chunks of about the same size, whole tiles of 6.
  const int64_t first = begin_of_part(rows, part, parts);
  const int64_t end = begin_of_part(rows, part + 1, parts);
  if (end <= first) return;
  char *own_panels = panels + part * (rows < 108 ? rows : 108) * 7808;
  const int64_t chunks = (end - first + 107) / 108;
  const int64_t size = ((end - first + chunks - 1) / chunks + 5) / 6 * 6;
  for (int64_t row = first; row < end; row += size) {
    const int64_t count = end - row < size ? end - row : size;
    run_steps(count, x + row * x_stride, x_stride, b_up, effective_v, y + row * y_stride, y_stride,
        own_panels, 0, 3, 0, 1);
  }
}

/*
 * weight_norm_linear_gelu_384_1536_f32_avx2 of `rows` rows; with none, nothing is read or written.
 *
 *   x            f32 [rows, 384]; x_stride elements from row to row
 *   b_up         f32 [1536]
 *   effective_v  f32 [1536, 384];
 *                as weight_norm_linear_gelu_384_1536_f32_avx2_pack_effective_v leaves them
 *   y            f32 [rows, 1536], written; y_stride elements from row to row
 *
 * scratch: weight_norm_linear_gelu_384_1536_f32_avx2_scratch_bytes(rows, 1) bytes of any alignment
 * that nobody else uses.
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void weight_norm_linear_gelu_384_1536_f32_avx2(int64_t rows, const float *x, int64_t x_stride,
    const float *b_up, const float *effective_v, float *y, int64_t y_stride, void *scratch) {
  weight_norm_linear_gelu_384_1536_f32_avx2_part(rows, x, x_stride, b_up, effective_v, y, y_stride,
      scratch, 0, 0, 1);
}

void weight_norm_linear_gelu_384_1536_f32_avx2_entry_pack_effective_v(const void *const *buffers,
    void *packed) {
  weight_norm_linear_gelu_384_1536_f32_avx2_pack_effective_v(buffers[0], buffers[1], packed);
}

void weight_norm_linear_gelu_384_1536_f32_avx2_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts) {
  weight_norm_linear_gelu_384_1536_f32_avx2_part(rows, buffers[0], strides[0], buffers[1],
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
