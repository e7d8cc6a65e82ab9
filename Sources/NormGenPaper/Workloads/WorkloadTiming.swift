import NormGen
import NormGenMeasure

/// The times of one pass of a workload, all variants and forms measured in turns.
struct WorkloadTiming {
  let workload: Workload
  let storage: DType
  let pass: WorkloadPass
  let fused: Variants
  /// Nil where a piece is a single kernel anyway.
  let unfused: Variants?
  /// RMSNorm measured a second time by its first time, round by round: the noise.
  let noise: Spread

  /// Times of the four variants in one form.
  struct Variants {
    let form: WorkloadForm
    private let timing: InterleavedTiming
    private let first: Int

    init(_ form: WorkloadForm, _ timing: InterleavedTiming, from first: Int) {
      self.form = form
      self.timing = timing
      self.first = first
    }

    private func index(_ variant: RecurrentNorm) -> Int {
      first + (RecurrentNorm.allCases.firstIndex(of: variant) ?? 0)
    }

    /// Seconds of a step.
    func seconds(_ variant: RecurrentNorm) -> Spread { Spread(timing.seconds[index(variant)]) }

    /// One variant's time by another's, round by round.
    func ratio(_ variant: RecurrentNorm, to other: RecurrentNorm) -> Spread {
      timing.ratio(of: index(variant), to: index(other))
    }
  }

  init(
    _ kernels: WorkloadKernels, _ pass: WorkloadPass, _ memories: [CallMemory], rounds: Int,
    roundSeconds: Double, _ compiler: Compiler, _ partCompiler: PartCompiler
  ) throws {
    func steps(_ form: WorkloadForm) throws -> [() -> Void] {
      try RecurrentNorm.allCases.compactMap { variant in
        try kernels.step(pass, variant, form, memories, compiler, partCompiler)
      }
    }
    let fusedSteps = try steps(.fused)
    let unfusedSteps = try steps(.unfused)
    let again = try kernels.step(pass, .rmsNorm, .fused, memories, compiler, partCompiler)
    let actions = fusedSteps + unfusedSteps + (again.map { [$0] } ?? [])
    let timing = withExtendedLifetime(memories) {
      InterleavedTiming(rounds: rounds, roundSeconds: roundSeconds, actions)
    }
    workload = kernels.workload
    storage = kernels.storage
    self.pass = pass
    let count = RecurrentNorm.allCases.count
    fused = Variants(.fused, timing, from: 0)
    unfused =
      unfusedSteps.count == count ? Variants(.unfused, timing, from: fusedSteps.count) : nil
    let rms = RecurrentNorm.allCases.firstIndex(of: .rmsNorm) ?? 0
    noise = timing.ratio(of: actions.count - 1, to: rms)
  }

  /// Whether fused partial RMSNorm takes longer than RMSNorm beyond the noise; see
  /// ``WindowTiming/isSlower(_:)``.
  var partialIsSlower: Bool {
    WindowTiming.isSlower(fused.ratio(.partialRMSNorm, to: .rmsNorm), noise: noise)
  }

  /// Both forms.
  var forms: [Variants] { [fused] + (unfused.map { [$0] } ?? []) }
}
