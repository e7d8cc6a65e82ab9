import NormGenIR
import NormGenLoops

/// Where the arrays of a row program lie: on the stack while it has room for them, else in memory that
/// the caller of the kernel lends.
struct RowMemory {
  /// The most bytes of stack that an emitted kernel takes, compiled with optimization: a quarter of
  /// what the smallest threads have.
  static let mostStackBytes = 32 << 10
  /// What is left of it for the functions around, saved registers and operands without names.
  private static let reservedBytes = 4 << 10

  /// Bytes of the caller's memory, a multiple of 64; 0 if all arrays lie on the stack.
  let bytes: Int
  /// Where in it the arrays lie that the stack has no room for, by their names.
  private let offsets: [String: Int]
  /// The memory's name in the function.
  let name: String
  /// The scalars that lie there, too: those that vectors are computed with.
  let scalars: Set<String>
  /// The same for numbers: the names that they get, by their bits.
  let numbers: [UInt32: String]

  init(of rowProgram: RowProgram) {
    let arrays = RowMemory.arrays(of: rowProgram)
    let operands = RowMemory.scalarOperands(of: rowProgram)
    let vector = rowProgram.lanes * 4
    let room =
      RowMemory.mostStackBytes - RowMemory.reservedBytes
      - RowMemory.mostVectors(in: rowProgram.row) * vector
    let rows = arrays.filter(\.isRow).map(\.bytes).reduce(0, +)
    // Measured: where there are many of the others, what is computed of them takes about as much again.
    // Compilers keep scalars and numbers as vectors throughout a loop.
    let rest =
      2
      * (arrays.filter { !$0.isRow }.map(\.bytes).reduce(0, +)
        + (operands.names.count + operands.numbers.count) * vector)
    // Rows are the largest, and read in order: they go first.
    let isAll = rest > room
    let lent = rows + rest <= room ? [] : isAll ? arrays : arrays.filter(\.isRow)
    var offsets: [String: Int] = [:]
    var end = 0
    func lend(_ name: String, _ bytes: Int) {
      offsets[name] = end
      end += (bytes + 63) / 64 * 64
    }
    for array in lent { lend(array.name, array.bytes) }
    var numbers: [UInt32: String] = [:]
    if isAll {
      for name in operands.names { lend(name, 4) }
      for (place, bits) in operands.numbers.enumerated() {
        let name = RowMemory.freeName("number\(place + 1)", in: rowProgram)
        numbers[bits] = name
        lend(name, 4)
      }
    }
    self.bytes = end
    self.offsets = offsets
    self.scalars = isAll ? Set(operands.names) : []
    self.numbers = numbers
    self.name = end > 0 ? RowMemory.freeName("kept", in: rowProgram) : ""
  }

  /// The scalars with names that vectors are computed with, but for those of a tile's rows, and the
  /// numbers.
  private static func scalarOperands(
    of rowProgram: RowProgram
  ) -> (names: [String], numbers: [UInt32]) {
    var defined: Set<String> = []
    for statement in rowProgram.row {
      statement.visit { inner in
        if case .define(let name, let value) = inner, !value.isVector { defined.insert(name) }
      }
    }
    defined.subtract(rowProgram.tileScalars)
    var operands: Set<String> = []
    var numbers: Set<UInt32> = []
    func add(_ all: [LoopExpr]) {
      for case .scalar(let name) in all where defined.contains(name) { operands.insert(name) }
      for case .constant(let number) in all { numbers.insert(number.bitPattern) }
    }
    for statement in rowProgram.row {
      statement.visit { inner in
        if case .accumulate(_, _, _, let terms, _) = inner { add(terms) }
      }
      statement.visitExpressions { value in
        if value.isVector, case .apply(_, let all) = value { add(all) }
      }
    }
    return (operands.sorted(), numbers.sorted())
  }

  /// Where an array lies.
  func place(of array: String) -> LoopPlace {
    offsets[array].map { .memory(name, byte: $0) } ?? .stack
  }

  private struct Array {
    let name: String
    let bytes: Int
    /// Whether it is a scratch row.
    let isRow: Bool
  }

  /// The arrays of a kernel, each once: those of one name follow each other.
  private static func arrays(of rowProgram: RowProgram) -> [Array] {
    var arrays: [Array] = []
    var known: Set<String> = []
    func add(_ name: String, _ bytes: Int, isRow: Bool = false) {
      guard known.insert(name).inserted else { return }
      arrays.append(Array(name: name, bytes: bytes, isRow: isRow))
    }
    let group = SumOrder.partials * 4
    for name in rowProgram.tileScalars { add(name, rowProgram.tile * 4) }
    for statement in rowProgram.row {
      statement.visit { inner in
        switch inner {
        case .scratch(let pointer, let count): add(pointer.name, count * 4, isRow: true)
        case .partials(let name, _, _): add(name, group)
        case .group(let name):
          add(name, rowProgram.tileGroups.contains(name) ? rowProgram.tile * group : group)
        case .comment, .pointer, .define, .variable, .assign, .loop, .rows, .section, .accumulate,
          .store, .setGroup, .storeGroup, .nextRow, .prefetch, .storeScalar, .prefetchLine,
          .storeStored, .index, .flag, .storeEntries, .finishStreams, .settle, .array, .setEntry,
          .when,
          .strips, .call, .carve, .memory, .step, .leave:
          break
        }
      }
    }
    return arrays
  }

  /// The most vectors with names that statements need at once.
  private static func mostVectors(in statements: [Stmt]) -> Int {
    var ends: [String: Int] = [:]
    for (place, statement) in statements.enumerated() {
      statement.visitExpressions { value in
        if case .vector(let name) = value { ends[name] = place }
      }
    }
    var most = 0
    var needed: Set<String> = []
    for (place, statement) in statements.enumerated() {
      switch statement {
      case .define(let name, let value), .variable(let name, let value):
        if value.isVector { needed.insert(name) }
      case .comment, .pointer, .scratch, .partials, .assign, .loop, .rows, .section, .accumulate,
        .store, .group, .setGroup, .storeGroup, .nextRow, .prefetch, .storeScalar, .prefetchLine,
        .storeStored, .index, .flag, .storeEntries, .finishStreams, .settle, .array, .setEntry,
        .when,
        .strips, .call, .carve, .memory, .step, .leave:
        break
      }
      most = max(most, needed.count + mostVectors(in: statement.inner))
      if !needed.isEmpty { needed = needed.filter { ends[$0, default: place] > place } }
    }
    return most
  }

  /// A name that no tensor or value has.
  private static func freeName(_ wanted: String, in rowProgram: RowProgram) -> String {
    var taken = Set(rowProgram.buffers.map(\.name) + rowProgram.tileScalars)
    for statement in rowProgram.row {
      statement.visit { inner in
        switch inner {
        case .pointer(let pointer, _, _), .scratch(let pointer, _): taken.insert(pointer.name)
        case .define(let name, _), .variable(let name, _), .partials(let name, _, _),
          .group(let name):
          taken.insert(name)
        case .comment, .assign, .loop, .rows, .section, .accumulate, .store, .setGroup, .storeGroup,
          .nextRow, .prefetch, .storeScalar, .prefetchLine, .storeStored, .index, .flag,
          .storeEntries, .finishStreams, .settle, .array, .setEntry, .when, .strips, .call, .carve,
          .memory,
          .step, .leave:
          break
        }
      }
    }
    var name = wanted
    while taken.contains(name) { name += "_" }
    return name
  }
}
