internal import NormGenIR
public import NormGenTensors

extension NpyFile {
  /// Writes a tensor, byte for byte as NumPy does; bf16 as the bits in `<u2`.
  ///
  /// The file appears whole or not at all.
  ///
  /// - Throws: ``TensorFileError``, for 8-bit floats, too; an existing file is then as it was.
  public static func write(_ tensor: HostTensor, to path: String) throws(TensorFileError) {
    let file = try PendingFile(replacing: path)
    try write(tensor, to: file)
    try file.commit()
  }

  /// Writes Float64 values as `<f8`.
  ///
  /// The file appears whole or not at all.
  ///
  /// - Parameters:
  ///   - values: The elements, row-major.
  ///   - shape: The extents, outermost first.
  /// - Throws: ``TensorFileError``; an existing file is then as it was.
  public static func write(
    _ values: [Double], shape: [Int], to path: String
  ) throws(TensorFileError) {
    let file = try PendingFile(replacing: path)
    try write(values, shape: shape, to: file)
    try file.commit()
  }

  static func write(
    _ values: [Double], shape: [Int], to file: PendingFile
  ) throws(TensorFileError) {
    guard let count = try? HostTensor.count(of: shape) else {
      throw .shape(file: file.path, tensor: nil, found: "\(shape)")
    }
    guard values.count == count else {
      throw .tensorSize(
        file: file.path, tensor: "values", expectedBytes: count * 8, foundBytes: values.count * 8)
    }
    try checkRank(of: shape, in: file)
    try file.append(header(of: "<f8", shape: shape))
    let bits = values.map(\.bitPattern.littleEndian)
    try bits.withUnsafeBufferPointer { buffer throws(TensorFileError) in
      try file.append(UnsafeRawBufferPointer(buffer))
    }
    try file.finish()
  }

  static func write(_ tensor: HostTensor, to file: PendingFile) throws(TensorFileError) {
    try checkRank(of: tensor.shape, in: file)
    guard let type = tensor.storage.npyDescription else {
      throw .noElementType(file: file.path, tensor.storage)
    }
    try file.append(header(of: type, shape: tensor.shape))
    try tensor.withUnsafeBytes { bytes throws(TensorFileError) in try file.append(bytes) }
    try file.finish()
  }

  private static func checkRank(
    of shape: [Int], in file: PendingFile
  ) throws(TensorFileError) {
    guard shape.count <= greatestRank else {
      throw .rank(file: file.path, tensor: nil, atMost: greatestRank, found: shape.count)
    }
  }

  /// Everything before the elements, in version 1.0.
  private static func header(of type: String, shape extents: [Int]) -> [UInt8] {
    let axes = extents.map(String.init)
    let shape = axes.count == 1 ? "(\(axes[0]),)" : "(\(axes.joined(separator: ", ")))"
    var text = "{'descr': '\(type)', 'fortran_order': False, 'shape': \(shape), }"
    // NumPy leaves room for the first extent to grow to 21 digits without moving the elements.
    if let first = axes.first { text += String(repeating: " ", count: 21 - first.count) }
    let unpadded = magic.count + 2 + 2 + text.utf8.count + 1
    text += String(repeating: " ", count: 64 - unpadded % 64) + "\n"
    let length = text.utf8.count
    return magic + [1, 0, UInt8(length & 0xff), UInt8(length >> 8)] + Array(text.utf8)
  }
}

extension DType {
  /// The type as NumPy writes it; nil if NumPy has none and no custom for its bits.
  var npyDescription: String? {
    switch self {
    case .f32: "<f4"
    case .bf16: "<u2"
    case .f16: "<f2"
    case .i8: "|i1"
    case .u8: "|u1"
    case .f8E4M3, .f8E5M2: nil
    }
  }
}
