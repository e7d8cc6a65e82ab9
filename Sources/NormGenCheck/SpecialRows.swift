public import NormGen

/// Inputs whose rows arithmetic treats specially: one row of each family of values.
public struct SpecialRows: Sendable {
  /// What each row of a call holds.
  public let names: [String]
  /// A tensor for each input of the kernel, by name.
  public let inputs: [String: HostTensor]
  /// The inputs that have rows.
  private let rowInputs: Set<String>

  /// The number of rows.
  public var count: Int { names.count }

  /// What the row holds that an element of an output of `count` elements belongs to; nil if the
  /// output is over all rows.
  public func name(of position: Int, among count: Int) -> String? {
    guard count > 0, count % names.count == 0, position < count else { return nil }
    return names[position / (count / names.count)]
  }

  /// Special rows for the inputs of `graph`.
  ///
  /// Each family comes first in the first input with rows, beside ordinary values in the others, and
  /// then, where there are others, in all of them. Inputs without rows are those of ``RandomInputs``.
  ///
  /// - Throws: `TensorError` when a tensor does not fit memory.
  public init(for graph: Graph, seed: UInt64) throws(TensorError) {
    let rowInputs = graph.inputs.filter { graph[$0].shape.hasRows }
    let families = SpecialRows.families.map(\.name)
    let isShared = rowInputs.count > 1
    self.rowInputs = Set(rowInputs.compactMap { graph[$0].inputName })
    names = isShared ? families + families.map { "\($0), in all inputs" } : families
    var inputs = try RandomInputs.tensors(for: graph, rows: names.count, seed: seed)
    for (position, id) in rowInputs.enumerated() {
      guard case .input(let name, let storage) = graph[id].op, let ordinary = inputs[name]
      else { continue }
      let row = Row(extent: graph[id].shape.elementsPerRow, type: storage)
      var values = ordinary.doubles
      for index in (position == 0 ? 0 : families.count * row.extent)..<values.count {
        let family = SpecialRows.families[index / row.extent % families.count]
        values[index] = family.value(row, index % row.extent)
      }
      inputs[name] = try HostTensor(values, shape: ordinary.shape, storage)
    }
    self.inputs = inputs
  }

  /// The number of special rows for the inputs of `graph`.
  static func count(for graph: Graph) -> Int {
    let rowInputs = graph.inputs.filter { graph[$0].shape.hasRows }
    return (rowInputs.count > 1 ? 2 : 1) * families.count
  }

  /// The inputs of a call on some of the rows.
  ///
  /// - Throws: `TensorError` when a tensor does not fit memory.
  public func inputs(rows: Range<Int>) throws(TensorError) -> [String: HostTensor] {
    var chosen = inputs
    for name in rowInputs {
      guard let tensor = inputs[name] else { continue }
      let extent = tensor.count / max(count, 1)
      let values = tensor.doubles[rows.lowerBound * extent..<rows.upperBound * extent]
      chosen[name] = try HostTensor(
        Array(values), shape: [rows.count] + tensor.shape.dropFirst(), tensor.storage)
    }
    return chosen
  }

  /// The row that a family fills.
  private struct Row {
    let extent: Int
    let type: DType

    var greatest: Double { type.greatestFiniteMagnitude }
    /// The least positive value.
    var least: Double { type.ulp(at: 0) }

    /// One value among ordinary ones.
    func lone(_ value: Double, _ index: Int) -> Double {
      index == extent / 2 ? value : 0.5 + Double(index % 3)
    }
  }

  private static let families: [(name: String, value: @Sendable (Row, Int) -> Double)] = [
    ("zeros", { _, _ in 0 }), ("negative zeros", { _, _ in -0.0 }),
    ("mixed zeros", { $1 % 2 == 0 ? 0 : -0.0 }), ("least", { row, _ in row.least }),
    ("denormals", { Double($1 % 5 - 2) * $0.least }), ("greatest", { row, _ in row.greatest }),
    ("signed greatest", { $1 % 2 == 0 ? $0.greatest : -$0.greatest }),
    ("NaN", { $0.lone(.nan, $1) }), ("NaN first", { $1 == 0 ? .nan : 1 }),
    ("NaN last", { $1 == $0.extent - 1 ? .nan : 1 }), ("infinity", { $0.lone(.infinity, $1) }),
    ("negative infinity", { $0.lone(-.infinity, $1) }),
    ("both infinities", { $1 == 0 ? .infinity : ($1 == $0.extent - 1 ? -.infinity : 1) }),
    ("constant", { _, _ in 3 }), ("inexact constant", { _, _ in 0.1 }),
    ("mean beyond deviation", { 1000 + Double($1 % 3) / 8 }),
    ("one huge", { $0.lone($0.greatest, $1) }),
    ("squares overflow", { row, _ in row.greatest.squareRoot() }),
    ("squares underflow", { $1 % 2 == 0 ? 1e-25 : -2e-25 }),
    ("cancelling", { $1 % 2 == 0 ? 1e4 : -1e4 + Double($1) / 16 }),
    ("activations of Gemma 3", { $0.lone(8e4, $1) }),
  ]
}
