extension Stmt {
  /// The statements inside it, in order.
  public var inner: [Stmt] {
    switch self {
    case .loop(_, _, _, _, let body), .section(_, let body), .rows(let body): body
    case .when(_, let yes, let no): yes + no
    case .strips(_, _, let strips): strips.flatMap(\.body)
    case .step(_, let steps): steps.flatMap { $0 }
    case .comment, .pointer, .scratch, .partials, .define, .variable, .assign, .accumulate, .store,
      .group, .setGroup, .storeGroup, .nextRow, .prefetch, .prefetchLine, .storeScalar,
      .storeStored, .storeEntries, .index, .flag, .array, .setEntry, .call, .carve, .memory, .leave,
      .finishStreams, .settle:
      []
    }
  }

  /// The values that it computes itself, in order.
  public var values: [LoopExpr] {
    switch self {
    case .define(_, let value), .variable(_, let value), .assign(_, let value),
      .store(_, _, let value, _), .storeScalar(_, _, let value), .setGroup(_, _, let value),
      .storeStored(_, _, let value), .setEntry(_, _, let value):
      [value]
    case .accumulate(_, _, _, let terms, _): terms
    case .loop, .section, .rows, .when, .strips, .step, .comment, .pointer, .scratch, .partials,
      .group, .storeGroup, .storeEntries, .nextRow, .prefetch, .prefetchLine, .index, .flag, .array,
      .call, .carve, .memory, .leave, .finishStreams, .settle:
      []
    }
  }

  /// The whole number or choice that it names: a loop's is its index.
  public var declaredIndex: String? {
    switch self {
    case .index(let name, _), .flag(let name, _), .loop(let name, _, _, _, _),
      .strips(let name, _, _):
      name
    case .nextRow: LoopIndex.next
    case .rows: LoopIndex.row
    // Partials that do not begin at zero are filled by a loop.
    case .partials: LoopIndex.vector
    case .comment, .pointer, .scratch, .define, .variable, .assign, .accumulate, .store, .group,
      .setGroup, .storeGroup, .storeEntries, .prefetch, .prefetchLine, .storeScalar, .storeStored,
      .array, .setEntry, .call, .carve, .memory, .leave, .finishStreams, .settle, .section, .when,
      .step:
      nil
    }
  }

  /// The pointer that it stores to itself.
  private var target: Pointer? {
    switch self {
    case .store(let pointer, _, _, _), .storeScalar(let pointer, _, _),
      .storeGroup(let pointer, _, _), .storeStored(let pointer, _, _),
      .storeEntries(let pointer, _, _, _, _):
      pointer
    case .loop, .section, .rows, .when, .strips, .step, .define, .variable, .assign, .setGroup,
      .accumulate, .comment, .pointer, .scratch, .partials, .group, .nextRow, .prefetch,
      .prefetchLine, .index, .flag, .array, .setEntry, .call, .carve, .memory, .leave,
      .finishStreams, .settle:
      nil
    }
  }

  /// Calls `body` with the statement and every one inside it, the outer first.
  public func visit(_ body: (Stmt) -> Void) {
    body(self)
    for statement in inner { statement.visit(body) }
  }

  /// The statement and those inside it.
  public var count: Int { inner.reduce(1) { $0 + $1.count } }

  /// Calls `body` with every expression of the statement and of those inside it, the outer first.
  public func visitExpressions(_ body: (LoopExpr) -> Void) {
    visit { statement in for value in statement.values { value.visit(body) } }
  }

  /// Calls `body` with every pointer that is stored to.
  public func visitStores(_ body: (Pointer) -> Void) {
    visit { statement in if let pointer = statement.target { body(pointer) } }
  }

  /// Whether the statement or one inside it reads or sets entries of some arrays that an index picks.
  public func picksEntries(of arrays: Set<String>, by index: String) -> Bool {
    var found = false
    func see(_ name: String, _ indices: [Index]) {
      if arrays.contains(name), indices.contains(.variable(index)) { found = true }
    }
    visit { statement in
      switch statement {
      case .setEntry(let name, let indices, _), .storeEntries(_, _, let name, let indices, _):
        see(name, indices)
      default: break
      }
    }
    visitExpressions { expression in
      switch expression {
      case .entry(let name, let indices), .scalarEntry(let name, let indices): see(name, indices)
      default: break
      }
    }
    return found
  }

  /// Whether the statement or one inside it takes bits of vectors of words from a place that depends on an
  /// index.
  public func picksBits(by index: String) -> Bool {
    var found = false
    visitExpressions { expression in
      switch expression {
      case .bits(_, let from, _, _), .signedBits(_, let from, _), .quads(_, let from, _, _):
        if from.mentions(index) { found = true }
      default: break
      }
    }
    return found
  }

  /// Whether the statement or one inside it asks for elements of the next row.
  public var prefetches: Bool {
    if case .prefetch = self { return true }
    return inner.contains { $0.prefetches }
  }
}

extension LoopExpr {
  /// The pointer that it reads elements from itself.
  public var source: Pointer? {
    switch self {
    case .load(let pointer, _, _), .loadScalar(let pointer, _), .stored(let pointer, _),
      .storedVector(let pointer, _, _), .pairs(let pointer, _), .pair(let pointer, _, _),
      .bytes(let pointer, _, _), .words(let pointer, _), .storedBits(let pointer, _, _, _),
      .quad(let pointer, _):
      pointer
    case .vector, .scalar, .constant, .apply, .rounded, .leading, .combined, .broadcast, .entry,
      .scalarEntry, .choose, .number, .storedZero, .storedZeros, .widened, .dot, .bits, .signedBits,
      .joined, .whole, .quads, .quadZeros, .quadStart, .quadDot, .quadTotal, .signFlipped:
      nil
    }
  }

  /// Calls `body` with the expression and every one inside it.
  public func visit(_ body: (LoopExpr) -> Void) {
    body(self)
    switch self {
    case .apply(_, let operands):
      for operand in operands { operand.visit(body) }
    case .rounded(_, let operand), .leading(let operand, _), .broadcast(let operand),
      .widened(_, let operand), .bits(let operand, _, _, _),
      .signedBits(let operand, _, _), .whole(let operand), .quads(let operand, _, _, _),
      .quadTotal(_, let operand), .quadStart(let operand), .signFlipped(let operand):
      operand.visit(body)
    case .joined(let low, let high, _):
      low.visit(body)
      high.visit(body)
    case .choose(_, let yes, let no):
      yes.visit(body)
      no.visit(body)
    case .dot(let sums, let x, let w), .quadDot(_, let sums, let w, let x):
      for operand in [sums, x, w] { operand.visit(body) }
    case .vector, .scalar, .constant, .load, .loadScalar, .combined, .entry, .scalarEntry, .number,
      .stored,
      .storedVector, .storedZero, .storedZeros, .pairs, .pair, .bytes, .words, .storedBits, .quad,
      .quadZeros:
      break
    }
  }
}
