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
        values[index] = family.value(row, index % row.extent, position)
      }
      inputs[name] = try HostTensor(values, shape: ordinary.shape, storage)
    }
    self.inputs = inputs
  }

  /// The number of special rows for the inputs of `graph`.
  package static func count(for graph: Graph) -> Int {
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

  /// A family's value at an index of the row of an input at a position among those with rows.
  private typealias Value = @Sendable (_ row: Row, _ index: Int, _ input: Int) -> Double

  private static let families: [(name: String, value: Value)] = [
    ("zeros", { _, _, _ in 0 }), ("negative zeros", { _, _, _ in -0.0 }),
    ("mixed zeros", { _, index, _ in index % 2 == 0 ? 0 : -0.0 }),
    ("least", { row, _, _ in row.least }),
    ("denormals", { row, index, _ in Double(index % 5 - 2) * row.least }),
    ("greatest", { row, _, _ in row.greatest }),
    ("signed greatest", { row, index, _ in index % 2 == 0 ? row.greatest : -row.greatest }),
    ("NaN", { row, index, _ in row.lone(.nan, index) }),
    ("NaN first", { _, index, _ in index == 0 ? .nan : 1 }),
    ("NaN last", { row, index, _ in index == row.extent - 1 ? .nan : 1 }),
    ("infinity", { row, index, _ in row.lone(.infinity, index) }),
    ("negative infinity", { row, index, _ in row.lone(-.infinity, index) }),
    (
      "both infinities",
      { row, index, _ in
        index == 0 ? .infinity : (index == row.extent - 1 ? -.infinity : 1)
      }
    ),
    ("constant", { _, _, _ in 3 }), ("inexact constant", { _, _, _ in 0.1 }),
    ("mean beyond deviation", { _, index, _ in 1000 + Double(index % 3) / 8 }),
    ("mean far beyond deviation", { _, index, _ in 1e5 + Double(index % 7) / 64 }),
    ("one huge", { row, index, _ in row.lone(row.greatest, index) }),
    ("squares overflow", { row, _, _ in row.greatest.squareRoot() }),
    ("squares underflow", { _, index, _ in index % 2 == 0 ? 1e-25 : -2e-25 }),
    ("cancelling", { _, index, _ in index % 2 == 0 ? 1e4 : -1e4 + Double(index) / 16 }),
    // Where inputs are added, what is large is gone, and what was rounded away beside it shows.
    (
      "opposite inputs",
      { _, index, input in
        let size = 1 + Double(index * 37 % 101) / 64
        return input == 0
          ? size * 4096 : -size * 4096 + Double(index % 5) / (input > 1 ? 32 : 16)
      }
    ),
    (
      "opposite ends",
      { row, index, input in
        if index == 0 { return 1 }
        guard index == row.extent - 1 else { return 0 }
        return input == 0 ? 1e9 : -1e9
      }
    ),
    ("activations of Gemma 3", { row, index, _ in row.lone(8e4, index) }),
  ]
}
