public import NormGenIR
public import NormGenTensors

/// Seeded inputs for checks and benchmarks.
public enum RandomInputs {
  /// A tensor for each input of `graph`: normal values of deviation 1, parameters around 1.
  ///
  /// Inputs with rows get mean 0; inputs without rows (gains, shifts) get mean 1 and deviation
  /// 0.25, so that a dropped or misplaced one shows. The weights of a matmul get mean 0 and
  /// deviation 1/√K, so that products keep the deviation of what they multiply.
  ///
  /// - Throws: `TensorError` when a tensor does not fit memory.
  public static func tensors(
    for graph: Graph, rows: Int, seed: UInt64
  ) throws(TensorError) -> [String: HostTensor] {
    var generator = SeededGenerator(seed: seed)
    var tensors: [String: HostTensor] = [:]
    let weights = weightInputs(of: graph)
    for id in graph.inputs {
      guard case .input(let name, let storage) = graph[id].op else { continue }
      let node = graph[id]
      let shape = (node.shape.hasRows ? [rows] : []) + node.shape.extents
      let count = try HostTensor.count(of: shape)
      let (mean, deviation): (Double, Double) =
        if node.shape.hasRows {
          (0, 1)
        } else if let terms = weights[id] {
          (0, 1 / Double(terms).squareRoot())
        } else {
          (1, 0.25)
        }
      let values = (0..<count).map { _ in mean + generator.normal() * deviation }
      tensors[name] = try HostTensor(values, shape: shape, storage)
    }
    return tensors
  }

  /// The inputs that are a matmul's weights, with the number of products that they are summed in.
  private static func weightInputs(of graph: Graph) -> [ValueID: Int] {
    var found: [ValueID: Int] = [:]
    for node in graph.nodes {
      guard case .matmul = node.op, node.operands.count == 2 else { continue }
      found[node.operands[1]] = graph[node.operands[0]].shape.rowExtent
    }
    return found
  }
}
