import NormGenIR
import NormGenLoops

/// Hands out names that are unique in a kernel.
///
/// Names that somebody wrote are reserved first and stay theirs: a made name never meets one. Names in
/// a scope, the body of one loop, may repeat in other scopes, but nothing outside scopes has them.
struct NameAllocator {
  private var taken: Set<String> = LoopIndex.names
  private var parameters: Set<String> = []
  /// What closed scopes have named.
  private var scoped: Set<String> = []
  /// The number to try next behind a name.
  private var numbers: [String: Int] = [:]
  /// What this scope has named, and its numbers: the tables outside are shared, never copied.
  private var own: Set<String> = []
  private var ownNumbers: [String: Int] = [:]
  private var isScope = false

  /// The names of a graph's parameters and values are taken.
  init(of graph: Graph) {
    for id in graph.values {
      if let name = graph[id].inputName { parameters.insert(name) }
      if let name = graph[id].name { taken.insert(name) }
    }
    for output in graph.outputs { parameters.insert(output.name) }
    taken.formUnion(parameters)
  }

  /// The name that somebody wrote for a value, with a number behind it if a parameter or a loop's index
  /// has it.
  mutating func own(_ name: String) -> String {
    parameters.contains(name) || LoopIndex.names.contains(name) ? fresh(name) : name
  }

  /// An allocator for a scope inside; costs nothing but the scope's own names.
  var scope: NameAllocator {
    var inner = self
    inner.isScope = true
    return inner
  }

  /// The wanted name, with a number behind it if something has it.
  ///
  /// In a scope, names of other scopes may repeat.
  mutating func fresh(_ wanted: String) -> String {
    var name = wanted
    var number = ownNumbers[wanted] ?? numbers[wanted] ?? 2
    while isTaken(name) {
      name = "\(wanted)\(number)"
      number += 1
    }
    if isScope {
      ownNumbers[wanted] = number
      own.insert(name)
    } else {
      numbers[wanted] = number
      taken.insert(name)
    }
    return name
  }

  /// Keeps what a scope has named from everything outside of scopes.
  mutating func close(_ scope: NameAllocator) { scoped.formUnion(scope.own) }

  private func isTaken(_ name: String) -> Bool {
    taken.contains(name) || (isScope ? own.contains(name) : scoped.contains(name))
  }
}
