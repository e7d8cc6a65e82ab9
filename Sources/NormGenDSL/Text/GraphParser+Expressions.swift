import NormGenIR

/// Expressions, read without recursion: what is open lies in frames, so that no text and no thread's
/// stack limits each other.
extension GraphParser {
  /// What an expression stands in.
  private enum Enclosure {
    /// A statement, an output, or an operand that is read by itself.
    case none
    case parentheses
    case call(Call)
    case select(Token, [Tensor])
    case reshape(Token)
  }

  /// A call of which some arguments are read.
  private struct Call {
    let function: TextFunction
    let token: Token
    var arguments: TextArguments
    var labels: [String: Token] = [:]
    /// The label of the argument being read.
    var label: String?
  }

  /// An expression of which some operands are read.
  private struct Frame {
    var enclosure: Enclosure
    /// What a sum has so far, and the operator behind it.
    var sum: (left: Tensor, symbol: Token)?
    /// What a product in it has so far, and the operator behind it.
    var product: (left: Tensor, symbol: Token)?
    /// The signs before the operand that comes next.
    var signs: [Token] = []
  }

  mutating func expression() throws(TextError) -> Tensor {
    var frames: [Frame] = []
    let outer = nesting
    defer { nesting = outer }
    try begin(.none, &frames)
    while true {
      guard var value = try operand(&frames) else { continue }
      // Whatever is complete with this value hands its own value on.
      while try !isFollowed(&frames[frames.count - 1], by: &value) {
        let enclosure = frames.removeLast().enclosure
        nesting -= 1
        guard let complete = try end(enclosure, with: value, &frames) else { break }
        value = complete
        if frames.isEmpty { return value }
      }
    }
  }

  /// Begins an expression.
  private mutating func begin(
    _ enclosure: Enclosure, _ frames: inout [Frame]
  ) throws(TextError) {
    frames.append(Frame(enclosure: enclosure))
    try nest()
  }

  /// The operand that stands here; nil if signs or another expression begin.
  private mutating func operand(_ frames: inout [Frame]) throws(TextError) -> Tensor? {
    let token = current
    switch token.kind {
    case .symbol("-"):
      advance()
      switch current.kind {
      case .number(let text): return .constant(-(try number(text)))
      case .identifier("inf"):
        advance()
        return .constant(-.infinity)
      case .identifier, .anonymous, .symbol, .newline, .end:
        frames[frames.count - 1].signs.append(token)
        try nest()
        return nil
      }
    case .number(let text): return .constant(try number(text))
    case .symbol("("):
      try open("(", "")
      try begin(.parentheses, &frames)
      return nil
    case .anonymous(let name):
      advance()
      return try value(name, at: token)
    case .identifier(let name):
      advance()
      if name == "inf", values[name] == nil { return .constant(.infinity) }
      guard isSymbol("(") else { return try value(name, at: token) }
      return try beginCall(name, at: token, &frames)
    case .symbol, .newline, .end:
      throw expected("a value, a number, a call or '('")
    }
  }

  /// Takes an operand into an expression.
  ///
  /// - Parameter value: The operand; the expression's value if that is complete.
  /// - Returns: Whether an operator follows, and so another operand.
  private mutating func isFollowed(
    _ frame: inout Frame, by value: inout Tensor
  ) throws(TextError) -> Bool {
    while let sign = frame.signs.popLast() {
      let operand = value
      value = try checked(at: sign) { -operand }
      nesting -= 1
    }
    if let (left, symbol) = frame.product {
      let right = value
      let isProduct = symbol.kind == .symbol("*")
      value = try checked(at: symbol) { isProduct ? left * right : left / right }
      frame.product = nil
    }
    if isSymbol("*") || isSymbol("/") {
      frame.product = (value, current)
      advance()
      return true
    }
    if let (left, symbol) = frame.sum {
      let right = value
      let isSum = symbol.kind == .symbol("+")
      value = try checked(at: symbol) { isSum ? left + right : left - right }
      frame.sum = nil
    }
    guard isSymbol("+") || isSymbol("-") else { return false }
    frame.sum = (value, current)
    advance()
    return true
  }

  /// Goes on behind a complete expression.
  ///
  /// - Returns: The value of what encloses it, if that is complete, too.
  private mutating func end(
    _ enclosure: Enclosure, with value: Tensor, _ frames: inout [Frame]
  ) throws(TextError) -> Tensor? {
    switch enclosure {
    case .none: return value
    case .parentheses:
      try close(")", "after an expression")
      return value
    case .call(var call):
      call.arguments.append(.tensor(value), label: call.label)
      return try nextArgument(of: call, &frames)
    case .select(let token, let operands):
      let all = operands + [value]
      switch all.count {
      case 1: try expect(">", "in the condition of 'select'")
      case 2: try expect(",", "after the condition")
      case 3: try expect(",", "after the first choice")
      default:
        try close(")", "after the arguments")
        return try checked(at: token) {
          all[0].select(ifGreaterThan: all[1], all[2], else: all[3])
        }
      }
      try begin(.select(token, all), &frames)
      return nil
    case .reshape(let token):
      try expect(",", "before the shape")
      let axes = try shape()
      try close(")", "after the arguments")
      return try checked(at: token) { value.reshaped(axes) }
    }
  }

