/// Files as NumPy 2.4 writes them with `numpy.lib.format.write_array`.
struct NumPySample {
  let version: UInt8
  /// The header's length as the file says it.
  let length: Int
  let text: String
  /// The blanks between the text and the newline.
  let blanks: Int
  let elements: [UInt8]

  var bytes: [UInt8] {
    let lengthBytes = version == 1 ? 2 : 4
    return [0x93] + Array("NUMPY".utf8) + [version, 0]
      + (0..<lengthBytes).map { UInt8(length >> (8 * $0) & 0xff) } + Array(text.utf8)
      + [UInt8](repeating: 0x20, count: blanks) + [0x0a] + elements
  }

  /// `array(1.5, "<f4")`.
  static let scalar = NumPySample(
    version: 1, length: 118,
    text: "{'descr': '<f4', 'fortran_order': False, 'shape': (), }",
    blanks: 62,
    elements: [0x00, 0x00, 0xc0, 0x3f])

  /// `array([1, -2, 0.1], "<f4")`.
  static let vector = NumPySample(
    version: 1, length: 118,
    text: "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }",
    blanks: 60,
    elements: [0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x00, 0xc0, 0xcd, 0xcc, 0xcc, 0x3d])

  /// `array([[1, 0.5, -0.25], [65504, 6e-8, inf]], "<f2")`.
  static let matrixOfHalves = NumPySample(
    version: 1, length: 118,
    text: "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3), }",
    blanks: 58,
    elements: [0x00, 0x3c, 0x00, 0x38, 0x00, 0xb4, 0xff, 0x7b, 0x01, 0x00, 0x00, 0x7c])

  /// `array([0, 127, -128, -1], "i1")`.
  static let signedBytes = NumPySample(
    version: 1, length: 118,
    text: "{'descr': '|i1', 'fortran_order': False, 'shape': (4,), }",
    blanks: 60,
    elements: [0x00, 0x7f, 0x80, 0xff])

  /// `array([0, 127, 128, 255], "u1")`.
  static let unsignedBytes = NumPySample(
    version: 1, length: 118,
    text: "{'descr': '|u1', 'fortran_order': False, 'shape': (4,), }",
    blanks: 60,
    elements: [0x00, 0x7f, 0x80, 0xff])

  /// `zeros((0, 5), "<f4")`.
  static let empty = NumPySample(
    version: 1, length: 118,
    text: "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 5), }",
    blanks: 58,
    elements: [])

  /// `arange(4, dtype="<f4").reshape(2, 1, 2, 1)`.
  static let fourAxes = NumPySample(
    version: 1, length: 118,
    text: "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 2, 1), }",
    blanks: 52,
    elements: [
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x40,
      0x40,
    ])

  /// `zeros((0,) + (1,) * 12 + (100,), "<f4")`.
  static let filledHeader = NumPySample(
    version: 1, length: 182,
    text: "{'descr': '<f4', 'fortran_order': False, "
      + "'shape': (0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 100), }",
    blanks: 84,
    elements: [])

  /// `array([3], "<f4")`.
  static let version2 = NumPySample(
    version: 2, length: 116,
    text: "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }",
    blanks: 58,
    elements: [0x00, 0x00, 0x40, 0x40])

  /// `array([3], "<f4")`.
  static let version3 = NumPySample(
    version: 3, length: 116,
    text: "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }",
    blanks: 58,
    elements: [0x00, 0x00, 0x40, 0x40])

  /// `array([0x3f80, 0xc000], "<u2")`.
  static let bits = NumPySample(
    version: 1, length: 118,
    text: "{'descr': '<u2', 'fortran_order': False, 'shape': (2,), }",
    blanks: 60,
    elements: [0x80, 0x3f, 0x00, 0xc0])

  /// `array([0x3f80, 0xc000], "<u2").view("V2")`.
  static let rawBits = NumPySample(
    version: 1, length: 118,
    text: "{'descr': '|V2', 'fortran_order': False, 'shape': (2,), }",
    blanks: 60,
    elements: [0x80, 0x3f, 0x00, 0xc0])

  /// `array([1], "<f8")`.
  static let doubles = NumPySample(
    version: 1, length: 118,
    text: "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }",
    blanks: 60,
    elements: [0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf0, 0x3f])

  /// `array([1], "<i4")`.
  static let integers = NumPySample(
    version: 1, length: 118,
    text: "{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }",
    blanks: 60,
    elements: [0x01, 0x00, 0x00, 0x00])

  /// `array([1], ">f4")`.
  static let bigEndian = NumPySample(
    version: 1, length: 118,
    text: "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }",
    blanks: 60,
    elements: [0x3f, 0x80, 0x00, 0x00])

  /// `asfortranarray(arange(4, dtype="<f4").reshape(2, 2))`.
  static let fortran = NumPySample(
    version: 1, length: 118,
    text: "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }",
    blanks: 59,
    elements: [
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x40,
      0x40,
    ])

  /// `zeros(1, [("a", "<f4"), ("b", "<i2")])`.
  static let structured = NumPySample(
    version: 1, length: 118,
    text: "{'descr': [('a', '<f4'), ('b', '<i2')], 'fortran_order': False, 'shape': (1,), }",
    blanks: 37,
    elements: [0x00, 0x00, 0x00, 0x00, 0x00, 0x00])
}
