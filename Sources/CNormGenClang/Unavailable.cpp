// Stands in for the compiler when the package was built without LLVM: every call says what to do.
#ifndef NORMGEN_LLVM

#include "Result.hpp"

#define NORMGEN_INSTALL                                                                           \
  "install llvm-19-dev, libclang-19-dev and libclang-cpp19-dev (or the same packages of LLVM 22 " \
  "or 14), then build with NORMGEN_LLVM=19 in the environment"

#ifdef NORMGEN_LLVM_UNUSABLE
#pragma message("NORMGEN_LLVM=" NORMGEN_LLVM_UNUSABLE                                             \
                " is not supported or not installed: building without a compiler; "               \
                NORMGEN_INSTALL)
#endif

static ngclang_result *unavailable() {
#ifdef NORMGEN_LLVM_UNUSABLE
  return normgen::failure(
      NGCLANG_LLVM_UNSUPPORTED,
      "built with NORMGEN_LLVM=" NORMGEN_LLVM_UNUSABLE
      ", which is not 19, 22 or 14, or is not installed; " NORMGEN_INSTALL);
#else
  return normgen::failure(NGCLANG_LLVM_MISSING, "built without LLVM; " NORMGEN_INSTALL);
#endif
}

ngclang_result *ngclang_version(void) { return unavailable(); }
ngclang_result *ngclang_host_cpu(void) { return unavailable(); }

ngclang_result *ngclang_identity(const char *const *, size_t) { return unavailable(); }

ngclang_result *ngclang_cc1_arguments(const char *, const char *const *, size_t) {
  return unavailable();
}

ngclang_result *ngclang_compile(
    const char *const *, size_t, const char *, size_t, const char *, ngclang_product,
    ngclang_headers) {
  return unavailable();
}

ngclang_result *ngclang_image_create(const void *, size_t, const char *, ngclang_image **image) {
  *image = nullptr;
  return unavailable();
}

ngclang_result *ngclang_image_lookup(ngclang_image *, const char *, const void **address) {
  *address = nullptr;
  return unavailable();
}

void ngclang_image_dispose(ngclang_image *) {}

#endif
