// Executes the calls of a request: the part that all emulated machines share. Freestanding.
#include "emulation_protocol.h"

void *memcpy(void *restrict target, const void *restrict source, size_t count);

#define PAGE 4096ull

volatile uint64_t emulation_current_call;

static uint64_t load(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

static void store(uint8_t *at, uint64_t word) { memcpy(at, &word, sizeof word); }

static uint64_t padded(uint64_t bytes) { return (bytes + 7) & ~7ull; }

static uint64_t checksum(const uint8_t *bytes, uint64_t count) {
  uint64_t sum = 0xcbf29ce484222325ull;
  // An emulated processor pays for every instruction.
#pragma GCC unroll 16
  for (uint64_t i = 0; i < count; i += 8) sum = (sum ^ load(bytes + i)) * 0x100000001b3ull;
  return sum ^ (sum >> 32);
}

// The canary around a buffer, as words. They depend on their place, so that a kernel can't restore
// them by repeating a value.
#define CANARY_WORDS (EMULATION_CANARY_BYTES / 8)

static uint64_t canary(uint64_t place) { return (place + 1) * 0x9e3779b97f4a7c15ull; }

static void set_canary(uint8_t *at) {
  for (uint64_t i = 0; i < CANARY_WORDS; i++) store(at + 8 * i, canary(i));
}

// Where a buffer lies in the arena when the one before it, canary included, ends at `end`.
static uint64_t placed(uint64_t end, uint64_t offset) {
  uint64_t at = (end + EMULATION_CANARY_BYTES) & ~(PAGE - 1);
  at += offset;
  return at < end + EMULATION_CANARY_BYTES ? at + PAGE : at;
}

static struct emulation_failure failure(uint64_t status, uint64_t first, uint64_t second) {
  struct emulation_failure result = {status, {first, second, 0, 0}};
  return result;
}

struct emulation_failure emulation_check(
    const uint8_t *request, uint64_t size, struct emulation_needs *needs) {
  needs->arena_bytes = 0;
  needs->response_bytes = EMULATION_FAILURE_BYTES;
  if (size < 40 || size % 8 != 0 || load(request) != EMULATION_REQUEST_MAGIC ||
      load(request + 8) != EMULATION_VERSION || load(request + 16) != size)
    return failure(EMULATION_BAD_REQUEST, 0, 0);
  uint64_t computed = checksum(request, size - 8), stated = load(request + size - 8);
  if (computed != stated) return failure(EMULATION_BAD_CHECKSUM, computed, stated);

  uint64_t calls = load(request + 24), at = 32, end = size - 8;
  for (uint64_t call = 0; call < calls; call++) {
    if (end - at < 24) return failure(EMULATION_BAD_REQUEST, at, 0);
    uint64_t kernel = load(request + at), buffers = load(request + at + 16);
    if (kernel >= emulation_entry_count || buffers > EMULATION_BUFFER_LIMIT)
      return failure(EMULATION_BAD_REQUEST, at, 0);
    at += 24;
    needs->response_bytes += 16;
    uint64_t arena = 0;
    for (uint64_t i = 0; i < buffers; i++) {
      if (end - at < 24) return failure(EMULATION_BAD_REQUEST, at, 0);
      uint64_t bytes = load(request + at + 8), offset = load(request + at + 16);
      if (bytes > end - at - 24 || padded(bytes) > end - at - 24 || offset >= PAGE)
        return failure(EMULATION_BAD_REQUEST, at, 0);
      at += 24 + padded(bytes);
      arena = placed(arena, offset) + bytes + EMULATION_CANARY_BYTES;
      needs->response_bytes += 24 + padded(bytes);
    }
    if (arena > needs->arena_bytes) needs->arena_bytes = arena;
  }
  return at == end ? failure(EMULATION_OK, 0, 0) : failure(EMULATION_BAD_REQUEST, at, 0);
}

static uint64_t damage_before(const uint8_t *buffer) {
  const uint8_t *at = buffer - EMULATION_CANARY_BYTES;
  for (uint64_t i = 0; i < CANARY_WORDS; i++) {
    uint64_t changed = load(at + 8 * i) ^ canary(i);
    if (changed) return EMULATION_CANARY_BYTES - 8 * i - (uint64_t)__builtin_ctzll(changed) / 8;
  }
  return 0;
}

static uint64_t damage_after(const uint8_t *end) {
  for (uint64_t i = CANARY_WORDS; i > 0; i--) {
    uint64_t changed = load(end + 8 * (i - 1)) ^ canary(i - 1);
    if (changed) return 8 * i - (uint64_t)__builtin_clzll(changed) / 8;
  }
  return 0;
}

static uint8_t *write_head(
    uint8_t *out, uint64_t total, const struct emulation_failure *outcome, uint64_t calls) {
  store(out, EMULATION_RESPONSE_MAGIC);
  store(out + 8, EMULATION_VERSION);
  store(out + 16, total);
  store(out + 24, outcome->status);
  for (int i = 0; i < 4; i++) store(out + 32 + 8 * i, outcome->detail[i]);
  store(out + 64, calls);
  return out + 72;
}

void emulation_write_failure(const struct emulation_failure *outcome, uint8_t *response) {
  uint8_t *out = write_head(response, EMULATION_FAILURE_BYTES, outcome, 0);
  store(out, checksum(response, (uint64_t)(out - response)));
}

void emulation_run(const uint8_t *request, uint8_t *arena, uint8_t *response) {
  static uint8_t *buffers[EMULATION_BUFFER_LIMIT];
  static int64_t strides[EMULATION_BUFFER_LIMIT];
  static uint64_t sizes[EMULATION_BUFFER_LIMIT];
  uint64_t calls = load(request + 24);
  const uint8_t *in = request + 32;
  struct emulation_failure ok = failure(EMULATION_OK, 0, 0);
  uint8_t *out = write_head(response, 0, &ok, calls);

  for (uint64_t call = 0; call < calls; call++) {
    uint64_t kernel = load(in), count = load(in + 16);
    int64_t rows = (int64_t)load(in + 8);
    in += 24;
    uint64_t end = 0;
    for (uint64_t i = 0; i < count; i++) {
      strides[i] = (int64_t)load(in);
      sizes[i] = load(in + 8);
      uint64_t at = placed(end, load(in + 16));
      buffers[i] = arena + at;
      end = at + sizes[i] + EMULATION_CANARY_BYTES;
      memcpy(buffers[i], in + 24, sizes[i]);
      set_canary(buffers[i] - EMULATION_CANARY_BYTES);
      set_canary(buffers[i] + sizes[i]);
      in += 24 + padded(sizes[i]);
    }

    emulation_current_call = call;
    emulation_progress(call);
    emulation_entries[kernel](rows, (void *const *)buffers, strides);

    store(out, kernel);
    store(out + 8, count);
    out += 16;
    for (uint64_t i = 0; i < count; i++) {
      store(out, sizes[i]);
      store(out + 8, damage_before(buffers[i]));
      store(out + 16, damage_after(buffers[i] + sizes[i]));
      out += 24;
      for (uint64_t pad = sizes[i]; pad < padded(sizes[i]); pad++) out[pad] = 0;
      memcpy(out, buffers[i], sizes[i]);
      out += padded(sizes[i]);
    }
  }
  uint64_t total = (uint64_t)(out - response) + 8;
  store(response + 16, total);
  store(out, checksum(response, total - 8));
}
