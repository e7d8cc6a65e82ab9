import NormGenIR

/// A region that breaks its own rules; always a defect of the planner.
public struct RegionError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kernel.
  public let kernel: String
  /// The rule and what was found.
  public let message: String

  /// Creates an error.
  public init(kernel: String, message: String) {
    self.kernel = kernel
    self.message = message
  }

  public var description: String { "region of kernel '\(kernel)': \(message)" }
}

/// Checks that roles and levels follow from the graph, that every statistic is accumulated once
/// and in time, and that every output is stored once its value is known.
public enum RegionVerifier {
  /// Verifies `region`.
  public static func verify(_ region: Region) throws(RegionError) {
    let graph = region.graph
    func error(_ message: String) -> RegionError {
      RegionError(kernel: graph.name, message: message)
    }
    guard region.roles.count == graph.nodes.count, region.levels.count == graph.nodes.count else {
      throw error(
        "\(graph.nodes.count) values have \(region.roles.count) roles and "
          + "\(region.levels.count) levels")
    }
    guard !region.passes.isEmpty, region.rowExtent >= 1, region.outerExtents.allSatisfy({ $0 >= 1 })
    else { throw error("it has no pass, or an extent below 1") }
    for id in graph.values {
      if graph[id].op == .reshape { throw error("value \(id.index) is a reshape") }
      let role = role(of: id, in: region)
      guard region.roles[id.index] == role else {
        throw error("value \(id.index) must be a \(role), found \(region.roles[id.index])")
      }
      let level = level(of: id, in: region)
      guard region.levels[id.index] == level else {
        throw error(
          "value \(id.index) can be computed at level \(level), found \(region.levels[id.index])")
      }
    }
    try verifyStatistics(region)
    try verifyStores(region)
    var shapes: [String: Shape] = [:]
    for output in graph.outputs.reversed() { shapes[output.name] = graph[output.value].shape }
    for id in graph.inputs { if let name = graph[id].inputName { shapes[name] = graph[id].shape } }
    let outputNames = Set(graph.outputs.map(\.name))
    for (name, shape) in region.parameterShapes {
      guard let seen = shapes[name] else {
        throw error("it gives a shape to '\(name)', which is no parameter")
      }
      // An output may hold for each row what all rows share.
      let isStored = shape.hasRows && outputNames.contains(name)
      guard seen.hasRows == shape.hasRows || isStored,
        seen.elementsPerRow == shape.elementsPerRow
      else {
        throw error("'\(name)' of shape \(shape) is seen as \(seen)")
      }
    }
  }

  private static func role(of id: ValueID, in region: Region) -> Region.Role {
    let node = region.graph[id]
    switch node.op {
    case .constant, .statistic: return .scalar
    case .input:
      let varies = !node.shape.extents.isEmpty && node.shape.rowExtent == region.rowExtent
      return varies ? .row : .scalar
    case .matmul, .columns, .concatenate, .leadingPart, .outerSum: return .row
    case .elementwise, .convert, .reshape, .rowSum:
      return node.operands.contains { region.roles[$0.index] == .row } ? .row : .scalar
    }
  }

  private static func level(of id: ValueID, in region: Region) -> Int {
    let node = region.graph[id]
    let known = node.operands.map { region.levels[$0.index] }.max() ?? 0
    switch node.op {
    case .statistic: return known + 1
    case .input, .constant, .elementwise, .convert, .reshape, .columns, .concatenate, .leadingPart,
      .matmul, .rowSum, .outerSum:
      return known
    }
  }

  private static func verifyStatistics(_ region: Region) throws(RegionError) {
    let graph = region.graph
    var accumulated: [ValueID: Int] = [:]
    for (number, pass) in region.passes.enumerated() {
      for id in pass.statistics {
        guard graph.nodes.indices.contains(id.index), case .statistic = graph[id].op else {
          throw RegionError(
            kernel: graph.name, message: "pass \(number + 1) accumulates value \(id.index)")
        }
        guard accumulated.updateValue(number, forKey: id) == nil else {
          throw RegionError(
            kernel: graph.name, message: "statistic \(id.index) is accumulated twice")
        }
      }
    }
    for id in graph.values {
      guard case .statistic = graph[id].op else { continue }
      let expected = region.levels[id.index] - 1
      guard accumulated[id] == expected else {
        let found = accumulated[id].map { "pass \($0 + 1)" } ?? "none"
        throw RegionError(
          kernel: graph.name,
          message:
            "statistic \(id.index) must be accumulated in pass \(expected + 1), found \(found)")
      }
    }
  }

  private static func verifyStores(_ region: Region) throws(RegionError) {
    let graph = region.graph
    var stored = [Int](repeating: 0, count: graph.outputs.count)
    for (number, pass) in region.passes.enumerated() {
      let stores = pass.stores.map { ($0, Region.Role.row) }
      let scalarStores = pass.scalarStores.map { ($0, Region.Role.scalar) }
      for (index, role) in stores + scalarStores {
        guard stored.indices.contains(index) else {
          throw RegionError(
            kernel: graph.name, message: "pass \(number + 1) stores output \(index)")
        }
        let output = graph.outputs[index]
        guard region.roles[output.value.index] == role else {
          throw RegionError(
            kernel: graph.name, message: "'\(output.name)' is stored as a \(role)")
        }
        guard region.levels[output.value.index] <= number else {
          throw RegionError(
            kernel: graph.name,
            message: "'\(output.name)' is stored in pass \(number + 1), known in pass "
              + "\(region.levels[output.value.index] + 1)")
        }
        stored[index] += 1
      }
    }
    if let index = stored.firstIndex(where: { $0 != 1 }) {
      throw RegionError(
        kernel: graph.name,
        message: "'\(graph.outputs[index].name)' is stored \(stored[index]) times")
    }
  }
}
