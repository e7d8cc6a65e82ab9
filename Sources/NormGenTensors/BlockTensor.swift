public import NormGenIR

/// A dense row-major tensor in this process's memory whose rows are blocks of several elements.
///
/// ``BlockQuantizer`` makes it, and ``decoded()`` gives its values.
public struct BlockTensor: Sendable {
  /// The extents in elements, outermost first; the last one is a multiple of a block's elements.
  public let shape: [Int]
  /// What a block holds.
  public let format: BlockFormat
  /// Written before anybody else has it.
  private let memory: AlignedMemory

  /// The number of bytes.
  public var byteCount: Int { memory.bytes.count }

  /// A tensor whose blocks `write` writes over zeros.
  ///
  /// - Parameter shape: Extents whose last one is a multiple of a block's elements.
  /// - Throws: What `write` throws, ``TensorError`` for a shape that is none or that the system has no
  ///   memory for.
  init(
    _ shape: [Int], _ format: BlockFormat,
    _ write: (UnsafeMutableRawBufferPointer) throws(QuantizationError) -> Void
  ) throws(QuantizationError) {
    self.shape = shape
    self.format = format
    do throws(TensorError) {
      memory = try AlignedMemory(
        byteCount: try HostTensor.count(of: shape) / format.elementCount * format.byteCount,
        isZero: true)
    } catch {
      throw .tensor(error)
    }
    try write(memory.bytes)
  }

  /// Calls `body` with the blocks' bytes, the rows one after the other.
  public func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(UnsafeRawBufferPointer(memory.bytes))
  }

  /// The Float32 values of the elements, as ``BlockDecoder`` has them.
  ///
  /// - Throws: ``TensorError/memory(byteCount:)`` where the system has no memory for them.
  public func decoded() throws(TensorError) -> HostTensor {
    var values = try HostTensor(zeros: shape, .f32)
    values.withUnsafeMutableBytes { values in
      BlockDecoder(format).decode(
        UnsafeRawBufferPointer(memory.bytes), into: values.bindMemory(to: Float.self))
    }
    return values
  }
}
