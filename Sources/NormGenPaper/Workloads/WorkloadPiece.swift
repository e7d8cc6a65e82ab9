import NormGen

/// A part of a workload that is one kernel when it is fused.
struct WorkloadPiece: Sendable {
  let name: String
  /// How often a step of the workload runs it.
  let repeats: Int
  /// The values that the forward kernel saves for the gradient, by name: the products.
  let saved: [String]
  private let outputs: @Sendable (WorkloadNorm) -> [(String, Tensor)]

  init(
    _ name: String, repeats: Int = 1, saved: [String] = [],
    _ outputs: @escaping @Sendable (WorkloadNorm) -> [(String, Tensor)]
  ) {
    self.name = name
    self.repeats = repeats
    self.saved = saved
    self.outputs = outputs
  }

  /// The forward kernel, which stores what it saves.
  func forward(_ norm: WorkloadNorm) throws -> Graph {
    try kernel(norm).storing(saved).graph()
  }

  /// The gradient with respect to all inputs.
  func backward(_ norm: WorkloadNorm) throws -> Graph {
    try kernel(norm).gradient(saving: saved).graph()
  }

  private func kernel(_ norm: WorkloadNorm) -> Kernel {
    Kernel(
      "\(name)_\(norm.variant.rawValue)_\(norm.storage.rawValue)",
      outputs: outputs(norm).map { Kernel.Output($0.0, $0.1, as: norm.storage) })
  }
}
