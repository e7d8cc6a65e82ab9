public import NormGenIR

/// A named kernel: the tensors it stores, and through them all that it computes.
public struct Kernel: Sendable {
  /// One tensor that the kernel writes.
  public struct Output: Sendable {
    let name: String
    let tensor: Tensor
    let storage: DType?

    /// Stores `tensor` under `name`, rounded once to `storage` (by default the tensor's own type).
    public init(_ name: String, _ tensor: Tensor, as storage: DType? = nil) {
      self.name = name
      self.tensor = tensor
      self.storage = storage
    }
  }

  /// The kernel's name: the C function's, so a C identifier.
  public let name: String
  private let outputs: [Output]
  private let location: SourceLocation
  private let parameterOrder: [String]?
  /// Activations of the kernel that this one was made from.
  private let inherited: [Activation]

  /// A kernel with one output, named `y`.
  public init(
    _ name: String, _ output: Tensor, fileID: String = #fileID, line: UInt = #line
  ) {
    self.init(name, outputs: [Output("y", output)], fileID: fileID, line: line)
  }

  /// A kernel with named outputs, in parameter order.
  public init(
    _ name: String, outputs: KeyValuePairs<String, Tensor>, fileID: String = #fileID,
    line: UInt = #line
  ) {
    self.init(
      name, outputs: outputs.map { Output($0.key, $0.value) }, fileID: fileID, line: line)
  }

  /// A kernel with outputs of chosen types, in parameter order.
  public init(
    _ name: String, outputs: [Output], fileID: String = #fileID, line: UInt = #line
  ) {
    self.name = name
    self.outputs = outputs
    self.location = SourceLocation(fileID: fileID, line: line)
    self.parameterOrder = nil
    self.inherited = []
  }

  init(
    _ name: String, outputs: [Output], parameterOrder: [String], activations: [Activation] = []
  ) {
    self.name = name
    self.outputs = outputs
    self.location = SourceLocation(fileID: "", line: 0)
    self.parameterOrder = parameterOrder
    self.inherited = activations
  }

  /// The activations with derivatives of their own that the kernel is made with.
  var activations: [Activation] {
    var found = inherited
    var seen: Set<ObjectIdentifier> = []
    for node in Freezer.reachable(from: outputs.map(\.tensor.node)) {
      var scope = node.scope
      while let path = scope, seen.insert(ObjectIdentifier(path)).inserted {
        if let activation = path.activation, activation.derivative != nil {
          found.append(activation)
        }
        scope = path.parent
      }
    }
    return found
  }

  /// The kernel's meaning as a verified graph.
  ///
  /// Inputs become parameters in the order in which they were created.
  ///
  /// - Throws: ``GraphError`` with the place in the source of the first mistake.
  public func graph() throws(GraphError) -> Graph {
    for output in outputs {
      if let error = output.tensor.node.error {
        throw GraphError(error.reason, at: error.location ?? location, kernel: name)
      }
    }
    let frozen = try Freezer.freeze(
      name: name,
      outputs: outputs.map { ($0.name, $0.tensor.node, $0.storage ?? $0.tensor.storage ?? .f32) },
      parameterOrder: parameterOrder)
    do {
      try GraphVerifier.verify(frozen)
    } catch {
      throw GraphError(
        error.reason, at: error.location ?? (location.line > 0 ? location : nil), kernel: name)
    }
    return frozen
  }
}
