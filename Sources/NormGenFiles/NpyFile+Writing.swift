internal import NormGenIR
public import NormGenTensors

extension NpyFile {
  /// Writes a tensor, byte for byte as NumPy does; bf16 as the bits in `<u2`.
  ///
  /// The file appears whole or not at all.
  ///
  /// - Throws: ``TensorFileError``; an existing file is then as it was.
  public static func write(_ tensor: HostTensor, to path: String) throws(TensorFileError) {
    let file = try PendingFile(replacing: path)
    try write(tensor, to: file)
    try file.commit()
  }

  static func write(_ tensor: HostTensor, to file: PendingFile) throws(TensorFileError) {
    guard tensor.shape.count <= greatestRank else {
      throw .rank(file: file.path, atMost: greatestRank, found: tensor.shape.count)
    }
    try file.append(header(of: tensor))
    try tensor.withUnsafeBytes { bytes throws(TensorFileError) in try file.append(bytes) }
    try file.finish()
  }

  /// Everything before the elements, in version 1.0.
  static func header(of tensor: HostTensor) -> [UInt8] {
    let axes = tensor.shape.map(String.init)
    let shape = axes.count == 1 ? "(\(axes[0]),)" : "(\(axes.joined(separator: ", ")))"
    var text =
      "{'descr': '\(tensor.storage.npyDescription)', 'fortran_order': False, 'shape': \(shape), }"
    // NumPy leaves room for the first extent to grow to 21 digits without moving the elements.
    if let first = axes.first { text += String(repeating: " ", count: 21 - first.count) }
    let unpadded = magic.count + 2 + 2 + text.utf8.count + 1
    text += String(repeating: " ", count: 64 - unpadded % 64) + "\n"
    let length = text.utf8.count
    return magic + [1, 0, UInt8(length & 0xff), UInt8(length >> 8)] + Array(text.utf8)
  }
}

extension DType {
  /// The type as NumPy writes it.
  fileprivate var npyDescription: String {
    switch self {
    case .f32: "<f4"
    case .bf16: "<u2"
    case .f16: "<f2"
    case .i8: "|i1"
    }
  }
}
