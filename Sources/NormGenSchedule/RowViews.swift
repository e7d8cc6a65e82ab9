import NormGenIR

/// How statistics and leading parts see the rows of values: one loop sees a row one way, so that a reshape
/// to another way begins a stage where its operand's own stage has seen it already.
struct RowViews {
  /// How what is computed from each value sees it, without another reshape between.
  private let wanted: [Set<[Int]>]
  /// How each value's own stage sees rows to compute it.
  private var seen: [Set<[Int]>] = []

  init(of graph: Graph) {
    var wanted = [Set<[Int]>](repeating: [], count: graph.nodes.count)
    for id in graph.values.reversed() {
      let node = graph[id]
      if let view = RowViews.view(of: node, in: graph) {
        for operand in node.operands { wanted[operand.index].insert(view) }
      } else if node.op.traits.family == .elementwise {
        for operand in node.operands where graph[operand].shape.extents == node.shape.extents {
          wanted[operand.index].formUnion(wanted[id.index])
        }
      }
    }
    self.wanted = wanted
  }

  /// Whether the next value, computed in the stage of its operands, would see their rows in another way.
  ///
  /// - Parameter operands: Those operands that the same stage computes.
  func conflicts(_ id: ValueID, _ operands: [ValueID], in graph: Graph) -> Bool {
    guard case .reshape = graph[id].op, graph[id].shape.hasRows else { return false }
    let before = operands.reduce(into: Set<[Int]>()) { $0.formUnion(seen[$1.index]) }
    return !before.isEmpty && wanted[id.index].contains { before != [$0] }
  }

  /// Notes the next value.
  ///
  /// - Parameter operands: Those operands that the same stage computes.
  mutating func add(_ id: ValueID, _ operands: [ValueID], in graph: Graph) {
    var own = operands.reduce(into: Set<[Int]>()) { $0.formUnion(seen[$1.index]) }
    if let view = RowViews.view(of: graph[id], in: graph) { own.insert(view) }
    seen.append(own)
  }

  /// The extents that a statistic or a leading part sees rows under; nil for any other value.
  static func view(of node: Node, in graph: Graph) -> [Int]? {
    if case .leadingPart = node.op { return node.shape.hasRows ? node.shape.extents : nil }
    guard case .statistic = node.op else { return nil }
    // The terms have the common shape of the factors, one of which may be narrower.
    let factors = node.operands.map { graph[$0].shape }
    let term = try? Op.elementwise(.multiply).resultShape(of: factors, requested: .scalar)
    return term.flatMap { $0.hasRows ? $0.extents : nil }
  }
}
