/// Builds a graph from another, value by value: what every rewrite of a graph does.
///
/// A rewrite goes through the values in order and says for each what takes its place: a copy, another
/// operation, or a value that is there already.
public struct GraphBuilder: Sendable {
  /// The graph that is rewritten.
  public let source: Graph
  /// The nodes so far.
  public private(set) var nodes: [Node] = []
  /// What takes the place of each value of the source.
  private var values: [ValueID: ValueID] = [:]
  /// Whether equal values are one value.
  private let interns: Bool
  private var known: [Key: ValueID] = [:]

  private struct Key: Hashable {
    let op: Op
    let operands: [ValueID]
    let shape: Shape
  }

  /// A builder without nodes.
  ///
  /// - Parameter interns: Whether a value that is equal to one before is that one.
  public init(rewriting source: Graph, interning interns: Bool = false) {
    self.source = source
    self.interns = interns
  }

  /// What takes the place of a value of the source; nil before the rewrite has come to it.
  public subscript(id: ValueID) -> ValueID? {
    get { values[id] }
    set { values[id] = newValue }
  }

  /// A new value's node.
  public func node(_ id: ValueID) -> Node { nodes[id.index] }

  /// What takes the place of a value's operands; those that have nothing are left out.
  public func operands(of id: ValueID) -> [ValueID] {
    source[id].operands.compactMap { values[$0] }
  }

  /// Adds a value.
  ///
  /// - Returns: The value, or one that is equal if the builder interns.
  @discardableResult
  public mutating func add(
    _ op: Op, _ operands: [ValueID], shape: Shape, name: String? = nil, scope: ScopeID? = nil,
    location: SourceLocation? = nil
  ) -> ValueID {
    let key = Key(op: op, operands: operands, shape: shape)
    if interns, let known = known[key] { return known }
    let id = ValueID(nodes.count)
    nodes.append(
      Node(
        op: op, operands: operands, shape: shape, name: name, scope: scope, location: location))
    if interns { known[key] = id }
    return id
  }

  /// Adds a value of the source with what has taken the place of its operands.
  @discardableResult
  public mutating func copy(_ id: ValueID, operands: [ValueID]? = nil) -> ValueID {
    let node = source[id]
    let new = add(
      node.op, operands ?? self.operands(of: id), shape: node.shape, name: node.name,
      scope: node.scope, location: node.location)
    values[id] = new
    return new
  }

  /// Adds an input in place of a value of the source.
  @discardableResult
  public mutating func addInput(_ name: String, _ storage: DType, inPlaceOf id: ValueID) -> ValueID
  {
    let node = source[id]
    let new = add(
      .input(name: name, storage: storage), [], shape: node.shape, location: node.location)
    values[id] = new
    return new
  }

  /// The graph of the nodes.
  ///
  /// - Parameters:
  ///   - name: The name, that of the source if it is nil.
  ///   - inputs: Parameters among the new values; nil for what has taken the place of the source's.
  ///   - outputs: Outputs by values of the source; nil for the source's. Those whose value has nothing
  ///     in its place are left out.
  public func graph(
    name: String? = nil, inputs: [ValueID]? = nil, outputs: [Output]? = nil
  ) -> Graph {
    Graph(
      name: name ?? source.name, nodes: nodes,
      inputs: inputs ?? source.inputs.compactMap { values[$0] },
      outputs: (outputs ?? source.outputs).compactMap { output in
        values[output.value].map {
          Output(name: output.name, value: $0, storage: output.storage)
        }
      }, scopes: source.scopes)
  }
}

extension Graph {
  /// The graph without values that no output needs; inputs that none needs go, too.
  public func withoutUnused() -> Graph {
    var needed: Set<ValueID> = []
    var stack = outputs.map(\.value)
    while let id = stack.popLast() {
      if needed.insert(id).inserted { stack += self[id].operands }
    }
    var builder = GraphBuilder(rewriting: self)
    for id in needed.sorted() { builder.copy(id) }
    return builder.graph()
  }
}
