public import NormGen

/// What kind of kernel a benchmark times.
public enum BenchmarkGroup: String, CaseIterable, Hashable, Sendable, Codable {
  /// A statistic of each row of one tensor.
  case norms
  /// Norms of rows that are made of several tensors, such as x + residual.
  case residual
  /// Norms of the parts of a row, such as attention heads.
  case heads
  /// Sums over rows: gradients of norms.
  case gradients
  /// Matmuls, alone or with the steps around them.
  case matmuls
  /// Matmuls with weights in quantized blocks.
  case blocks
  /// No statistic.
  case elementwise

  /// One line on what belongs here.
  public var title: String {
    switch self {
    case .norms: "norms"
    case .residual: "residual and norm"
    case .heads: "norms of heads"
    case .gradients: "gradients"
    case .matmuls: "matmuls"
    case .blocks: "matmuls with quantized blocks"
    case .elementwise: "elementwise"
    }
  }

  /// The group of a kernel.
  public static func of(_ graph: Graph) -> BenchmarkGroup {
    func nodes(_ family: OpTraits.Family) -> [Node] {
      graph.nodes.filter { $0.op.traits.family == family }
    }
    guard nodes(.blocks).isEmpty else { return .blocks }
    guard nodes(.product).isEmpty else { return .matmuls }
    guard nodes(.rowSum).isEmpty else { return .gradients }
    let statistics = nodes(.statistic)
    guard !statistics.isEmpty else { return .elementwise }
    guard statistics.allSatisfy(\.shape.outerExtents.isEmpty) else { return .heads }
    return nodes(.input).count(where: \.shape.hasRows) > 1 ? .residual : .norms
  }
}
