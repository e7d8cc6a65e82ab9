import NormGenIR
import NormGenLoops

/// Takes computed weights out of a graph: each becomes a parameter, and the rows that it is computed in a
/// region of its own.
///
/// The first axis of the weights counts the region's rows. What they are computed from is read as such rows
/// or, where it lacks that axis, is the same in each.
struct WeightPlanner {
  private let graph: Graph
  private var names: NameAllocator
  private var computed: [Key: KernelPlan.PlannedWeights] = [:]
  /// In the order in which products meet them.
  private var planned: [KernelPlan.PlannedWeights] = []

  /// Weights in the order of one kind of product.
  private struct Key: Hashable {
    let value: ValueID
    let matmul: Matmul
  }

  /// The graph with a parameter, behind its own, for each computed weight matrix; its inputs that only
  /// those need are gone.
  ///
  /// - Throws: ``PlanError`` for weights that are not computed row by row.
  static func separated(
    from graph: Graph
  ) throws(PlanError) -> (graph: Graph, weights: [KernelPlan.PlannedWeights]) {
    try verifyBlocks(in: graph)
    let hasComputed = graph.nodes.contains { node in
      guard case .matmul = node.op else { return false }
      return graph.weightsInput(node.operands[1]) == nil
    }
    guard hasComputed else { return (graph, []) }
    var planner = WeightPlanner(graph: graph, names: NameAllocator(of: graph))
    return (try planner.rest(), planner.planned)
  }

  /// Checks that products alone read what blocks hold, along the blocks.
  private static func verifyBlocks(in graph: Graph) throws(PlanError) {
    let whole = graph.blockInputs
    for id in graph.values {
      for (place, operand) in graph[id].operands.enumerated() {
        guard case .dequantize(let format) = graph[operand].op,
          let input = graph[operand].operands.first, let name = graph[input].inputName
        else { continue }
        func refusal(_ reason: String, _ remedy: String) -> PlanError {
          PlanError(at: id, in: graph, reason, remedy: remedy)
        }
        guard case .matmul(let matmul) = graph[id].op, place == 1 else {
          throw refusal(
            "\(GraphPrinter(graph).label(of: id, in: graph)) is computed from the \(format.name) blocks "
              + "of '\(name)', which only products read", "give it their values as f32")
        }
        guard matmul.layout == .outIn else {
          throw refusal(
            "the \(format.name) blocks of '\(name)' lie along the axis that no product is summed over",
            "store the weights [out, in] and say 'layout: out_in'")
        }
        guard whole[input]?.value == operand else {
          throw refusal(
            "'\(name)' is read in another way than as \(format.name) blocks, too",
            "give it the bytes twice, under two names")
        }
        let accumulations = Set(
          graph.nodes.compactMap { node -> Matmul.Accumulation? in
            guard case .matmul(let other) = node.op, node.operands[1] == operand else { return nil }
            return other.accumulation
          })
        guard accumulations.count == 1 else {
          throw refusal(
            "the blocks of '\(name)' are read by products of their values and of integers, which read them "
              + "packed in ways of their own", "give it the bytes twice, under two names")
        }
        if let obstacle = PackedBlocks.obstacle(of: format) {
          throw refusal(
            "'\(name)' has blocks that cannot be packed: \(obstacle)", "give it their values as f32"
          )
        }
      }
    }
  }

  private mutating func rest() throws(PlanError) -> Graph {
    func operands(of node: Node) -> [ValueID] {
      guard case .matmul = node.op, graph.weightsInput(node.operands[1]) == nil else {
        return node.operands
      }
      return [node.operands[0]]
    }
    var needed: Set<ValueID> = []
    var stack = graph.outputs.map(\.value)
    while let id = stack.popLast() {
      if needed.insert(id).inserted { stack += operands(of: graph[id]) }
    }
    var builder = GraphBuilder(rewriting: graph)
    var parameters: [String: ValueID] = [:]
    var inputs: [ValueID] = []
    for id in needed.sorted() {
      let node = graph[id]
      guard case .matmul(let matmul) = node.op, operands(of: node).count == 1 else {
        builder.copy(id)
        continue
      }
      let weights = try weights(
        Key(value: node.operands[1], matmul: matmul), isKept: needed.contains(node.operands[1]))
      let parameter =
        parameters[weights.name]
        ?? builder.add(
          .input(name: weights.name, storage: weights.storage), [], shape: weights.shape,
          location: graph.location(of: node.operands[1]))
      if parameters.updateValue(parameter, forKey: weights.name) == nil { inputs.append(parameter) }
      builder.copy(id, operands: builder.operands(of: id).prefix(1) + [parameter])
    }
    return builder.graph(inputs: graph.inputs.compactMap { builder[$0] } + inputs)
  }

