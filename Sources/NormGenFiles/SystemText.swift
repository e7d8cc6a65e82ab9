/// File names and arguments as the system has them: bytes, which need not be UTF-8.
///
/// A byte that is no part of UTF-8 becomes one of 128 scalars at the end of the last private plane, and
/// so does each byte of such a scalar that stands in a name already. Both ways together change no byte.
package enum SystemText {
  /// The scalars that stand for the bytes 0x80 to 0xff.
  private static let first: UInt32 = 0x10ff80

  /// The byte that a scalar stands for; nil for all other scalars.
  package static func byte(of scalar: Unicode.Scalar) -> UInt8? {
    scalar.value >= first ? UInt8(truncatingIfNeeded: scalar.value) : nil
  }

  /// The text that stands for bytes of the system.
  package static func text(of bytes: some Collection<UInt8>) -> String {
    if let text = String(validating: bytes, as: UTF8.self), !hasBytes(text) { return text }
    let bytes = Array(bytes)
    var text = String.UnicodeScalarView()
    var position = 0
    while position < bytes.count {
      let scalar = (1...4).lazy.compactMap { count -> (Unicode.Scalar, Int)? in
        guard position + count <= bytes.count,
          let part = String(validating: bytes[position..<position + count], as: UTF8.self),
          let scalar = part.unicodeScalars.first
        else { return nil }
        return (scalar, count)
      }.first
      if let (scalar, count) = scalar, byte(of: scalar) == nil {
        text.append(scalar)
        position += count
      } else if let scalar = Unicode.Scalar(first - 0x80 + UInt32(bytes[position])) {
        text.append(scalar)
        position += 1
      }
    }
    return String(text)
  }

  /// The system's bytes that a text stands for.
  package static func bytes(of text: String) -> [UInt8] {
    guard hasBytes(text) else { return Array(text.utf8) }
    return text.unicodeScalars.flatMap { scalar in
      byte(of: scalar).map { [$0] } ?? Array(String(scalar).utf8)
    }
  }

  private static func hasBytes(_ text: String) -> Bool {
    // The first byte of every scalar of the last two planes.
    text.utf8.contains(0xf4) && text.unicodeScalars.contains { byte(of: $0) != nil }
  }
}

extension String {
  /// Calls `body` with the text as the system takes it, ended by a zero.
  func withSystemText<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    let bytes = SystemText.bytes(of: self).map { CChar(bitPattern: $0) } + [0]
    return bytes.withUnsafeBufferPointer { buffer in
      // The buffer is never empty: it holds the zero.
      buffer.baseAddress.map(body) ?? body("")
    }
  }
}
