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
        left = try parser.checked(isSum ? left + right : left - right, at: token)
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
      left = try checked(isProduct ? left * right : left / right, at: token)
    }
    return left
  }

  mutating func prefix() throws(TextError) -> Tensor {
    guard isSymbol("-") else { return try atom() }
    advance()
    switch current.kind {
    case .number(let text):
      return .constant(-(try number(text)))
    case .identifier("inf"):
      advance()
      return .constant(-.infinity)
    case .identifier, .anonymous, .symbol, .newline, .end:
      return -(try nested { parser throws(TextError) in try parser.prefix() })
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
      let known = functions.keys.sorted().joined(separator: ", ")
      throw source.error(
        "no function is named '\(name)'; known: \(known), select, reshape", at: token)
    }
    var labelTokens: [String: Token] = [:]
    var arguments = try self.arguments(&labelTokens)
    let result: Tensor
    do {
      result = try function.call(&arguments)
      try arguments.finish(name)
    } catch {
      throw source.error(
        error.message, at: error.label.flatMap { labelTokens[$0] } ?? token)
    }
    return try checked(result, at: token)
  }

  mutating func arguments(
    _ labelTokens: inout [String: Token]
  ) throws(TextError) -> TextArguments {
    var arguments = TextArguments(positional: [], labelled: [])
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
        arguments.labelled.append((label, try argument()))
      } else {
        let value = try argument()
        // Only labelled arguments may be words.
        if case .word(let name, nil) = value { _ = try self.value(name, at: token) }
        arguments.positional.append(value)
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
    return try checked(
      left.select(ifGreaterThan: right, greater, else: otherwise), at: token)
  }

  mutating func reshape(at token: Token) throws(TextError) -> Tensor {
    try open("(", "before the arguments")
    let operand = try expression()
    try expect(",", "before the shape")
    let axes = try shape()
    try close(")", "after the arguments")
    return try checked(operand.reshaped(axes), at: token)
  }
}