  /// - Parameter isKept: Whether the value has a use besides, and so its name.
  private mutating func weights(
    _ key: Key, isKept: Bool
  ) throws(PlanError) -> KernelPlan.PlannedWeights {
    if let known = computed[key] { return known }
    var rows = WeightRows(graph, key.value)
    let name: String
    if let own = graph[key.value].name {
      let isFirst = !computed.keys.contains { $0.value == key.value }
      name = isFirst && !isKept ? names.own(own) : names.fresh(own)
    } else {
      name = names.fresh("effective_\(rows.firstInput ?? "weights")")
    }
    let weights = try rows.planned(name: name)
    computed[key] = weights
    planned.append(weights)
    return weights
  }
}

/// The rows of one computed weight matrix as a graph.
private struct WeightRows {
  private let graph: Graph
  private let weights: ValueID
  /// The weights' first extent, which counts the rows.
  private let count: Int
  private var builder: GraphBuilder
  private var values: [Use: ValueID] = [:]
  private var sources: [ComputedWeights.Source] = []

  /// A value as something that has rows, or as something that all rows share.
  private struct Use: Hashable {
    let id: ValueID
    let hasRows: Bool
  }

  /// Elements of an input that lie there under another shape.
  private struct Leaf {
    let input: ValueID
    let offset: Int
    /// Elements of the input from row to row; nil if it has as many as the value.
    let stride: Int?
  }

  init(_ graph: Graph, _ weights: ValueID) {
    self.graph = graph
    self.weights = weights
    count = graph[weights].shape.extents.first ?? 1
    builder = GraphBuilder(rewriting: graph)
  }

  /// The first input that the weights are computed from.
  var firstInput: String? {
    var pending = [weights]
    var seen: Set<ValueID> = []
    while let id = pending.popLast() {
      if let name = graph[id].inputName { return name }
      pending += graph[id].operands.reversed().filter { seen.insert($0).inserted }
    }
    return nil
  }

  mutating func planned(name: String) throws(PlanError) -> KernelPlan.PlannedWeights {
    for use in try uses() { try add(use) }
    builder[weights] = values[Use(id: weights, hasRows: true)]
    let storage = graph[graph.beneathViews(weights)].op.traits.exactStorage
    let rows = builder.graph(
      name: "\(graph.name)_\(name)",
      inputs: builder.nodes.indices.map { ValueID($0) }
        .filter { builder.node($0).inputName != nil },
      outputs: [Output(name: name, value: weights, storage: storage)])
    let read = Set(sources.map(\.parameter))
    let region: Region
    do { region = try FusionPlanner.region(of: rows) } catch {
      throw PlanError(
        kernel: graph.name, reason: "the weights \(label) are computed row by row: \(error.reason)",
        remedy: "make them an input of this kernel", at: error.location)
    }
    return KernelPlan.PlannedWeights(
      name: name, storage: storage, shape: graph[weights].shape, region: region,
      inputs: graph.buffers.filter { !$0.isOutput && read.contains($0.name) }, sources: sources)
  }

  /// All that the weights are computed from, operands first.
  private func uses() throws(PlanError) -> [Use] {
    var found: Set<Use> = []
    var pending = [Use(id: weights, hasRows: true)]
    while let use = pending.popLast() {
      guard found.insert(use).inserted, leaf(of: use) == nil else { continue }
      pending += try operands(of: use)
    }
    return found.sorted { ($0.id, $0.hasRows ? 1 : 0) < ($1.id, $1.hasRows ? 1 : 0) }
  }

