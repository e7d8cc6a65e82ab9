/// The product of the rows of a value with a weight matrix.
///
/// Operands are the value x, whose last axis has K elements, and the weights, a value of two axes
/// without rows: an input, or computed from inputs. Every row of x becomes a row of N elements; the other
/// axes stay. A product of integers has a third operand, the scales of x's groups.
public struct Matmul: Hashable, Sendable {
  /// Which axis of the weights meets the row of the value.
  public enum WeightLayout: String, CaseIterable, Sendable, Hashable {
    /// w[K, N].
    case inOut = "in_out"
    /// w[N, K], as PyTorch's `Linear` stores it.
    case outIn = "out_in"
  }

  /// How the products of an element are summed.
  public enum Accumulation: String, CaseIterable, Sendable, Hashable {
    /// The exact order of ``MatmulOrder`` with one Float32 FMA for each k.
    case fused = "fused"
    /// The hardware's dot product of pairs of bf16, x86's `vdpbf16ps`: a named licence.
    ///
    /// Both operands hold bf16 values. Blocks are those of ``MatmulOrder``. Within a block the
    /// pairs (k, k + 1), k even, are taken in increasing order, an odd K being padded with
    /// +0 · +0. A pair takes two steps, first its second product, then its first:
    ///
    ///     step(c, a, b):
    ///       a, b and c that are denormal become zero of their sign
    ///       r = a · b + c, rounded once, to nearest even, to 24 bits of an unbounded exponent
    ///       0 < |r| < 2⁻¹²⁶ becomes zero of r's sign; overflow becomes infinity
    ///     dot(c, a, b) = step(step(c, a[k + 1], b[k + 1]), a[k], b[k])
    ///
    /// Infinities, NaN and the signs of zeros are those of an IEEE FMA; the processor's rounding
    /// mode plays no role. Block results are added by ordinary Float32 additions. The model was
    /// compared with a processor's results; see `bf16Dot(accumulator:_:_:)` of `NormGenReference`.
    case bf16Dot = "bf16_dot"
    /// Exact sums of integer products, and a Float32 chain over the groups.
    ///
    /// The value holds i8 integers q, and the weights lie in blocks, see ``BlockFormat``, along k. A group is
    /// a sub-block of the weights: successive k that share d · sc = s and the minimum ±m. The third
    /// operand holds the scales of the value, in each row one for every so many successive k, which are
    /// whole groups; that of a group is t. With w the weights' quants less their zero points, the
    /// chain takes the groups in order, from +0:
    ///
    ///     acc = fma(Float32(Σ q · w), t · s, acc)
    ///     acc = fma(Float32(Σ q), t · ±m, acc)        if the blocks have a minimum
    ///
    /// Sums are exact, both conversions too, and each product of scales is rounded once. This is the order
    /// of llama.cpp's repacked q4_0 on x86.
    ///
    /// Weights that are an i8 input have no factors, and the product no third operand: an element is
    /// Float32(Σ q · w) over all k, an exact sum that is rounded once. Scales of rows and columns multiply
    /// it afterwards. K is a multiple of 4 and at most ``mostIntegers``.
    case int8 = "int8"

    /// The most products of two i8 integers whose sum fits 32 bits: 2¹⁷, less whole steps of four.
    public static let mostIntegers = (1 << 17) - 4
  }

  /// Which axis of the weights meets the row of the value.
  public let layout: WeightLayout
  /// How the products of an element are summed.
  public let accumulation: Accumulation

  /// Creates a matmul.
  public init(layout: WeightLayout = .inOut, accumulation: Accumulation = .fused) {
    self.layout = layout
    self.accumulation = accumulation
  }

  /// The arguments of the text form that are not the default.
  public var arguments: [String] {
    let plain = Matmul()
    return (layout == plain.layout ? [] : ["layout: \(layout.rawValue)"])
      + (accumulation == plain.accumulation ? [] : ["accumulate: \(accumulation.rawValue)"])
  }

  /// The extents that weights of `shape` take from a row and give to one.
  ///
  /// - Throws: ``ShapeError/weightsOfOtherRank(_:)`` unless there are two axes and no rows.
  public func extents(of shape: Shape) throws(ShapeError) -> (inputs: Int, outputs: Int) {
    guard !shape.hasRows, shape.extents.count == 2 else { throw .weightsOfOtherRank(shape) }
    switch layout {
    case .inOut: return (shape.extents[0], shape.extents[1])
    case .outIn: return (shape.extents[1], shape.extents[0])
    }
  }

  /// The shape of the product of a value of shape `value` with weights of shape `weights`.
  ///
  /// - Throws: ``ShapeError`` when they do not fit.
  ///
  /// - Parameter scales: The shape of the scales of an integer product.
  public func resultShape(
    value: Shape, weights: Shape, scales: Shape? = nil
  ) throws(ShapeError) -> Shape {
    guard value.hasRows, !value.extents.isEmpty else { throw .noMatrixRow(value) }
    let (inputs, outputs) = try extents(of: weights)
    guard inputs == value.rowExtent else {
      throw .weightsDoNotFit(weights, layout, rowExtent: value.rowExtent)
    }
    if let scales {
      guard scales.hasRows, value.extents.count == 1, inputs % scales.elementsPerRow == 0 else {
        throw .scalesDoNotFit(scales, value)
      }
    }
    return Shape(hasRows: true, extents: value.outerExtents + [outputs])
  }
}

/// The canonical order of a matmul: a property of the graph, never of a schedule.
///
/// The K products of an element are cut into blocks of ``block``. Inside a block there is one chain
/// of fused multiply-adds over increasing k, starting from +0. Block results are added in
/// increasing order: the first block's, plus the second's, and so on.
public enum MatmulOrder {
  /// Products of a block.
  public static let block = 512
}

