/*
 * layer_norm_384_f32_avx512: a kernel for avx512, emitted by NormGen. Regenerate with
 *
 *   normgen emit layer_norm_384_f32 --target avx512
 *
 *   kernel layer_norm_384_f32(x: f32[rows, 384], gain: f32[384], shift: f32[384]) {
 *     layer_norm {
 *       mean_x = mean(x)
 *       shifted = x - mean_x
 *       mean_square = mean(shifted * shifted)
 *       mean_shifted = mean(shifted)
 *       variance = max(fma(-mean_shifted, mean_shifted, mean_square), 0.0)
 *       centred = shifted - mean_shifted
 *       inv_deviation = 1.0 / sqrt(variance + 1e-12)
 *       y = fma(centred * inv_deviation, gain, shift)
 *     }
 *   } -> y: f32
 *
 * Schedule row_streaming: 3 passes over a row: each pass reads the row from memory or cache.
 *   the last pass handles 2 rows together
 *   pass 1: mean_x over 384
 *   pass 2: mean_square over 384; mean_shifted over 384
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

#if defined(__x86_64__)
#if defined(__clang__) ? __clang_major__ < 11 : __GNUC__ < 10
#error "layer_norm_384_f32_avx512.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "layer_norm_384_f32_avx512.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "layer_norm_384_f32_avx512.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("layer_norm_384_f32_avx512.h")
#include "layer_norm_384_f32_avx512.h"
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
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif

// Sixteen Float32 lanes of an AVX-512 register.
typedef float vec __attribute__((vector_size(64)));

// A vec in memory with the alignment of one element.
typedef float vec_in_memory __attribute__((vector_size(64), aligned(4), may_alias));

// Sixteen consecutive floats.
static inline vec load_f32(const float *p) {
  return *(const vec_in_memory *)p;
}

// Sixteen consecutive floats.
static inline void store_f32(float *p, vec v) {
  *(vec_in_memory *)p = v;
}

// Sixteen floats past the caches; p is aligned to 64 bytes.
static inline void stream_f32(float *p, vec v) {
#if defined(__clang__)
  __builtin_nontemporal_store(v, (vec *)p);
#else
  __builtin_ia32_movntps512(p, v);
#endif
}

// Makes streamed stores visible to other threads before any later store.
static inline void finish_streams(void) {
  __builtin_ia32_sfence();
}

// a · b + c with one rounding.
static inline float multiply_add_scalar(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
}

// a · b + c with one rounding (4 stands for the current one: to nearest).
static inline vec multiply_add(vec a, vec b, vec c) {
#if __has_builtin(__builtin_elementwise_fma)
  return __builtin_elementwise_fma(a, b, c);
#else
  return __builtin_ia32_vfmaddps512_mask(a, b, c, (uint16_t)-1, 4);
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

// The sum of 64 partials by halves: partial i takes in partial i + s for s = 32, 16, ..., 1.
static inline float sum_partials(const vec p[4]) {
  vec a = p[0] + p[2];
  vec b = p[1] + p[3];
  a = a + b;
  a = a + __builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  a = a + __builtin_shufflevector(a, a, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  a = a + __builtin_shufflevector(a, a, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  a = a + __builtin_shufflevector(a, a, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  return a[0];
}

// The greater of a and b; b where they compare equal, NaN where either is NaN.
static inline float maximum_scalar(float a, float b) {
  return a > b || a != a ? a : b;
}

// Stores a vector, past the caches if `stream` is set; the bits are the same.
static inline void put_f32(float *p, vec v, int stream) {
  if (stream) stream_f32(p, v);
  else store_f32(p, v);
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
static inline __attribute__((always_inline)) void layer_norm_384_f32_avx512_tile(int64_t rows,
    const float *restrict x, int64_t x_stride, const float *restrict gain,
    const float *restrict shift, float *restrict y, int64_t y_stride, int64_t first, int stream,
    const int64_t tile) {
  float mean_x[2];
  float mean_shifted[2];
  float inv_deviation[2];
  for (int64_t row = first; row < first + tile; ++row) {
    const float *x_row = x + row * x_stride;
    // Pass 1: mean_x = mean(x), over all 384.
    vec mean_x_partials[4] = {{0}};
    for (int64_t i = 0; i < 384; i += 64) {
      for (int64_t p = 0; p < 4; ++p) {
        mean_x_partials[p] = mean_x_partials[p] + load_f32(x_row + i + p * 16);
      }
    }
    mean_x[row - first] = sum_partials(mean_x_partials) / 384.0f;
    // Pass 2: mean_square = mean(shifted * shifted), over all 384; mean_shifted = mean(shifted),
    // over all 384.
    vec mean_square_partials[4] = {{0}};
    vec mean_shifted_partials[4] = {{0}};
    for (int64_t i = 0; i < 384; i += 64) {
      for (int64_t p = 0; p < 4; ++p) {
        const vec shifted_i = load_f32(x_row + i + p * 16) - mean_x[row - first];
        mean_square_partials[p] = multiply_add(shifted_i, shifted_i, mean_square_partials[p]);
        mean_shifted_partials[p] = mean_shifted_partials[p] + shifted_i;
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 384.0f;
    mean_shifted[row - first] = sum_partials(mean_shifted_partials) / 384.0f;
    const float variance = maximum_scalar(multiply_add_scalar(-mean_shifted[row - first],
        mean_shifted[row - first], mean_square), 0.0f);
    inv_deviation[row - first] = 1.0f / square_root_scalar(variance + 1e-12f);
  }
  // Pass 3: output y.
  for (int64_t i = 0; i < 384; i += 64) {
    for (int64_t row = first; row < first + tile; ++row) {
      const int64_t next = row + tile < rows ? row + tile : row;
      prefetch_f32_group(x + next * x_stride + i);
    }
    for (int64_t p = 0; p < 4; ++p) {
      const vec gain_i = load_f32(gain + i + p * 16);
      const vec shift_i = load_f32(shift + i + p * 16);
      for (int64_t row = first; row < first + tile; ++row) {
        const vec shifted_i = load_f32(x + row * x_stride + i + p * 16) - mean_x[row - first];
        const vec centred_i = shifted_i - mean_shifted[row - first];
        put_f32(y + row * y_stride + i + p * 16,
            multiply_add(centred_i * inv_deviation[row - first], gain_i, shift_i), stream);
      }
    }
  }
}

/*
 * layer_norm_384_f32_avx512 of `rows` rows; with none, nothing is read or written.
 *
 *   x      f32 [rows, 384]; x_stride elements from row to row
 *   gain   f32 [384]
 *   shift  f32 [384]
 *   y      f32 [rows, 384], written; y_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void layer_norm_384_f32_avx512(int64_t rows, const float *restrict x, int64_t x_stride,
    const float *restrict gain, const float *restrict shift, float *restrict y, int64_t y_stride) {
  // Outputs of 4 MiB and more bypass the caches where their rows are aligned.
  const int stream = rows >= 2731 && ((uintptr_t)y | (uintptr_t)(y_stride * 4)) % 64 == 0;
  int64_t row = 0;
  for (; row + 2 <= rows; row += 2) {
    layer_norm_384_f32_avx512_tile(rows, x, x_stride, gain, shift, y, y_stride, row, stream, 2);
  }
  for (; row < rows; ++row) {
    layer_norm_384_f32_avx512_tile(rows, x, x_stride, gain, shift, y, y_stride, row, stream, 1);
  }
  if (stream) finish_streams();
}

// The phases of a call that `parts` threads share: each takes rows of its own.
int64_t layer_norm_384_f32_avx512_phases(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 1;
}

// The bytes of scratch memory of such a call.
int64_t layer_norm_384_f32_avx512_scratch_bytes(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 0;
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void layer_norm_384_f32_avx512_part(int64_t rows, const float *x, int64_t x_stride,
    const float *gain, const float *shift, float *y, int64_t y_stride, void *scratch,
    int64_t phase, int64_t part, int64_t parts) {
  (void)scratch;
  (void)phase;
  if (rows < 1) return;
  const int64_t tiles = (rows + 1) / 2;
  const int64_t row = begin_of_part(tiles, part, parts) * 2;
  const int64_t end = begin_of_part(tiles, part + 1, parts) * 2;
  const int64_t count = (end < rows ? end : rows) - row;
  layer_norm_384_f32_avx512(count, x + row * x_stride, x_stride, gain, shift, y + row * y_stride,
      y_stride);
}

void layer_norm_384_f32_avx512_entry(int64_t rows, void *const *buffers, const int64_t *strides,
    void *scratch, int64_t phase, int64_t part, int64_t parts) {
  layer_norm_384_f32_avx512_part(rows, buffers[0], strides[0], buffers[1], buffers[2], buffers[3],
      strides[3], scratch, phase, part, parts);
}

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
