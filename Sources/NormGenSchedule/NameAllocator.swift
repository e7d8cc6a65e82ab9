import NormGenIR
import NormGenLoops

/// Hands out names that are unique in a kernel.
///
/// Names that somebody wrote are reserved first and stay theirs: a made name never meets one. Names in
/// a scope, the body of one loop, may repeat in other scopes, but nothing outside scopes has them.
struct NameAllocator {
  private var taken: Set<String> = LoopIndex.names
  private var parameters: Set<String> = []
  /// What scopes have named.
  private(set) var scoped: Set<String> = []
  /// The number to try next behind a name.
  private var numbers: [String: Int] = [:]

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

  /// The wanted name, with a number behind it if something has it.
  mutating func fresh(_ wanted: String) -> String {
    let name = free(wanted, isScoped: false)
    taken.insert(name)
    return name
  }

  /// The same for a name that only a scope sees; for the copy of the allocator that belongs to it.
  mutating func freshInScope(_ wanted: String) -> String {
    let name = free(wanted, isScoped: true)
    taken.insert(name)
    scoped.insert(name)
    return name
  }

  /// Keeps what a scope has named from everything outside of scopes.
  mutating func close(_ scope: NameAllocator) { scoped.formUnion(scope.scoped) }

  private mutating func free(_ wanted: String, isScoped: Bool) -> String {
    guard isTaken(wanted, isScoped) else { return wanted }
    var number = numbers[wanted] ?? 2
    while isTaken("\(wanted)\(number)", isScoped) { number += 1 }
    numbers[wanted] = number + 1
    return "\(wanted)\(number)"
  }

  private func isTaken(_ name: String, _ isScoped: Bool) -> Bool {
    taken.contains(name) || !isScoped && scoped.contains(name)
  }
}
