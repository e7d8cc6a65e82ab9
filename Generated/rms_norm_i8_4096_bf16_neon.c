/*
 * rms_norm_i8_4096_bf16_neon: a kernel for neon, emitted by NormGen. Regenerate with
 *
 *   normgen emit rms_norm_i8_4096_bf16 --target neon
 *
 *   kernel rms_norm_i8_4096_bf16(x: bf16[rows, 4096], gain: bf16[4096]) {
 *     rms_norm {
 *       mean_square = mean(x * x)
 *       inv_rms = 1.0 / sqrt(mean_square + 1e-06)
 *       %1 = x * inv_rms * gain
 *     }
 *     quantize_rows {
 *       abs_max = row_max(abs(%1))
 *       scale = abs_max / 127.0
 *       q = i8(%1 / scale)
 *     }
 *   } -> q: i8, scale: f32
 *
 * Schedule row_streaming: 3 passes over a row: each pass reads the row from memory or cache.
 *   the last pass handles 4 rows together
 *   pass 1: mean_square over 4096
 *   pass 2: abs_max over 4096
 *   pass 3: store q; store scale, one a row
 *
 * The bits are the same on every target, for any number of rows and any stride. Contraction and
 * reassociation would change them. Flags that allow them are refused where the compiler announces
 * them, and switched off here where it does not. Clang neither announces nor lets a file switch off
 * -ffp-contract=fast, -ffp-model=fast, -funsafe-math-optimizations and -fno-honor-nans: leave them
 * out.
 */
#include <stddef.h>
#include <stdint.h>

#if defined(__aarch64__)
#if defined(__clang__) ? __clang_major__ < 11 : __GNUC__ < 10
#error "rms_norm_i8_4096_bf16_neon.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "rms_norm_i8_4096_bf16_neon.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "rms_norm_i8_4096_bf16_neon.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("rms_norm_i8_4096_bf16_neon.h")
#include "rms_norm_i8_4096_bf16_neon.h"
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

// Four Float32 lanes of a NEON register.
typedef float vec __attribute__((vector_size(16)));

// Four Int32 lanes; a comparison gives -1 (true) or 0 in each.
typedef int32_t ivec __attribute__((vector_size(16)));

// Four lanes of bits, for arithmetic that wraps.
typedef uint32_t uvec __attribute__((vector_size(16)));

// Four 16-bit lanes: the stored form of a vector of bf16 or f16.
typedef uint16_t hvec __attribute__((vector_size(8)));

// Four 8-bit lanes: the stored form of a vector of i8.
typedef int8_t bvec __attribute__((vector_size(4)));

// An hvec in memory with the alignment of one element.
typedef uint16_t hvec_in_memory __attribute__((vector_size(8), aligned(2), may_alias));

// A bvec in memory with the alignment of one element.
typedef int8_t bvec_in_memory __attribute__((vector_size(4), aligned(1), may_alias));

// The same value in every lane.
static inline vec broadcast(float s) {
  return (vec){s, s, s, s};
}

// Lanes of a where the mask is set, of b elsewhere.
static inline vec vec_select(ivec mask, vec a, vec b) {
  return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}

// Four consecutive 16-bit values.
static inline hvec load_u16(const uint16_t *p) {
  return *(const hvec_in_memory *)p;
}

// Four consecutive 8-bit values.
static inline void store_s8(int8_t *p, bvec b) {
  *(bvec_in_memory *)p = b;
}

// bf16 to Float32: the upper half of its bits.
static inline vec widen_bf16(hvec h) {
  return (vec)(__builtin_convertvector(h, uvec) << 16u);
}

// The nearest whole numbers from -128 to 127, ties to even; the instruction saturates to Int32 and
// gives 0 for NaN.
static inline ivec nearest_i8(vec v) {
  ivec whole;
  __asm__("fcvtns %0.4s, %1.4s" : "=w"(whole) : "w"(v));
  ivec low = whole < -128;
  ivec high = whole > 127;
  return (whole & ~(low | high)) | (low & -128) | (high & 127);
}

// Float32 to i8: the nearest, ties to even, within the range; 0 for NaN.
static inline bvec narrow_i8(vec v) {
  return __builtin_convertvector(nearest_i8(v), bvec);
}