  private func operands(of use: Use) throws(PlanError) -> [Use] {
    let node = graph[use.id]
    switch node.op {
    case .input, .constant: return []
    case .elementwise, .convert, .statistic, .leadingPart:
      if case .statistic = node.op, use.hasRows, node.shape.extents.count < 2 {
        throw refusal(of: use.id, "runs along the weights' first axis")
      }
      let rank = node.shape.extents.count
      return node.operands.map { operand in
        let extents = graph[operand].shape.extents
        return Use(
          id: operand, hasRows: use.hasRows && extents.count == rank && extents.first == count)
      }
    case .reshape:
      let operand = node.operands[0]
      if use.hasRows, graph[operand].shape.extents.first != count {
        throw refusal(of: use.id, "takes the weights' first axis apart or puts it together")
      }
      return [Use(id: operand, hasRows: use.hasRows)]
    case .columns:
      let isInput = graph[graph.beneathReshapes(node.operands[0])].inputName != nil
      throw refusal(
        of: use.id,
        isInput
          ? "takes columns of an input with more axes" : "takes columns of a computed value")
    case .concatenate, .matmul: throw refusal(of: use.id, "has rows of its own")
    case .dequantize: throw refusal(of: use.id, "is read by products alone")
    case .rowSum, .outerSum: throw refusal(of: use.id, "is known when the last row is done")
    }
  }

  private var label: String { GraphPrinter(graph).label(of: weights, in: graph) }

  private func refusal(of id: ValueID, _ reason: String) -> PlanError {
    let printer = GraphPrinter(graph)
    return PlanError(
      at: id, in: graph,
      "the weights \(label) of shape \(graph[weights].shape) are "
        + "computed row by row, each for itself, from inputs, but \(printer.label(of: id, in: graph)) "
        + "\(reason); make it an input of this kernel")
  }

  /// Where the elements of a value lie in an input, if they lie there as they are.
  private func leaf(of use: Use) -> Leaf? {
    var id = use.id
    var (offset, stride): (Int, Int?) = (0, nil)
    if case .columns(let start, _) = graph[id].op {
      let base = graph[id].operands[0]
      let inner =
        use.hasRows ? graph[base].shape.extents.dropFirst() : graph[base].shape.extents[...]
      guard inner.dropLast().allSatisfy({ $0 == 1 }) else { return nil }
      (offset, stride) = (start, graph[base].shape.rowExtent)
      id = base
    }
    id = graph.beneathReshapes(id)
    guard graph[id].inputName != nil else { return nil }
    return Leaf(input: id, offset: offset, stride: stride)
  }

  /// The shape of a value in one row.
  private func shape(of use: Use) -> Shape {
    let extents = graph[use.id].shape.extents
    if use.hasRows {
      return Shape(hasRows: true, extents: extents.count > 1 ? Array(extents.dropFirst()) : [1])
    }
    // Axes of one element in front of a row's are none of it.
    let own = extents.drop { $0 == 1 }
    return Shape(hasRows: false, extents: own.isEmpty ? Array(extents.suffix(1)) : Array(own))
  }

  private mutating func add(_ use: Use) throws(PlanError) {
    let node = graph[use.id]
    if let leaf = leaf(of: use), case .input(let parameter, let storage) = graph[leaf.input].op {
      let shape = shape(of: use)
      let source = ComputedWeights.Source(
        name: fresh(parameter), parameter: parameter, hasRows: use.hasRows, offset: leaf.offset,
        stride: leaf.stride ?? shape.elementsPerRow)
      sources.append(source)
      values[use] = builder.add(
        .input(name: source.name, storage: storage), [], shape: shape, location: node.location)
      return
    }
    let operands = try operands(of: use).compactMap { values[$0] }
    let isRepeated = use.hasRows && !operands.contains { builder.node($0).shape.hasRows }
    guard !isRepeated else {
      throw refusal(of: use.id, "is the same in all rows")
    }
    do {
      let shape = try node.op.resultShape(
        of: operands.map { builder.node($0).shape }, requested: shape(of: use))
      values[use] = builder.add(
        node.op, operands, shape: shape, name: use.hasRows && use.id != weights ? node.name : nil,
        scope: node.scope,
        location: node.location)
    } catch { throw refusal(of: use.id, "does not fit one row: \(error)") }
  }

  /// The name of an input, with a number behind it if it is read in two ways.
  private func fresh(_ name: String) -> String {
    let taken = Set(sources.map(\.name))
    var candidate = name
    var number = 2
    while taken.contains(candidate) {
      candidate = "\(name)\(number)"
      number += 1
    }
    return candidate
  }
}
