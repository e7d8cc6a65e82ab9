public import NormGenIR

/// Reads kernels from the text form.
///
/// ```
/// kernel add_rms_norm(x: bf16[rows, 4096], residual: bf16[rows, 4096], gain: bf16[4096]) {
///   hidden = x + residual
///   normed = rms_norm(hidden, gain: gain, epsilon: 1e-6)
/// } -> hidden, normed
/// ```
///
/// A statement ends at the end of its line unless a parenthesis is open. `//` begins a comment. A
/// block `name { … }` groups the values of a composition. An output without a type takes its
/// value's storage type.
public struct GraphParser {
  let source: TextSource
  let tokens: [Token]
  let functions: [String: TextFunction]
  var position = 0
  var depth = 0
  var nesting = 0
  var values: [String: Tensor] = [:]

  /// Deeper nesting of parentheses, signs or blocks is refused: nobody reads it.
  static let deepest = 200

  /// The kernels of a text, in order.
  ///
  /// - Parameters:
  ///   - text: The text form.
  ///   - file: The name that error messages give.
  ///   - functions: Functions that may be called besides the library's.
  /// - Throws: ``TextError`` with line, column and expectation.
  public static func graphs(
    in text: String, file: String = "<text>", functions: [TextFunction] = []
  ) throws(TextError) -> [Graph] {
    let source = TextSource(file: file, text: text)
    var table = TextFunction.library
    for function in functions { table[function.name] = function }
    var parser = GraphParser(
      source: source, tokens: try Lexer.tokens(of: source), functions: table)
    var graphs: [Graph] = []
    parser.skipNewlines()
    repeat {
      graphs.append(try parser.kernel())
      parser.skipNewlines()
    } while parser.current.kind != .end
    return graphs
  }

  init(source: TextSource, tokens: [Token], functions: [String: TextFunction]) {
    self.source = source
    self.tokens = tokens
    self.functions = functions
  }
}

// MARK: - Tokens

extension GraphParser {
  var current: Token { tokens[position] }

  mutating func advance() {
    if position < tokens.count - 1 { position += 1 }
    if depth > 0 { skipNewlines() }
  }

  mutating func skipNewlines() {
    while current.kind == .newline { position += 1 }
  }

  func isSymbol(_ text: String) -> Bool { current.kind == .symbol(text) }

  mutating func accept(_ text: String) -> Bool {
    guard isSymbol(text) else { return false }
    advance()
    return true
  }

  mutating func expect(_ text: String, _ what: String) throws(TextError) {
    guard accept(text) else { throw expected("'\(text)' \(what)") }
  }

  func expected(_ what: String) -> TextError {
    source.error("expected \(what), found \(current.found)", at: current)
  }

  mutating func identifier(_ what: String) throws(TextError) -> String {
    guard case .identifier(let name) = current.kind else { throw expected(what) }
    guard Identifier.isValid(name) else {
      throw source.error(
        "expected \(what), found '\(name)', which is a C keyword or reserved", at: current)
    }
    advance()
    return name
  }

  mutating func open(_ symbol: String, _ what: String) throws(TextError) {
    guard isSymbol(symbol) else { throw expected("'\(symbol)' \(what)") }
    depth += 1
    advance()
  }

  mutating func close(_ symbol: String, _ what: String) throws(TextError) {
    guard isSymbol(symbol) else { throw expected("'\(symbol)' \(what)") }
    depth -= 1
    advance()
  }

  /// Counts one more parenthesis, sign or block.
  mutating func nest() throws(TextError) {
    nesting += 1
    guard nesting <= GraphParser.deepest else {
      throw source.error("nested more than \(GraphParser.deepest) deep", at: current)
    }
  }
}

// MARK: - Kernels and statements

extension GraphParser {
  mutating func kernel() throws(TextError) -> Graph {
    values = [:]
    nesting = 0
    guard current.kind == .identifier("kernel") else { throw expected("'kernel'") }
    advance()
    let nameToken = current
    let name = try identifier("a kernel name")
    let inputs = try parameters()
    skipNewlines()
    try expect("{", "before the kernel's statements")
    try statements()
    try expect("->", "and the kernel's outputs")
    let outputs = try outputList()
    let kernel = Kernel(
      name, outputs: outputs.map(\.output), parameterOrder: inputs.map(\.name))
    let graph: Graph
    do {
      graph = try kernel.graph()
    } catch {
      let token = outputs.last { output in
        switch error.reason {
        case .duplicateName(output.output.name), .outputWithoutRows(output.output.name, _): true
        case .shape, .invalidName, .duplicateName, .noOutput, .unusedInput, .conflictingInput,
          .notANumber, .outputWithoutRows, .tooDeep, .tooManyParts, .argument, .matmul,
          .blocksOfOther, .malformed:
          false
        }
      }?.token
      let message = error.reason.description
      if token == nil, let place = error.location, let column = place.column {
        throw source.error(message, line: Int(place.line), column: Int(column))
      }
      throw source.error(message, at: token ?? nameToken)
    }
    // The graph holds what its outputs reach, so it can't miss an input itself.
    let used = Set(graph.inputs.compactMap { graph[$0].inputName })
    for (name, token) in inputs where !used.contains(name) {
      throw source.error(GraphError.Reason.unusedInput(name).description, at: token)
    }
    return graph
  }

