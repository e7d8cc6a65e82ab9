// Measures one function of the templates, or one that kernels compose of them, against a reference
// in Float64 from the C library.
//
//   ulp FUNCTION error [STRIDE [PART]]    every STRIDE-th block: greatest errors, where, mismatches;
//                                         PART is one of the 64 parts of the arguments
//   ulp FUNCTION at INPUT...              the errors at these arguments, by quadruple precision
//   ulp FUNCTION digest [STRIDE]          a digest of the result bits, NaNs taken as equal
//   ulp FUNCTION speed                    nanoseconds and reference cycles an element
//
// TEMPLATES names the C file that exports.py writes. QUADRUPLE is defined where libquadmath is.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef QUADRUPLE
#include <quadmath.h>
#endif
#include TEMPLATES

enum { lanes = sizeof(vec) / sizeof(float), block = 64 };

// glibc has these for vectors, within 4 units in the last place of a double.
#ifdef VECTOR_LIBRARY
#define ON_VECTORS __attribute__((simd("notinbranch"), const))
ON_VECTORS double exp(double);
ON_VECTORS double log(double);
ON_VECTORS double tanh(double);
ON_VECTORS double erf(double);
ON_VECTORS double erfc(double);
#endif

static vec multiply_add_product(vec x) { return multiply_add(x, x, x); }

// The activations as Activation.silu, .gelu and .geluTanh compose them; a test of the package
// compares their digests with those of compiled kernels.
static vec silu(vec x) { return x * vec_sigmoid(x); }

static vec gelu(vec x) {
  return x * broadcast(0.5f) * (vec_erf(x * broadcast(0x1.6a09e6p-1f)) + broadcast(1));
}

static vec gelu_tanh(vec x) {
  vec inner = multiply_add(x * x * x, broadcast(0.044715f), x);
  return x * broadcast(0.5f) * (vec_tanh(inner * broadcast(0.7978845608028654f)) + broadcast(1));
}

// References that do not cancel, each in the precision of its type.
#define REFERENCES(type, suffix, letter) \
  static inline type sigmoid##suffix(type x) { \
    type z = exp##letter(-fabs##letter(x)); \
    return (x < 0 ? z : 1) / (1 + z); \
  } \
  static inline type silu##suffix(type x) { return x * sigmoid##suffix(x); } \
  static inline type gelu##suffix(type x) { return x / 2 * erfc##letter(-x / sqrt##letter(2)); } \
  static inline type gelu_tanh##suffix(type x) { \
    type root = sqrt##letter(8 / acos##letter(-1)); \
    return x * sigmoid##suffix(root * (x + (type)44715 / 1000000 * x * x * x)); \
  } \
  static inline type fma##suffix(type x) { return fma##letter(x, x, x); }

REFERENCES(double, _reference, )
#ifdef QUADRUPLE
REFERENCES(__float128, _quadruple, q)
#define REFERENCE_PAIR(plain, quadruple) plain, quadruple
#else
#define REFERENCE_PAIR(plain, quadruple) plain
#endif

// A name, the function, its references, and whether x is a factor of its result.
#define FUNCTIONS(_) \
  _(exp, vec_exp, exp, expq, 0) \
  _(log, vec_log, log, logq, 0) \
  _(tanh, vec_tanh, tanh, tanhq, 0) \
  _(erf, vec_erf, erf, erfq, 0) \
  _(sigmoid, vec_sigmoid, sigmoid_reference, sigmoid_quadruple, 0) \
  _(silu, silu, silu_reference, silu_quadruple, 1) \
  _(gelu, gelu, gelu_reference, gelu_quadruple, 1) \
  _(gelu_tanh, gelu_tanh, gelu_tanh_reference, gelu_tanh_quadruple, 1) \
  _(sqrt, square_root, sqrt, sqrtq, 0) \
  _(fma, multiply_add_product, fma_reference, fma_quadruple, 0)

// One loop for each function, so that it is inlined as in a kernel.
#define SPEED_LOOP(name, measured, plain, quadruple, is_product) \
  static void name##_loop(const float *x, float *y) { \
    for (int i = 0; i < 4096; i += lanes) store_f32(y + i, measured(load_f32(x + i))); \
  }
FUNCTIONS(SPEED_LOOP)

#define REFERENCE_LOOP(name, measured, plain, quadruple, is_product) \
  static void name##_references(const float *x, double *want) { \
    for (int i = 0; i < block; i++) want[i] = plain(x[i]); \
  }
FUNCTIONS(REFERENCE_LOOP)

