import NormGenLoops

/// The names that calls hand on.
struct UsedNames {
  private(set) var names: Set<String> = []

  init(of statements: [Stmt]) {
    for statement in statements {
      guard case .call(_, let arguments) = statement else { continue }
      for argument in arguments {
        switch argument {
        case .place(let name, _): names.insert(name)
        case .flag(.flag(let name)): names.insert(name)
        case .flag, .index: break
        }
      }
    }
  }
}