  mutating func parameters() throws(TextError) -> [(name: String, token: Token)] {
    var names: [(name: String, token: Token)] = []
    try open("(", "before the kernel's inputs")
    while !isSymbol(")") {
      let token = current
      let name = try identifier("an input name")
      guard values[name] == nil else {
        throw source.error("the input '\(name)' is declared twice", at: token)
      }
      try expect(":", "before the input's type")
      let type = try inputType()
      let axes = try shape()
      values[name] = try checked(at: token) {
        switch type {
        case .elements(let storage): .input(name, axes, storage)
        case .blocks(let format): .input(name, axes, format)
        }
      }
      names.append((name, token))
      if !isSymbol(")") { try expect(",", "or ')' after an input") }
    }
    try close(")", "after the inputs")
    return names
  }

  /// How an input lies in memory.
  enum InputType {
    case elements(DType)
    case blocks(BlockFormat)
  }

  mutating func inputType() throws(TextError) -> InputType {
    if case .identifier(let name) = current.kind, let format = BlockFormat.named(name) {
      advance()
      return .blocks(format)
    }
    return .elements(try storageType("or a block format (\(BlockFormat.expectedNames))"))
  }

  mutating func storageType(_ others: String = "") throws(TextError) -> DType {
    guard case .identifier(let name) = current.kind, let type = DType(rawValue: name) else {
      let names = DType.allCases.map(\.rawValue).joined(separator: ", ")
      throw expected("a storage type (\(names))\(others.isEmpty ? "" : " " + others)")
    }
    advance()
    return type
  }

  mutating func shape() throws(TextError) -> [Extent] {
    var axes: [Extent] = []
    try open("[", "before a shape")
    while !isSymbol("]") {
      switch current.kind {
      case .identifier("rows"): axes.append(.rows)
      case .number(let text):
        guard let extent = Int(text) else { throw expected("a whole number") }
        axes.append(.fixed(extent))
      case .identifier, .anonymous, .symbol, .newline, .end:
        throw expected("'rows' or a number")
      }
      advance()
      if !isSymbol("]") { try expect(",", "or ']' after an extent") }
    }
    try close("]", "after a shape")
    return axes
  }

  /// Statements up to and including the closing brace, with the blocks among them.
  mutating func statements() throws(TextError) {
    var blocks: [ScopePath] = []
    while true {
      skipNewlines()
      if accept("}") {
        guard blocks.popLast() != nil else { return }
        nesting -= 1
        continue
      }
      let token = current
      switch current.kind {
      case .anonymous(let name):
        advance()
        try definition(of: name, isAnonymous: true, at: token, in: blocks.last)
      case .identifier:
        let name = try identifier("a value name")
        if accept("{") {
          blocks.append(ScopePath(name: name, parent: blocks.last ?? TensorNode.scope))
          try nest()
        } else {
          try definition(of: name, isAnonymous: false, at: token, in: blocks.last)
        }
      case .number, .symbol, .newline, .end:
        throw expected("a value name or '}'")
      }
    }
  }

  mutating func definition(
    of name: String, isAnonymous: Bool, at token: Token, in block: ScopePath?
  ) throws(TextError) {
    guard values[name] == nil else {
      throw source.error("'\(name)' is already defined", at: token)
    }
    try expect("=", "after a value name")
    let scope = block ?? TensorNode.scope
    let result = TensorNode.$scope.withValue(scope) { () -> Result<Tensor, TextError> in
      do throws(TextError) { return .success(try expression()) } catch { return .failure(error) }
    }
    let value = try result.get()
    values[name] = isAnonymous ? value : value.named(name)
    guard isSymbol("}") || current.kind == .newline else {
      throw expected("an operator or the end of the line")
    }
  }

  mutating func outputList() throws(TextError) -> [(output: Kernel.Output, token: Token)] {
    var outputs: [(output: Kernel.Output, token: Token)] = []
    repeat {
      let token = current
      let name = try identifier("an output name")
      let storage: DType? = accept(":") ? try storageType() : nil
      let value: Tensor
      if accept("=") {
        value = try expression()
      } else if let known = values[name] {
        value = known
      } else {
        throw source.error("no value is named '\(name)'\(nearNames(to: name))", at: token)
      }
      outputs.append((Kernel.Output(name, value, as: storage), token))
    } while accept(",")
    guard current.kind == .newline || current.kind == .end else {
      throw expected("',' or the end of the line")
    }
    return outputs
  }

  func nearNames(to name: String) -> String {
    let names = values.keys.filter { !$0.hasPrefix("%") }.sorted()
    return Spelling.guess(name, among: names)
  }

  /// Runs `make`, whose values are written at `token`.
  func located<Result>(at token: Token, _ make: () -> Result) -> Result {
    let place = SourceLocation(
      fileID: source.file, line: UInt(token.line), column: UInt(token.column))
    return TensorNode.$place.withValue(place, operation: make)
  }

  /// The value that `make` makes at `token`.
  func checked(at token: Token, _ make: () -> Tensor) throws(TextError) -> Tensor {
    let tensor = located(at: token, make)
    guard let error = tensor.node.error else { return tensor }
    throw source.error(error.reason.description, at: token)
  }
}
