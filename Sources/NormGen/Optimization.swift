/// How much time LLVM spends on a kernel's code; no bit of a result may depend on it.
package enum Optimization: String, CaseIterable, Hashable, Sendable {
  /// What the C says, operation by operation (`-O0`).
  case none
  /// The usual passes, but no copies of loops' bodies and of functions that are not marked `inline`:
  /// most of the time goes into those.
  case lean
  /// As kernels are compiled for use (`-O3`).
  case full

  /// The options of Clang's command line.
  package var arguments: [String] {
    switch self {
    case .none: ["-O0"]
    case .lean: ["-O2", "-fno-unroll-loops", "-finline-hint-functions"]
    case .full: ["-O3"]
    }
  }
}
