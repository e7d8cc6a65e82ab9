public import NormGenIR

/// A kernel as explicit loops over rows and vectors, for one number of lanes.
///
/// Everything that fixes the bits is fixed in the graph already; the loops only say in which
/// order independent work is done and where values live meanwhile.
public struct LoopKernel: Hashable, Sendable {
  /// The kernel's name.
  public let name: String
  /// The parameters: inputs, then outputs.
  public let buffers: [Buffer]
  /// Float32 lanes of a vector.
  public let lanes: Int
  /// What is done for one index of `rows`, or for one tile, under the loop over rows.
  public let row: [Stmt]
  /// The number of rows that are handled together; what is left over is handled row by row.
  public let tile: Int
  /// The scalars that every row of a tile has one of, in the order in which they are set.
  public let tileScalars: [String]
  /// The groups that every row of a tile has one of.
  public let tileGroups: Set<String>
  /// The schedule in words, for the head of the emitted file and `explain`.
  public let summary: [String]

  /// The statements for one index of `rows`.
  public var statementCount: Int { row.reduce(0) { $0 + $1.count } }

  /// Creates a kernel without checking it; see ``LoopVerifier``.
  public init(
    name: String, buffers: [Buffer], lanes: Int, row: [Stmt], tile: Int = 1,
    tileScalars: [String] = [], tileGroups: Set<String> = [], summary: [String]
  ) {
    self.name = name
    self.buffers = buffers
    self.lanes = lanes
    self.row = row
    self.tile = tile
    self.tileScalars = tileScalars
    self.tileGroups = tileGroups
    self.summary = summary
  }
}

/// A tensor parameter.
public struct Buffer: Hashable, Sendable {
  /// The parameter's name, unique in the kernel.
  public let name: String
  /// The type of the elements in memory.
  public let storage: DType
  /// The shape; with `rows` the parameter has a row stride.
  public let shape: Shape
  /// Whether the kernel writes it.
  public let isOutput: Bool
  /// Whether every row adds to what the rows before have left in it.
  public let isAccumulated: Bool

  /// Creates a parameter.
  public init(
    name: String, storage: DType, shape: Shape, isOutput: Bool, isAccumulated: Bool = false
  ) {
    self.isAccumulated = isAccumulated
    self.name = name
    self.storage = storage
    self.shape = shape
    self.isOutput = isOutput
  }
}

/// A place in a buffer or scratch row that elements are counted from.
public struct Pointer: Hashable, Sendable {
  /// The name, unique in the kernel.
  public let name: String
  /// The type of the elements.
  public let storage: DType

  /// Creates a pointer.
  public init(name: String, storage: DType) {
    self.name = name
    self.storage = storage
  }
}

/// A whole number: a loop index, an offset in elements.
public indirect enum Index: Hashable, Sendable {
  /// A known number.
  case constant(Int)
  /// A loop index, or `row`.
  case variable(String)
  /// The row stride of a buffer in elements.
  case stride(String)
  /// A sum.
  case sum(Index, Index)
  /// A product.
  case product(Index, Index)
  /// A difference.
  case difference(Index, Index)
  /// A quotient, rounded down; both are positive or zero.
  case quotient(Index, Index)
  /// What such a quotient leaves.
  case remainder(Index, Index)
  /// One of two numbers.
  case choose(LoopCondition, Index, Index)
  /// Where part `part` of `parts` begins among `count` things: count · part / parts, rounded down.
  case share(of: Index, part: Index, parts: Index)
  /// What a function of the module returns.
  case result(of: String, [Index])

  /// The sum, with constants folded.
  public static func + (left: Index, right: Index) -> Index {
    switch (left, right) {
    case (.constant(0), _): right
    case (_, .constant(0)): left
    case (.constant(let a), .constant(let b)): .constant(a + b)
    case (_, .sum(let first, let second)): left + first + second
    default: .sum(left, right)
    }
  }

  /// The product, with constants folded.
  public static func * (left: Index, right: Index) -> Index {
    switch (left, right) {
    case (.constant(0), _), (_, .constant(0)): .constant(0)
    case (.constant(1), _): right
    case (_, .constant(1)): left
    case (.constant(let a), .constant(let b)): .constant(a * b)
    default: .product(left, right)
    }
  }
}

extension Index {
  /// The difference.
  public static func - (left: Index, right: Index) -> Index {
    right == .constant(0) ? left : .difference(left, right)
  }

  /// The quotient, rounded down.
  public static func / (left: Index, right: Index) -> Index { .quotient(left, right) }

  /// What the quotient leaves.
  public static func % (left: Index, right: Index) -> Index { .remainder(left, right) }

  /// The lesser of both.
  public static func minimum(_ left: Index, _ right: Index) -> Index {
    .choose(.less(left, right), left, right)
  }

  /// The quotient, rounded up.
  public func quotientUp(_ divisor: Int) -> Index {
    divisor == 1 ? self : (self + .constant(divisor - 1)) / .constant(divisor)
  }
}

extension Index {
  /// Whether the first is less.
  public static func < (left: Index, right: Index) -> LoopCondition { .less(left, right) }

