internal import ArgumentParser
internal import NormGen
internal import NormGenCheck

/// One of several kernels that a command can't take; the others are done all the same.
struct KernelRefusal: Error, Hashable {
  /// The kernel's name.
  let kernel: String
  /// The error in words.
  let reason: String

  /// The reason with the kernel's name, unless it has it.
  var message: String {
    reason.contains("'\(kernel)'") ? reason : "'\(kernel)': \(reason)"
  }

  /// Whether an error says something of this machine or of the request, and so of every kernel.
  fileprivate static func concernsAll(_ error: any Error) -> Bool {
    switch error {
    case is TerminalError: return true
    case let error as TargetMachineError:
      if case .writtenOutside = error { return false }
      return true
    case let error as CompilerError: return !error.concernsOneKernel
    default: return false
    }
  }
}

/// The kernels of a file that a command has refused, told when the others are done.
package struct KernelRefusals {
  private(set) var all: [KernelRefusal] = []

  package init() {}

  /// What `body` makes of a kernel; nil if it refuses it, which is told at once.
  package mutating func result<Value>(
    of kernel: String, isOnly: Bool, _ body: () throws -> Value
  ) throws -> Value? {
    switch try Result(of: kernel, isOnly: isOnly, body) {
    case .success(let value): return value
    case .failure(let refusal):
      all.append(refusal)
      Terminal.current.error("error: \(refusal.message)")
      return nil
    }
  }

  /// Ends a command that has refused a kernel with a failure.
  package func throwIfAny() throws {
    if !all.isEmpty { throw ExitCode.failure }
  }
}

extension Result where Failure == KernelRefusal {
  /// What a command makes of a kernel, or why it refuses it.
  ///
  /// - Parameter isOnly: Whether no other kernel is asked for: its error is the command's.
  /// - Throws: The only kernel's error, and what would be said of every kernel.
  init(of kernel: String, isOnly: Bool, _ body: () throws -> Success) throws {
    do { self = .success(try body()) } catch let refusal as KernelRefusal {
      self = .failure(refusal)
    } catch {
      if isOnly || KernelRefusal.concernsAll(error) { throw error }
      self = .failure(
        KernelRefusal(kernel: kernel, reason: NormGenCommand.message(for: error)))
    }
  }
}