/// Operands that a matmul does not admit.
public enum MatmulError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The weights are stored as, or rounded to, integers, which only their own scales give a meaning.
  case integerWeights(DType)
  /// The weights of a bf16 dot product may lie between bf16 values.
  case weightsNotBF16(found: Op)
  /// The value of a bf16 dot product may lie between bf16 values.
  case valueNotBF16(found: Op)
  /// The value of an integer product is no i8.
  case valueNotIntegers(found: Op)
  /// The weights of an integer product lie in no blocks and are no i8 input.
  case weightsNotInBlocks(found: Op)
  /// An integer product of an i8 input has scales.
  case scalesOfPlainIntegers(weights: String)
  /// Rows of another number of elements than an integer product of an i8 input takes.
  case depthOfIntegers(Int)
  /// An integer product has no scales of its value.
  case noScales
  /// A product that takes none has scales.
  case unusedScales(Accumulation)
  /// The scales of an integer product span parts of the weights' groups.
  case groupsDoNotMeet(scale: Int, format: BlockFormat)

  /// How the products of an element are summed.
  public typealias Accumulation = Matmul.Accumulation

  public var description: String {
    switch self {
    case .integerWeights(let storage):
      "the weights of a matmul must be \(Self.fractions), found \(storage.rawValue); give integers their "
        + "meaning by multiplying them with their scale"
    case .weightsNotBF16(let found):
      "the weights of a bf16 dot product must hold bf16 values, an input stored as bf16 or weights "
        + "after `.rounded(to: .bf16)`, written bf16(w) in the text form; found "
        + found.noun
    case .valueNotBF16(let found):
      "the value of a bf16 dot product must hold bf16 values, an input stored as bf16 or a value "
        + "after `.rounded(to: .bf16)`, written bf16(x) in the text form; found "
        + found.noun
    case .valueNotIntegers(let found):
      "the value of an int8 product must hold i8 integers, such as quantize_rows(x, group: 32), or i8(x) "
        + "of what else holds them; found \(found.noun)"
    case .weightsNotInBlocks(let found):
      "the weights of an int8 product must be an i8 input or lie in quantized blocks, such as an input "
        + "w: q4_0[64, 32]; found " + found.noun
    case .scalesOfPlainIntegers(let weights):
      "an int8 product of the i8 input '\(weights)' takes no scale: its elements are the exact sums, which "
        + "scales of rows and columns multiply afterwards"
    case .depthOfIntegers(let depth):
      "an int8 product of an i8 input sums a multiple of 4 products, at most \(Accumulation.mostIntegers), "
        + "whose sums fit 32 bits; found rows of \(depth) elements"
    case .noScales:
      "an int8 product needs the scales of its value, such as "
        + "scale: quantize_rows_scale(x, group: 32)"
    case .unusedScales(let accumulation):
      "only an int8 product takes scales of its value; found one that is accumulated as "
        + accumulation.rawValue
    case .groupsDoNotMeet(let scale, let format):
      "a scale of the value must span whole groups of the weights' \(format.subBlockElements) elements, "
        + "which share a scale in \(format.name); found one for every \(scale)"
    }
  }

  /// The types that weights may have.
  private static var fractions: String {
    let names = DType.allCases.filter(\.holdsFractions).map(\.rawValue)
    return names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
  }
}

extension Op {
  /// What an error calls the result.
  var noun: String {
    switch self {
    case .input(let name, let storage): "the input '\(name)' stored as \(storage.rawValue)"
    case .constant: "a constant"
    case .elementwise(let op): "the result of '\(op.rawValue)'"
    case .statistic(let statistic): "a statistic (\(statistic.reduction.rawValue))"
    case .convert(let type): "a value rounded to \(type.rawValue)"
    case .dequantize(let format): "\(format.name) blocks"
    case .reshape: "a reshaped value"
    case .columns: "columns of a value"
    case .concatenate: "a concatenation"
    case .leadingPart: "the leading part of a value"
    case .matmul: "the result of a matmul"
    case .rowSum, .outerSum: "a sum over rows"
    }
  }
}

extension Matmul {
  /// Checks what the operands are; their shapes are another matter.
  ///
  /// - Parameters:
  ///   - value: What computes the value, beneath any reshapes.
  ///   - weights: What computes the weights, for other products than those of integers beneath any reshapes
  ///     and columns.
  ///   - depth: The elements of a row of the value.
  ///   - group: How many successive elements of the value share a scale; nil without scales.
  /// - Throws: ``MatmulError``.
  public func verifyOperands(
    value: Op, weights: Op, depth: Int, group: Int? = nil
  ) throws(MatmulError) {
    if accumulation == .int8 {
      guard value.traits.exactStorage == .i8 else { throw .valueNotIntegers(found: value) }
      if case .input(let name, .i8) = weights {
        guard group == nil else { throw .scalesOfPlainIntegers(weights: name) }
        guard depth % 4 == 0, depth <= Accumulation.mostIntegers else {
          throw .depthOfIntegers(depth)
        }
        return
      }
      guard case .dequantize(let format) = weights else {
        throw .weightsNotInBlocks(found: weights)
      }
      guard let group else { throw .noScales }
      guard group % format.subBlockElements == 0 else {
        throw .groupsDoNotMeet(scale: group, format: format)
      }
      return
    }
    guard group == nil else { throw .unusedScales(accumulation) }
    let storage = weights.traits.exactStorage
    guard storage.holdsFractions else { throw .integerWeights(storage) }
    let operand = accumulation.step.operand
    guard operand != .f32 else { return }
    guard storage == operand else { throw .weightsNotBF16(found: weights) }
    guard value.traits.exactStorage == operand else { throw .valueNotBF16(found: value) }
  }
}
