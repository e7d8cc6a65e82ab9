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
    case .elementwise: "elementwise"
    }
  }

  /// The group of a kernel.
  public static func of(_ graph: Graph) -> BenchmarkGroup {
    var tensorsOfRows = 0
    var hasStatistic = false
    var hasHeads = false
    var hasSums = false
    for node in graph.nodes {
      switch node.op {
      case .input:
        if node.shape.hasRows { tensorsOfRows += 1 }
      case .statistic:
        hasStatistic = true
        hasHeads = hasHeads || !node.shape.outerExtents.isEmpty
      case .matmul, .outerSum: return .matmuls
      case .rowSum: hasSums = true
      case .constant, .elementwise, .convert, .reshape, .columns, .concatenate, .leadingPart: break
      }
    }
    if hasSums { return .gradients }
    guard hasStatistic else { return .elementwise }
    if hasHeads { return .heads }
    return tensorsOfRows > 1 ? .residual : .norms
  }
}
