public import NormGenIR

/// A dense row-major tensor in this process's memory, aligned to 64 bytes.
///
/// A value type: copies share memory until one of them is changed.
public struct HostTensor: Sendable {
  /// The extents, outermost first.
  public let shape: [Int]
  /// The type of the elements in memory.
  public let storage: DType
  /// Shared between copies, and written only while it has one owner.
  private var memory: AlignedMemory

  /// The number of elements.
  public var count: Int { memory.bytes.count / storage.byteCount }
  /// The number of bytes.
  public var byteCount: Int { memory.bytes.count }

  /// A tensor of zeros.
  ///
  /// - Throws: ``TensorError/shape(_:)`` for a negative extent or more elements than addresses,
  ///   ``TensorError/memory(byteCount:)`` where the system has no memory for it.
  public init(zeros shape: [Int], _ storage: DType) throws(TensorError) {
    self.shape = shape
    self.storage = storage
    memory = try AlignedMemory(
      byteCount: try HostTensor.count(of: shape) * storage.byteCount, isZero: true)
  }

  /// A tensor of values, each rounded once to the type.
  ///
  /// - Throws: ``TensorError`` when the number of values is not the shape's or the system has no
  ///   memory for them.
  public init(
    _ values: some Collection<Double>, shape: [Int], _ storage: DType
  ) throws(TensorError) {
    let expected = try HostTensor.count(of: shape)
    guard values.count == expected else {
      throw .elementCount(shape: shape, expected: expected, found: values.count)
    }
    var values = values.makeIterator()
    // There are as many values as elements.
    try self.init(shape: shape, storage) { values.next() ?? 0 }
  }

  /// A tensor of the values that `next` gives one after the other, row-major, each rounded once to
  /// the type.
  ///
  /// - Throws: ``TensorError`` for a shape that is none or that the system has no memory for; `next`
  ///   has not been called then.
  public init(
    shape: [Int], _ storage: DType, next: () -> Double
  ) throws(TensorError) {
    try self.init(zeros: shape, storage)
    for index in 0..<count {
      storage.store(storage.bits(nearest: next()), at: index, in: memory.bytes)
    }
  }

  /// A tensor of Float32 values.
  ///
  /// - Throws: ``TensorError`` when the number of values is not the shape's or the system has no
  ///   memory for them.
  public init(_ values: [Float], shape: [Int]) throws(TensorError) {
    let expected = try HostTensor.count(of: shape)
    guard values.count == expected else {
      throw .elementCount(shape: shape, expected: expected, found: values.count)
    }
    self.shape = shape
    self.storage = .f32
    memory = try AlignedMemory(byteCount: expected * 4)
    values.withUnsafeBytes { memory.bytes.copyMemory(from: $0) }
  }

  /// A tensor of stored elements in native byte order.
  ///
  /// - Throws: ``TensorError`` when the number of bytes is not the shape's and type's or the system
  ///   has no memory for them.
  public init(
    bytes: UnsafeRawBufferPointer, shape: [Int], _ storage: DType
  ) throws(TensorError) {
    let expected = try HostTensor.count(of: shape) * storage.byteCount
    guard bytes.count == expected else {
      throw .byteCount(shape: shape, storage: storage, expected: expected, found: bytes.count)
    }
    self.shape = shape
    self.storage = storage
    memory = try AlignedMemory(byteCount: expected)
    memory.bytes.copyMemory(from: bytes)
  }

  /// The number of elements of a shape.
  ///
  /// - Throws: ``TensorError/shape(_:)`` for a negative extent or more elements than addresses.
  public static func count(of shape: [Int]) throws(TensorError) -> Int {
    var count = 1
    for extent in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard extent >= 0, !overflow, product <= Int.max >> 8 else { throw .shape(shape) }
      count = product
    }
    return count
  }

  /// The value of the element at a row-major position below ``count``.
  public subscript(index: Int) -> Double {
    precondition(index >= 0 && index < count, "element \(index) of \(count)")
    switch storage {
    case .f32: return Double(memory.bytes.load(fromByteOffset: index * 4, as: Float.self))
    case .bf16, .f16:
      let bits = memory.bytes.load(fromByteOffset: index * 2, as: UInt16.self)
      return storage.value(ofBits: UInt32(bits))
    case .i8: return Double(memory.bytes.load(fromByteOffset: index, as: Int8.self))
    case .u8: return Double(memory.bytes[index])
    case .f8E4M3, .f8E5M2: return storage.value(ofBits: UInt32(memory.bytes[index]))
    }
  }

  /// The tensor whose i-th row, along the first axis, is the row `rows[i]` of this one.
  ///
  /// - Throws: ``TensorError/shape(_:)`` for a scalar, ``TensorError/row(_:count:)`` for a row that
  ///   this tensor does not have, and where the system has no memory for the new one.
  public func gathering(rows: [Int]) throws(TensorError) -> HostTensor {
    guard let count = shape.first else { throw .shape(shape) }
    if let row = rows.first(where: { !(0..<count).contains($0) }) {
      throw .row(row, count: count)
    }
    let row = count == 0 ? 0 : byteCount / count
    var tensor = try HostTensor(zeros: [rows.count] + shape.dropFirst(), storage)
    withUnsafeBytes { source in
      tensor.withUnsafeMutableBytes { target in
        for (position, index) in rows.enumerated() {
          UnsafeMutableRawBufferPointer(
            rebasing: target[position * row..<(position + 1) * row]
          ).copyBytes(from: source[index * row..<(index + 1) * row])
        }
      }
    }
    return tensor
  }

  /// All values, widened exactly.
  public var doubles: [Double] { (0..<count).map { self[$0] } }

  /// Calls `body` with the elements' bytes.
  public func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(UnsafeRawBufferPointer(memory.bytes))
  }

  /// Gives the tensor memory of its own, so that writing to it needs no more.
  ///
  /// - Throws: ``TensorError/memory(byteCount:)`` where a copy shares the memory and the system has
  ///   none for another.
  public mutating func makeUnique() throws(TensorError) {
    guard !isKnownUniquelyReferenced(&memory) else { return }
    let own = try AlignedMemory(byteCount: byteCount)
    own.bytes.copyMemory(from: UnsafeRawBufferPointer(memory.bytes))
    memory = own
  }

  /// Calls `body` with the elements' bytes, for writing.
  ///
  /// A tensor that shares its memory with a copy gets its own, as an array does; where the system may
  /// have none for it, call ``makeUnique()`` before.
  public mutating func withUnsafeMutableBytes<Result, Failure: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    do { try makeUnique() } catch { fatalError("\(error)") }
    return try body(memory.bytes)
  }
}
