internal import NormGenJIT

extension CompilerError {
  /// Whether the error is of one kernel: of its graph, its plan or its code, and not of the machine,
  /// the environment or the request, which meet every kernel alike.
  package var concernsOneKernel: Bool {
    switch self {
    case .graph, .plan, .schedule, .region, .loops, .template: true
    case .environment, .unknownTarget, .targetNotRunnable: false
    case .jit(let error):
      switch error {
      case .compilation, .missingSymbol, .link, .library, .internalFailure: true
      case .llvmMissing, .unsupportedLLVM, .unsupportedArgument, .file: false
      }
    }
  }
}
