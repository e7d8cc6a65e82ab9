import Foundation

@testable import NormGenJIT

/// Sources and options that several suites share.
enum Sample {
  static let add = "int add(int a, int b) { return a + b; }\n"

  /// The root mean square norm of one row.
  static let norm = """
    void rms_norm(const float *restrict x, float *restrict y, long n, float epsilon) {
      float sum = 0.0f;
      for (long i = 0; i < n; ++i) sum = __builtin_fmaf(x[i], x[i], sum);
      float scale = 1.0f / __builtin_sqrtf(sum / (float)n + epsilon);
      for (long i = 0; i < n; ++i) y[i] = x[i] * scale;
    }

    """

  static let baseline = CompileOptions(
    triple: "x86_64-linux-gnu",
    arguments: ["-O3", "-march=x86-64-v3"] + CompileOptions.numericArguments)

  static let arm = CompileOptions(
    triple: "aarch64-linux-gnu",
    arguments: ["-O3", "-march=armv8.2-a"] + CompileOptions.numericArguments)

  /// A source of about a hundred lines: several reductions over rows in vectors of 8 lanes.
  static let large = (0..<6).map { index in
    """
    typedef float v8_\(index) __attribute__((vector_size(32), aligned(4)));
    void norm_\(index)(const float *restrict x, const float *restrict gain,
        float *restrict y, long rows, long n, float epsilon) {
      for (long r = 0; r < rows; ++r) {
        v8_\(index) sum = {0};
        for (long i = 0; i + 8 <= n; i += 8) {
          v8_\(index) v = *(const v8_\(index) *)(x + r * n + i);
          sum += v * v * \(index + 1).0f;
        }
        float total = 0.0f;
        for (int k = 0; k < 8; ++k) total += sum[k];
        float scale = 1.0f / __builtin_sqrtf(total / (float)n + epsilon);
        for (long i = 0; i < n; ++i)
          y[r * n + i] = x[r * n + i] * scale * gain[i];
      }
    }

    """
  }.joined()
}

/// A directory that is removed with all it holds when `body` is over.
func withTemporaryDirectory<Result>(
  _ body: (String) async throws -> Result
) async throws -> Result {
  let url = FileManager.default.temporaryDirectory
    .appendingPathComponent("normgen-jit-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: url) }
  return try await body(url.path)
}

/// Links `object` and calls its `int add(int, int)`.
func callAdd(_ object: [UInt8], _ a: Int32, _ b: Int32) throws -> Int32 {
  typealias Add = @convention(c) (Int32, Int32) -> Int32
  let loaded = try LoadedObject(object: object, name: "add")
  let sum = unsafeBitCast(try loaded.address(of: "add"), to: Add.self)(a, b)
  return withExtendedLifetime(loaded) { sum }
}