#define ENTRY(name, measured, plain, quadruple, is_product) \
  {#name, measured, name##_loop, name##_references, is_product, REFERENCE_PAIR(plain, quadruple)},

static const struct Function {
  const char *name;
  vec (*measured)(vec);
  void (*loop)(const float *, float *);
  void (*references)(const float *, double *);
  int is_product;
  double (*reference)(double);
#ifdef QUADRUPLE
  __float128 (*quadruple)(__float128);
#endif
} functions[] = {FUNCTIONS(ENTRY)};

static float float_of(uint32_t bits) {
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

static uint32_t bits_of(float f) {
  uint32_t bits;
  memcpy(&bits, &f, 4);
  return bits;
}

// One over the unit in the last place at a true result: the unit is 2^-149 for denormals, 2^104
// from 2^127 on.
static inline double inverse_ulp_at(double want) {
  int64_t bits;
  memcpy(&bits, &want, 8);
  int64_t exponent = (bits >> 52 & 2047) - 1023;
  exponent = exponent < -126 ? -126 : exponent;
  exponent = exponent > 127 ? 127 : exponent;
  bits = (23 - exponent + 1023) << 52;
  double inverse;
  memcpy(&inverse, &bits, 8);
  return inverse;
}

// Whether a result is special as the reference is: NaN, infinity, or a zero of the same sign.
static int special_agrees(float got, double want) {
  if (want != want || got != got) return want != want && got != got;
  if (isinf(want)) return got == want;
  // From here on the true result is finite: infinity is right where rounding overflows.
  if (isinf(got)) return isinf((float)want) && (got > 0) == (want > 0);
  if (isinf((float)want)) return 1;
  return signbit(got) == signbit((float)want);
}

// What an argument adds to the digest: a sum, so that any order gives the same.
static uint64_t digest_of(float x, float y) {
  uint32_t bits = y != y ? 0x7fc00000u : bits_of(y);
  return (2 * (uint64_t)bits_of(x) + 1) * bits;
}

// The greatest error of negative or of positive arguments, and the greatest one divided by |x|.
struct Worst {
  double ulps;
  float at;
  double of_argument;
};

// Whether the block's results are special where the reference's are; a closer look for a few.
static uint64_t wrong_specials(const struct Function *f, const float *x, const float *y,
                               const double *want) {
  int doubtful = 0;
  for (int i = 0; i < block; i++) {
    float nearest = (float)want[i];
    int same = bits_of(y[i]) == bits_of(nearest) | (y[i] != y[i] & nearest != nearest);
    int plain = fabsf(y[i]) < INFINITY & fabsf(nearest) < INFINITY
                & (int32_t)(bits_of(y[i]) ^ bits_of(nearest)) >= 0;
    doubtful |= !(same | plain);
  }
  uint64_t count = 0;
  for (int i = 0; doubtful && i < block; i++) {
    if (special_agrees(y[i], f->reference(x[i]))) continue;
    if (count++ < 5) fprintf(stderr, "%s(%a) = %a, not %a\n", f->name, x[i], y[i], want[i]);
  }
  return count;
}

// The errors in units of the last place, 0 where there is none to speak of, and the greatest one's
// bits, which have the order of the errors.
static int64_t errors_of(const float *y, const double *want, double *ulps) {
  int64_t greatest = 0;
  for (int i = 0; i < block; i++) {
    double error = fabs(y[i] - want[i]) * inverse_ulp_at(want[i]);
    ulps[i] = fabs(want[i]) < INFINITY & fabsf(y[i]) < INFINITY ? error : 0;
    int64_t bits;
    memcpy(&bits, &ulps[i], 8);
    greatest = bits > greatest ? bits : greatest;
  }
  return greatest;
}

static void measure_error(const struct Function *f, uint64_t stride, uint64_t first,
                          uint64_t end) {
  struct Worst worst[2] = {{0, -0.0f, 0}, {0, 0.0f, 0}};
  uint64_t count = 0, special = 0, rounded_right = 0, digest = 0;
  for (uint64_t base = first; base < end; base += stride * block) {
    float x[block], y[block];
    double want[block], ulps[block];
    for (int i = 0; i < block; i++) x[i] = float_of((uint32_t)base + (uint32_t)i);
    for (int i = 0; i < block; i += lanes) store_f32(y + i, f->measured(load_f32(x + i)));
    f->references(x, want);
    uint64_t right = 0;
    for (int i = 0; i < block; i++) {
      digest += digest_of(x[i], y[i]);
      right += y[i] == (float)want[i] | want[i] != want[i];
    }
    rounded_right += right;
    count += block;
    special += wrong_specials(f, x, y, want);
    int64_t greatest = errors_of(y, want, ulps);
    // A block has one sign.
    struct Worst *side = &worst[!signbit(x[0])];
    double most;
    memcpy(&most, &greatest, 8);
    for (int i = 0; most > side->ulps && i < block; i++) {
      if (ulps[i] > side->ulps) *side = (struct Worst){ulps[i], x[i], side->of_argument};
    }
    // The results of the smallest arguments are denormal, and their units no part of |x|.
    for (int i = 0; f->is_product && fabsf(x[0]) >= 0x1p-100f && i < block; i++) {
      double part = ulps[i] > 0 ? fabs(y[i] - want[i]) / fabs(x[i]) : 0;
      side->of_argument = part > side->of_argument ? part : side->of_argument;
    }
  }
  printf("{\"function\": \"%s\", \"arguments\": %" PRIu64 ", \"wrong_specials\": %" PRIu64
         ", \"correctly_rounded\": %" PRIu64, f->name, count, special, rounded_right);
  for (int positive = 0; positive < 2; positive++) {
    printf(", \"%s\": ", positive ? "positive" : "negative");
    // No result is finite and inexact, as the logarithms of negative numbers.
    if (worst[positive].ulps == 0) {
      printf("null");
      continue;
    }
    printf("{\"ulps\": %.6f, \"at\": \"%a\"", worst[positive].ulps, worst[positive].at);
    if (f->is_product) printf(", \"of_argument\": \"%a\"", worst[positive].of_argument);
    printf("}");
  }
  printf(", \"digest\": \"%016" PRIx64 "\"}\n", digest);
}

#ifdef QUADRUPLE
static void measure_at(const struct Function *f, float x) {
  float y[lanes];
  store_f32(y, f->measured(broadcast(x)));
  __float128 want = f->quadruple(x);
  printf("%.6f\n", (double)(fabsq(y[0] - want) * inverse_ulp_at((double)want)));
}
#endif

static void measure_digest(const struct Function *f, uint64_t stride) {
  uint64_t digest = 0;
  for (uint64_t base = 0; base < UINT64_C(1) << 32; base += 16 * stride) {
    float x[16], y[16];
    for (int i = 0; i < 16; i++) x[i] = float_of((uint32_t)base + (uint32_t)i);
    for (int i = 0; i < 16; i += lanes) store_f32(y + i, f->measured(load_f32(x + i)));
    for (int i = 0; i < 16; i++) digest += digest_of(x[i], y[i]);
  }
  printf("%s %016" PRIx64 "\n", f->name, digest);
}

static inline uint64_t ticks(void) {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  return 0;
#endif
}

static void measure_speed(const struct Function *f) {
  static float x[4096], y[4096];
  for (int i = 0; i < 4096; i++) x[i] = (float)(i + 1) / 512 - (f->reference == log ? 0 : 4);
  double best_time = 1e9;
  uint64_t best_ticks = UINT64_MAX;
  for (int repetition = 0; repetition < 4000; repetition++) {
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    uint64_t from = ticks();
    f->loop(x, y);
    uint64_t to = ticks();
    clock_gettime(CLOCK_MONOTONIC, &end);
    __asm__ volatile("" : : "r"(y) : "memory");
    double time = (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
    if (time < best_time) best_time = time;
    if (to - from < best_ticks) best_ticks = to - from;
  }
  printf("{\"function\": \"%s\", \"lanes\": %d, \"ns_per_element\": %.3f, \"cycles_per_element\": "
         "%.2f}\n", f->name, lanes, best_time / 4096, (double)best_ticks / 4096);
}

int main(int count, char **arguments) {
  for (size_t i = 0; count > 2 && i < sizeof functions / sizeof *functions; i++) {
    const struct Function *f = &functions[i];
    if (strcmp(arguments[1], f->name) != 0 && strcmp(arguments[1], "all") != 0) continue;
    uint64_t stride = count > 3 ? strtoull(arguments[3], 0, 0) : 1;
    if (stride == 0) stride = 1;
    uint64_t part = count > 4 ? strtoull(arguments[4], 0, 0) : 0;
    uint64_t size = count > 4 ? UINT64_C(1) << 26 : UINT64_C(1) << 32;
    uint64_t first = part * size, end = first + size;
#ifdef QUADRUPLE
    for (int k = 3; strcmp(arguments[2], "at") == 0 && k < count; k++) {
      measure_at(f, strtof(arguments[k], 0));
    }
#endif
    if (strcmp(arguments[2], "error") == 0) measure_error(f, stride, first, end);
    if (strcmp(arguments[2], "digest") == 0) measure_digest(f, stride);
    if (strcmp(arguments[2], "speed") == 0) measure_speed(f);
  }
}
