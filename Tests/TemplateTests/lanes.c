// Checks the SIMD layer and the storage conversions of one ISA against definitions written here
// from IEEE 754, then prints a digest of the results, which is the same for every ISA.
//
// TEMPLATES names the C file that Benchmarks/elementary/exports.py writes. The C library's fmaf
// and sqrtf are taken as right.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include TEMPLATES

enum { lanes = sizeof(vec) / sizeof(float), group = 16 };

static int failures;

#define EXPECT(condition, ...) \
  do { \
    if (!(condition) && failures++ < 20) { \
      printf("line %d: ", __LINE__); \
      printf(__VA_ARGS__); \
      printf("\n"); \
    } \
  } while (0)

static uint32_t bits_of(float f) {
  uint32_t bits;
  memcpy(&bits, &f, 4);
  return bits;
}

static float float_of(uint32_t bits) {
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

static int same(float a, float b) {
  return (a != a && b != b) || bits_of(a) == bits_of(b);
}

static uint64_t digest = UINT64_C(1469598103934665603);

static void take(float f) {
  digest = (digest ^ (f != f ? 0x7fc00000u : bits_of(f))) * UINT64_C(1099511628211);
}

static uint64_t random_bits(void) {
  static uint64_t state = UINT64_C(88172645463325252);
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

// Any bit pattern, with denormals, zeros, infinities, NaN and the greatest values often.
static float random_float(void) {
  static const uint32_t special[] = {0, 1, 0x7fffff, 0x800000, 0x3f800000, 0x7f7fffff,
                                     0x7f800000, 0x7fc00000};
  uint64_t r = random_bits();
  switch (r >> 60) {
    case 0: return float_of((uint32_t)r & 0x807fffffu);
    case 1: return float_of(special[r >> 8 & 7] | ((uint32_t)r & 0x80000000u));
    default: return float_of((uint32_t)r);
  }
}

// x rounded to the nearest value with so many significant bits, the least exponent given: exact
// in double, where nearbyint rounds ties to even.
static double rounded(float x, int significant, int least_exponent) {
  if (x == 0 || isinf(x)) return x;
  int exponent = ilogb(x) < least_exponent ? least_exponent : ilogb(x);
  double unit = ldexp(1, exponent - significant + 1);
  return nearbyint(x / unit) * unit;
}

static double half_value(uint16_t h) {
  int exponent = h >> 10 & 31, mantissa = h & 1023;
  double value = exponent == 31 ? (mantissa ? NAN : INFINITY)
                 : exponent     ? ldexp(1024 + mantissa, exponent - 25)
                                : ldexp(mantissa, -24);
  return h & 0x8000 ? -value : value;
}

static void check_widening(void) {
  for (uint32_t base = 0; base < 65536; base += lanes) {
    uint16_t h[lanes];
    float f16[lanes], bf16[lanes];
    for (int i = 0; i < lanes; i++) h[i] = (uint16_t)(base + i);
    store_f32(f16, load_f16(h));
    store_f32(bf16, load_bf16(h));
    for (int i = 0; i < lanes; i++) {
      float half = (float)half_value(h[i]), brain = float_of((uint32_t)h[i] << 16);
      EXPECT(same(f16[i], half) && same(float_from_f16(h[i]), half), "f16 %x", h[i]);
      EXPECT(same(bf16[i], brain) && same(float_from_bf16(h[i]), brain), "bf16 %x", h[i]);
      EXPECT(half != half || f16_from_float(half) == h[i], "f16 %x and back", h[i]);
      EXPECT(brain != brain || bf16_from_float(brain) == h[i], "bf16 %x and back", h[i]);
    }
  }
}

static void check_narrowing_of(float x) {
  uint16_t f16[lanes], bf16[lanes];
  float round16[lanes], roundb16[lanes];
  store_f16(f16, broadcast(x));
  store_bf16(bf16, broadcast(x));
  vec copies[64 / lanes];
  uint16_t group[64];
  for (int k = 0; k < 64 / lanes; k++) copies[k] = broadcast(x);
  store_bf16_group(group, copies);
  store_f32(round16, round_f16(broadcast(x)));
  store_f32(roundb16, round_bf16(broadcast(x)));
  uint16_t s16 = f16_from_float(x), sb16 = bf16_from_float(x);
  if (x != x) {
    EXPECT((s16 & 0x7e00) == 0x7e00 && (f16[0] & 0x7e00) == 0x7e00, "f16 of NaN %x", bits_of(x));
    EXPECT((sb16 & 0x7fc0) == 0x7fc0 && (bf16[0] & 0x7fc0) == 0x7fc0, "bf16 of NaN %x", bits_of(x));
    EXPECT((group[0] & 0x7fc0) == 0x7fc0, "bf16 group of NaN %x", bits_of(x));
    return;
  }
  double half = rounded(x, 11, -14);
  if (fabs(half) >= 65536) half = copysign(INFINITY, x);
  float brain = (float)rounded(x, 8, -126);
  EXPECT(same(float_from_f16(s16), (float)half), "f16_from_float(%a) = %x", x, s16);
  EXPECT(same(float_from_bf16(sb16), brain), "bf16_from_float(%a) = %x", x, sb16);
  for (int i = 0; i < lanes; i++) {
    EXPECT(f16[i] == s16 && same(round16[i], (float)half), "narrow_f16(%a) = %x", x, f16[i]);
    EXPECT(bf16[i] == sb16 && same(roundb16[i], brain), "narrow_bf16(%a) = %x", x, bf16[i]);
    EXPECT(group[i] == sb16, "store_bf16_group(%a) = %x", x, group[i]);
  }
  EXPECT(same(round_f16_scalar(x), (float)half) && same(round_bf16_scalar(x), brain), "%a", x);
}

// Every stored value, every midpoint between neighbours, and the Float32 on both sides of each.
static void check_narrowing(void) {
  for (uint32_t h = 0; h < 65536; h++) {
    double value = half_value((uint16_t)h), next = half_value((uint16_t)(h + 1));
    if (isinf(next) && !isinf(value)) next = copysign(65536, value);
    for (int offset = -1; offset <= 1; offset++) {
      check_narrowing_of(float_of(bits_of((float)value) + (uint32_t)offset));
      check_narrowing_of(float_of(bits_of((float)((value + next) / 2)) + (uint32_t)offset));
      check_narrowing_of(float_of((h << 16) + (uint32_t)offset));
      check_narrowing_of(float_of((h << 16) + 0x8000u + (uint32_t)offset));
    }
  }
}

// The integer of x from least to greatest, in double, where nearbyint rounds ties to even; +0 for -0.
static double whole(float x, int least, int greatest) {
  return x != x ? 0 : nearbyint(x < least ? least : x > greatest ? greatest : x) + 0.0;
}

// The check of a type of integers: different lanes side by side, so that an exchanged one shows.
#define INTEGERS(type, word, least, greatest) \
  static void check_##type##_of(const float *x) { \
    word stored[lanes], group[64], streamed[64 + 63]; \
    float rounded_lanes[lanes]; \
    vec v[64 / lanes]; \
    word *aligned = streamed + (-(uintptr_t)streamed & 63); \
    for (int k = 0; k < 64 / lanes; k++) v[k] = load_f32(x + k * lanes); \
    store_##type##_group(group, v); \
    stream_##type##_group(aligned, v); \
    finish_streams(); \
    for (int k = 0; k < 64; k += lanes) { \
      store_##type(stored, v[k / lanes]); \
      store_f32(rounded_lanes, round_##type(v[k / lanes])); \
      for (int i = 0; i < lanes; i++) { \
        float a = x[k + i], want = (float)whole(a, least, greatest); \
        int is_alike = group[k + i] == stored[i] && aligned[k + i] == stored[i]; \
        EXPECT(stored[i] == (int)want && is_alike, #type " of %a: %d, group %d, streamed %d", a, \
               stored[i], group[k + i], aligned[k + i]); \
        EXPECT(same(rounded_lanes[i], want) && same(round_##type##_scalar(a), want), \
               "round_" #type "(%a)", a); \
        EXPECT(type##_from_float(a) == stored[i], #type "_from_float(%a)", a); \
        EXPECT(same(float_from_##type(stored[i]), want), "float_from_" #type " of %a", a); \
        take(rounded_lanes[i]); \
      } \
    } \
  } \
  static void check_##type##_loads(void) { \
    for (int base = least; base <= greatest; base += lanes) { \
      word bytes[lanes]; \
      float values[lanes]; \
      for (int i = 0; i < lanes; i++) bytes[i] = (word)(base + i); \
      store_f32(values, load_##type(bytes)); \
      for (int i = 0; i < lanes; i++) EXPECT(values[i] == base + i, #type " %d", base + i); \
    } \
  }

INTEGERS(i8, int8_t, -128, 127)
INTEGERS(u8, uint8_t, 0, 255)

static void check_integers_of(const float *x) {
  check_i8_of(x);
  check_u8_of(x);
}

// Every quarter from -300 to 300 and the Float32 on both sides of each, and any others.
static void check_integers(int rounds) {
  float x[64];
  int count = 0;
  for (int quarter = -1200; quarter < 1200; quarter++) {
    for (int offset = -1; offset <= 1; offset++) {
      float exact = (float)quarter / 4;
      x[count++] = quarter == 0 ? (float)offset * 0 : float_of(bits_of(exact) + (uint32_t)offset);
      if (count == 64) check_integers_of(x), count = 0;
    }
  }
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < 64; i++) {
      x[i] = round % 2 ? random_float() : (float)((int)(random_bits() % 512) - 192) * 0.75f;
    }
    check_integers_of(x);
  }
  check_i8_loads();
  check_u8_loads();
}

// An 8-bit float by its definition: the greatest magnitudes are infinity and NaN, or NaN alone.
static double small_value(uint8_t b, int fraction_bits, int has_infinity) {
  int bits = b & 127, scale = 1 << fraction_bits, exponent = bits / scale, fraction = bits % scale;
  int bias = (1 << (6 - fraction_bits)) - 1, last = 127 / scale;
  double value = exponent ? ldexp(scale + fraction, exponent - bias - fraction_bits)
                          : ldexp(fraction, 1 - bias - fraction_bits);
  if (has_infinity && exponent == last) value = fraction ? NAN : INFINITY;
  if (!has_infinity && bits == 127) value = NAN;
  return b & 128 ? -value : value;
}

// The stored magnitude nearest to |x|, the even one of two, by search; the one after `most`, which
// is the greatest finite one, is what lies beyond the range.
static int nearest_small(float x, int fraction_bits, int has_infinity, int most) {
  double size = fabs(x), step = 0;
  for (int bits = 0; bits < most; bits++) {
    double value = small_value((uint8_t)bits, fraction_bits, has_infinity);
    step = small_value((uint8_t)(bits + 1), fraction_bits, has_infinity) - value;
    double tie = value + step / 2;
    if (size < tie || (size == tie && bits % 2 == 0)) return bits;
  }
  double tie = small_value((uint8_t)most, fraction_bits, has_infinity) + step / 2;
  return size < tie || (size == tie && most % 2 == 0) ? most : most + 1;
}

// The check of an 8-bit float whose greatest finite magnitude is stored as `most`.
#define FLOATS(type, fraction_bits, has_infinity, most) \
  static void check_##type##_of(const float *x) { \
    uint8_t stored[group]; \
    float rounded_lanes[group]; \
    for (int k = 0; k < group; k += lanes) { \
      store_##type(stored + k, load_f32(x + k)); \
      store_f32(rounded_lanes + k, round_##type(load_f32(x + k))); \
    } \
    for (int i = 0; i < group; i++) { \
      int bits = x[i] != x[i] ? 127 : nearest_small(x[i], fraction_bits, has_infinity, most); \
      uint8_t sign = bits_of(x[i]) >> 31 ? 128 : 0, scalar = type##_from_float(x[i]); \
      float want = (float)small_value((uint8_t)(sign | bits), fraction_bits, has_infinity); \
      float got = (float)small_value(stored[i], fraction_bits, has_infinity); \
      EXPECT(same(got, want), #type " of %a: %x", x[i], stored[i]); \
      got = (float)small_value(scalar, fraction_bits, has_infinity); \
      EXPECT(same(got, want), #type "_from_float(%a) = %x", x[i], scalar); \
      EXPECT(same(rounded_lanes[i], want), "round_" #type "(%a) = %a", x[i], rounded_lanes[i]); \
      EXPECT(same(round_##type##_scalar(x[i]), want), "round_" #type "_scalar(%a)", x[i]); \
      take(rounded_lanes[i]); \
    } \
  } \
  static void check_##type(int rounds) { \
    float x[group], values[lanes]; \
    for (int base = 0; base < 256; base += lanes) { \
      uint8_t bytes[lanes]; \
      for (int i = 0; i < lanes; i++) bytes[i] = (uint8_t)(base + i); \
      store_f32(values, load_##type(bytes)); \
      for (int i = 0; i < lanes; i++) { \
        float want = (float)small_value(bytes[i], fraction_bits, has_infinity); \
        EXPECT(same(values[i], want), "load_" #type " of %x", bytes[i]); \
        EXPECT(same(float_from_##type(bytes[i]), want), "float_from_" #type "(%x)", bytes[i]); \
      } \
    } \
    for (int bits = 0; bits <= most; bits++) { \
      float low = (float)small_value((uint8_t)bits, fraction_bits, has_infinity); \
      float next = (float)small_value((uint8_t)(bits + 1), fraction_bits, has_infinity); \
      float before = (float)small_value((uint8_t)(bits - 1), fraction_bits, has_infinity); \
      float tie = bits == most ? low + (low - before) / 2 : (low + next) / 2; \
      for (int offset = -1; offset <= 1; offset++) { \
        for (int i = 0; i < group; i++) { \
          uint32_t place = bits_of(i % 2 ? low : tie) + (uint32_t)offset; \
          x[i] = float_of(i % 4 < 2 ? place : place ^ 0x80000000u); \
        } \
        check_##type##_of(x); \
      } \
    } \
    for (int round = 0; round < rounds; round++) { \
      for (int i = 0; i < group; i++) { \
        float any = random_float(); \
        x[i] = round % 2 ? any : ldexpf((float)(int64_t)random_bits(), (int)(round % 48) - 90); \
      } \
      check_##type##_of(x); \
    } \
  }

FLOATS(f8_e4m3, 3, 0, 126)
FLOATS(f8_e5m2, 2, 1, 123)

static float greater(float a, float b) { return a > b || a != a ? a : b; }
static float lesser(float a, float b) { return a < b || a != a ? a : b; }

// The greatest power of two up to |a|, by the C library.
static float greatest_power(float a) {
  if (a == 0 || a != a) return fabsf(a);
  return isinf(a) ? 0x1p127f : ldexpf(1, ilogbf(a));
}

// Products near cancellation, addends far below the product, and denormal results.
static void draw(float *a, float *b, float *c) {
  *a = random_float();
  *b = random_float();
  *c = random_float();
  switch (random_bits() % 8) {
    case 0: *c = -(*a * *b); break;
    case 1: *c = float_of(bits_of(-(*a * *b)) + (uint32_t)(random_bits() % 3)); break;
    case 2: *c = ldexpf(*a * *b, (int)(random_bits() % 120) - 60); break;
    case 3:
      *a = ldexpf((float)(random_bits() % 4096 + 1), -75);
      *b = ldexpf((float)(random_bits() % 4096 + 1), -85);
      *c = ldexpf((float)(random_bits() % 4096) - 2048, -149);
      break;
    default: break;
  }
}

static void check_arithmetic(int rounds) {
  for (int round = 0; round < rounds; round++) {
    float a[group], b[group], c[group], fused[group], root[group], most[group], least[group];
    float magnitude[group], furthest[group], power[group];
    for (int i = 0; i < group; i++) draw(&a[i], &b[i], &c[i]);
    for (int i = 0; i < group; i += lanes) {
      vec x = load_f32(a + i), y = load_f32(b + i), z = load_f32(c + i);
      store_f32(fused + i, multiply_add(x, y, z));
      store_f32(root + i, square_root(x));
      store_f32(most + i, maximum(x, z));
      store_f32(least + i, minimum(x, z));
      store_f32(magnitude + i, absolute(x));
      store_f32(power + i, binade(x));
      vec magnitudes = round % 2 ? absolute(z) : broadcast(-INFINITY);
      store_f32(furthest + i, maximum_magnitude(magnitudes, x));
    }
    for (int i = 0; i < group; i++) {
      float want = fmaf(a[i], b[i], c[i]);
      EXPECT(same(fused[i], want) && same(multiply_add_scalar(a[i], b[i], c[i]), want),
             "fma(%a, %a, %a) = %a, not %a", a[i], b[i], c[i], fused[i], want);
      EXPECT(same(root[i], sqrtf(a[i])) && same(square_root_scalar(a[i]), sqrtf(a[i])),
             "sqrt(%a) = %a", a[i], root[i]);
      float up = greater(a[i], c[i]), down = lesser(a[i], c[i]);
      EXPECT(same(power[i], greatest_power(a[i])) && same(binade_scalar(a[i]), greatest_power(a[i])),
             "binade(%a) = %a", a[i], power[i]);
      EXPECT(same(most[i], up) && same(maximum_scalar(a[i], c[i]), up), "max(%a, %a)", a[i], c[i]);
      EXPECT(same(least[i], down) && same(minimum_scalar(a[i], c[i]), down), "min(%a, %a)", a[i],
             c[i]);
      uint32_t cleared = bits_of(a[i]) & 0x7fffffffu;
      EXPECT(bits_of(magnitude[i]) == cleared && bits_of(absolute_scalar(a[i])) == cleared, "|%a|",
             a[i]);
      float far = greater(round % 2 ? fabsf(c[i]) : -INFINITY, fabsf(a[i]));
      EXPECT(same(furthest[i], far), "max(|%a|, |%a|)", c[i], a[i]);
      take(fused[i]), take(root[i]), take(most[i]), take(least[i]), take(power[i]);
    }
  }
}

static void check_trees(int rounds) {
  for (int round = 0; round < rounds; round++) {
    float p[64], sum[64], most[64], least[64];
    vec v[64 / lanes];
    for (int i = 0; i < 64; i++) {
      float plain = (float)ldexp((double)(int64_t)random_bits(), -60);
      p[i] = round % 3 == 0 ? random_float() : round % 3 == 1 && random_bits() % 2 ? -0.0f : plain;
      if (round % 3 == 1 && random_bits() % 2) p[i] = 0;
    }
    for (int j = 0; j < 64 / lanes; j++) v[j] = load_f32(p + j * lanes);
    memcpy(sum, p, sizeof p), memcpy(most, p, sizeof p), memcpy(least, p, sizeof p);
    for (int s = 32; s > 0; s /= 2) {
      for (int i = 0; i < s; i++) {
        sum[i] += sum[i + s];
        most[i] = greater(most[i], most[i + s]);
        least[i] = lesser(least[i], least[i + s]);
      }
    }
    EXPECT(same(sum_partials(v), sum[0]), "sum");
    EXPECT(same(max_partials(v), most[0]), "max");
    EXPECT(same(min_partials(v), least[0]), "min");
    take(sum_partials(v)), take(max_partials(v)), take(min_partials(v));
  }
}

// Blocks of exactly n elements on the heap: the address sanitizer sees a step outside.
static void check_extents(void) {
  for (int n = 1; n < lanes; n++) {
    float *p = malloc(sizeof(float) * (size_t)n), all[lanes], from[lanes], kept[lanes];
    uint16_t *h = malloc(sizeof(uint16_t) * (size_t)n), all16[lanes];
    for (int i = 0; i < lanes; i++) from[i] = (float)(100 + i);
    for (int i = 0; i < n; i++) p[i] = (float)i + 1.5f, h[i] = (uint16_t)(0x3c00 + i);
    store_f32(all, load_f32_first(p, n));
    store_u16(all16, load_u16_first(h, n));
    store_f32(kept, keep_first(broadcast(1), broadcast(2), n));
    for (int i = 0; i < lanes; i++) {
      EXPECT(bits_of(all[i]) == (i < n ? bits_of((float)i + 1.5f) : 0), "lane %d of %d", i, n);
      EXPECT(all16[i] == (i < n ? 0x3c00 + i : 0), "lane %d of %d", i, n);
      EXPECT(kept[i] == (i < n ? 1 : 2), "lane %d of %d", i, n);
    }
    store_f32_first(p, load_f32(from), n);
    store_bf16_first(h, load_f32(from), n);
    for (int i = 0; i < n; i++) EXPECT(p[i] == from[i] && h[i] == bf16_from_float(from[i]), "%d", i);
    store_f16_first(h, load_f32(from), n);
    for (int i = 0; i < n; i++) EXPECT(h[i] == f16_from_float(from[i]), "%d", i);
    store_f32(all, load_bf16_first(h, n));
    for (int i = n; i < lanes; i++) EXPECT(bits_of(all[i]) == 0, "lane %d of %d", i, n);
    store_f32(all, load_f16_first(h, n));
    for (int i = 0; i < lanes; i++) EXPECT(all[i] == (i < n ? from[i] : 0), "lane %d of %d", i, n);
    int8_t *b = malloc((size_t)n);
    for (int i = 0; i < lanes; i++) from[i] = (float)(i % 2 ? 60 + i : -60 - i);
    store_i8_first(b, load_f32(from), n);
    store_f32(all, load_i8_first(b, n));
    for (int i = 0; i < lanes; i++) {
      EXPECT(bits_of(all[i]) == (i < n ? bits_of(from[i]) : 0), "lane %d of %d", i, n);
    }
    uint8_t *u = malloc((size_t)n);
    for (int i = 0; i < lanes; i++) from[i] = (float)(i % 2 ? 60 + i : 240 - i);
    store_u8_first(u, load_f32(from), n);
    store_f32(all, load_u8_first(u, n));
    for (int i = 0; i < lanes; i++) {
      EXPECT(bits_of(all[i]) == (i < n ? bits_of(from[i]) : 0), "lane %d of %d", i, n);
    }
    free(p);
    free(h);
    free(b);
    for (int i = 0; i < lanes; i++) from[i] = (float)(i % 2 ? 8 + i % 8 : -16) / 4;
    store_f8_e4m3_first(u, load_f32(from), n);
    store_f32(all, load_f8_e4m3_first(u, n));
    for (int i = 0; i < lanes; i++) {
      EXPECT(bits_of(all[i]) == (i < n ? bits_of(from[i]) : 0), "lane %d of %d", i, n);
    }
    for (int i = 0; i < lanes; i++) from[i] = (float)(i % 2 ? 4 + i % 4 : -8) / 4;
    store_f8_e5m2_first(u, load_f32(from), n);
    store_f32(all, load_f8_e5m2_first(u, n));
    for (int i = 0; i < lanes; i++) {
      EXPECT(bits_of(all[i]) == (i < n ? bits_of(from[i]) : 0), "lane %d of %d", i, n);
    }
    free(u);
  }
}

static void check_streams(void) {
  _Alignas(64) float f[lanes];
  _Alignas(64) uint16_t bf16[lanes], f16[lanes];
  _Alignas(64) int8_t i8[lanes];
  _Alignas(64) uint8_t u8[lanes], e4m3[lanes], e5m2[lanes];
  stream_f32(f, broadcast(3));
  stream_bf16(bf16, broadcast(3));
  stream_f16(f16, broadcast(3));
  stream_i8(i8, broadcast(3));
  stream_u8(u8, broadcast(3));
  stream_f8_e4m3(e4m3, broadcast(3));
  stream_f8_e5m2(e5m2, broadcast(3));
  finish_streams();
  for (int i = 0; i < lanes; i++) {
    EXPECT(f[i] == 3 && bf16[i] == 0x4040 && f16[i] == 0x4200, "lane %d", i);
    EXPECT(i8[i] == 3 && u8[i] == 3, "lane %d", i);
    EXPECT(e4m3[i] == 0x44 && e5m2[i] == 0x42, "lane %d", i);
  }
  EXPECT(first_lane(broadcast(5)) == 5, "first lane");
}

int main(void) {
  check_widening();
  check_narrowing();
  check_integers(20000);
  check_f8_e4m3(20000);
  check_f8_e5m2(20000);
  check_arithmetic(100000);
  check_trees(60000);
  check_extents();
  check_streams();
  printf("%d failures, digest %016llx\n", failures, (unsigned long long)digest);
  return failures != 0;
}
