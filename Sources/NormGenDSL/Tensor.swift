public import NormGenIR
private import Synchronization

/// A value of a kernel under construction: immutable, and computed by nothing until it is compiled.
///
/// Tensors form a graph that may share values. A tensor made from operands that do not fit
/// carries the error, which `Kernel.graph()` throws with the place it came from.
///
/// Equality is identity.
public struct Tensor: Sendable {
  let node: TensorNode
  /// The type that the value is stored in if it becomes an output without a type of its own.
  ///
  /// It is the promotion of the operands' types: two equal types stay, different ones give f32,
  /// and so do i8 and u8, for what is computed from integers is none. Constants and statistics do not
  /// take part.
  public let storage: DType?

  init(node: TensorNode, storage: DType?) {
    self.node = node
    self.storage = storage
  }

  /// The shape; a scalar's if the tensor carries an error.
  public var shape: Shape { node.shape }

  /// Whether two tensors are the same value.
  public func isIdentical(to other: Tensor) -> Bool { node === other.node }

  /// A tensor that the kernel reads.
  ///
  /// - Parameters:
  ///   - name: The parameter's name in C and in calls.
  ///   - axes: The shape; its last axis is the row. A shape that begins with `.rows` has one such
  ///     row set for each row, any other is shared by all rows.
  ///   - storage: The type of the elements in memory.
  public static func input(
    _ name: String, _ axes: [Extent], _ storage: DType,
    fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    let location = SourceLocation(fileID: fileID, line: line)
    do {
      let shape = try Shape(axes)
      return make(
        .input(name: name, storage: storage), [], requested: shape, storage: storage,
        location: location)
    } catch {
      return Tensor(failed: GraphError(.shape(error), at: location))
    }
  }

  /// A tensor that the kernel reads from blocks of integers and scales, such as a model's weights in
  /// ggml's q4_0; all rows share it.
  ///
  /// The parameter's memory holds the blocks of a row one after the other, and one row after the other:
  /// u8 of shape [..., row / ``BlockFormat/elementCount`` · ``BlockFormat/byteCount``].
  ///
  /// - Parameters:
  ///   - name: The parameter's name in C and in calls.
  ///   - axes: The shape of the values; the last extent is a multiple of the elements of a block.
  ///   - format: How a block holds its values.
  public static func input(
    _ name: String, _ axes: [Extent], _ format: BlockFormat,
    fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    let location = SourceLocation(fileID: fileID, line: line)
    do {
      let bytes = try format.bytes(of: try Shape(axes))
      return make(
        .input(name: name, storage: .u8), [], requested: bytes, storage: .u8, location: location
      ).dequantized(from: format, fileID: fileID, line: line)
    } catch {
      return Tensor(failed: GraphError(.shape(error), at: location))
    }
  }

  /// The values of blocks, whose bytes the tensor holds, an input stored as u8 without rows.
  ///
  /// Values are ``BlockFormat``'s, Float32 after its roundings. Only matmuls read them.
  public func dequantized(
    from format: BlockFormat, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    let location = SourceLocation(fileID: fileID, line: line)
    let values = Tensor.make(.dequantize(format), [self], storage: nil, location: location)
    guard values.node.error == nil, let refusal = format.refusal(of: node.op) else {
      return values
    }
    return Tensor(failed: GraphError(refusal, at: TensorNode.place ?? location))
  }

  /// A Float32 constant.
  public static func constant(_ value: Float) -> Tensor {
    make(.constant(value), [], storage: nil, location: nil)
  }

  /// The tensor under a name of its own, for the text form and the emitted C.
  public func named(_ name: String) -> Tensor {
    Tensor(node: node.renamed(name), storage: storage)
  }

  /// The tensor with another default storage type; the value itself does not change.
  public func stored(as storage: DType?) -> Tensor { Tensor(node: node, storage: storage) }

  /// The type that a norm of the tensor is stored in.
  var resultStorage: DType? { DType.promoted([storage]) }

  /// An explicit rounding point: the nearest value of `type`, ties to even.
  ///
  /// What lies beyond a floating-point type's range is infinite, NaN in f8_e4m3; see
  /// ``rounded(to:overflow:fileID:line:)``. Rounding to i8 or u8 saturates, gives 0 for NaN and +0 for −0.
  public func rounded(
    to type: DType, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    Tensor.make(
      .convert(type), [self], storage: type, location: SourceLocation(fileID: fileID, line: line))
  }

  /// The same elements in row-major order under another shape, such as one row per head.
  public func reshaped(
    _ axes: [Extent], fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    let location = SourceLocation(fileID: fileID, line: line)
    do {
      let shape = try Shape(axes)
      if node.error == nil, shape == self.shape { return self }
      return Tensor.make(.reshape, [self], requested: shape, storage: storage, location: location)
    } catch {
      return Tensor(failed: node.error ?? GraphError(.shape(error), at: location))
    }
  }

  /// Runs `body` inside a named composition: values created in it are printed as one block.
  ///
  /// In an error of the planner a value of `body` has its own place.
  public static func composed<Result>(_ name: String, _ body: () -> Result) -> Result {
    composed(name, of: nil, body)
  }

  /// A composition that is an activation, which gradients ask for its derivative.
  static func composed<Result>(
    _ name: String, of activation: Activation?, _ body: () -> Result
  ) -> Result {
    let path = ScopePath(name: name, parent: TensorNode.scope, activation: activation)
    return TensorNode.$scope.withValue(path, operation: body)
  }
}

