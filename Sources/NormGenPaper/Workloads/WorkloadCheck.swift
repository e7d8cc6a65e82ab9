import NormGen
import NormGenMeasure

/// All variants of one pass of a workload against the oracle.
struct WorkloadCheck {
  let workload: String
  let storage: DType
  let pass: WorkloadPass
  let kernels: Int
  let elements: Int
  let failures: Int
  /// Elements whose bound says nothing.
  let unbounded: Int
  let worstRatio: Double
  let unfusedAgrees: Bool

  init(
    _ kernels: WorkloadKernels, _ pass: WorkloadPass, rows: Int, _ run: PaperRun,
    _ partCompiler: PartCompiler
  ) throws {
    let checks = try RecurrentNorm.allCases.flatMap { variant in
      try kernels.graphs(pass, variant).map { graph in
        try SiteCheck(
          SiteRun(
            graph, rows: rows, seed: run.seed, separates: kernels.workload.separates,
            compiler: run.compiler, partCompiler: partCompiler), rows: rows)
      }
    }
    self.init(
      workload: kernels.workload.title, storage: kernels.storage, pass: pass,
      kernels: checks.count, elements: checks.map(\.elements).reduce(0, +),
      failures: checks.map(\.failures).reduce(0, +),
      unbounded: checks.map(\.unbounded).reduce(0, +),
      worstRatio: checks.map(\.worstRatio).max() ?? 0,
      unfusedAgrees: checks.allSatisfy(\.unfusedAgrees))
  }

  init(
    workload: String, storage: DType, pass: WorkloadPass, kernels: Int, elements: Int,
    failures: Int, unbounded: Int, worstRatio: Double, unfusedAgrees: Bool
  ) {
    self.workload = workload
    self.storage = storage
    self.pass = pass
    self.kernels = kernels
    self.elements = elements
    self.failures = failures
    self.unbounded = unbounded
    self.worstRatio = worstRatio
    self.unfusedAgrees = unfusedAgrees
  }

  /// Whether every element lies inside its bound, however it was computed.
  var passes: Bool { failures == 0 && elements > unbounded && unfusedAgrees }
}
