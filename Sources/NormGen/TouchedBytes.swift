/// The bytes of a buffer that a call reads or writes: pieces of one width, evenly spaced.
struct TouchedBytes {
  /// The address of the first piece.
  let start: Int
  /// Bytes of a piece.
  let width: Int
  /// Bytes from piece to piece, at least the width where there are several.
  let stride: Int
  /// The number of pieces.
  let pieces: Int

  private var isEmpty: Bool { width == 0 || pieces == 0 }
  /// Where the last piece ends.
  private var end: Int { start &+ stride &* (pieces - 1) &+ width }

  /// Whether a byte belongs to both.
  func overlaps(_ other: TouchedBytes) -> Bool {
    guard !isEmpty, !other.isEmpty, start < other.end, other.start < end else { return false }
    if pieces > 1, other.pieces > 1, stride == other.stride {
      // Piece i of one and piece j of the other lie at this distance, less (j - i) strides.
      let distance = start - other.start
      let quotient = distance.flooredQuotient(by: stride)
      return [quotient, quotient + 1].contains { steps in
        -pieces < steps && steps < other.pieces
          && -width < distance - steps * stride && distance - steps * stride < other.width
      }
    }
    let (few, many) = pieces <= other.pieces ? (self, other) : (other, self)
    return (0..<few.pieces).contains { piece in
      many.touches(few.start + piece * few.stride, few.width)
    }
  }

  /// Whether a piece reaches into `count` bytes at an address.
  private func touches(_ address: Int, _ count: Int) -> Bool {
    guard pieces > 1 else { return start < address + count && address < start + width }
    // The first piece that ends behind the address.
    let first = max((address - start - width).flooredQuotient(by: stride) + 1, 0)
    return first < pieces && start + first * stride < address + count
  }
}

extension Int {
  /// The quotient rounded towards -∞; the divisor is positive.
  fileprivate func flooredQuotient(by divisor: Int) -> Int {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
  }
}
