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

/// Checks that values have as many elements as their roles say, that each is known where it is used, and
/// that every statistic is accumulated and every output stored once.
///
/// It says nothing of how few passes there could be: that is the planner's.
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
    let accumulated = try accumulatedStatistics(region)
    for id in graph.values {
      let node = graph[id]
      if node.op == .reshape { throw error("value \(id.index) is a reshape") }
      let (role, level) = (region.roles[id.index], region.levels[id.index])
      guard node.shape.rowExtent == (role == .row ? region.rowExtent : 1) else {
        throw error("value \(id.index) of shape \(node.shape) can't be a \(role)")
      }
      let isStatistic = node.op.traits.family == .statistic
      // A statistic needs its terms in the pass that accumulates it, and is known behind it.
      let pass = isStatistic ? accumulated[id] : level
      guard let pass else { throw error("statistic \(id.index) is never accumulated") }
      guard !isStatistic || level > pass else {
        throw error(
          "statistic \(id.index) can't be known in pass \(level + 1), it is accumulated in pass "
            + "\(pass + 1)")
      }
      for operand in node.operands {
        guard isStatistic || role == .row || region.roles[operand.index] == .scalar else {
          throw error("value \(id.index), a scalar, is computed from value \(operand.index), a row")
        }
        guard region.levels[operand.index] <= pass else {
          throw error(
            "value \(id.index) is computed in pass \(pass + 1) from value \(operand.index), known "
              + "in pass \(region.levels[operand.index] + 1)")
        }
      }
    }
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

  /// The pass that accumulates each statistic, counted from 0.
  private static func accumulatedStatistics(
    _ region: Region
  ) throws(RegionError) -> [ValueID: Int] {
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
    return accumulated
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
