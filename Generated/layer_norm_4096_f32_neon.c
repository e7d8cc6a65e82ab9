/*
 * layer_norm_4096_f32_neon: a kernel for neon, emitted by NormGen. Regenerate with
 *
 *   normgen emit layer_norm_4096_f32 --target neon
 *
 *   kernel layer_norm_4096_f32(x: f32[rows, 4096], gain: f32[4096], shift: f32[4096]) {
 *     layer_norm {
 *       mean_x = mean(x)
 *       shifted = x - mean_x
 *       mean_square = mean(shifted * shifted)
 *       mean_shifted = mean(shifted)
 *       variance = max(fma(-mean_shifted, mean_shifted, mean_square), 0.0)
 *       centred = shifted - mean_shifted
 *       inv_deviation = 1.0 / sqrt(variance + 1e-05)
 *       y = fma(centred * inv_deviation, gain, shift)
 *     }
 *   } -> y: f32
 *
 * Schedule row_streaming: 3 passes over a row: each pass reads the row from memory or cache.
 *   the last pass handles 2 rows together
 *   pass 1: mean_x over 4096
 *   pass 2: mean_square over 4096; mean_shifted over 4096
 *   pass 3: store y
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
#error "layer_norm_4096_f32_neon.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "layer_norm_4096_f32_neon.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "layer_norm_4096_f32_neon.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("layer_norm_4096_f32_neon.h")
#include "layer_norm_4096_f32_neon.h"
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

// A vec in memory with the alignment of one element.
typedef float vec_in_memory __attribute__((vector_size(16), aligned(4), may_alias));

// Four consecutive floats.
static inline vec load_f32(const float *p) {
  return *(const vec_in_memory *)p;
}

// Four consecutive floats.
static inline void store_f32(float *p, vec v) {
  *(vec_in_memory *)p = v;
}

// a · b + c with one rounding.
static inline float multiply_add_scalar(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
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

// The greater of a and b; b where they compare equal, NaN where either is NaN.
static inline float maximum_scalar(float a, float b) {
  return a > b || a != a ? a : b;
}

// Asks for 64 floats to come closer. They need not be readable, nor belong to an array, so that
// their addresses are taken as numbers.
static inline void prefetch_f32_group(const float *p) {
  for (uintptr_t byte = 0; byte < 256; byte += 64) {
    __builtin_prefetch((const void *)((uintptr_t)p + byte), 0, 2);
  }
}

// Where part `part` of `parts` begins among `count` things: all take as many, and the first parts
// one more where some are left. One part takes all without a division.
static inline int64_t begin_of_part(int64_t count, int64_t part, int64_t parts) {
  if (parts == 1) return count * part;
  const int64_t left = count % parts;
  return count / parts * part + (part < left ? part : left);
}

// The rows from `first` on, as many as a tile has.
static inline __attribute__((always_inline)) void layer_norm_4096_f32_neon_tile(int64_t rows,
    const float *restrict x, int64_t x_stride, const float *restrict gain,
    const float *restrict shift, float *restrict y, int64_t y_stride, int64_t first,
    const int64_t tile) {
  float mean_x[2];
  float mean_shifted[2];
  float inv_deviation[2];
  for (int64_t row = first; row < first + tile; ++row) {
    const float *x_row = x + row * x_stride;
    // Pass 1: mean_x = mean(x), over all 4096.
    vec mean_x_partials[16] = {{0}};
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 16; ++p) {
        mean_x_partials[p] = mean_x_partials[p] + load_f32(x_row + i + p * 4);
      }
    }
    mean_x[row - first] = sum_partials(mean_x_partials) / 4096.0f;
    // Pass 2: mean_square = mean(shifted * shifted), over all 4096; mean_shifted = mean(shifted),
    // over all 4096.
    vec mean_square_partials[16] = {{0}};
    vec mean_shifted_partials[16] = {{0}};
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 16; ++p) {
        const vec shifted_i = load_f32(x_row + i + p * 4) - mean_x[row - first];
        mean_square_partials[p] = multiply_add(shifted_i, shifted_i, mean_square_partials[p]);
        mean_shifted_partials[p] = mean_shifted_partials[p] + shifted_i;
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 4096.0f;
    mean_shifted[row - first] = sum_partials(mean_shifted_partials) / 4096.0f;
    const float variance = maximum_scalar(multiply_add_scalar(-mean_shifted[row - first],
        mean_shifted[row - first], mean_square), 0.0f);
    inv_deviation[row - first] = 1.0f / square_root_scalar(variance + 1e-05f);
  }
  // Pass 3: output y.
  for (int64_t i = 0; i < 4096; i += 64) {
    for (int64_t row = first; row < first + tile; ++row) {
      const int64_t next = row + tile < rows ? row + tile : row;
      prefetch_f32_group(x + next * x_stride + i);
    }
    for (int64_t p = 0; p < 16; ++p) {
      const vec gain_i = load_f32(gain + i + p * 4);
      const vec shift_i = load_f32(shift + i + p * 4);
      for (int64_t row = first; row < first + tile; ++row) {
        const vec shifted_i = load_f32(x + row * x_stride + i + p * 4) - mean_x[row - first];
        const vec centred_i = shifted_i - mean_shifted[row - first];
        store_f32(y + row * y_stride + i + p * 4,
            multiply_add(centred_i * inv_deviation[row - first], gain_i, shift_i));
      }
    }
  }
}

/*
 * layer_norm_4096_f32_neon of `rows` rows; with none, nothing is read or written.
 *
 *   x      f32 [rows, 4096]; x_stride elements from row to row
 *   gain   f32 [4096]
 *   shift  f32 [4096]
 *   y      f32 [rows, 4096], written; y_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void layer_norm_4096_f32_neon(int64_t rows, const float *restrict x, int64_t x_stride,
    const float *restrict gain, const float *restrict shift, float *restrict y, int64_t y_stride) {
  int64_t row = 0;
  for (; row + 2 <= rows; row += 2) {
    layer_norm_4096_f32_neon_tile(rows, x, x_stride, gain, shift, y, y_stride, row, 2);
  }
  for (; row < rows; ++row) {
    layer_norm_4096_f32_neon_tile(rows, x, x_stride, gain, shift, y, y_stride, row, 1);
  }
}

// The phases of a call that `parts` threads share: each takes rows of its own.
int64_t layer_norm_4096_f32_neon_phases(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 1;
}

// The bytes of scratch memory of such a call.
int64_t layer_norm_4096_f32_neon_scratch_bytes(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 0;
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void layer_norm_4096_f32_neon_part(int64_t rows, const float *x, int64_t x_stride,
    const float *gain, const float *shift, float *y, int64_t y_stride, void *scratch,
    int64_t phase, int64_t part, int64_t parts) {
  (void)scratch;
  (void)phase;
  if (rows < 1) return;
  const int64_t tiles = (rows + 1) / 2;
  const int64_t row = begin_of_part(tiles, part, parts) * 2;
  const int64_t end = begin_of_part(tiles, part + 1, parts) * 2;
  const int64_t count = (end < rows ? end : rows) - row;
  layer_norm_4096_f32_neon(count, x + row * x_stride, x_stride, gain, shift, y + row * y_stride,
      y_stride);
}

void layer_norm_4096_f32_neon_entry(int64_t rows, void *const *buffers, const int64_t *strides,
    void *scratch, int64_t phase, int64_t part, int64_t parts) {
  layer_norm_4096_f32_neon_part(rows, buffers[0], strides[0], buffers[1], buffers[2], buffers[3],
      strides[3], scratch, phase, part, parts);
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
