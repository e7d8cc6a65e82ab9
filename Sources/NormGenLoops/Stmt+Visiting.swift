extension Stmt {
  /// The statement and those inside it.
  public var count: Int {
    switch self {
    case .loop(_, _, _, _, let statements), .block(_, let statements), .rows(let statements):
      statements.reduce(1) { $0 + $1.count }
    case .comment, .pointer, .scratch, .partials, .define, .variable, .assign, .accumulate, .store,
      .group, .setGroup, .storeGroup, .nextRow, .prefetch, .storeScalar:
      1
    }
  }

  /// Calls `body` with every expression of the statement and of those inside it, the outer first.
  public func visitExpressions(_ body: (LoopExpr) -> Void) {
    switch self {
    case .loop(_, _, _, _, let statements), .block(_, let statements), .rows(let statements):
      for statement in statements { statement.visitExpressions(body) }
    case .define(_, let value), .variable(_, let value), .assign(_, let value),
      .store(_, _, let value, _), .storeScalar(_, _, let value), .setGroup(_, _, let value):
      value.visit(body)
    case .accumulate(_, _, _, let terms, _):
      for term in terms { term.visit(body) }
    case .comment, .pointer, .scratch, .partials, .group, .storeGroup, .nextRow, .prefetch: break
    }
  }

  /// Calls `body` with every pointer that is stored to.
  public func visitStores(_ body: (Pointer) -> Void) {
    switch self {
    case .loop(_, _, _, _, let statements), .block(_, let statements), .rows(let statements):
      for statement in statements { statement.visitStores(body) }
    case .store(let pointer, _, _, _), .storeScalar(let pointer, _, _),
      .storeGroup(let pointer, _, _):
      body(pointer)
    case .define, .variable, .assign, .setGroup, .accumulate, .comment, .pointer, .scratch,
      .partials, .group, .nextRow, .prefetch:
      break
    }
  }

  /// Whether the statement or one inside it asks for elements of the next row.
  public var prefetches: Bool {
    switch self {
    case .loop(_, _, _, _, let statements), .block(_, let statements), .rows(let statements):
      statements.contains { $0.prefetches }
    case .prefetch: true
    case .comment, .pointer, .scratch, .partials, .define, .variable, .assign, .accumulate, .store,
      .group, .setGroup, .storeGroup, .nextRow, .storeScalar:
      false
    }
  }
}

extension LoopExpr {
  /// Calls `body` with the expression and every one inside it.
  public func visit(_ body: (LoopExpr) -> Void) {
    body(self)
    switch self {
    case .apply(_, let operands):
      for operand in operands { operand.visit(body) }
    case .rounded(_, let operand), .leading(let operand, _): operand.visit(body)
    case .vector, .scalar, .constant, .load, .loadScalar, .combined: break
    }
  }
}
