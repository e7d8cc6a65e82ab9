import NormGenIR

/// A loop program that breaks its own rules; always a defect of the strategy that made it.
public struct LoopError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kernel.
  public let kernel: String
  /// The rule and what was found.
  public let message: String

  /// Creates an error.
  public init(kernel: String, message: String) {
    self.kernel = kernel
    self.message = message
  }

  public var description: String { "loops of kernel '\(kernel)': \(message)" }
}

/// Checks that names are defined before use, that types fit, that every access stays inside its
/// buffer and that every output element is written exactly once.
///
/// Accesses are checked by running the loops over one row with real indices.
public struct LoopVerifier {
  private let rowProgram: RowProgram
  private let tileScalars: Set<String>
  private var buffers: [String: Buffer] = [:]
  private var extents: [String: (buffer: String?, offset: Int, count: Int)] = [:]
  /// How often each element of the outputs is written, and the place of each output among them.
  private var writes: [[UInt8]] = []
  private var outputs: [String: Int] = [:]
  private var vectors: Set<String> = []
  private var scalars: Set<String> = []
  private var variables: Set<String> = []
  private var partials: [String: Reduction] = [:]
  /// The slots of each group that have a value.
  private var groups: [String: Set<Int>] = [:]
  private var indices: [String: Int] = [LoopIndex.row: 0]
  /// The names that end with the innermost scope.
  private var scope = Scope()

  private struct Scope {
    var vectors: [String] = []
    var scalars: [String] = []
    var partials: [String] = []
  }

  /// Verifies `rowProgram`.
  public static func verify(_ rowProgram: RowProgram) throws(LoopError) {
    var verifier = LoopVerifier(rowProgram)
    try verifier.run(rowProgram.row)
    try verifier.checkWrites()
  }

  private init(_ rowProgram: RowProgram) {
    self.rowProgram = rowProgram
    self.tileScalars = Set(rowProgram.tileScalars)
    for buffer in rowProgram.buffers {
      buffers[buffer.name] = buffer
      // A parameter's own name points at its first element.
      extents[buffer.name] = (buffer.name, 0, buffer.shape.elementsPerRow)
      if buffer.isOutput {
        outputs[buffer.name] = writes.count
        writes.append([UInt8](repeating: 0, count: buffer.shape.elementsPerRow))
      }
    }
  }

  private func error(_ message: String) -> LoopError {
    LoopError(kernel: rowProgram.name, message: message)
  }

  private func checkWrites() throws(LoopError) {
    for buffer in rowProgram.buffers where buffer.isOutput {
      let counts = outputs[buffer.name].map { writes[$0] } ?? []
      if buffer.isAccumulated {
        // Axes that are summed like rows write again.
        guard let first = counts.first, first > 0, counts.allSatisfy({ $0 == first }) else {
          throw error("some elements of '\(buffer.name)' are accumulated more often than others")
        }
        continue
      }
      if let element = counts.firstIndex(where: { $0 != 1 }) {
        throw error("'\(buffer.name)' element \(element) is written \(counts[element]) times")
      }
    }
  }

  private mutating func run(_ statements: [Stmt]) throws(LoopError) {
    for statement in statements { try run(statement) }
  }

  /// Runs statements whose names end with them.
  private mutating func runScope(_ statements: [Stmt]) throws(LoopError) {
    let outer = scope
    scope = Scope()
    try run(statements)
    vectors.subtract(scope.vectors)
    // A tile's scalars outlive the row that sets them.
    scalars.subtract(scope.scalars.filter { !tileScalars.contains($0) })
    for name in scope.partials { partials[name] = nil }
    scope = outer
  }

  private mutating func insert(_ name: String, _ expression: LoopExpr) {
    if expression.isVector {
      vectors.insert(name)
      scope.vectors.append(name)
    } else {
      scalars.insert(name)
      scope.scalars.append(name)
    }
  }

  private func checkFresh(_ name: String) throws(LoopError) {
    guard !vectors.contains(name), !scalars.contains(name) else {
      throw error("'\(name)' is defined twice")
    }
  }

