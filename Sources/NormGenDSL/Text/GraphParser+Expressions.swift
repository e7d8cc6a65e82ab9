import NormGenIR

extension GraphParser {
  mutating func expression() throws(TextError) -> Tensor {
    try nested { parser throws(TextError) in
      var left = try parser.product()
      while parser.isSymbol("+") || parser.isSymbol("-") {
        let token = parser.current
        let isSum = parser.isSymbol("+")
        parser.advance()
        let right = try parser.product()
        left = try parser.checked(at: token) { isSum ? left + right : left - right }
      }
      return left
    }
  }

  mutating func product() throws(TextError) -> Tensor {
    var left = try prefix()
    while isSymbol("*") || isSymbol("/") {
      let token = current
      let isProduct = isSymbol("*")
      advance()
      let right = try prefix()
      left = try checked(at: token) { isProduct ? left * right : left / right }
    }
    return left
  }

  mutating func prefix() throws(TextError) -> Tensor {
    guard isSymbol("-") else { return try atom() }
    let token = current
    advance()
    switch current.kind {
    case .number(let text):
      return .constant(-(try number(text)))
    case .identifier("inf"):
      advance()
      return .constant(-.infinity)
    case .identifier, .anonymous, .symbol, .newline, .end:
      let operand = try nested { parser throws(TextError) in try parser.prefix() }
      return try checked(at: token) { -operand }
    }
  }

  mutating func number(_ text: String) throws(TextError) -> Float {
    guard let value = Float(text), value.isFinite else {
      throw source.error("'\(text)' is beyond Float32", at: current)
    }
    advance()
    return value
  }

  mutating func atom() throws(TextError) -> Tensor {
    let token = current
    switch token.kind {
    case .number(let text):
      return .constant(try number(text))
    case .symbol("("):
      try open("(", "")
      let value = try expression()
      try close(")", "after an expression")
      return value
    case .anonymous(let name):
      advance()
      return try value(name, at: token)
    case .identifier(let name):
      if name == "inf", values[name] == nil {
        advance()
        return .constant(.infinity)
      }
      advance()
      return isSymbol("(") ? try call(name, at: token) : try value(name, at: token)
    case .symbol, .newline, .end:
      throw expected("a value, a number, a call or '('")
    }
  }

  func value(_ name: String, at token: Token) throws(TextError) -> Tensor {
    guard let value = values[name] else {
      throw source.error("no value is named '\(name)'\(nearNames(to: name))", at: token)
    }
    return value
  }

  mutating func call(_ name: String, at token: Token) throws(TextError) -> Tensor {
    if name == "select" { return try select(at: token) }
    if name == "reshape" { return try reshape(at: token) }
    guard let function = functions[name] else {
      let known = functions.keys.sorted() + ["select", "reshape"]
      throw source.error(
        "no function is named '\(name)'\(Spelling.guess(name, among: known)); known: "
          + known.joined(separator: ", "), at: token)
    }
    var labelTokens: [String: Token] = [:]
    var arguments = try self.arguments(of: name, &labelTokens)
    let result = located(at: token) { () -> Result<Tensor, TextArgumentError> in
      do throws(TextArgumentError) {
        let value = try function.call(&arguments)
        try arguments.finish()
        return .success(value)
      } catch {
        return .failure(error)
      }
    }
    switch result {
    case .success(let value): return try checked(at: token) { value }
    case .failure(let error):
      throw source.error(
        error.message, at: error.label.flatMap { labelTokens[$0] } ?? token)
    }
  }

  mutating func arguments(
    of function: String, _ labelTokens: inout [String: Token]
  ) throws(TextError) -> TextArguments {
    var arguments = TextArguments(of: function)
    try open("(", "before the arguments")
    while !isSymbol(")") {
      let token = current
      if case .identifier(let label) = token.kind, position + 1 < tokens.count,
        tokens[position + 1].kind == .symbol(":")
      {
        advance()
        advance()
        guard labelTokens[label] == nil else {
          throw source.error("the argument '\(label)' is given twice", at: token)
        }
        labelTokens[label] = token
        arguments.append(try argument(), label: label)
      } else {
        let value = try argument()
        // Only labelled arguments may be words.
        if case .word(let name, nil) = value { _ = try self.value(name, at: token) }
        arguments.append(value)
      }
      if !isSymbol(")") { try expect(",", "or ')' after an argument") }
    }
    try close(")", "after the arguments")
    return arguments
  }

  mutating func argument() throws(TextError) -> TextArguments.Value {
    let next = position + 1 < tokens.count ? tokens[position + 1].kind : .end
    let isAlone = next == .symbol(",") || next == .symbol(")") || next == .newline
    switch current.kind {
    case .symbol("-"):
      guard case .number(let text) = next, position + 2 < tokens.count,
        [.symbol(","), .symbol(")"), .newline].contains(tokens[position + 2].kind)
      else { return .tensor(try expression()) }
      advance()
      advance()
      return .number("-\(text)")
    case .number(let text) where isAlone:
      advance()
      return .number(text)
    case .identifier(let word) where isAlone && (values[word] != nil || word != "inf"):
      advance()
      return .word(word, values[word])
    case .identifier, .anonymous, .number, .symbol, .newline, .end:
      return .tensor(try expression())
    }
  }

  mutating func select(at token: Token) throws(TextError) -> Tensor {
    try open("(", "before the arguments")
    let left = try expression()
    try expect(">", "in the condition of 'select'")
    let right = try expression()
    try expect(",", "after the condition")
    let greater = try expression()
    try expect(",", "after the first choice")
    let otherwise = try expression()
    try close(")", "after the arguments")
    return try checked(at: token) { left.select(ifGreaterThan: right, greater, else: otherwise) }
  }

  mutating func reshape(at token: Token) throws(TextError) -> Tensor {
    try open("(", "before the arguments")
    let operand = try expression()
    try expect(",", "before the shape")
    let axes = try shape()
    try close(")", "after the arguments")
    return try checked(at: token) { operand.reshaped(axes) }
  }
}
