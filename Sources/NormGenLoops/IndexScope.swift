/// Whole numbers by name, and what is computed from them.
public struct IndexScope: Sendable {
  /// A number that cannot be computed.
  public struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong with it.
    public let description: String
  }

  /// The values of parameters, loop indices and named numbers; flags are 0 or 1.
  public var indices: [String: Int]
  /// The row strides by the tensors' names.
  public var strides: [String: Int]
  /// The functions that may be called for a number.
  private let functions: [String: LoopFunction]

  /// Creates a scope.
  public init(
    indices: [String: Int] = [:], strides: [String: Int] = [:],
    functions: [String: LoopFunction] = [:]
  ) {
    self.indices = indices
    self.strides = strides
    self.functions = functions
  }

  /// The same functions, without values.
  public var empty: IndexScope { IndexScope(functions: functions) }

  /// The value of an index.
  public func value(_ index: Index) throws(Fault) -> Int {
    switch index {
    case .constant(let value): return value
    case .variable(let name):
      guard let value = indices[name] else {
        throw Fault(description: "uses the index '\(name)', which has no value")
      }
      return value
    case .stride(let name):
      guard let value = strides[name] else {
        throw Fault(description: "uses the stride of '\(name)', which has none")
      }
      return value
    case .sum(let left, let right):
      return try checked(try value(left).addingReportingOverflow(try value(right)))
    case .difference(let left, let right):
      return try checked(try value(left).subtractingReportingOverflow(try value(right)))
    case .product(let left, let right):
      return try checked(try value(left).multipliedReportingOverflow(by: try value(right)))
    case .quotient(let left, let right):
      return try checked(try value(left).dividedReportingOverflow(by: try value(right)))
    case .remainder(let left, let right):
      return try checked(
        try value(left).remainderReportingOverflow(dividingBy: try value(right)))
    case .choose(let condition, let yes, let no):
      return try holds(condition) ? try value(yes) : try value(no)
    case .share(let count, let part, let parts):
      let (count, part, parts) = (try value(count), try value(part), try value(parts))
      guard parts > 0, part >= 0, part <= parts, count >= 0 else {
        throw Fault(description: "part \(part) of \(parts) of \(count)")
      }
      return count / parts * part + min(part, count % parts)
    case .result(let name, let indices):
      var arguments: [Int] = []
      for index in indices { arguments.append(try value(index)) }
      return try result(of: name, arguments)
    }
  }

  private func checked(_ result: (partialValue: Int, overflow: Bool)) throws(Fault) -> Int {
    guard !result.overflow else {
      throw Fault(description: "a number of more than 64 bits, or a division by zero")
    }
    return result.partialValue
  }

  /// Whether a condition holds.
  public func holds(_ condition: LoopCondition) throws(Fault) -> Bool {
    switch condition {
    case .always: true
    case .flag(let name): try value(.variable(name)) != 0
    case .less(let left, let right): try value(left) < value(right)
    case .atMost(let left, let right): try value(left) <= value(right)
    case .equal(let left, let right): try value(left) == value(right)
    // Memory has no addresses here.
    case .rowsAligned: false
    case .both(let left, let right): try holds(left) ? try holds(right) : false
    }
  }

  /// What a function returns that only computes numbers.
  public func result(of name: String, _ arguments: [Int]) throws(Fault) -> Int {
    guard let function = functions[name], function.parameters.count == arguments.count else {
      throw Fault(
        description: "calls '\(name)', which is no function of \(arguments.count) numbers")
    }
    var scope = empty
    for (parameter, argument) in zip(function.parameters, arguments) {
      scope.indices[parameter.name] = argument
    }
    guard let result = try scope.run(function.body) else {
      throw Fault(description: "'\(name)' returns nothing")
    }
    return result
  }

  /// Runs statements up to a return.
  private mutating func run(_ statements: [Stmt]) throws(Fault) -> Int? {
    for statement in statements {
      if case .index(let name, let index) = statement {
        indices[name] = try value(index)
      } else if case .when(let condition, let yes, let no) = statement {
        if let result = try run(try holds(condition) ? yes : no) { return result }
      } else if case .leave(let index?) = statement {
        return try value(index)
      } else {
        throw Fault(description: "a statement where only numbers are computed: \(statement)")
      }
    }
    return nil
  }
}

extension LoopModule {
  /// The functions by name, for computing numbers.
  public var scope: IndexScope {
    IndexScope(
      functions: Dictionary(functions.map { ($0.name, $0) }, uniquingKeysWith: { $1 }))
  }

  /// The phases of a call that `parts` threads share, as the emitted function counts them.
  public func phases(rows: Int, parts: Int) throws(IndexScope.Fault) -> Int {
    try scope.result(of: interface.parts.phases, [rows, parts])
  }

  /// The bytes of scratch memory of such a call, as the emitted function counts them.
  public func scratchBytes(rows: Int, parts: Int) throws(IndexScope.Fault) -> Int {
    try scope.result(of: interface.parts.scratchBytes, [rows, parts])
  }
}
