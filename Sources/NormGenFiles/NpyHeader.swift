/// What the dictionary of a `.npy` header says.
struct NpyHeader {
  let typeDescription: String
  let shape: [Int]

  private static let keys = ["descr", "fortran_order", "shape"]

  /// Checks the entries; structured types, Fortran order and impossible shapes are refused.
  init(_ entries: [PythonLiteralParser.Entry], file: String) throws(TensorFileError) {
    for entry in entries where !NpyHeader.keys.contains(entry.key) {
      throw .unknownKey(file: file, key: entry.key, known: NpyHeader.keys)
    }
    func entry(_ key: String) throws(TensorFileError) -> PythonLiteralParser.Entry {
      guard let entry = entries.first(where: { $0.key == key }) else {
        throw .missingKey(file: file, key: key)
      }
      return entry
    }

    let type = try entry("descr")
    switch type.value {
    case .string(let description): typeDescription = description
    case .list: throw .elementType(file: file, tensor: nil, expected: nil, found: type.text)
    case .integer, .word, .tuple:
      throw .value(
        file: file, key: type.key, expected: "a type such as '<f4'", found: type.text)
    }

    let order = try entry("fortran_order")
    switch order.value {
    case .word("False"): break
    case .word("True"): throw .fortranOrder(file: file)
    case .word, .string, .integer, .tuple, .list:
      throw .value(file: file, key: order.key, expected: "True or False", found: order.text)
    }
    shape = try NpyHeader.shape(try entry("shape"), file: file)
  }

  private static func shape(
    _ entry: PythonLiteralParser.Entry, file: String
  ) throws(TensorFileError) -> [Int] {
    guard case .tuple(let axes) = entry.value else {
      throw .value(
        file: file, key: entry.key, expected: "a tuple of integers", found: entry.text)
    }
    guard axes.count <= NpyFile.greatestRank else {
      throw .rank(file: file, tensor: nil, atMost: NpyFile.greatestRank, found: axes.count)
    }
    var shape: [Int] = []
    for axis in axes {
      guard case .integer(let digits) = axis else {
        throw .value(
          file: file, key: entry.key, expected: "a tuple of integers", found: entry.text)
      }
      guard let extent = Int(digits), extent >= 0 else {
        throw .shape(file: file, tensor: nil, found: entry.text)
      }
      shape.append(extent)
    }
    return shape
  }
}
