// What a thread does between two looks at memory that another one will change.
#ifndef CNORMGENCLANG_PAUSE_H
#define CNORMGENCLANG_PAUSE_H

/// Lets the core's other thread run, and saves power.
static inline void ng_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("isb");
#endif
}

#endif
