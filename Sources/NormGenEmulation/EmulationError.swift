/// Why an emulated run gave no results.
package enum EmulationError: Error, Sendable, Equatable, CustomStringConvertible {
  /// A program that the emulator needs is not installed.
  case toolMissing(Emulator, install: String)
  /// A kernel's name is not a C identifier, or is used twice.
  case invalidKernel(name: String, reason: String)
  /// A call names an unknown kernel or has a malformed buffer.
  case invalidCall(index: Int, reason: String)
  /// The request exceeds what the machine can hold.
  case requestTooLarge(bytes: Int, limit: Int)
  /// A temporary file could not be written or read.
  case fileFailed(action: String, reason: String)
  /// A compiler, linker or emulator could not be started or reported failure.
  case toolFailed(tool: String, status: String, log: String)
  /// A program ran past its time limit and was killed; `call` is the last one begun.
  case timeLimit(tool: String, seconds: Double, call: Int?, log: String)
  /// A kernel trapped or touched memory that does not exist.
  case kernelFaulted(kernel: String, call: Int, fault: String)
  /// The emulated processor lacks the instructions under test.
  case processorTooOld(String)
  /// The machine reported failure or its answer is damaged.
  case badResponse(reason: String, log: String)

  package var description: String {
    switch self {
    case .toolMissing(let emulator, let install): "\(emulator): \(install)"
    case .invalidKernel(let name, let reason): "emulated kernel '\(name)': \(reason)"
    case .invalidCall(let index, let reason): "emulated call \(index): \(reason)"
    case .requestTooLarge(let bytes, let limit):
      "the emulated calls take \(bytes) bytes; the machine holds at most \(limit)"
    case .fileFailed(let action, let reason): "cannot \(action): \(reason)"
    case .toolFailed(let tool, let status, let log): "\(tool): \(status)\(Self.tail(log))"
    case .timeLimit(let tool, let seconds, let call, let log):
      "\(tool): killed after \(seconds) s" + (call.map { " in call \($0)" } ?? "")
        + Self.tail(log)
    case .kernelFaulted(let kernel, let call, let fault):
      "emulated kernel '\(kernel)', call \(call): \(fault)"
    case .processorTooOld(let found): "the emulated processor is too old: \(found)"
    case .badResponse(let reason, let log): "emulator response: \(reason)\(Self.tail(log))"
    }
  }

  private static func tail(_ log: String) -> String { log.isEmpty ? "" : "\n\(log)" }
}
