public import NormGen

/// A kernel as a sequence of separately compiled kernels: what fusing its matmuls saves is measured
/// against it.
///
/// Every matmul is a kernel that reads stored rows and stores its products, and so is every sum of
/// products of two rows' elements; what stands between them is one kernel of rows. Values pass in memory, in the narrowest type that holds them
/// exactly, so that the outputs have the fused kernel's bits.
public struct UnfusedKernel: Sendable {
  /// A value that passes from one part to another.
  public struct Passed: Hashable, Sendable {
    /// The parameter's name in both.
    public let name: String
    /// The value of the whole graph.
    public let value: ValueID
    /// The type that holds it exactly.
    public let storage: DType
  }

  /// The graph that the parts compute together.
  public let graph: Graph
  /// The parts in an order in which each finds what it reads.
  public private(set) var parts: [Graph] = []
  /// The values that pass between parts and are no outputs of the graph.
  public private(set) var passed: [Passed] = []

  /// Products that stand one behind the other before each value.
  private let depths: [Int]
  /// Values that are stored, under the name of the parameter that holds them.
  private var stored: [ValueID: Passed] = [:]
  private var names: Set<String>

  /// Cuts `graph` at its matmuls.
  public init(_ graph: Graph) {
    self.graph = graph
    var depths: [Int] = []
    for node in graph.nodes {
      let depth = node.operands.map { depths[$0.index] }.max() ?? 0
      depths.append(node.isProduct ? depth + 1 : depth)
    }
    self.depths = depths
    names = Set(graph.nodes.compactMap { $0.inputName ?? $0.name } + graph.outputs.map(\.name))
    for depth in 0...(depths.max() ?? 0) {
      for id in graph.values where graph[id].isProduct && depths[id.index] == depth {
        addPart([id], name: "product")
      }
      for roots in rowGroups(depth) { addPart(roots, name: "rows") }
      let sums = Set(graph.outputs.map(\.value)).filter {
        isOuterSum($0) && depths[$0.index] == depth
      }
      for id in sums.sorted() { addPart([id], name: "sums") }
    }
  }

  // MARK: Which values are stored

  /// The values of a depth that something outside its row kernels needs, by what they share.
  private func rowGroups(_ depth: Int) -> [[ValueID]] {
    let roots = graph.values.filter { id in
      depths[id.index] == depth && (isComputed(id) && isNeededElsewhere(id) || isCopied(id))
    }
    var groups: [(values: Set<ValueID>, roots: [ValueID])] = []
    for root in roots {
      var merged = (values: computed(for: [root]), roots: [root])
      groups.removeAll { group in
        guard !group.values.isDisjoint(with: merged.values) else { return false }
        merged = (group.values.union(merged.values), group.roots + merged.roots)
        return true
      }
      groups.append(merged)
    }
    return groups.map { $0.roots.sorted() }
  }

  /// Whether a kernel of rows computes the value; what has no rows is computed wherever it is used,
  /// unless it is taken over all rows.
  private func isComputed(_ id: ValueID) -> Bool {
    let isOverRows = graph.isOverRows(graph.beneathReshapes(id)) && !isOuterSum(id)
    return (graph[id].shape.hasRows || isOverRows) && graph[id].inputName == nil
      && !graph[id].isProduct
  }

  /// Whether an input is also an output.
  private func isCopied(_ id: ValueID) -> Bool {
    graph[id].inputName != nil && graph.outputs.contains { $0.value == id }
  }

  private func isOuterSum(_ id: ValueID) -> Bool {
    graph[graph.beneathReshapes(id)].op == .outerSum
  }

  private func isNeededElsewhere(_ id: ValueID) -> Bool {
    if graph.outputs.contains(where: { $0.value == id }) { return true }
    return users(of: id).contains { user in
      graph[user].op.traits.family == .product
        || depths[user.index] > depths[id.index]
    }
  }

  private func users(of id: ValueID) -> [ValueID] {
    graph.values.filter { graph[$0].operands.contains(id) }
  }

  /// What a kernel of rows computes for its roots, apart from what it reads and shares freely.
  private func computed(for roots: [ValueID]) -> Set<ValueID> {
    var result: Set<ValueID> = []
    var stack = roots
    while let id = stack.popLast() {
      guard stored[id] == nil, isComputed(id), result.insert(id).inserted else { continue }
      stack += graph[id].operands
    }
    return result
  }

  /// The narrowest type that every use of a value allows.
  private func exactStorage(of id: ValueID) -> DType {
    let traits = graph[graph.beneathReshapes(id)].op.traits
    // Nothing else reads what is taken over all rows.
    if traits.isOverRows { return graph.outputs.first { $0.value == id }?.storage ?? .f32 }
    guard graph[id].isProduct else { return traits.exactStorage }
    var types: Set<DType> = []
    for user in users(of: id) {
      guard case .convert(let type) = graph[user].op else { return .f32 }
      types.insert(type)
    }
    types.formUnion(graph.outputs.filter { $0.value == id }.map(\.storage))
    return types.count == 1 ? types.first ?? .f32 : .f32
  }

  // MARK: Parts

  /// Adds a kernel that stores `roots`.
  private mutating func addPart(_ roots: [ValueID], name: String) {
    var outputs: [(value: ValueID, output: Output)] = []
    var kept: [Passed] = []
    for root in roots {
      let storage = exactStorage(of: root)
      let given = graph.outputs.filter { $0.value == root }
      outputs += given.map { (root, $0) }
      guard graph[root].inputName == nil else { continue }
      if let same = given.first(where: { $0.storage == storage }) {
        kept.append(Passed(name: same.name, value: root, storage: storage))
      } else {
        let value = Passed(name: fresh("passed_\(root.index)"), value: root, storage: storage)
        outputs.append((root, Output(name: value.name, value: root, storage: storage)))
        passed.append(value)
        kept.append(value)
      }
    }
    parts.append(part(of: outputs, name: "\(graph.name)_\(name)\(parts.count + 1)"))
    for value in kept { stored[value.value] = value }
  }

  private mutating func fresh(_ wanted: String) -> String {
    var name = wanted
    while !names.insert(name).inserted { name += "_" }
    return name
  }

  /// The part of the graph that computes `outputs` from parameters and stored values.
  private func part(of outputs: [(value: ValueID, output: Output)], name: String) -> Graph {
    var needed: Set<ValueID> = []
    var stack = outputs.map(\.value)
    while let id = stack.popLast() {
      guard needed.insert(id).inserted, stored[id] == nil else { continue }
      stack += graph[id].operands
    }
    var builder = GraphBuilder(rewriting: graph)
    var inputs: [ValueID] = []
    for id in graph.values where needed.contains(id) {
      let node = graph[id]
      if let value = stored[id] {
        inputs.append(builder.addInput(value.name, value.storage, inPlaceOf: id))
      } else {
        let outputName = outputs.first { $0.value == id }?.output.name
        let new = builder.add(
          node.op, builder.operands(of: id), shape: node.shape, name: outputName ?? node.name,
          scope: node.scope)
        builder[id] = new
        if node.inputName != nil { inputs.append(new) }
      }
    }
    return builder.graph(
      name: name, inputs: inputs,
      outputs: outputs.map { value, output in
        Output(name: output.name, value: value, storage: output.storage)
      })
  }
}

extension Node {
  /// Whether it is a product with weights.
  fileprivate var isProduct: Bool { op.traits.family == .product && !op.traits.isOverRows }
}
