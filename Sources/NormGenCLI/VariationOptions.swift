internal import ArgumentParser
internal import NormGen
internal import NormGenCheck

/// The options that ask for executions whose bits must be those of the plain calls.
struct VariationOptions: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Numbers of threads whose bits must be those of one thread.", valueName: "n"))
  var threads: [Int] = []

  @Flag(help: "Call rows alone, in pieces and at other places; the bits must be the same.")
  var batch = false

  @Flag(help: "Call with gaps between rows; the bits must be the same, the gaps untouched.")
  var strides = false

  @Flag(help: "Call with buffers at odd addresses; the bits must be the same.")
  var alignments = false

  @Flag(help: "Compile by every strategy with all knobs; the bits must be the same.")
  var schedules = false

  @Flag(
    help: "All of these: --batch, --strides, --alignments, --schedules and --threads 2 3.")
  var variations = false

  func validate() throws {
    if let count = threads.first(where: { $0 < 1 }) {
      throw ValidationError("--threads: expected numbers from 1 on, found \(count)")
    }
  }

  /// The variations that are asked for.
  var chosen: [Variation] {
    Variation.allCases.filter { variation in
      switch variation {
      case .batch: batch || variations
      case .strides: strides || variations
      case .alignments: alignments || variations
      case .schedules: schedules || variations
      }
    }
  }

  /// The numbers of threads for targets of which some may be emulated, in one thread.
  func threads(on targets: [Target]) -> [Int] {
    guard threads.isEmpty, variations else { return threads }
    return targets.contains(where: HostCPU.current.supports) ? [2, 3] : []
  }
}
