/// What one node of a graph computes.
public enum Op: Hashable, Sendable {
  /// A tensor handed to the kernel, widened to Float32 where it is read.
  case input(name: String, storage: DType)
  /// A Float32 constant, by bit pattern so that equality is exact.
  case constant(bits: UInt32)
  /// A scalar operation on every element.
  case elementwise(ElementwiseOp)
  /// A number per row.
  case statistic(Statistic)
  /// An explicit rounding point: the nearest value of the type, ties to even.
  case convert(DType)
  /// The values of blocks, whose bytes the operand holds, an input stored as u8.
  case dequantize(BlockFormat)
  /// The same elements in row-major order under the node's shape.
  case reshape
  /// `count` consecutive elements of the last axis, from `start` on.
  case columns(start: Int, count: Int)
  /// The rows of the operands one behind the other along the last axis, bit for bit; an operand
  /// without rows stands in each row.
  case concatenate
  /// The first `count` elements of a row of `extent`, +0 behind them; an operand whose last axis
  /// has one element is repeated.
  case leadingPart(count: Int, extent: Int)
  /// The rows of a value times a weight matrix.
  case matmul(Matmul)
  /// A sum over rows.
  case rowSum(RowSum)
  /// Σ over rows of xᵢ · yⱼ, in the order of ``RowSumOrder``: the gradient of a matmul's weights.
  case outerSum

  /// A constant operation.
  public static func constant(_ value: Float) -> Op { .constant(bits: value.bitPattern) }
}

/// The index of a node in ``Graph/nodes``.
public struct ValueID: Hashable, Sendable, Comparable {
  /// The position in ``Graph/nodes``.
  public let index: Int

  /// Names the node at `index`.
  public init(_ index: Int) { self.index = index }

  public static func < (left: ValueID, right: ValueID) -> Bool { left.index < right.index }
}

/// The index of a composition scope in ``Graph/scopes``.
public struct ScopeID: Hashable, Sendable {
  /// The position in ``Graph/scopes``.
  public let index: Int

  /// Names the scope at `index`.
  public init(_ index: Int) { self.index = index }
}

/// A named composition of primitives, such as `rms_norm`; kept for printing and for comments.
public struct Scope: Hashable, Sendable {
  /// The composition's name.
  public let name: String
  /// The scope it was composed in.
  public let parent: ScopeID?

  /// Creates a scope.
  public init(name: String, parent: ScopeID?) {
    self.name = name
    self.parent = parent
  }
}

/// One value of a graph.
public struct Node: Hashable, Sendable {
  /// What is computed.
  public let op: Op
  /// The values it is computed from; each precedes this node.
  public let operands: [ValueID]
  /// The shape of the result.
  public let shape: Shape
  /// A name for printing, unique in the graph; nil for an anonymous value.
  public let name: String?
  /// The innermost composition that the value belongs to.
  public let scope: ScopeID?
  /// Where it was written, for errors; no part of the meaning, and so of equality.
  public let location: SourceLocation?

  /// Creates a node.
  public init(
    op: Op, operands: [ValueID], shape: Shape, name: String? = nil, scope: ScopeID? = nil,
    location: SourceLocation? = nil
  ) {
    self.location = location
    self.op = op
    self.operands = operands
    self.shape = shape
    self.name = name
    self.scope = scope
  }

  public static func == (left: Node, right: Node) -> Bool {
    left.op == right.op && left.operands == right.operands && left.shape == right.shape
      && left.name == right.name && left.scope == right.scope
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(op)
    hasher.combine(operands)
    hasher.combine(shape)
    hasher.combine(name)
    hasher.combine(scope)
  }

  /// The parameter's name, if the node is an input.
  public var inputName: String? {
    guard case .input(let name, _) = op else { return nil }
    return name
  }
}

/// A tensor that a kernel writes.
public struct Output: Hashable, Sendable {
  /// The parameter's name.
  public let name: String
  /// The value that is stored.
  public let value: ValueID
  /// The type it is rounded to and stored in.
  public let storage: DType

  /// Creates an output.
  public init(name: String, value: ValueID, storage: DType) {
    self.name = name
    self.value = value
    self.storage = storage
  }
}

