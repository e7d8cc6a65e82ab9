import NormGenLoops

/// The C of one lowered function.
struct CFunction {
  private let function: LoopFunction
  private let lanes: Int
  private let unrollsTiles: Bool
  /// Its parameters' names, and after ``lines(under:)`` those of its values.
  private(set) var names: CNames

  /// - Parameters:
  ///   - reserved: Names that the file has besides the templates' and the function's own.
  init(
    _ function: LoopFunction, lanes: Int, unrollsTiles: Bool, library: SupportLibrary,
    reserved: Set<String>
  ) {
    self.function = function
    self.lanes = lanes
    self.unrollsTiles = unrollsTiles
    var places: [String] = []
    var strided: [String] = []
    for parameter in function.parameters {
      switch parameter.kind {
      case .elements, .scratch, .memory: places.append(parameter.name)
      case .stride(let name): strided.append(name)
      case .index, .constant, .flag: break
      }
    }
    names = CNames(
      parameters: places, withStrides: strided, library: library,
      reserved: reserved, own: function.indexNames)
  }

  /// The definition, after what stands over it.
  mutating func lines(under head: [String]) -> [String] {
    var statements = CStatements(
      function: function, lanes: lanes, unrollsTiles: unrollsTiles, names: names)
    let body = statements.lines(function.body, depth: 1)
    names = statements.expressions.names
    return head + prototype(isDefinition: true, end: " {") + unused(in: body) + body + ["}"]
  }

  /// Says of parameters that callers give and the body has no use for that this is meant.
  private func unused(in body: [String]) -> [String] {
    guard function.linkage == .exported else { return [] }
    let used = Set(body.flatMap { CText.identifiers(in: $0) })
    return function.parameters.compactMap { parameter in
      let name = name(of: parameter)
      return used.contains(name) ? nil : "  (void)\(name);"
    }
  }

  private func name(of parameter: LoopFunction.Parameter) -> String {
    switch parameter.kind {
    case .elements, .scratch, .memory: names.known(parameter.name)
    case .stride(let name): names.stride(of: name)
    case .index, .constant, .flag: parameter.name
    }
  }

  /// The declaration, ending as said; only definitions say that tensors do not overlap.
  func prototype(isDefinition: Bool = false, end: String) -> [String] {
    let result = function.returnsIndex ? "int64_t" : "void"
    let prefix: String
    switch function.linkage {
    case .exported: prefix = result
    case .local: prefix = "static \(result)"
    case .separate: prefix = "static __attribute__((noinline)) \(result)"
    case .inlined: prefix = "static inline __attribute__((always_inline)) \(result)"
    }
    let parameters = function.parameters.map { parameter in
      let type: String
      switch parameter.kind {
      case .index, .stride: type = "int64_t "
      case .constant: type = "const int64_t "
      case .flag: type = "int "
      case .elements(let storage, let isWritable):
        type =
          CExpression.elementType(storage, isConstant: !isWritable) + "*"
          + (isDefinition && function.hasDistinctTensors ? "restrict " : "")
      case .scratch: type = "void *"
      case .memory: type = "char *"
      }
      return type + name(of: parameter)
    }
    let list = parameters.isEmpty ? "void" : parameters.joined(separator: ", ")
    return CLayout.wrapped("\(prefix) \(function.name)(\(list))\(end)", depth: 0)
  }

  /// Its arguments in a call by a function whose parameters lie in arrays: `buffers[i]` and
  /// `strides[i]` belong to the i-th tensor.
  func argumentsOfEntry() -> [String] {
    var tensor = -1
    return function.parameters.map { parameter in
      switch parameter.kind {
      case .elements:
        tensor += 1
        return "buffers[\(tensor)]"
      case .stride: return "strides[\(tensor)]"
      case .index, .constant, .flag, .scratch, .memory: return parameter.name
      }
    }
  }
}

extension LoopFunction {
  /// The names of whole numbers and flags: parameters, indices of loops and named numbers.
  fileprivate var indexNames: Set<String> {
    var names: Set<String> = []
    for parameter in parameters {
      switch parameter.kind {
      case .index, .constant, .flag: names.insert(parameter.name)
      case .elements, .stride, .scratch, .memory: break
      }
    }
    for statement in body {
      statement.visit { inner in if let name = inner.declaredIndex { names.insert(name) } }
    }
    return names
  }
}