  private mutating func run(_ statement: Stmt) throws(LoopError) {
    switch statement {
    case .comment: break
    case .pointer(let pointer, let name, let offset):
      guard let buffer = buffers[name] else { throw error("no buffer is named '\(name)'") }
      guard buffer.storage == pointer.storage else {
        throw error("'\(pointer.name)' is \(pointer.storage), '\(name)' is \(buffer.storage)")
      }
      let start = try value(offset)
      extents[pointer.name] = (name, start, buffer.shape.elementsPerRow)
    case .scratch(let pointer, let count):
      extents[pointer.name] = (nil, 0, count)
    case .partials(let name, let reduction, _):
      guard partials[name] == nil else { throw error("the partials '\(name)' are defined twice") }
      partials[name] = reduction
      scope.partials.append(name)
    case .define(let name, let expression):
      try check(expression)
      try checkFresh(name)
      insert(name, expression)
    case .variable(let name, let expression):
      try check(expression)
      try checkFresh(name)
      insert(name, expression)
      variables.insert(name)
    case .assign(let name, let expression):
      try check(expression)
      guard variables.contains(name), (expression.isVector ? vectors : scalars).contains(name)
      else {
        throw error("'\(name)' is no \(expression.isVector ? "vector" : "scalar") variable")
      }
    case .loop(let index, let from, let to, let step, let body):
      let step = try value(step)
      guard step > 0, indices[index] == nil else {
        throw error("the loop over '\(index)' has step \(step) or shadows another")
      }
      let first = try value(from)
      let end = try value(to)
      for position in stride(from: first, to: end, by: step) {
        indices[index] = position
        try runScope(body)
      }
      indices[index] = nil
    case .rows(let body):
      guard rowProgram.tile > 1 else {
        throw error("rows of a tile in a row program without tiles")
      }
      try runScope(body)
    case .section(_, let body):
      try runScope(body)
    case .accumulate(let name, let slot, let reduction, let terms, let lanes):
      guard partials[name] == reduction else { throw error("no \(reduction) partials '\(name)'") }
      guard (0..<Partials.vectors(lanes: rowProgram.lanes)).contains(try value(slot)) else {
        throw error("'\(name)' has no slot \(try value(slot))")
      }
      try check(lanes)
      for term in terms { try check(term) }
    case .store(let pointer, let index, let expression, let lanes):
      try check(expression)
      try check(lanes)
      try write(pointer, try value(index), count(lanes))
    case .group(let name):
      groups[name] = []
    case .setGroup(let name, let slot, let expression):
      try check(expression)
      guard groups[name] != nil else { throw error("no group is named '\(name)'") }
      let position = try value(slot)
      groups[name]?.insert(position)
    case .storeGroup(let pointer, let index, let name):
      guard groups[name] == Set(0..<Partials.vectors(lanes: rowProgram.lanes)) else {
        throw error("the group '\(name)' is stored before all its slots have a value")
      }
      try write(pointer, try value(index), SumOrder.partials)
    case .nextRow:
      indices[LoopIndex.next] = 0
    case .prefetch(let pointer, let index):
      try access(pointer, try value(index), 1)
    case .storeScalar(let pointer, let index, let expression):
      try check(expression)
      guard !expression.isVector else { throw error("a vector is stored as one element") }
      try write(pointer, try value(index), 1)
    case .storeEntries, .finishStreams, .settle, .flag, .storeStored, .index, .array, .setEntry,
      .when,
      .strips, .call, .carve, .memory, .step,
      .leave, .prefetchLine:
      throw error("a statement that row programs do not have: \(statement)")
    }
  }

  private mutating func write(_ pointer: Pointer, _ start: Int, _ count: Int) throws(LoopError) {
    let offset = try access(pointer, start, count)
    guard let name = extents[pointer.name]?.buffer else { return }
    guard buffers[name]?.isOutput == true else { throw error("the input '\(name)' is written") }
    guard let output = outputs[name] else { return }
    for element in offset..<(offset + count) { writes[output][element] &+= 1 }
  }

  @discardableResult
  private func access(_ pointer: Pointer, _ start: Int, _ count: Int) throws(LoopError) -> Int {
    guard let extent = extents[pointer.name] else {
      throw error("the pointer '\(pointer.name)' is used before it is defined")
    }
    let first = extent.offset + start
    guard first >= 0, first + count <= extent.count else {
      throw error(
        "elements \(first)..<\(first + count) of '\(pointer.name)', which has \(extent.count)")
    }
    return first
  }

  private func count(_ lanes: Lanes) -> Int {
    switch lanes {
    case .all, .leading: rowProgram.lanes
    case .first(let count): count
    }
  }

  private func check(_ lanes: Lanes) throws(LoopError) {
    switch lanes {
    case .all: break
    case .first(let count):
      guard (1..<rowProgram.lanes).contains(count) else {
        throw error("\(count) of \(rowProgram.lanes) lanes")
      }
    case .leading: throw error("lanes whose number row programs do not know")
    }
  }

  private func check(_ expression: LoopExpr) throws(LoopError) {
    switch expression {
    case .vector(let name):
      guard vectors.contains(name) else { throw error("no vector is named '\(name)'") }
    case .scalar(let name):
      guard scalars.contains(name) else { throw error("no scalar is named '\(name)'") }
    case .constant: break
    case .load(let pointer, let index, let lanes):
      try check(lanes)
      try access(pointer, try value(index), count(lanes))
    case .loadScalar(let pointer, let index):
      try access(pointer, try value(index), 1)
    case .apply(let op, let operands):
      guard operands.count == op.arity else {
        throw error("\(op) has \(operands.count) operands")
      }
      for operand in operands { try check(operand) }
    case .rounded(_, let operand):
      try check(operand)
    case .leading(let operand, let count):
      try check(Lanes.first(count))
      try check(operand)
    case .combined(let reduction, let name):
      guard partials[name] == reduction else { throw error("no \(reduction) partials '\(name)'") }
    case .broadcast, .entry, .scalarEntry, .choose, .number, .stored, .storedVector, .storedZero,
      .storedZeros,
      .pairs, .pair, .widened, .dot, .bytes, .words, .bits, .signedBits, .storedBits, .joined,
      .whole, .quads, .quad, .quadZeros, .quadStart, .quadDot, .quadTotal, .signFlipped:
      throw error("a value that row programs do not have: \(expression)")
    }
  }

  /// The value of an index for row 0.
  private func value(_ index: Index) throws(LoopError) -> Int {
    switch index {
    case .constant(let value): return value
    case .variable(let name):
      guard let value = indices[name] else { throw error("no index is named '\(name)'") }
      return value
    case .stride: return 0
    case .sum(let left, let right): return try value(left) + value(right)
    case .product(let left, let right): return try value(left) * value(right)
    case .difference, .quotient, .remainder, .choose, .share, .result:
      throw error("an index that row programs do not have: \(index)")
    }
  }
}