/// A kernel as a graph of primitives: the full meaning, with every rounding point and sum order.
///
/// Nodes are in topological order and interned: no two have the same operation, operands and
/// shape.
public struct Graph: Hashable, Sendable {
  /// The kernel's name, a C identifier.
  public let name: String
  /// All values, operands before users.
  public let nodes: [Node]
  /// The input nodes in parameter order.
  public let inputs: [ValueID]
  /// The outputs in parameter order; they follow the inputs.
  public let outputs: [Output]
  /// The composition scopes that nodes refer to.
  public let scopes: [Scope]

  /// Creates a graph without checking it; see ``GraphVerifier``.
  public init(
    name: String, nodes: [Node], inputs: [ValueID], outputs: [Output], scopes: [Scope]
  ) {
    self.name = name
    self.nodes = nodes
    self.inputs = inputs
    self.outputs = outputs
    self.scopes = scopes
  }

  /// The node that `id` names.
  public subscript(id: ValueID) -> Node { nodes[id.index] }

  /// Every node's identifier in topological order.
  public var values: [ValueID] { nodes.indices.map { ValueID($0) } }

  /// How many operands and outputs refer to each node.
  public var useCounts: [Int] {
    var counts = [Int](repeating: 0, count: nodes.count)
    for node in nodes {
      for operand in node.operands { counts[operand.index] += 1 }
    }
    for output in outputs { counts[output.value.index] += 1 }
    return counts
  }

  /// The value whose elements `id` shows under another shape, or `id` itself.
  public func beneathReshapes(_ id: ValueID) -> ValueID {
    var id = id
    while case .reshape = self[id].op, let operand = self[id].operands.first { id = operand }
    return id
  }

  /// The input that a product reads as its weights, as it is or in blocks; nil if they are computed.
  public func weightsInput(_ weights: ValueID) -> ValueID? {
    if self[weights].inputName != nil { return weights }
    guard case .dequantize = self[weights].op else { return nil }
    return self[weights].operands.first
  }

  /// The name of the input that a matmul reads as its weights; nil if they are computed.
  public func weightsName(of matmul: ValueID) -> String? {
    weightsInput(self[matmul].operands[1]).flatMap { self[$0].inputName }
  }

  /// How many successive elements of a matmul's value share one of its scales; nil without scales.
  public func scaleGroup(of matmul: ValueID) -> Int? {
    let operands = self[matmul].operands
    guard operands.count > 2 else { return nil }
    return self[operands[0]].shape.rowExtent / self[operands[2]].shape.elementsPerRow
  }

  /// The inputs that are nothing but blocks of one format, each with the value that they hold.
  public var blockInputs: [ValueID: (value: ValueID, format: BlockFormat)] {
    let useCounts = useCounts
    var found: [ValueID: (value: ValueID, format: BlockFormat)] = [:]
    for id in values {
      guard case .dequantize(let format) = self[id].op, let input = self[id].operands.first,
        useCounts[input.index] == 1
      else { continue }
      found[input] = (id, format)
    }
    return found
  }

  /// The value that has all elements of weights as they are: beneath reshapes and columns.
  public func beneathViews(_ id: ValueID) -> ValueID {
    var id = id
    while self[id].op.isView, let operand = self[id].operands.first { id = operand }
    return id
  }

  /// Where a value was written, or what it is computed from; nil if nothing of it is known.
  public func location(of id: ValueID) -> SourceLocation? {
    var pending = [id]
    var seen: Set<ValueID> = []
    while let next = pending.popLast() {
      if let location = self[next].location { return location }
      pending += self[next].operands.reversed().filter { seen.insert($0).inserted }
    }
    return nil
  }

  /// Whether the node's value is taken over all rows, and so known only when the last row is done.
  public func isOverRows(_ id: ValueID) -> Bool {
    self[id].op.traits.isOverRows
  }

  /// The constant a node holds, if it is one.
  public func constant(_ id: ValueID) -> Float? {
    guard case .constant(let bits) = self[id].op else { return nil }
    return Float(bitPattern: bits)
  }
}
