import NormGenIR

/// How statistics and leading parts see the rows of values. One loop sees a row one way, so that what sees it
/// in another begins a stage, which reads the row from memory.
struct RowViews {
  /// A way of seeing rows, with the first value that does.
  private struct View {
    let extents: [Int]
    let first: ValueID
    /// Whether a reshape lies between.
    var isReshaped = false

    /// What sees a value as it is comes first.
    func precedes(_ other: View) -> Bool {
      isReshaped == other.isReshaped ? first < other.first : !isReshaped
    }
  }

  /// The views of what is computed from each value without a statistic between, in order.
  private let wanted: [[View]]
  /// The same without another reshape between, and so under the value's own shape.
  private let wantedAsIs: [Set<[Int]>]
  /// The views of what is computed from each value, or from what its stage computes it from.
  private var shared: [[View]] = []
  /// How each value's own stage sees rows to compute it.
  private var seen: [Set<[Int]>] = []

  init(of graph: Graph) {
    var wanted = [[View]](repeating: [], count: graph.nodes.count)
    var asIs = [Set<[Int]>](repeating: [], count: graph.nodes.count)
    for id in graph.values.reversed() {
      let node = graph[id]
      if let view = RowViews.view(of: node, in: graph) {
        for operand in node.operands {
          asIs[operand.index].insert(view)
          RowViews.merge([View(extents: view, first: id)], into: &wanted[operand.index])
        }
        continue
      }
      let isReshape = node.op == .reshape
      guard isReshape || node.op.traits.family == .elementwise else { continue }
      for operand in node.operands
      where isReshape || graph[operand].shape.extents == node.shape.extents {
        var views = wanted[id.index]
        if isReshape { for place in views.indices { views[place].isReshaped = true } }
        RowViews.merge(views, into: &wanted[operand.index])
        if !isReshape { asIs[operand.index].formUnion(asIs[id.index]) }
      }
    }
    self.wanted = wanted
    wantedAsIs = asIs
  }

  /// How many stages later than its operands the next value must be computed.
  ///
  /// - Parameter operands: Those operands that the stage itself computes.
  func delay(of id: ValueID, _ operands: [ValueID], in graph: Graph) -> Int {
    guard graph[id].shape.hasRows else { return 0 }
    let before = operands.reduce(into: Set<[Int]>()) { $0.formUnion(seen[$1.index]) }
    // What has been computed in several ways meets in memory.
    guard case .reshape = graph[id].op else { return before.count > 1 ? 1 : 0 }
    let own = wantedAsIs[id.index]
    let isSeenOtherwise = !before.isEmpty && own.contains { before != [$0] }
    // Of ways to see what all are computed from, each has a stage after the one before.
    let ranks = operands.compactMap { operand in
      shared[operand.index].firstIndex { own.contains($0.extents) }
    }
    return max(isSeenOtherwise ? 1 : 0, ranks.max() ?? 0)
  }

  /// Notes the next value.
  ///
  /// - Parameter operands: Those operands that the same stage computes.
  mutating func add(_ id: ValueID, _ operands: [ValueID], in graph: Graph) {
    var own = operands.reduce(into: Set<[Int]>()) { $0.formUnion(seen[$1.index]) }
    if let view = RowViews.view(of: graph[id], in: graph) { own.insert(view) }
    seen.append(own)
    var views: [View] = []
    if graph[id].shape.hasRows, graph[id].op.traits.isStep {
      views = wanted[id.index]
      for operand in operands { RowViews.merge(shared[operand.index], into: &views) }
    }
    shared.append(views)
  }

  /// Adds views to others, each once, in their order.
  private static func merge(_ views: [View], into others: inout [View]) {
    for view in views {
      if let known = others.firstIndex(where: { $0.extents == view.extents }) {
        guard view.precedes(others[known]) else { continue }
        others.remove(at: known)
      }
      let place = others.firstIndex { view.precedes($0) } ?? others.count
      others.insert(view, at: place)
    }
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
