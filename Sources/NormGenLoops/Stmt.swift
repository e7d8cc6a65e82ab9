public import NormGenIR

/// One step of a kernel.
public indirect enum Stmt: Hashable, Sendable {
  /// A sentence for the reader.
  case comment(String)
  /// A pointer into a buffer.
  case pointer(Pointer, buffer: String, offset: Index)
  /// A row of Float32 that only this row program sees.
  case scratch(Pointer, count: Int)
  /// The 64 partials of a statistic, at their reduction's identity.
  case partials(String, Reduction, in: LoopPlace = .stack)
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
  case section(String, [Stmt])
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
  /// Asks for the cache line some bytes behind a place to come closer, into the first or the second level of
  /// caches; it need not be readable.
  case prefetchLine(Pointer, byte: Index, level: Int)
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
  /// What lies in memory stays there: registers, and so the stack, hold none of it from here on.
  case settle
  /// Entries by one or more indices, without values at first.
  case array(String, extents: [Int], LoopArrayElement, in: LoopPlace = .stack)
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

/// Where an array lies.
public enum LoopPlace: Hashable, Sendable {
  /// On the function's stack, or in registers.
  case stack
  /// In memory that the caller lends, from a byte on that is a multiple of 64.
  case memory(String, byte: Int)
}

/// What an array holds.
public enum LoopArrayElement: Hashable, Sendable {
  /// Float32 numbers.
  case scalar
  /// Vectors of Float32.
  case vector
  /// Vectors of pairs of 16-bit elements.
  case pairs
  /// Vectors of 32-bit words.
  case words
  /// Vectors of sums of quads' products.
  case quadSums(QuadSums)
}
