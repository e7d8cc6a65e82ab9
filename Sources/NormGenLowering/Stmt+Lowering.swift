import NormGenLoops

extension Stmt {
  /// Statements for each number from 0 up to another one.
  static func each(_ index: String, upTo end: Index, _ body: Stmt...) -> Stmt {
    .loop(index: index, from: 0, to: end, step: 1, body: body)
  }
}

extension LoopFunction.Parameter {
  /// A place that the function reads from.
  static func read(_ pointer: Pointer) -> LoopFunction.Parameter {
    LoopFunction.Parameter(pointer.name, .elements(pointer.storage, isWritable: false))
  }

  /// A place that the function writes to.
  static func written(_ pointer: Pointer) -> LoopFunction.Parameter {
    LoopFunction.Parameter(pointer.name, .elements(pointer.storage, isWritable: true))
  }

  /// What gives it to a function that takes the same.
  ///
  /// - Parameter elements: How many elements or bytes further on.
  func handedOn(at elements: Index = 0) -> CallArgument {
    switch kind {
    case .index, .constant: .index(.variable(name))
    case .flag: .flag(.flag(name))
    case .stride(let tensor): .index(.stride(tensor))
    case .elements, .scratch, .memory: .place(name, at: elements)
    }
  }
}

extension [Stmt] {
  /// The places and flags that its calls give.
  var namesInCalls: Set<String> {
    var names: Set<String> = []
    for case .call(_, let arguments) in self {
      for argument in arguments {
        switch argument {
        case .place(let name, _), .flag(.flag(let name)): names.insert(name)
        case .flag, .index: break
        }
      }
    }
    return names
  }
}
