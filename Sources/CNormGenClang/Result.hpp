// What every call of the shim returns.
#pragma once

#include "CNormGenClang.h"

#include <string>
#include <utility>

struct ngclang_result {
  ngclang_status status;
  std::string output;
  std::string message;
};

namespace normgen {

inline ngclang_result *success(std::string output, std::string message = {}) {
  return new ngclang_result{NGCLANG_OK, std::move(output), std::move(message)};
}

inline ngclang_result *failure(ngclang_status status, std::string message) {
  return new ngclang_result{status, {}, std::move(message)};
}

} // namespace normgen
