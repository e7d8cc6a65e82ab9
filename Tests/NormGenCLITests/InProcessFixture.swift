import NormGen
@testable import NormGenCLI
import NormGenTool
import Synchronization

/// A run of the tool inside the test process, with kernels and strategies of the test's own.
struct InProcessResult {
  let status: Int32
  let output: String
  let errors: String

  static func of(_ arguments: [String], registry: Registry = .normgen) -> InProcessResult {
    let texts = Texts()
    let status = NormGenCommandLine.status(
      of: arguments, registry: registry,
      terminal: Terminal(
        output: { text in texts.output.withLock { $0 += text } },
        messages: { text in texts.errors.withLock { $0 += text } }))
    return InProcessResult(
      status: status, output: texts.output.withLock { $0 }, errors: texts.errors.withLock { $0 })
  }

  private final class Texts: Sendable {
    let output = Mutex("")
    let errors = Mutex("")
  }
}

/// Kernels that tests name.
enum TestKernels {
  /// A row that no vector length divides.
  static let text = """
    kernel small_norm(x: f32[rows, 37], gain: f32[37]) {
      y = rms_norm(x, gain: gain, epsilon: 1e-6)
    } -> y

    """

  static let two = """
    kernel first_norm(x: f32[rows, 8], gain: f32[8]) {
      y = rms_norm(x, gain: gain, epsilon: 1e-6)
    } -> y
    kernel second_norm(x: f32[rows, 8]) {
      y = l2_norm(x)
    } -> y

    """

  static func rmsNorm(_ name: String, epsilon: Float) -> Kernel {
    let x = Tensor.input("x", [.rows, 37], .f32)
    let gain = Tensor.input("gain", [37], .f32)
    return Kernel(name, x.rmsNorm(gain: gain, epsilon: epsilon))
  }
}