extension Tensor {
  /// Runs `body` inside a named composition whose values are all written at one place.
  static func composed<Result>(
    _ name: String, _ fileID: String, _ line: UInt, _ body: () -> Result
  ) -> Result {
    let place = TensorNode.place ?? SourceLocation(fileID: fileID, line: line)
    return TensorNode.$place.withValue(place) { composed(name, body) }
  }

  init(failed error: GraphError) {
    let node = TensorNode(
      op: .constant(0), operands: [], shape: .scalar, name: nil, location: error.location,
      error: error)
    self.init(node: node, storage: nil)
  }

  /// Applies an operation; the result's storage is the promotion of the operands'.
  static func apply(
    _ op: ElementwiseOp, _ operands: [Tensor], fileID: String? = nil, line: UInt = 0
  ) -> Tensor {
    let location = fileID.map { SourceLocation(fileID: $0, line: line) }
    return make(
      .elementwise(op), operands, storage: DType.promoted(operands.map(\.storage)),
      location: location)
  }

  static func make(
    _ op: Op, _ operands: [Tensor], requested: Shape = .scalar, storage: DType?,
    location: SourceLocation?
  ) -> Tensor {
    if let error = operands.lazy.compactMap(\.node.error).first {
      return Tensor(failed: error)
    }
    if operands.contains(where: { $0.node.depth >= TensorNode.deepest }) {
      let place = TensorNode.place ?? location ?? operands.lazy.compactMap(\.node.location).first
      return Tensor(failed: GraphError(.tooDeep(limit: TensorNode.deepest), at: place))
    }
    do {
      let shape = try op.resultShape(of: operands.map(\.shape), requested: requested)
      let node = TensorNode(
        op: op, operands: operands.map(\.node), shape: shape, name: nil, location: location,
        error: nil)
      return Tensor(node: node, storage: storage)
    } catch {
      let place = TensorNode.place ?? location ?? operands.lazy.compactMap(\.node.location).first
      return Tensor(failed: GraphError(.shape(error), at: place))
    }
  }
}

extension DType {
  /// The type that what is computed from values of several types is stored in: their own if it is
  /// one and holds fractions, else f32; nil if none has a type.
  public static func promoted(_ types: [DType?]) -> DType? {
    let known = Set(types.compactMap { $0 })
    guard let first = known.first else { return nil }
    return known.count == 1 && first.holdsFractions ? first : .f32
  }
}

/// One vertex of the graph under construction.
final class TensorNode: Sendable {
  @TaskLocal static var scope: ScopePath?
  /// Where the values being made are written, which nobody but a reader of text or a norm knows.
  @TaskLocal static var place: SourceLocation?
  private static let counter = Atomic<UInt64>(0)
  /// A limit far above any model, so that nothing that follows operands exhausts the stack.
  static let deepest = 1000

  /// Grows with creation, so that sorting by it gives the order in which the code was written.
  let sequence: UInt64
  let op: Op
  // Changed only where nothing else can reach the node.
  nonisolated(unsafe) private(set) var operands: [TensorNode]
  /// The number of values on the longest way to an input, this one included.
  let depth: Int
  let shape: Shape
  let name: String?
  let scope: ScopePath?
  let location: SourceLocation?
  let error: GraphError?
  /// For an input that holds a saved value: how that is computed.
  nonisolated(unsafe) private(set) var saved: TensorNode?

  init(
    op: Op, operands: [TensorNode], shape: Shape, name: String?, location: SourceLocation?,
    error: GraphError?, saved: TensorNode? = nil
  ) {
    self.saved = saved
    self.sequence = TensorNode.counter.wrappingAdd(1, ordering: .relaxed).newValue
    self.op = op
    self.operands = operands
    self.depth = 1 + (operands.lazy.map(\.depth).max() ?? 0)
    self.shape = shape
    self.name = name
    self.scope = TensorNode.scope
    self.location = TensorNode.place ?? location
    self.error = error
  }

  private init(_ other: TensorNode, name: String) {
    self.sequence = other.sequence
    self.op = other.op
    self.operands = other.operands
    self.depth = other.depth
    self.shape = other.shape
    self.name = name
    self.scope = other.scope
    self.location = other.location
    self.error = other.error
    self.saved = other.saved
  }

  func renamed(_ name: String) -> TensorNode { TensorNode(self, name: name) }

  /// Frees what only this node leads to, without a stack frame for each node of a chain.
  deinit {
    var pending = operands + (saved.map { [$0] } ?? [])
    operands = []
    saved = nil
    while var node = pending.popLast() {
      guard isKnownUniquelyReferenced(&node) else { continue }
      pending += node.operands
      if let saved = node.saved { pending.append(saved) }
      node.operands = []
      node.saved = nil
    }
  }
}

/// The compositions that a value was created in, innermost first.
final class ScopePath: Sendable {
  let name: String
  // Changed only where nothing else can reach the path.
  nonisolated(unsafe) private(set) var parent: ScopePath?
  /// The activation that the composition is, if it is one.
  let activation: Activation?

  init(name: String, parent: ScopePath?, activation: Activation? = nil) {
    self.name = name
    self.parent = parent
    self.activation = activation
  }

  /// Frees what only this path leads to, without a stack frame for each composition.
  deinit {
    var next = parent
    parent = nil
    while var path = next, isKnownUniquelyReferenced(&path) {
      next = nil
      next = path.parent
      path.parent = nil
    }
  }
}
