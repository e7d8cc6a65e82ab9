import NormGen

extension FuzzCase {
  /// The operations, storage types, schedules, optimizations and kinds of calls that it has.
  public var features: Set<String> {
    var found: Set<String> = []
    for node in graph.nodes {
      found.insert(Self.name(of: node))
      if case .statistic(let statistic) = node.op {
        found.insert("window \(Self.name(of: statistic.window))")
      }
      if node.shape.extents.count > 1, node.shape.hasRows { found.insert("several axes") }
    }
    for output in graph.outputs { found.insert("store \(output.storage)") }
    if graph.outputs.count > 1 { found.insert("several outputs") }
    found.formUnion(sizes)
    for schedule in schedules.compactMap({ $0 }) {
      let products = schedule.matmul?.products.values
      if products?.contains(where: \.packsWeights) == true { found.insert("packed weights") }
      if schedule.matmul?.chunkRows != nil { found.insert("chunk rows") }
      if schedule.regions.values.contains(where: { $0.streamingBytes != nil }) {
        found.insert("streaming stores")
      }
    }
    for optimization in optimizations { found.insert("optimization \(optimization)") }
    for call in calls {
      if call.firstSpecial != nil { found.insert("special rows") }
      if call.rows == 0 { found.insert("no rows") }
      if call.rows > RowSumOrder.block { found.insert("blocks of rows") }
    }
    return found
  }

  /// In which ways the kernel is large.
  private var sizes: Set<String> {
    var found: Set<String> = []
    func count(_ isCounted: (Op) -> Bool) -> Int { graph.nodes.count { isCounted($0.op) } }
    if count({ if case .matmul = $0 { true } else { false } }) >= 16 {
      found.insert("many products")
    }
    if count({ if case .statistic = $0 { true } else { false } }) >= 20 {
      found.insert("many statistics")
    }
    let computesWeights = graph.nodes.contains { node in
      if case .matmul = node.op { graph[node.operands[1]].inputName == nil } else { false }
    }
    if computesWeights { found.insert("computed weights") }
    if graph.nodes.count >= 100 { found.insert("long chain") }
    if graph.inputs.count >= 10 { found.insert("many inputs") }
    if graph.outputs.count >= 10 { found.insert("many outputs") }
    if graph.nodes.contains(where: { $0.shape.extents.count > 3 }) { found.insert("many axes") }
    if graph.inputs.contains(where: { (graph[$0].inputName?.count ?? 0) > 150 }) {
      found.insert("long names")
    }
    return found
  }

  private static func name(of node: Node) -> String {
    let factors = node.operands.count > 1 ? " of a product" : ""
    return switch node.op {
    case .input(_, let storage): "load \(storage)"
    case .constant: "constant"
    case .elementwise(let op): op.rawValue
    case .statistic(let statistic): "row \(statistic.reduction)\(factors)"
    case .convert(let type): "convert to \(type)"
    case .dequantize(let format): "blocks of \(format.name)"
    case .reshape: "reshape"
    case .columns: "columns"
    case .concatenate: "concatenate"
    case .leadingPart: "leading_part"
    case .matmul(let matmul) where matmul.accumulation == .int8 && node.operands.count == 2:
      "matmul int8 of i8"
    case .matmul(let matmul):
      matmul.accumulation == .fused
        ? "matmul \(matmul.layout.rawValue)" : "matmul \(matmul.accumulation.rawValue)"
    case .rowSum(let sum): "\(sum.functionName)\(factors)"
    case .outerSum: "outer_sum"
    }
  }

  private static func name(of window: StatisticWindow) -> String {
    switch window {
    case .all: "all"
    case .leadingCount: "leading"
    case .leadingFraction(_, let rounding): "fraction \(rounding)"
    }
  }
}
