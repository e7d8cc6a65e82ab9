/*
 * baichuan_rms_norm_4096_f16_neon: a kernel for neon, emitted by NormGen. Regenerate with
 *
 *   normgen emit baichuan_rms_norm_4096_f16 --target neon
 *
 *   kernel baichuan_rms_norm_4096_f16(x: f16[rows, 4096], gain: f16[4096]) {
 *     rms_norm {
 *       mean_square = mean(x * x)
 *       inv_rms = 1.0 / sqrt(mean_square + 1e-06)
 *       y = f16(f16(x * inv_rms) * gain)
 *     }
 *   } -> y: f16
 *
 * Schedule row_streaming: 2 passes over a row: each pass reads the row from memory or cache.
 *   the last pass handles 4 rows together
 *   pass 1: mean_square over 4096
 *   pass 2: store y
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
#error "baichuan_rms_norm_4096_f16_neon.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "baichuan_rms_norm_4096_f16_neon.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "baichuan_rms_norm_4096_f16_neon.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("baichuan_rms_norm_4096_f16_neon.h")
#include "baichuan_rms_norm_4096_f16_neon.h"
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

// Four 16-bit lanes: the stored form of a vector of bf16 or f16.
typedef uint16_t hvec __attribute__((vector_size(8)));

// An hvec in memory with the alignment of one element.
typedef uint16_t hvec_in_memory __attribute__((vector_size(8), aligned(2), may_alias));

// Four consecutive 16-bit values.
static inline hvec load_u16(const uint16_t *p) {
  return *(const hvec_in_memory *)p;
}

// Four consecutive 16-bit values.
static inline void store_u16(uint16_t *p, hvec h) {
  *(hvec_in_memory *)p = h;
}

// Half precision to Float32, exactly.
static inline vec widen_f16(hvec h) {
  typedef __fp16 halves __attribute__((vector_size(8)));
#if __has_builtin(__builtin_aarch64_float_extend_lo_v4sf)
  return __builtin_aarch64_float_extend_lo_v4sf((halves)h);
#else
  return __builtin_convertvector((halves)h, vec);
#endif
}

// Float32 to half precision, to nearest, ties to even.
static inline hvec narrow_f16(vec v) {
#if __has_builtin(__builtin_aarch64_float_truncate_lo_v4hf)
  return (hvec)__builtin_aarch64_float_truncate_lo_v4hf(v);
#else
  typedef __fp16 halves __attribute__((vector_size(8)));
  return (hvec)__builtin_convertvector(v, halves);
#endif
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

// v rounded to half precision, as Float32.
static inline vec round_f16(vec v) {
  return widen_f16(narrow_f16(v));
}

// One vector of consecutive half-precision values, as Float32.
static inline vec load_f16(const uint16_t *p) {
  return widen_f16(load_u16(p));
}

// One vector, each lane rounded to half precision.
static inline void store_f16(uint16_t *p, vec v) {
  store_u16(p, narrow_f16(v));
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
static inline __attribute__((always_inline)) void baichuan_rms_norm_4096_f16_neon_tile(
    int64_t rows, const uint16_t *restrict x, int64_t x_stride, const uint16_t *restrict gain,
    uint16_t *restrict y, int64_t y_stride, int64_t first, const int64_t tile) {
  float inv_rms[4];
  for (int64_t row = first; row < first + tile; ++row) {
    const uint16_t *x_row = x + row * x_stride;
    // Pass 1: mean_square = mean(x * x), over all 4096.
    vec mean_square_partials[16] = {{0}};
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 16; ++p) {
        const vec x_i = load_f16(x_row + i + p * 4);
        mean_square_partials[p] = multiply_add(x_i, x_i, mean_square_partials[p]);
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 4096.0f;
    inv_rms[row - first] = 1.0f / square_root_scalar(mean_square + 1e-06f);
  }
  // Pass 2: output y.
  for (int64_t i = 0; i < 4096; i += 64) {
    for (int64_t row = first; row < first + tile; ++row) {
      const int64_t next = row + tile < rows ? row + tile : row;
      prefetch_u16_group(x + next * x_stride + i);
    }
    for (int64_t p = 0; p < 16; ++p) {
      const vec gain_i = load_f16(gain + i + p * 4);
      for (int64_t row = first; row < first + tile; ++row) {
        store_f16(y + row * y_stride + i + p * 4,
            round_f16(load_f16(x + row * x_stride + i + p * 4) * inv_rms[row - first]) * gain_i);
      }
    }
  }
}

/*
 * baichuan_rms_norm_4096_f16_neon of `rows` rows; with none, nothing is read or written.
 *
 *   x     f16 [rows, 4096]; x_stride elements from row to row
 *   gain  f16 [4096]
 *   y     f16 [rows, 4096], written; y_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void baichuan_rms_norm_4096_f16_neon(int64_t rows, const uint16_t *restrict x, int64_t x_stride,
    const uint16_t *restrict gain, uint16_t *restrict y, int64_t y_stride) {
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    baichuan_rms_norm_4096_f16_neon_tile(rows, x, x_stride, gain, y, y_stride, row, 4);
  }
  for (; row < rows; ++row) {
    baichuan_rms_norm_4096_f16_neon_tile(rows, x, x_stride, gain, y, y_stride, row, 1);
  }
}

// The phases of a call that `parts` threads share: each takes rows of its own.
int64_t baichuan_rms_norm_4096_f16_neon_phases(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 1;
}

// The bytes of scratch memory of such a call.
int64_t baichuan_rms_norm_4096_f16_neon_scratch_bytes(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 0;
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void baichuan_rms_norm_4096_f16_neon_part(int64_t rows, const uint16_t *x, int64_t x_stride,
    const uint16_t *gain, uint16_t *y, int64_t y_stride, void *scratch, int64_t phase,
    int64_t part, int64_t parts) {
  (void)scratch;
  (void)phase;
  if (rows < 1) return;
  const int64_t tiles = (rows + 3) / 4;
  const int64_t row = begin_of_part(tiles, part, parts) * 4;
  const int64_t end = begin_of_part(tiles, part + 1, parts) * 4;
  const int64_t count = (end < rows ? end : rows) - row;
  baichuan_rms_norm_4096_f16_neon(count, x + row * x_stride, x_stride, gain, y + row * y_stride,
      y_stride);
}

void baichuan_rms_norm_4096_f16_neon_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts) {
  baichuan_rms_norm_4096_f16_neon_part(rows, buffers[0], strides[0], buffers[1], buffers[2],
      strides[2], scratch, phase, part, parts);
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