// a · b + c with one rounding.
static inline vec multiply_add(vec a, vec b, vec c) {
#if __has_builtin(__builtin_elementwise_fma)
  return __builtin_elementwise_fma(a, b, c);
#elif __has_builtin(__builtin_aarch64_fmav4sf)
  return __builtin_aarch64_fmav4sf(a, b, c);
#else
  return (vec){__builtin_fmaf(a[0], b[0], c[0]), __builtin_fmaf(a[1], b[1], c[1]),
               __builtin_fmaf(a[2], b[2], c[2]), __builtin_fmaf(a[3], b[3], c[3])};
#endif
}

// The correctly rounded square root.
static inline float square_root_scalar(float s) {
  float root;
  __asm__("fsqrt %s0, %s1" : "=w"(root) : "w"(s));
  return root;
}

// |v|: the sign bit cleared.
static inline vec absolute(vec v) {
  return (vec)((uvec)v & 0x7fffffffu);
}

// The greater of a and b; b where they compare equal, NaN where either is NaN.
static inline vec maximum(vec a, vec b) {
  return vec_select((a > b) | (a != a), a, b);
}

// The greater of a, a magnitude or -infinity, and |b|; NaN where either is NaN. As integers, the
// bits of magnitudes have their order, and NaN is above infinity.
static inline vec maximum_magnitude(vec a, vec b) {
  vec size = absolute(b);
  return vec_select((ivec)a > (ivec)size, a, size);
}

// The sum of 64 partials by halves: partial i takes in partial i + s for s = 32, 16, ..., 1.
static inline float sum_partials(const vec p[16]) {
  vec a[8];
  for (int i = 0; i < 8; i++) {
    a[i] = p[i] + p[i + 8];
  }
  for (int s = 4; s > 0; s /= 2) {
    for (int i = 0; i < s; i++) {
      a[i] = a[i] + a[i + s];
    }
  }
  vec v = a[0];
  v = v + __builtin_shufflevector(v, v, 2, 3, 0, 1);
  v = v + __builtin_shufflevector(v, v, 1, 0, 3, 2);
  return v[0];
}

// The greatest of 64 partials by halves: partial i takes in partial i + s for s = 32, 16, ..., 1.
static inline float max_partials(const vec p[16]) {
  vec a[8];
  for (int i = 0; i < 8; i++) {
    a[i] = maximum(p[i], p[i + 8]);
  }
  for (int s = 4; s > 0; s /= 2) {
    for (int i = 0; i < s; i++) {
      a[i] = maximum(a[i], a[i + s]);
    }
  }
  vec v = a[0];
  v = maximum(v, __builtin_shufflevector(v, v, 2, 3, 0, 1));
  v = maximum(v, __builtin_shufflevector(v, v, 1, 0, 3, 2));
  return v[0];
}

// One vector of consecutive bf16 values, as Float32.
static inline vec load_bf16(const uint16_t *p) {
  return widen_bf16(load_u16(p));
}

// One vector, each lane rounded to i8.
static inline void store_i8(int8_t *p, vec v) {
  store_s8(p, narrow_i8(v));
}

// Asks for 64 values of 16 bits to come closer; they need not be readable.
static inline void prefetch_u16_group(const uint16_t *p) {
  __builtin_prefetch(p, 0, 2);
  __builtin_prefetch((const void *)((uintptr_t)p + 64), 0, 2);
}

// Where part `part` of `parts` begins among `count` things: all take as many, and the first parts
// one more where some are left. One part takes all without a division.
static inline int64_t begin_of_part(int64_t count, int64_t part, int64_t parts) {
  if (parts == 1) return count * part;
  const int64_t left = count % parts;
  return count / parts * part + (part < left ? part : left);
}

