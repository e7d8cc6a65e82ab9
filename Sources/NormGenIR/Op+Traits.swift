/// What the stages of the compiler ask of an operation without caring which one it is.
///
/// A switch over ``Op`` is for what is different for each operation; what only classifies them is
/// stated here, once.
public struct OpTraits: Hashable, Sendable {
  /// What an operation does with its operands.
  public enum Family: Hashable, Sendable {
    /// It is a parameter.
    case input
    /// It is a number.
    case constant
    /// Each element is computed from one of each operand, which are broadcast.
    case elementwise
    /// The elements are those of operands in other places, or +0.
    case movement
    /// The elements are what blocks of integers and scales stand for.
    case blocks
    /// A number for the last axis.
    case statistic
    /// Sums of products of two operands' elements, for which there are tiles.
    case product
    /// Sums over rows.
    case rowSum
  }

  /// Whether a value has an element of its own for every position of the row.
  public enum Variation: Hashable, Sendable {
    /// It has one number for a row.
    case never
    /// It does if its shape has the row's extent.
    case withShape
    /// It does if an operand does.
    case withOperands
    /// It does.
    case always
  }

  /// What it does with its operands.
  public let family: Family
  /// The numbers of operands that it takes.
  public let operandCounts: ClosedRange<Int>
  /// Whether its value differs along the row.
  public let variation: Variation
  /// Whether no row program computes it: it is written to, or lies in, memory between two of them.
  public let cutsStage: Bool
  /// Whether it is whole only when all row programs that write its operands are done.
  public let beginsStage: Bool
  /// Whether its value is taken over all rows, and so known only when the last row is done.
  public let isOverRows: Bool
  /// Whether it costs no more than arithmetic: it is no sum, division, root or elementary function.
  public let isPlain: Bool
  /// Whether its value, and what it is computed from, may have as many elements as weights, if they have
  /// no rows.
  public let mayBeWeights: Bool
  /// The narrowest type that holds all its values exactly, as far as the operation alone says.
  public let exactStorage: DType

  init(
    _ family: Family, _ operandCounts: ClosedRange<Int>, varies variation: Variation,
    cutsStage: Bool = false, beginsStage: Bool = false, isOverRows: Bool = false,
    isPlain: Bool = true, mayBeWeights: Bool = false, exactStorage: DType = .f32
  ) {
    self.family = family
    self.operandCounts = operandCounts
    self.variation = variation
    self.cutsStage = cutsStage
    self.beginsStage = beginsStage
    self.isOverRows = isOverRows
    self.isPlain = isPlain
    self.mayBeWeights = mayBeWeights
    self.exactStorage = exactStorage
  }

  /// Whether it is computed from nothing.
  public var isLeaf: Bool { operandCounts.upperBound == 0 }

  /// Whether row programs compute it.
  public var isStep: Bool { !isLeaf && !cutsStage }
}

extension Op {
  /// Whether all elements are the operand's as they are, some or all of them.
  public var isView: Bool {
    if case .columns = self { return true }
    return self == .reshape
  }
}

extension Op {
  /// What the operation is, as far as most stages care.
  public var traits: OpTraits {
    switch self {
    case .input(_, let storage):
      OpTraits(.input, 0...0, varies: .withShape, mayBeWeights: true, exactStorage: storage)
    case .constant:
      OpTraits(.constant, 0...0, varies: .never)
    case .elementwise(let op):
      OpTraits(
        .elementwise, op.arity...op.arity, varies: .withOperands, isPlain: op.isPlain,
        mayBeWeights: true)
    case .statistic(let statistic):
      OpTraits(
        .statistic, 1...(statistic.reduction.isSum ? 2 : 1), varies: .never, isPlain: false,
        mayBeWeights: true)
    case .convert(let type):
      OpTraits(
        .elementwise, 1...1, varies: .withOperands, mayBeWeights: true, exactStorage: type)
    case .reshape:
      OpTraits(.movement, 1...1, varies: .withOperands, mayBeWeights: true)
    case .dequantize:
      OpTraits(.blocks, 1...1, varies: .withShape, cutsStage: true, mayBeWeights: true)
    case .columns:
      OpTraits(.movement, 1...1, varies: .always, cutsStage: true, mayBeWeights: true)
    case .concatenate:
      OpTraits(.movement, 1...Int.max, varies: .always, cutsStage: true, beginsStage: true)
    case .leadingPart:
      OpTraits(.movement, 1...1, varies: .always)
    case .matmul:
      OpTraits(
        .product, 2...4, varies: .always, cutsStage: true, beginsStage: true, isPlain: false)
    case .rowSum:
      OpTraits(.rowSum, 1...2, varies: .withOperands, isOverRows: true, isPlain: false)
    case .outerSum:
      OpTraits(
        .product, 2...2, varies: .always, cutsStage: true, isOverRows: true, isPlain: false,
        mayBeWeights: true)
    }
  }
}
