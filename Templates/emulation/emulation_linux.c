// Runs a request as a static Linux program: `program REQUEST RESPONSE`.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emulation_protocol.h"

static const char *response_path;

void emulation_progress(uint64_t call) {
  char text[32];
  int count = snprintf(text, sizeof text, "@call %llu\n", (unsigned long long)call);
  // The line only helps to name the call that never ends: losing it is no failure.
  if (write(STDOUT_FILENO, text, (size_t)count) != count) return;
}

static int save(const uint8_t *bytes, size_t count) {
  FILE *file = fopen(response_path, "wb");
  if (!file) return 0;
  int written = fwrite(bytes, 1, count, file) == count;
  return fclose(file) == 0 && written;
}

static int save_failure(const struct emulation_failure *failure) {
  uint8_t response[EMULATION_FAILURE_BYTES];
  emulation_write_failure(failure, response);
  return save(response, sizeof response);
}

// Not async-signal-safe by the letter; the faulting kernel holds no lock of the C library.
static void fault(int signal, siginfo_t *info, void *context) {
  (void)context;
  struct emulation_failure failure = {
      EMULATION_FAULT, {(uint64_t)signal, (uint64_t)info->si_addr, 0, emulation_current_call}};
  _exit(save_failure(&failure) ? 0 : 3);
}

static int catch_faults(void) {
  static uint8_t alternate[65536];
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND;
  if (sigaltstack(&stack, NULL) != 0) return 0;
  const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    if (sigaction(signals[i], &action, NULL) != 0) return 0;
  return 1;
}

static uint8_t *read_all(const char *path, uint64_t *size) {
  struct stat status;
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  uint8_t *bytes = NULL;
  if (fstat(fileno(file), &status) == 0 && status.st_size > 0) {
    *size = (uint64_t)status.st_size;
    bytes = malloc(*size);
    if (bytes && fread(bytes, 1, *size, file) != *size) {
      free(bytes);
      bytes = NULL;
    }
  }
  fclose(file);
  return bytes;
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: %s REQUEST RESPONSE\n", arguments[0]);
    return 2;
  }
  response_path = arguments[2];
  uint64_t size = 0;
  uint8_t *request = read_all(arguments[1], &size);
  if (!request) {
    fprintf(stderr, "cannot read the request %s\n", arguments[1]);
    return 2;
  }
  struct emulation_needs needs;
  struct emulation_failure failure = emulation_check(request, size, &needs);
  uint8_t *arena = NULL, *response = NULL;
  if (failure.status == EMULATION_OK) {
    arena = aligned_alloc(4096, (needs.arena_bytes + 4096) & ~4095ull);
    response = malloc(needs.response_bytes);
    if (!arena || !response) {
      failure.status = EMULATION_OUT_OF_MEMORY;
      failure.detail[0] = needs.arena_bytes + needs.response_bytes;
    }
  }
  int saved;
  if (failure.status != EMULATION_OK) {
    saved = save_failure(&failure);
  } else if (!catch_faults()) {
    fprintf(stderr, "cannot install the fault handler\n");
    return 2;
  } else {
    emulation_run(request, arena, response);
    saved = save(response, needs.response_bytes);
  }
  if (!saved) fprintf(stderr, "cannot write the response %s\n", response_path);
  free(request);
  free(arena);
  free(response);
  return saved ? 0 : 3;
}
