public import NormGenIR

/// A part of a graph that becomes one kernel: steps over the same rows.
public struct Region: Hashable, Sendable {
  /// What a value depends on inside a row.
  public enum Role: Hashable, Sendable {
    /// It has an element for every position of the row.
    case row
    /// One number for a row.
    case scalar
  }

  /// The graph, with reshapes pushed to its inputs and outputs.
  public let graph: Graph
  /// Elements of a row that statistics and vectors run along.
  public let rowExtent: Int
  /// Fixed axes between `rows` and the row, such as heads, outermost first.
  public let outerExtents: [Int]
  /// Each value's role.
  public let roles: [Role]
  /// The pass that computes each value; a scalar is ready when its pass begins.
  public let levels: [Int]
  /// The passes over a row, in order; the fewest that the dependences allow.
  public let passes: [Pass]

  /// One run over a row.
  public struct Pass: Hashable, Sendable {
    /// The statistics that are accumulated.
    public let statistics: [ValueID]
    /// The outputs, by index, that are stored element by element.
    public let stores: [Int]
    /// The outputs, by index, that are stored once a row, before the pass begins.
    public let scalarStores: [Int]
  }

  /// The values of a graph's reshaped parameters keep their parameter's own shape.
  public let parameterShapes: [String: Shape]

  /// The region with a row of each output for each row, also where all rows share the value.
  var storingRows: Region {
    var shapes = parameterShapes
    for output in graph.outputs
    where !graph[output.value].shape.hasRows && !graph.isOverRows(output.value) {
      let shape = shapes[output.name] ?? graph[output.value].shape
      shapes[output.name] = Shape(hasRows: true, extents: shape.extents)
    }
    return Region(
      graph: graph, rowExtent: rowExtent, outerExtents: outerExtents, roles: roles, levels: levels,
      passes: passes, parameterShapes: shapes)
  }

  /// The number of elements that a statistic reads.
  public func window(of statistic: ValueID) -> Int {
    guard case .statistic(let definition) = graph[statistic].op,
      let count = try? definition.window.count(in: rowExtent)
    else { return rowExtent }
    return count
  }
}
