import NormGenIR
import NormGenTensors
import Testing

/// Tensors that memory does not hold are errors, and those that it holds are whole.
@Suite struct HostTensorTests {
  /// Far beyond the addresses of a process.
  private let beyond = 1 << 50

  @Test func aTensorBeyondMemoryIsATypedError() {
    for storage in DType.allCases {
      let byteCount = beyond * storage.byteCount
      #expect(throws: TensorError.memory(byteCount: byteCount)) {
        try HostTensor(zeros: [beyond], storage)
      }
      #expect(throws: TensorError.memory(byteCount: byteCount)) {
        try HostTensor(shape: [beyond / 2, 2], storage) { fatalError("a value was asked for") }
      }
    }
    #expect(!"\(TensorError.memory(byteCount: 5))".isEmpty)
  }

  @Test func shapesThatAreNoneAreTypedErrors() {
    for shape in [[-1], [.max, 2], [.min], [1 << 32, 1 << 32], [.max]] {
      #expect(throws: TensorError.shape(shape)) { try HostTensor(zeros: shape, .f32) }
      #expect(throws: TensorError.shape(shape)) { try HostTensor([1], shape: shape) }
      #expect(throws: TensorError.shape(shape)) { try HostTensor([1.0], shape: shape, .f16) }
    }
    // The number of values is looked at before memory is taken.
    #expect(throws: TensorError.elementCount(shape: [beyond], expected: beyond, found: 1)) {
      try HostTensor([1.0], shape: [beyond], .f32)
    }
  }

  /// On both sides of the size from which pages are taken.
  @Test(arguments: [0, 1, 63, (8 << 20) - 1, 8 << 20, (8 << 20) + 1])
  func tensorsOfAllSizesAreWhole(count: Int) throws {
    var tensor = try HostTensor(zeros: [count], .f32)
    #expect(tensor.count == count && tensor.byteCount == 4 * count)
    tensor.withUnsafeMutableBytes { bytes in
      // A sample, that meets every page.
      #expect(stride(from: 0, to: bytes.count, by: 1021).allSatisfy { bytes[$0] == 0 })
      if count > 0 {
        #expect(UInt(bitPattern: bytes.baseAddress) % 64 == 0)
        bytes[4 * count - 1] = 0x40
      }
    }
    let copy = tensor
    tensor.withUnsafeMutableBytes { if count > 0 { $0[0] = 1 } }
    #expect(copy.withUnsafeBytes { $0.first ?? 0 } == 0)
    #expect(tensor.withUnsafeBytes { $0.last ?? 0x40 } == 0x40)
    #expect(copy.withUnsafeBytes { $0.last ?? 0x40 } == 0x40)
  }

  @Test func aTensorOfItsOwnMemoryKeepsIt() throws {
    var tensor = try HostTensor([1, 2, 3], shape: [3])
    let place = tensor.withUnsafeBytes { $0.baseAddress }
    try tensor.makeUnique()
    #expect(tensor.withUnsafeBytes { $0.baseAddress } == place)
    let copy = tensor
    try tensor.makeUnique()
    #expect(tensor.withUnsafeBytes { $0.baseAddress } != place)
    #expect(tensor.doubles == copy.doubles)
  }

  @Test func rowsThatATensorDoesNotHaveAreTypedErrors() throws {
    let tensor = try HostTensor([1, 2, 3, 4], shape: [2, 2])
    #expect(try tensor.gathering(rows: [1, 0, 1]).doubles == [3, 4, 1, 2, 3, 4])
    for row in [-1, 2, .max, .min] {
      #expect(throws: TensorError.row(row, count: 2)) { try tensor.gathering(rows: [0, row]) }
    }
    #expect(throws: TensorError.row(0, count: 0)) {
      try HostTensor(zeros: [0, 2], .f32).gathering(rows: [0])
    }
  }
}
