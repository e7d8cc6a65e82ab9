public import NormGenIR

/// A dense row-major tensor in this process's memory, aligned to 64 bytes.
///
/// A value type: copies share memory until one of them is changed.
public struct HostTensor: Sendable {
  /// The extents, outermost first.
  public let shape: [Int]
  /// The type of the elements in memory.
  public let storage: DType
  private var memory: Memory

  /// The number of elements.
  public var count: Int { memory.byteCount / storage.byteCount }
  /// The number of bytes.
  public var byteCount: Int { memory.byteCount }

  /// Memory for a tensor; shared between copies, and written only while it has one owner.
  private final class Memory: @unchecked Sendable {
    let bytes: UnsafeMutableRawPointer
    let byteCount: Int

    init(byteCount: Int) {
      self.byteCount = byteCount
      bytes = .allocate(byteCount: max(byteCount, 64), alignment: 64)
    }

    deinit { bytes.deallocate() }

    func copy() -> Memory {
      let other = Memory(byteCount: byteCount)
      other.bytes.copyMemory(from: bytes, byteCount: byteCount)
      return other
    }
  }

  /// A tensor of zeros.
  ///
  /// - Throws: ``TensorError/shape(_:)`` for a negative extent or a size beyond memory.
  public init(zeros shape: [Int], _ storage: DType) throws(TensorError) {
    self.shape = shape
    self.storage = storage
    memory = Memory(byteCount: try HostTensor.count(of: shape) * storage.byteCount)
    memory.bytes.initializeMemory(as: UInt8.self, repeating: 0, count: memory.byteCount)
  }

  /// A tensor of values, each rounded once to the type.
  ///
  /// - Throws: ``TensorError`` when the number of values is not the shape's.
  public init(
    _ values: some Collection<Double>, shape: [Int], _ storage: DType
  ) throws(TensorError) {
    try self.init(zeros: shape, storage)
    guard values.count == count else {
      throw .elementCount(shape: shape, expected: count, found: values.count)
    }
    switch storage {
    case .f32:
      let elements = memory.bytes.assumingMemoryBound(to: UInt32.self)
      for (index, value) in values.enumerated() { elements[index] = storage.bits(nearest: value) }
    case .bf16, .f16:
      let elements = memory.bytes.assumingMemoryBound(to: UInt16.self)
      for (index, value) in values.enumerated() {
        elements[index] = UInt16(truncatingIfNeeded: storage.bits(nearest: value))
      }
    case .i8:
      let elements = memory.bytes.assumingMemoryBound(to: UInt8.self)
      for (index, value) in values.enumerated() {
        elements[index] = UInt8(truncatingIfNeeded: storage.bits(nearest: value))
      }
    }
  }

  /// A tensor of Float32 values.
  ///
  /// - Throws: ``TensorError`` when the number of values is not the shape's.
  public init(_ values: [Float], shape: [Int]) throws(TensorError) {
    try self.init(zeros: shape, .f32)
    guard values.count == count else {
      throw .elementCount(shape: shape, expected: count, found: values.count)
    }
    values.withUnsafeBytes { bytes in
      if let source = bytes.baseAddress {
        memory.bytes.copyMemory(from: source, byteCount: bytes.count)
      }
    }
  }

  /// A tensor of stored elements in native byte order.
  ///
  /// - Throws: ``TensorError`` when the number of bytes is not the shape's and type's.
  public init(
    bytes: UnsafeRawBufferPointer, shape: [Int], _ storage: DType
  ) throws(TensorError) {
    let expected = try HostTensor.count(of: shape) * storage.byteCount
    guard bytes.count == expected else {
      throw .byteCount(shape: shape, storage: storage, expected: expected, found: bytes.count)
    }
    self.shape = shape
    self.storage = storage
    memory = Memory(byteCount: expected)
    if let source = bytes.baseAddress {
      memory.bytes.copyMemory(from: source, byteCount: expected)
    }
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

  /// The value of the element at a row-major position.
  public subscript(index: Int) -> Double {
    precondition(index >= 0 && index < count, "element \(index) of \(count)")
    switch storage {
    case .f32: return Double(memory.bytes.load(fromByteOffset: index * 4, as: Float.self))
    case .bf16, .f16:
      let bits = memory.bytes.load(fromByteOffset: index * 2, as: UInt16.self)
      return storage.value(ofBits: UInt32(bits))
    case .i8: return Double(memory.bytes.load(fromByteOffset: index, as: Int8.self))
    }
  }

  /// The tensor whose i-th row, along the first axis, is the row `rows[i]` of this one.
  ///
  /// - Throws: ``TensorError/shape(_:)`` for a scalar.
  public func gathering(rows: [Int]) throws(TensorError) -> HostTensor {
    guard let count = shape.first else { throw .shape(shape) }
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
    try body(UnsafeRawBufferPointer(start: memory.bytes, count: memory.byteCount))
  }

  /// Calls `body` with the elements' bytes, for writing.
  public mutating func withUnsafeMutableBytes<Result, Failure: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    if !isKnownUniquelyReferenced(&memory) { memory = memory.copy() }
    return try body(UnsafeMutableRawBufferPointer(start: memory.bytes, count: memory.byteCount))
  }
}
