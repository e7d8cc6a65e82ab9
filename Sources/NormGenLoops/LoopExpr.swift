public import NormGenIR

/// Which lanes of a vector take part.
public enum Lanes: Hashable, Sendable {
  /// All of them.
  case all
  /// The first `count`, 0 < count < lanes.
  case first(Int)
  /// The first so many, a number that is known when it runs.
  case leading(Index)
}

/// What sums of the products of four bytes are of.
public enum QuadSums: Hashable, Sendable {
  /// Bytes of up to 7 bits, so few that the sums of two products fit 16 bits all the time.
  case narrow
  /// Any bytes; 32 bits.
  case wide
}

/// A value: Float32 as a vector of lanes or a scalar; elements as they lie in memory; pairs of them.
public indirect enum LoopExpr: Hashable, Sendable {
  /// A defined vector.
  case vector(String)
  /// A defined scalar.
  case scalar(String)
  /// A constant.
  case constant(Float)
  /// Consecutive elements, widened; lanes that take no part are +0.
  case load(Pointer, at: Index, Lanes)
  /// One element, widened.
  case loadScalar(Pointer, at: Index)
  /// A graph operation; scalars are broadcast where an operand is a vector.
  case apply(ElementwiseOp, [LoopExpr])
  /// Rounding to a storage type, kept as Float32.
  case rounded(DType, LoopExpr)
  /// The first lanes of a vector or of a repeated scalar, 0 < count < lanes; the others are +0.
  case leading(LoopExpr, count: Int)
  /// The tree over the 64 partials of an array.
  case combined(Reduction, partials: String)
  /// A value in every lane.
  case broadcast(LoopExpr)
  /// An entry of an array.
  case entry(String, [Index])
  /// An entry of an array of scalars.
  case scalarEntry(String, [Index])
  /// One of two values.
  case choose(LoopCondition, LoopExpr, LoopExpr)
  /// A whole number.
  case number(Index)
  /// One element as it lies in memory.
  case stored(Pointer, at: Index)
  /// Consecutive elements as they lie in memory; lanes that take no part are +0.
  case storedVector(Pointer, at: Index, Lanes)
  /// A zero as it lies in memory.
  case storedZero
  /// A vector of them.
  case storedZeros(DType)
  /// Consecutive pairs of elements, a pair a lane.
  case pairs(Pointer, at: Index)
  /// The pair of elements at a place in every lane; `isHalf`: its second is +0.
  case pair(Pointer, at: Index, isHalf: Bool)
  /// The first or second elements of pairs, widened.
  case widened(isSecond: Bool, LoopExpr)
  /// Sums and the dot products of pairs, as `bf16_dot` adds them.
  case dot(LoopExpr, LoopExpr, LoopExpr)
  /// Consecutive elements of a type that begin at one of the bytes that a pointer's elements are, widened.
  case bytes(Pointer, at: Index, as: DType)
  /// Consecutive words of four of those bytes, a word a lane, the first byte the lowest.
  case words(Pointer, at: Index)
  /// So many bits of each word, all in one byte, from bit `from` on, as bits from bit `at` on.
  case bits(LoopExpr, from: Index, count: Int, at: Int)
  /// So many bits of each word, all in one byte, from bit `from` on, which are a two's complement.
  case signedBits(LoopExpr, from: Index, count: Int)
  /// So many bits, all in one byte, of the bytes that a pointer's elements are, from bit `at` on; with
  /// the highest flipped, those of a two's complement count from the least.
  case storedBits(Pointer, at: Index, count: Int, isFlipped: Bool)
  /// Bits, and others above them that begin at bit `at`.
  case joined(LoopExpr, LoopExpr, at: Int)
  /// The Float32 numbers that bits are.
  case whole(LoopExpr)
  /// So many bits of each of the four bytes of each word, from bit `from` of the byte on, as bits from bit
  /// `at` on.
  case quads(LoopExpr, from: Index, count: Int, at: Int)
  /// The four i8 elements at a place in every lane.
  case quad(Pointer, at: Index)
  /// An i8 element with its sign bit flipped: as a byte without sign, 128 more.
  case signFlipped(LoopExpr)
  /// Sums of the products of quads at zero.
  case quadZeros(QuadSums)
  /// Wide sums that begin at whole numbers.
  case quadStart(LoopExpr)
  /// Exact sums with the products of the bytes of each word and those of a quad added.
  case quadDot(QuadSums, LoopExpr, words: LoopExpr, quad: LoopExpr)
  /// Such sums as Float32 numbers, all of a word's.
  case quadTotal(QuadSums, LoopExpr)

  /// Whether the value is a vector.
  public var isVector: Bool {
    switch self {
    case .vector, .load, .leading, .broadcast, .entry, .storedVector, .storedZeros, .pairs, .pair,
      .widened, .dot, .bytes, .words, .bits, .signedBits, .whole, .quads, .quad, .quadZeros,
      .quadStart, .quadDot, .quadTotal:
      true
    case .scalar, .constant, .loadScalar, .combined, .scalarEntry, .number, .stored, .storedZero,
      .storedBits, .signFlipped:
      false
    case .joined(let low, _, _): low.isVector
    case .choose(_, let yes, _): yes.isVector
    case .apply(_, let operands): operands.contains { $0.isVector }
    case .rounded(_, let operand): operand.isVector
    }
  }
}
