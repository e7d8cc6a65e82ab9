// Measures one elementary function of the templates against the C library's double function.
//
//   ulp FUNCTION error [STRIDE [FIRST]]   every STRIDE-th Float32: greatest error, where, mismatches
//   ulp FUNCTION digest [STRIDE]          a digest of the result bits, NaNs taken as equal
//   ulp FUNCTION speed                    nanoseconds and reference cycles an element
//
// TEMPLATES names the C file that exports.py writes.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#define select select_lanes
#include TEMPLATES
#undef select

enum { lanes = sizeof(vec) / sizeof(float) };

static vec multiply_add_product(vec x) { return multiply_add(x, x, x); }
static double sigmoid(double x) {
  double z = exp(-fabs(x));
  return (x < 0 ? z : 1) / (1 + z);
}
static double square_root_reference(double x) { return sqrt(x); }
static double multiply_add_reference(double x) { return fma(x, x, x); }

static const struct Function {
  const char *name;
  vec (*measured)(vec);
  double (*reference)(double);
} functions[] = {
  {"exp", vec_exp, exp},
  {"log", vec_log, log},
  {"tanh", vec_tanh, tanh},
  {"erf", vec_erf, erf},
  {"sigmoid", vec_sigmoid, sigmoid},
  {"sqrt", square_root, square_root_reference},
  {"fma", multiply_add_product, multiply_add_reference},
};

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

// |got - want| in units of the last place of want, which is 2^-149 for denormals.
static double error_in_ulps(float got, double want) {
  int exponent = want == 0 ? -126 : ilogb(want);
  double ulp = ldexp(1, (exponent < -126 ? -126 : exponent > 127 ? 127 : exponent) - 23);
  return fabs(got - want) / ulp;
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

static void measure_error(const struct Function *f, uint64_t stride, uint64_t first) {
  double worst = 0;
  uint32_t worst_bits = 0;
  uint64_t count = 0, special = 0, rounded_right = 0;
  for (uint64_t base = first * lanes; base < UINT64_C(1) << 32; base += stride * lanes) {
    float x[lanes], y[lanes];
    for (int i = 0; i < lanes; i++) x[i] = float_of((uint32_t)base + (uint32_t)i);
    store_f32(y, f->measured(load_f32(x)));
    for (int i = 0; i < lanes; i++) {
      double want = f->reference(x[i]);
      count++;
      if (!special_agrees(y[i], want)) {
        if (special++ < 5) fprintf(stderr, "%s(%a) = %a, not %a\n", f->name, x[i], y[i], want);
      }
      rounded_right += y[i] == (float)want || want != want;
      if (want != want || isinf(want) || isinf(y[i])) continue;
      double error = error_in_ulps(y[i], want);
      if (error > worst) worst = error, worst_bits = bits_of(x[i]);
    }
  }
  printf("{\"function\": \"%s\", \"inputs\": %" PRIu64 ", \"worst_ulps\": %.4f, \"worst_input\": "
         "\"%a\", \"correctly_rounded_percent\": %.3f, \"wrong_specials\": %" PRIu64 "}\n",
         f->name, count, worst, float_of(worst_bits), 100.0 * rounded_right / count, special);
}

static void measure_digest(const struct Function *f, uint64_t stride) {
  uint64_t digest = UINT64_C(1469598103934665603);
  for (uint64_t base = 0; base < UINT64_C(1) << 32; base += 16 * stride) {
    float x[16], y[16];
    for (int i = 0; i < 16; i++) x[i] = float_of((uint32_t)base + (uint32_t)i * 0x9e3779b1u);
    for (int i = 0; i < 16; i += lanes) store_f32(y + i, f->measured(load_f32(x + i)));
    for (int i = 0; i < 16; i++) {
      uint32_t bits = y[i] != y[i] ? 0x7fc00000u : bits_of(y[i]);
      digest = (digest ^ bits) * UINT64_C(1099511628211);
    }
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

// One loop per function, so that each is inlined as in a kernel.
#define SPEED_LOOP(function) \
  for (int i = 0; i < 4096; i += lanes) store_f32(y + i, function(load_f32(x + i)))

static void measure_speed(const struct Function *f) {
  static float x[4096], y[4096];
  for (int i = 0; i < 4096; i++) x[i] = (float)(i + 1) / 512 - (f->reference == log ? 0 : 4);
  double best_time = 1e9;
  uint64_t best_ticks = UINT64_MAX;
  for (int repetition = 0; repetition < 4000; repetition++) {
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    uint64_t from = ticks();
    switch (f - functions) {
    case 0: SPEED_LOOP(vec_exp); break;
    case 1: SPEED_LOOP(vec_log); break;
    case 2: SPEED_LOOP(vec_tanh); break;
    case 3: SPEED_LOOP(vec_erf); break;
    case 4: SPEED_LOOP(vec_sigmoid); break;
    case 5: SPEED_LOOP(square_root); break;
    default: SPEED_LOOP(multiply_add_product); break;
    }
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
    uint64_t first = count > 4 ? strtoull(arguments[4], 0, 0) : 0;
    if (stride == 0) stride = 1;
    if (strcmp(arguments[2], "error") == 0) measure_error(f, stride, first);
    if (strcmp(arguments[2], "digest") == 0) measure_digest(f, stride);
    if (strcmp(arguments[2], "speed") == 0) measure_speed(f);
  }
}
