public import NormGenIR

/// The columns of each value that a judgement needs, where large products are judged by columns that
/// were drawn.
///
/// All other columns of a product are left out of an evaluation: what is computed from them means
/// nothing, and nothing that is judged is computed from them.
public struct JudgedColumns: Sendable {
  /// The indices along the last axis that are needed, by node; nil for all.
  private var needed: [Set<Int>?]

  /// All columns of everything.
  public static func all(of graph: Graph) -> JudgedColumns {
    JudgedColumns(needed: [Set<Int>?](repeating: nil, count: graph.nodes.count))
  }

  private init(needed: [Set<Int>?]) { self.needed = needed }

  /// The columns of outputs that `draw` gives, and all that they are computed from.
  ///
  /// - Parameter draw: The columns to judge of a value of a number of columns; nil for all.
  public init(of graph: Graph, draw: (_ columns: Int) -> Set<Int>?) {
    var needed = [Set<Int>?](repeating: [], count: graph.nodes.count)
    func need(_ id: ValueID, _ columns: Set<Int>?) {
      guard let known = needed[id.index] else { return }
      needed[id.index] = columns.map(known.union)
    }
    var drawn: [Int: Set<Int>?] = [:]
    for output in graph.outputs {
      // The same columns for outputs of one extent: they share products.
      let extent = graph[output.value].shape.rowExtent
      let columns = drawn[extent] ?? draw(extent)
      drawn[extent] = .some(columns)
      need(output.value, columns)
    }
    for id in graph.values.reversed() {
      let node = graph[id]
      let columns = needed[id.index]
      if columns?.isEmpty == true { continue }
      for (operand, wanted) in JudgedColumns.operands(of: node, columns, in: graph) {
        need(operand, wanted)
      }
    }
    self.needed = needed
  }

  /// The columns to judge in a call: all, or in products of more than ``mostTerms`` terms those that
  /// are drawn, with the first and the last.
  public init(of graph: Graph, rows: Int) {
    let all = JudgedColumns.all(of: graph)
    let work = all.terms(of: graph, rows: rows)
    guard work > JudgedColumns.mostTerms else {
      self = all
      return
    }
    let share = Double(JudgedColumns.mostTerms) / Double(work)
    let drawn = JudgedColumns(of: graph) { extent in
      let count = max(JudgedColumns.leastDrawn, Int(Double(extent) * share))
      guard count < extent else { return nil }
      // Every part of the columns has one, at a place that no tile's width divides evenly.
      var columns: Set = [0, extent - 1]
      var state = UInt64(extent)
      for part in 0..<count {
        state = state &* 0x5851_f42d_4c95_7f2d &+ 0x1405_7b7e_f767_814f
        let first = part * extent / count
        let last = (part + 1) * extent / count
        columns.insert(first + Int((state >> 33) % UInt64(last - first)))
      }
      return columns
    }
    // Where a norm follows the product, all its columns are needed anyway.
    self = drawn.terms(of: graph, rows: rows) < work ? drawn : all
  }

  /// Terms of products that are evaluated in seconds.
  static let mostTerms = 1 << 28
  /// The fewest columns that are drawn of a value.
  static let leastDrawn = 64

  /// The terms of all products that are needed.
  private func terms(of graph: Graph, rows: Int) -> Int {
    graph.values.reduce(0) { sum, id in
      let node = graph[id]
      guard case .matmul = node.op else { return sum }
      let width = needed[id.index]?.count ?? node.shape.rowExtent
      let depth = graph[node.operands[0]].shape.rowExtent
      return sum + rows * (node.shape.elementsPerRow / node.shape.rowExtent) * width * depth
    }
  }

  /// Whether all columns of an output are judged.
  public func containsAll(of id: ValueID) -> Bool { needed[id.index] == nil }

  /// The columns of each operand that some columns of a value are computed from.
  private static func operands(
    of node: Node, _ columns: Set<Int>?, in graph: Graph
  ) -> [(ValueID, Set<Int>?)] {
    let extent = node.shape.rowExtent
    switch node.op {
    case .input, .constant: return []
    case .dequantize: return [(node.operands[0], nil)]
    case .elementwise, .convert:
      return node.operands.map { ($0, graph[$0].shape.rowExtent == extent ? columns : nil) }
    case .statistic: return node.operands.map { ($0, nil) }
    case .reshape:
      let operand = node.operands[0]
      return [(operand, graph[operand].shape.rowExtent == extent ? columns : nil)]
    case .columns(let start, _):
      return [(node.operands[0], columns.map { Set($0.map { $0 + start }) })]
    case .concatenate:
      var start = 0
      return node.operands.map { operand in
        let range = start..<start + graph[operand].shape.rowExtent
        start = range.upperBound
        let own = columns?.filter(range.contains)
        return (operand, own.map { Set($0.map { $0 - range.lowerBound }) })
      }
    case .leadingPart:
      let isRepeated = graph[node.operands[0]].shape.rowExtent == 1
      return [(node.operands[0], isRepeated ? nil : columns)]
    case .matmul: return node.operands.map { ($0, nil) }
    case .rowSum:
      return node.operands.map { ($0, graph[$0].shape.rowExtent == extent ? columns : nil) }
    case .outerSum: return [(node.operands[0], nil), (node.operands[1], columns)]
    }
  }

  /// The needed columns of a value in increasing order; nil for all.
  public func columns(of id: ValueID) -> [Int]? { needed[id.index]?.sorted() }

  /// Whether an element of a value at a row-major position is needed.
  public func contains(_ id: ValueID, position: Int, extent: Int) -> Bool {
    needed[id.index]?.contains(position % extent) ?? true
  }
}
