/*
 * scaled_rms_norm_4096_f32_neon: a kernel for neon, emitted by NormGen. Regenerate with
 *
 *   normgen emit scaled_rms_norm_4096_f32 --target neon
 *
 *   kernel scaled_rms_norm_4096_f32(x: f32[rows, 4096], gain: f32[4096]) {
 *     rms_norm {
 *       abs_max = row_max(abs(x))
 *       abs_max_binade = binade(max(abs_max, 0.001))
 *       range_scale = min(max(2.3283064e-10 / abs_max_binade, 1.0), 4.2949673e+09 / abs_max_binade)
 *       scaled = x * range_scale
 *       mean_square_scaled = mean(scaled * scaled)
 *       inv_rms_scaled = 1.0 / sqrt(mean_square_scaled + 1e-06 * range_scale * range_scale)
 *       y = scaled * inv_rms_scaled * gain
 *     }
 *   } -> y: f32
 *
 * Schedule row_streaming: 3 passes over a row: each pass reads the row from memory or cache.
 *   pass 1: abs_max over 4096
 *   pass 2: mean_square_scaled over 4096
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
#error "scaled_rms_norm_4096_f32_neon.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "scaled_rms_norm_4096_f32_neon.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "scaled_rms_norm_4096_f32_neon.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("scaled_rms_norm_4096_f32_neon.h")
#include "scaled_rms_norm_4096_f32_neon.h"
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

// A vec in memory with the alignment of one element.
typedef float vec_in_memory __attribute__((vector_size(16), aligned(4), may_alias));

// The same value in every lane.
static inline vec broadcast(float s) {
  return (vec){s, s, s, s};
}

// Lanes of a where the mask is set, of b elsewhere.
static inline vec vec_select(ivec mask, vec a, vec b) {
  return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}

// Four consecutive floats.
static inline vec load_f32(const float *p) {
  return *(const vec_in_memory *)p;
}

// Four consecutive floats.
static inline void store_f32(float *p, vec v) {
  *(vec_in_memory *)p = v;
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

// The greater of a and b; b where they compare equal, NaN where either is NaN.
static inline float maximum_scalar(float a, float b) {
  return a > b || a != a ? a : b;
}

// The lesser of a and b; b where they compare equal, NaN where either is NaN.
static inline float minimum_scalar(float a, float b) {
  return a < b || a != a ? a : b;
}

// The greatest power of two up to |s|: 2^127 for infinity, 0 for 0, NaN for NaN.
static inline float binade_scalar(float s) {
  union { float value; uint32_t bits; } u = {s};
  if (s != s) {
    return s;
  }
  u.bits &= 0x7fffffffu;
  if (u.bits < 0x800000u) {
    // The exponent of a denormal times 2^24 is that of its leading bit.
    u.value *= 0x1p24f;
    u.bits &= 0x7f800000u;
    return u.value * 0x1p-24f;
  }
  u.bits &= 0x7f800000u;
  return minimum_scalar(u.value, 0x1p127f);
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

/*
 * scaled_rms_norm_4096_f32_neon of `rows` rows; with none, nothing is read or written.
 *
 *   x     f32 [rows, 4096]; x_stride elements from row to row
 *   gain  f32 [4096]
 *   y     f32 [rows, 4096], written; y_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void scaled_rms_norm_4096_f32_neon(int64_t rows, const float *restrict x, int64_t x_stride,
    const float *restrict gain, float *restrict y, int64_t y_stride) {
  for (int64_t row = 0; row < rows; ++row) {
    const float *x_row = x + row * x_stride;
    float *y_row = y + row * y_stride;
    const int64_t next = row + 1 < rows ? row + 1 : row;
    // Pass 1: abs_max = row_max(abs(x)), over all 4096.
    vec abs_max_partials[16];
    for (int64_t p = 0; p < 16; ++p) abs_max_partials[p] = broadcast(-__builtin_inff());
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 16; ++p) {
        abs_max_partials[p] = maximum_magnitude(abs_max_partials[p], load_f32(x_row + i + p * 4));
      }
    }
    const float abs_max = max_partials(abs_max_partials);
    const float abs_max_binade = binade_scalar(maximum_scalar(abs_max, 0.001f));
    const float range_scale = minimum_scalar(maximum_scalar(2.3283064e-10f / abs_max_binade, 1.0f),
        4.2949673e+09f / abs_max_binade);
    // Pass 2: mean_square_scaled = mean(scaled * scaled), over all 4096.
    vec mean_square_scaled_partials[16] = {{0}};
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 16; ++p) {
        const vec scaled_i = load_f32(x_row + i + p * 4) * range_scale;
        mean_square_scaled_partials[p] = multiply_add(scaled_i, scaled_i,
            mean_square_scaled_partials[p]);
      }
    }
    const float mean_square_scaled = sum_partials(mean_square_scaled_partials) / 4096.0f;
    const float inv_rms_scaled = 1.0f / square_root_scalar(mean_square_scaled + 1e-06f
        * range_scale * range_scale);
    // Pass 3: output y.
    for (int64_t i = 0; i < 4096; i += 64) {
      prefetch_f32_group(x + next * x_stride + i);
      for (int64_t p = 0; p < 16; ++p) {
        const vec scaled_i = load_f32(x_row + i + p * 4) * range_scale;
        store_f32(y_row + i + p * 4, scaled_i * inv_rms_scaled * load_f32(gain + i + p * 4));
      }
    }
  }
}

// The phases of a call that `parts` threads share: each takes rows of its own.
int64_t scaled_rms_norm_4096_f32_neon_phases(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 1;
}

// The bytes of scratch memory of such a call.
int64_t scaled_rms_norm_4096_f32_neon_scratch_bytes(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 0;
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void scaled_rms_norm_4096_f32_neon_part(int64_t rows, const float *x, int64_t x_stride,
    const float *gain, float *y, int64_t y_stride, void *scratch, int64_t phase, int64_t part,
    int64_t parts) {
  (void)scratch;
  (void)phase;
  if (rows < 1) return;
  const int64_t row = begin_of_part(rows, part, parts);
  const int64_t count = begin_of_part(rows, part + 1, parts) - row;
  scaled_rms_norm_4096_f32_neon(count, x + row * x_stride, x_stride, gain, y + row * y_stride,
      y_stride);
}

void scaled_rms_norm_4096_f32_neon_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts) {
  scaled_rms_norm_4096_f32_neon_part(rows, buffers[0], strides[0], buffers[1], buffers[2],
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