  mutating func number(_ text: String) throws(TextError) -> Float {
    guard let value = Float(text), value.isFinite else {
      throw source.error("'\(text)' is beyond Float32", at: current)
    }
    advance()
    return value
  }

  func value(_ name: String, at token: Token) throws(TextError) -> Tensor {
    guard let value = values[name] else {
      throw source.error("no value is named '\(name)'\(nearNames(to: name))", at: token)
    }
    return value
  }

  // MARK: Calls

  /// The value of a call that needs no further expression; nil if one begins.
  private mutating func beginCall(
    _ name: String, at token: Token, _ frames: inout [Frame]
  ) throws(TextError) -> Tensor? {
    if name == "select" || name == "reshape" {
      try open("(", "before the arguments")
      try begin(name == "select" ? .select(token, []) : .reshape(token), &frames)
      return nil
    }
    guard let function = functions[name] else {
      let known = functions.keys.sorted() + ["select", "reshape"]
      throw source.error(
        "no function is named '\(name)'\(Spelling.guess(name, among: known))", at: token)
    }
    try open("(", "before the arguments")
    let call = Call(function: function, token: token, arguments: TextArguments(of: name))
    return try arguments(of: call, &frames)
  }

  /// What stands behind an argument.
  private mutating func nextArgument(
    of call: Call, _ frames: inout [Frame]
  ) throws(TextError) -> Tensor? {
    if !isSymbol(")") { try expect(",", "or ')' after an argument") }
    return try arguments(of: call, &frames)
  }

  /// The value of a call if no argument is left that is an expression; nil if one begins.
  private mutating func arguments(
    of call: Call, _ frames: inout [Frame]
  ) throws(TextError) -> Tensor? {
    var call = call
    while !isSymbol(")") {
      let token = current
      call.label = nil
      if case .identifier(let label) = token.kind, position + 1 < tokens.count,
        tokens[position + 1].kind == .symbol(":")
      {
        advance()
        advance()
        guard call.labels.updateValue(token, forKey: label) == nil else {
          throw source.error("the argument '\(label)' is given twice", at: token)
        }
        call.label = label
      }
      guard let value = simpleArgument() else {
        try begin(.call(call), &frames)
        return nil
      }
      // Only labelled arguments may be words.
      if call.label == nil, case .word(let name, nil) = value {
        _ = try self.value(name, at: token)
      }
      call.arguments.append(value, label: call.label)
      if !isSymbol(")") { try expect(",", "or ')' after an argument") }
    }
    try close(")", "after the arguments")
    return try value(of: call)
  }

  /// A number or a word that is a whole argument.
  private mutating func simpleArgument() -> TextArguments.Value? {
    func endsArgument(_ offset: Int) -> Bool {
      let next = position + offset < tokens.count ? tokens[position + offset].kind : .end
      return next == .symbol(",") || next == .symbol(")") || next == .newline
    }
    switch current.kind {
    case .symbol("-"):
      guard position + 1 < tokens.count, case .number(let text) = tokens[position + 1].kind,
        endsArgument(2)
      else { return nil }
      advance()
      advance()
      return .number("-\(text)")
    case .number(let text) where endsArgument(1):
      advance()
      return .number(text)
    case .identifier(let word) where endsArgument(1) && (values[word] != nil || word != "inf"):
      advance()
      return .word(word, values[word])
    case .identifier, .anonymous, .number, .symbol, .newline, .end: return nil
    }
  }

  private func value(of call: Call) throws(TextError) -> Tensor {
    var arguments = call.arguments
    let result = located(at: call.token) { () -> Result<Tensor, TextArgumentError> in
      do throws(TextArgumentError) {
        let value = try call.function.call(&arguments)
        try arguments.finish()
        return .success(value)
      } catch {
        return .failure(error)
      }
    }
    switch result {
    case .success(let value):
      var place = call.token
      if case .argument(let label, _, _, _)? = value.node.error?.reason {
        place = call.labels[label] ?? place
      }
      return try checked(at: place) { value }
    case .failure(let error):
      throw source.error(
        error.message, at: error.label.flatMap { call.labels[$0] } ?? call.token)
    }
  }
}
