// The request and response that an emulated machine exchanges with the test process.
//
// Every number is a little-endian 64-bit word and every field starts on a word boundary; buffer
// bytes are padded with zeros to the next boundary.
//
//   request:  magic, version, total bytes, number of calls, calls, checksum
//     call:   kernel index, rows, number of buffers, buffers
//     buffer: row stride, byte count, address modulo 4096, bytes
//   response: magic, version, total bytes, status, four words of detail, number of calls, calls,
//             checksum
//     call:   kernel index, number of buffers, buffers
//     buffer: byte count, damage before, damage after, bytes
//
// Damage is the distance from the buffer to the farthest canary byte that a kernel overwrote.
#ifndef NORMGEN_EMULATION_PROTOCOL_H
#define NORMGEN_EMULATION_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#define EMULATION_REQUEST_MAGIC 0x5145525f554d454eull  // "NEMU_REQ"
#define EMULATION_RESPONSE_MAGIC 0x5053525f554d454eull // "NEMU_RSP"
#define EMULATION_VERSION 1ull
#define EMULATION_BUFFER_LIMIT 256
#define EMULATION_CANARY_BYTES 256ull

enum emulation_status {
  EMULATION_OK = 0,
  EMULATION_BAD_REQUEST = 1,     // detail: byte offset in the request
  EMULATION_BAD_CHECKSUM = 2,    // detail: computed, stated
  EMULATION_OUT_OF_MEMORY = 3,   // detail: bytes needed, bytes available
  EMULATION_FAULT = 4,           // detail: signal or vector, address, program counter, call
  EMULATION_CPU_TOO_OLD = 5,     // detail: CPUID leaf 7 EBX, leaf 1 ECX, leaf 13 EAX
  EMULATION_DEVICE_ERROR = 6,    // detail: device status, sector
};

typedef void emulation_entry(int64_t rows, void *const *buffers, const int64_t *strides);

// The kernels under test, in the order of the request's kernel indices (generated per run).
extern emulation_entry *const emulation_entries[];
extern const uint64_t emulation_entry_count;

// What running a request takes, beyond the request itself.
struct emulation_needs {
  uint64_t arena_bytes;
  uint64_t response_bytes;
};

struct emulation_failure {
  uint64_t status;
  uint64_t detail[4];
};

#define EMULATION_FAILURE_BYTES (10 * sizeof(uint64_t))

// The call being executed, for fault reports.
extern volatile uint64_t emulation_current_call;

// Checks the whole request and computes what it takes. No call runs before this returned
// EMULATION_OK.
struct emulation_failure emulation_check(
    const uint8_t *request, uint64_t size, struct emulation_needs *needs);

// Executes a checked request. The arena is aligned to 4096 bytes; response and arena have the
// sizes that emulation_check gave.
void emulation_run(const uint8_t *request, uint8_t *arena, uint8_t *response);

// Writes a response without calls, EMULATION_FAILURE_BYTES long, that tells what went wrong.
void emulation_write_failure(const struct emulation_failure *failure, uint8_t *response);

// Told before each call, so that a run that never ends can be blamed on one. Defined by the
// machine.
void emulation_progress(uint64_t call);

#endif
