public import NormGenIR
public import NormGenTensors

/// Seeded inputs for checks and benchmarks.
public enum RandomInputs {
  /// A tensor for each input of `graph`: normal values of deviation 1, parameters around 1.
  ///
  /// Inputs with rows get mean 0; inputs without rows (gains, shifts) get mean 1 and deviation
  /// 0.25, so that a dropped or misplaced one shows.
  ///
  /// - Throws: `TensorError` when a tensor does not fit memory.
  public static func tensors(
    for graph: Graph, rows: Int, seed: UInt64
  ) throws(TensorError) -> [String: HostTensor] {
    var generator = SeededGenerator(seed: seed)
    var tensors: [String: HostTensor] = [:]
    for id in graph.inputs {
      guard case .input(let name, let storage) = graph[id].op else { continue }
      let node = graph[id]
      let shape = (node.shape.hasRows ? [rows] : []) + node.shape.extents
      let count = try HostTensor.count(of: shape)
      let values = (0..<count).map { _ in
        node.shape.hasRows ? generator.normal() : 1 + generator.normal() / 4
      }
      tensors[name] = try HostTensor(values, shape: shape, storage)
    }
    return tensors
  }
}