  /// Whether the first is at most the second.
  public static func <= (left: Index, right: Index) -> LoopCondition { .atMost(left, right) }

  /// Whether the first is greater.
  public static func > (left: Index, right: Index) -> LoopCondition { .less(right, left) }
}

extension Index: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral {
  public init(integerLiteral value: Int) { self = .constant(value) }
  public init(stringLiteral name: String) { self = .variable(name) }
}

/// Which lanes of a vector take part.
public enum Lanes: Hashable, Sendable {
  /// All of them.
  case all
  /// The first `count`, 0 < count < lanes.
  case first(Int)
  /// The first so many, a number that is known when it runs.
  case leading(Index)
}

/// A Float32 value: a vector of lanes, or a scalar.
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

  /// Whether the value is a vector.
  public var isVector: Bool {
    switch self {
    case .vector, .load, .leading, .broadcast, .entry, .storedVector, .storedZeros, .pairs, .pair,
      .widened, .dot:
      true
    case .scalar, .constant, .loadScalar, .combined, .scalarEntry, .number, .stored, .storedZero:
      false
    case .choose(_, let yes, _): yes.isVector
    case .apply(_, let operands): operands.contains { $0.isVector }
    case .rounded(_, let operand): operand.isVector
    }
  }
}

/// One step of a kernel.
public indirect enum Stmt: Hashable, Sendable {
  /// A sentence for the reader.
  case comment(String)
  /// A pointer into a buffer.
  case pointer(Pointer, buffer: String, offset: Index)
  /// A row of Float32 that only this kernel sees.
  case scratch(Pointer, count: Int)
  /// The 64 partials of a statistic, at their reduction's identity.
  case partials(String, Reduction)
  /// A named value.
  case define(String, LoopExpr)
  /// A scalar or vector that later statements change, at its first value.
  case variable(String, LoopExpr)
  /// A new value for a variable.
  case assign(String, LoopExpr)
  /// A half-open loop: `index` from `from` while below `to`, by `step`.
  case loop(index: String, from: Index, to: Index, step: Index, body: [Stmt])
  /// Statements for each row of a tile.
  case rows([Stmt])
  /// Statements with names of their own, under a sentence for the reader.
  case block(String, [Stmt])
  /// Adds one vector of terms to the partials of `slot`; two terms are multiplied and fused.
  case accumulate(partials: String, slot: Index, Reduction, terms: [LoopExpr], Lanes)
  /// Stores a vector, rounding to the pointer's type.
  case store(Pointer, at: Index, LoopExpr, Lanes)
  /// The 64 values of a row from one multiple of 64 to the next, a vector a slot.
  case group(String)
  /// A slot's value in a group.
  case setGroup(String, slot: Index, LoopExpr)
  /// Stores a whole group, rounding to the pointer's type.
  case storeGroup(Pointer, at: Index, String)
  /// The index `next`: the row that is handled after this one, or this one if there is none.
  case nextRow
  /// Asks for 64 elements to come closer.
  case prefetch(Pointer, at: Index)
  /// Stores one element, rounding to the pointer's type.
  case storeScalar(Pointer, at: Index, LoopExpr)
  /// Asks for the cache line some bytes behind a place to come closer; it need not be readable.
  case prefetchLine(Pointer, byte: Index)
  /// Stores one element, or a vector of them, as it lies in memory.
  case storeStored(Pointer, at: Index, LoopExpr)
  /// A named whole number.
  case index(String, Index)
  /// A choice by name.
  case flag(String, LoopCondition)
  /// Stores all vectors of an array that stand behind some indices, rounding to the pointer's type.
  case storeEntries(Pointer, at: Index, String, [Index], count: Int)
  /// The end of stores that bypass the caches.
  case finishStreams
  /// Entries by one or more indices, without values at first.
  case array(String, extents: [Int], LoopArrayElement)
  /// A value for an entry of an array.
  case setEntry(String, [Index], LoopExpr)
  /// Statements that a condition decides on.
  case when(LoopCondition, [Stmt], otherwise: [Stmt])
  /// A loop over `0..<to` in strips: as many of the first as there is room for, then of the next.
  case strips(index: String, to: Index, [LoopStrip])
  /// A call of another function.
  case call(String, [CallArgument])
  /// A place among `count` elements of memory from a byte on, `stride` from row to row, of which the
  /// first `columns` are used.
  case carve(Pointer, from: String, byte: Index, count: Index, columns: Int, stride: Int)
  /// Memory from a byte of other memory on; from the next multiple of 64 bytes on if it is aligned.
  case memory(String, from: String, byte: Index, isAligned: Bool)
  /// One of several lists of statements, by its number.
  case step(Index, [[Stmt]])
  /// The end of the function; with the number that it returns.
  case leave(Index?)
}

/// What an array holds.
public enum LoopArrayElement: Hashable, Sendable {
  /// Float32 numbers.
  case scalar
  /// Vectors of Float32.
  case vector
  /// Vectors of pairs of 16-bit elements.
  case pairs
}

/// The canonical order as it looks from a vector unit.
public enum Partials {
  /// Vectors that hold the 64 partials.
  public static func vectors(lanes: Int) -> Int { SumOrder.partials / lanes }
}
