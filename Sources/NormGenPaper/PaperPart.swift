public import NormGen

/// A claim of the paper, shown on generated kernels.
public protocol PaperPart: Sendable {
  /// The name on the command line.
  var name: String { get }
  /// What of the paper is shown.
  var claim: String { get }

  /// Does the work and judges it.
  func report(_ run: PaperRun) throws -> PaperReport
}

/// How parts are run.
public struct PaperRun: Sendable {
  /// Makes the kernels.
  public let compiler: Compiler
  /// Whether small sizes shall do, in seconds instead of minutes.
  public let isQuick: Bool
  /// The seed of weights and data.
  public let seed: UInt64
  /// Rows of a real model, for what is measured on data.
  public let realRows: HostTensor?
  private let progress: @Sendable (String) -> Void

  /// Creates a run; `progress` is told what is being done.
  public init(
    compiler: Compiler, isQuick: Bool, seed: UInt64, realRows: HostTensor? = nil,
    progress: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.compiler = compiler
    self.isQuick = isQuick
    self.seed = seed
    self.realRows = realRows
    self.progress = progress
  }

  /// Tells what is being done.
  func begins(_ work: String) { progress(work) }
}

/// The parts, in the order of the document.
public enum PaperParts {
  /// All parts.
  public static let all: [any PaperPart] = [
    InvarianceTable(), GradientsPart(), WorkloadsPart(), WindowSweep(), RecurrentStability(),
    TrainPart(),
  ]
}
