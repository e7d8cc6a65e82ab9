/// A type of tensors whose elements lie in blocks: integers of a few bits, and the scales that they share.
///
/// With d the block's floating-point scale, sc the integer of a sub-block that refines it, q the
/// element's integer (its quant), z the zero point of a sub-block, and m a minimum made as the scale is, an
/// element's value is
///
///     (d · sc) · (q − z) + m    or    (d · sc) · (q − z) − m
///
/// in Float32, each operation rounded to nearest with ties to even, in this order; what a format lacks is
/// left out. d and m are widened exactly, and q − z is exact. NaN and infinite scales give what the
/// operations give; payloads of NaN are left open.
///
/// A format ``hasExactProducts`` if no product can round: then a value is the exact one rounded once, and
/// neither fused nor reordered arithmetic can give other bits. All formats of the table have.
///
/// The description stands beside ``DType`` since the stages that place and pack weights import nothing
/// but the IR.
public struct BlockFormat: Hashable, Sendable {
  /// The name of the type, such as ggml's `q4_K`.
  public let name: String
  /// ggml's number of the type, by which `.gguf` files name it; nil for a type that it lacks.
  public let number: UInt32?
  /// Successive elements of a row that a block holds.
  public let elementCount: Int
  /// The size of a block in bytes.
  public let byteCount: Int
  /// One integer for each element.
  public let quants: Integers
  /// What is subtracted from the quants of each sub-block of equally many successive elements; nil for
  /// nothing.
  public let zeroPoints: Integers?
  /// What is multiplied by the scale.
  public let scale: Factor
  /// What is added then; nil for nothing.
  public let minimum: Minimum?

  /// Groups of successive elements that share all factors.
  public var subBlocks: Int {
    max(
      scale.integers?.count ?? 1, minimum?.factor.integers?.count ?? 1, zeroPoints?.count ?? 1)
  }

  /// Successive elements of such a group.
  public var subBlockElements: Int { elementCount / subBlocks }

  /// The shape of the bytes that hold a tensor's blocks, row after row.
  ///
  /// - Throws: ``ShapeError/rowNotInBlocks(_:elementCount:_:)`` unless rows are whole blocks.
  public func bytes(of shape: Shape) throws(ShapeError) -> Shape {
    guard !shape.hasRows, let extent = shape.extents.last, extent % elementCount == 0 else {
      throw .rowNotInBlocks(name, elementCount: elementCount, shape)
    }
    let (bytes, overflow) = (extent / elementCount).multipliedReportingOverflow(by: byteCount)
    return Shape(hasRows: false, extents: shape.outerExtents + [overflow ? .max : bytes])
  }

  /// Describes a format; ``verify()`` says whether the description makes sense.
  public init(
    name: String, number: UInt32? = nil, elementCount: Int, byteCount: Int, quants: Integers,
    zeroPoints: Integers? = nil, scale: Factor, minimum: Minimum? = nil
  ) {
    self.name = name
    self.number = number
    self.elementCount = elementCount
    self.byteCount = byteCount
    self.quants = quants
    self.zeroPoints = zeroPoints
    self.scale = scale
    self.minimum = minimum
  }

  /// Where some bits of each integer of a sequence lie.
  ///
  /// The place of integer i is (i mod e₀, i / e₀ mod e₁, …) for extents e, and the lowest of its bits is
  /// bit `first` + Σ place · stride of the block: bit 8 b + s is worth 2ˢ in byte b.
  public struct Bits: Hashable, Sendable {
    /// The number of bits of each integer, all in one byte.
    public let width: Int
    /// The lowest bit of integer 0, counted from the block's begin.
    public let first: Int
    /// The extents of places, the fastest first.
    public let extents: [Int]
    /// The distances between neighbours along each extent, in bits.
    public let strides: [Int]

    /// Bits that begin in a byte of the block, at its bit `bit`.
    public init(_ width: Int, byte: Int, bit: Int = 0, extents: [Int], strides: [Int]) {
      self.width = width
      self.first = 8 * byte + bit
      self.extents = extents
      self.strides = strides
    }

    /// The number of integers.
    public var count: Int { extents.reduce(1, &*) }

    /// The lowest bit of an integer, counted from the block's begin.
    public func position(of index: Int) -> Int {
      var (position, rest) = (first, index)
      for (extent, stride) in zip(extents, strides) {
        position += rest % extent * stride
        rest /= extent
      }
      return position
    }
  }

  /// Integers of a few bits each.
  public struct Integers: Hashable, Sendable {
    /// Where their bits lie, the lowest bits first.
    public let parts: [Bits]
    /// What is subtracted from the number that the bits are.
    public let zeroPoint: Int
    /// Whether the bits are a number in two's complement.
    public let isSigned: Bool

    /// Integers whose bits lie in some parts, the lowest first.
    public init(_ parts: Bits..., zeroPoint: Int = 0, isSigned: Bool = false) {
      self.init(parts, zeroPoint: zeroPoint, isSigned: isSigned)
    }

    /// Integers whose bits lie in a list of parts, the lowest first.
    public init(_ parts: [Bits], zeroPoint: Int = 0, isSigned: Bool = false) {
      self.parts = parts
      self.zeroPoint = zeroPoint
      self.isSigned = isSigned
    }

    /// How many there are.
    public var count: Int { parts.first?.count ?? 0 }
    /// The number of bits of each.
    public var width: Int { parts.reduce(0) { $0 + $1.width } }

    /// The least and the greatest value.
    public var range: ClosedRange<Int> {
      let least = isSigned ? -(1 << (width - 1)) : 0
      return (least - zeroPoint)...(least + (1 << width) - 1 - zeroPoint)
    }
  }

  /// A floating-point number of the block, and what refines it for each sub-block.
  public struct Factor: Hashable, Sendable {
    /// Where the number begins in the block; it is little-endian.
    public let byte: Int
    /// The type of the number.
    public let type: DType
    /// An integer for each sub-block of equally many successive elements, by which the number is
    /// multiplied; nil where it is the factor of the whole block.
    public let integers: Integers?

    /// A factor whose number begins in a byte of the block.
    public init(byte: Int, type: DType = .f16, integers: Integers? = nil) {
      self.byte = byte
      self.type = type
      self.integers = integers
    }
  }

  /// What is added to a scaled quant.
  public enum Minimum: Hashable, Sendable {
    /// The factor itself.
    case added(Factor)
    /// The factor, which is subtracted.
    case subtracted(Factor)

    /// The factor without its sign.
    public var factor: Factor {
      switch self {
      case .added(let factor), .subtracted(let factor): factor
      }
    }
  }
}

extension BlockFormat {
  /// The least and the greatest number that the scale is multiplied by.
  public var range: ClosedRange<Int> {
    guard let zeroPoints else { return quants.range }
    let least = quants.range.lowerBound - zeroPoints.range.upperBound
    return least...quants.range.upperBound - zeroPoints.range.lowerBound
  }
}

extension BlockFormat: CustomStringConvertible {
  /// The name.
  public var description: String { name }
}
