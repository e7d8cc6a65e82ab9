import NormGenIR

/// Prints regions for `explain` and for goldens.
public enum RegionPrinter {
  /// The passes of `region` with the values that each computes.
  ///
  /// ```
  /// region rms_norm: rows of 128, 2 passes
  /// pass 1
  ///   row     x = input bf16[rows, 128]
  ///   reduce  mean_square = mean of x·x over all 128
  /// pass 2
  ///   scalar  %4 = add(mean_square, 1e-06)
  ///   ...
  ///   store   y: bf16 = y
  /// ```
  ///
  /// A value is listed under the pass that can compute it first; later passes may compute it
  /// again.
  public static func text(of region: Region) -> String {
    let graph = region.graph
    let outer = region.outerExtents.map { "\($0) × " }.joined()
    let count = region.passes.count
    var lines = [
      "region \(graph.name): \(outer)rows of \(region.rowExtent), "
        + "\(count) \(count == 1 ? "pass" : "passes")"
    ]
    for (number, pass) in region.passes.enumerated() {
      lines.append("pass \(number + 1)")
      for id in graph.values where region.levels[id.index] == number {
        if [.constant, .statistic, .rowSum].contains(graph[id].op.traits.family) { continue }
        let role = word(region.roles[id.index])
        lines.append(entry(role, "\(name(id, graph)) = \(definition(id, graph))"))
      }
      for index in pass.scalarStores {
        lines.append(entry("store", store(index, graph) + ", one a row"))
      }
      for id in pass.statistics {
        let window = region.window(of: id)
        let part = window == region.rowExtent ? "all \(window)" : "the first \(window)"
        lines.append(
          entry("reduce", "\(name(id, graph)) = \(definition(id, graph)) over \(part)"))
      }
      for index in pass.stores { lines.append(entry("store", store(index, graph))) }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func entry(_ kind: String, _ text: String) -> String {
    "  " + kind + String(repeating: " ", count: max(0, 8 - kind.count)) + text
  }

  private static func word(_ role: Region.Role) -> String {
    switch role {
    case .row: "row"
    case .scalar: "scalar"
    }
  }

  private static func store(_ index: Int, _ graph: Graph) -> String {
    let output = graph.outputs[index]
    return "\(output.name): \(output.storage.rawValue) = \(name(output.value, graph))"
  }

  private static func name(_ id: ValueID, _ graph: Graph) -> String {
    graph.constant(id)?.description ?? graph[id].inputName ?? graph[id].name ?? "%\(id.index)"
  }

  private static func definition(_ id: ValueID, _ graph: Graph) -> String {
    let node = graph[id]
    let operands = node.operands.map { name($0, graph) }
    switch node.op {
    case .input(_, let storage): return "input \(storage.rawValue)\(node.shape)"
    case .constant(let bits): return Float(bitPattern: bits).description
    case .elementwise(let op): return "\(op.rawValue)(\(operands.joined(separator: ", ")))"
    case .statistic(let statistic):
      return "\(statistic.reduction.rawValue) of \(operands.joined(separator: "·"))"
    case .convert(let type): return "\(type.rawValue)(\(operands.joined()))"
    case .dequantize(let format): return "\(format.name) blocks of \(operands.joined())"
    case .reshape: return "reshape(\(operands.joined()), \(node.shape))"
    case .columns(let start, let count):
      return "columns \(start)..<\(start + count) of \(operands.joined())"
    case .concatenate: return "concatenate(\(operands.joined(separator: ", ")))"
    case .leadingPart(let count, let extent):
      return "the first \(count) of \(extent) of \(operands.joined())"
    case .rowSum(let sum):
      return "\(sum.aggregate.rawValue) over rows of \(operands.joined(separator: "·"))"
    case .outerSum:
      return "outer sum of \(operands.joined(separator: " and "))"
    case .matmul(let matmul):
      return "matmul(\((operands + matmul.arguments).joined(separator: ", ")))"
    }
  }
}
