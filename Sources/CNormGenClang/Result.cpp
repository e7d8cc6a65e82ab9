#include "Result.hpp"

ngclang_status ngclang_result_status(const ngclang_result *result) { return result->status; }

ngclang_bytes ngclang_result_output(const ngclang_result *result) {
  return {result->output.c_str(), result->output.size()};
}

ngclang_bytes ngclang_result_message(const ngclang_result *result) {
  return {result->message.c_str(), result->message.size()};
}

void ngclang_result_dispose(ngclang_result *result) { delete result; }