// The rows from `first` on, as many as a tile has.
static inline __attribute__((always_inline)) void rms_norm_i8_4096_bf16_neon_tile(int64_t rows,
    const uint16_t *restrict x, int64_t x_stride, const uint16_t *restrict gain,
    int8_t *restrict q, int64_t q_stride, float *restrict scale, int64_t scale_stride,
    int64_t first, const int64_t tile) {
  float inv_rms[4];
  float scale2[4];
  for (int64_t row = first; row < first + tile; ++row) {
    const uint16_t *x_row = x + row * x_stride;
    float *scale_row = scale + row * scale_stride;
    // Pass 1: mean_square = mean(x * x), over all 4096.
    vec mean_square_partials[16] = {{0}};
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 16; ++p) {
        const vec x_i = load_bf16(x_row + i + p * 4);
        mean_square_partials[p] = multiply_add(x_i, x_i, mean_square_partials[p]);
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 4096.0f;
    inv_rms[row - first] = 1.0f / square_root_scalar(mean_square + 1e-06f);
    // Pass 2: abs_max = row_max(abs(%1)), over all 4096.
    vec abs_max_partials[16];
    for (int64_t p = 0; p < 16; ++p) abs_max_partials[p] = broadcast(-__builtin_inff());
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 16; ++p) {
        abs_max_partials[p] = maximum_magnitude(abs_max_partials[p],
            load_bf16(x_row + i + p * 4) * inv_rms[row - first] * load_bf16(gain + i + p * 4));
      }
    }
    const float abs_max = max_partials(abs_max_partials);
    scale2[row - first] = abs_max / 127.0f;
    scale_row[0] = scale2[row - first];
  }
  // Pass 3: output q.
  for (int64_t i = 0; i < 4096; i += 64) {
    for (int64_t row = first; row < first + tile; ++row) {
      const int64_t next = row + tile < rows ? row + tile : row;
      prefetch_u16_group(x + next * x_stride + i);
    }
    for (int64_t p = 0; p < 16; ++p) {
      const vec gain_i = load_bf16(gain + i + p * 4);
      for (int64_t row = first; row < first + tile; ++row) {
        store_i8(q + row * q_stride + i + p * 4,
            load_bf16(x + row * x_stride + i + p * 4) * inv_rms[row - first] * gain_i
            / scale2[row - first]);
      }
    }
  }
}

/*
 * rms_norm_i8_4096_bf16_neon of `rows` rows; with none, nothing is read or written.
 *
 *   x      bf16 [rows, 4096]; x_stride elements from row to row
 *   gain   bf16 [4096]
 *   q      i8 [rows, 4096], written; q_stride elements from row to row
 *   scale  f32 [rows, 1], written; scale_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void rms_norm_i8_4096_bf16_neon(int64_t rows, const uint16_t *restrict x, int64_t x_stride,
    const uint16_t *restrict gain, int8_t *restrict q, int64_t q_stride, float *restrict scale,
    int64_t scale_stride) {
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    rms_norm_i8_4096_bf16_neon_tile(rows, x, x_stride, gain, q, q_stride, scale, scale_stride, row,
        4);
  }
  for (; row < rows; ++row) {
    rms_norm_i8_4096_bf16_neon_tile(rows, x, x_stride, gain, q, q_stride, scale, scale_stride, row,
        1);
  }
}

// The phases of a call that `parts` threads share: each takes rows of its own.
int64_t rms_norm_i8_4096_bf16_neon_phases(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 1;
}

// The bytes of scratch memory of such a call.
int64_t rms_norm_i8_4096_bf16_neon_scratch_bytes(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 0;
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void rms_norm_i8_4096_bf16_neon_part(int64_t rows, const uint16_t *x, int64_t x_stride,
    const uint16_t *gain, int8_t *q, int64_t q_stride, float *scale, int64_t scale_stride,
    void *scratch, int64_t phase, int64_t part, int64_t parts) {
  (void)scratch;
  (void)phase;
  if (rows < 1) return;
  const int64_t tiles = (rows + 3) / 4;
  const int64_t row = begin_of_part(tiles, part, parts) * 4;
  const int64_t end = begin_of_part(tiles, part + 1, parts) * 4;
  const int64_t count = (end < rows ? end : rows) - row;
  rms_norm_i8_4096_bf16_neon(count, x + row * x_stride, x_stride, gain, q + row * q_stride,
      q_stride, scale + row * scale_stride, scale_stride);
}

void rms_norm_i8_4096_bf16_neon_entry(int64_t rows, void *const *buffers, const int64_t *strides,
    void *scratch, int64_t phase, int64_t part, int64_t parts) {
  rms_norm_i8_4096_bf16_neon_part(rows, buffers[0], strides[0], buffers[1], buffers[2], strides[2],
      buffers[3], strides[3], scratch, phase, part, parts);
}

#if defined(__clang__)
#pragma float_control(pop)
#elif defined(__GNUC__)
#pragma GCC pop_options
#if __GNUC__ < 12
#undef __builtin_shufflevector
#endif
#endif
#endif
