import NormGen

/// Makes a failing kernel smaller as long as it fails in the same way.
///
/// Greedy: the first reduction that still fails is taken, until none does or ``mostTrials`` kernels
/// were tried. Each reduction removes an output, an operation, elements, rows, a schedule, a type or
/// names, so that no kernel comes back.
struct FuzzShrinker {
  /// Tells how a kernel fails; nil if it does not, or otherwise.
  private let failure: (FuzzCase) -> FuzzFailure?
  private var tried: Set<FuzzCase> = []
  private var trials = 0

  /// The most kernels that are compiled on the way.
  private static let mostTrials = 600

  /// A shrinker of kernels that fail like `first`.
  init(_ first: FuzzFailure, judge: FuzzJudge) {
    let involved = judge.targets.indices.filter { first.targets.contains(judge.targets[$0]) }
    self.failure = { candidate in
      guard case .failed(let found) = judge.verdict(candidate, targets: involved),
        found.isLike(first)
      else { return nil }
      return found
    }
  }

  /// A smallest kernel that was found, and how it fails.
  mutating func shrunk(
    _ fuzzCase: FuzzCase, _ first: FuzzFailure
  ) -> (fuzzCase: FuzzCase, failure: FuzzFailure) {
    var current = (fuzzCase: fuzzCase, failure: first)
    var isSmaller = true
    while isSmaller {
      isSmaller = false
      for candidate in candidates(for: current.fuzzCase, current.failure) {
        guard trials < FuzzShrinker.mostTrials else { return current }
        guard tried.insert(candidate).inserted else { continue }
        trials += 1
        guard let found = failure(candidate) else { continue }
        current = (candidate, found)
        isSmaller = true
        break
      }
    }
    return current
  }

  /// Smaller kernels and calls, those that save most first; made one by one.
  private func candidates(
    for current: FuzzCase, _ failure: FuzzFailure
  ) -> some Sequence<FuzzCase> {
    let calls = smallerCalls(current, failure)
    let graphs = reductions(of: current.graph).lazy.compactMap { reduction -> FuzzCase? in
      guard let graph = reduction.applied(to: current.graph), graph != current.graph
      else { return nil }
      var smaller = current
      smaller.graph = graph
      return smaller
    }
    return [AnySequence(calls), AnySequence(graphs)].lazy.joined()
  }

  private func smallerCalls(_ current: FuzzCase, _ failure: FuzzFailure) -> [FuzzCase] {
    var calls: [FuzzCase] = []
    func add(_ change: (inout FuzzCase) -> Void) {
      var smaller = current
      change(&smaller)
      if smaller != current { calls.append(smaller) }
    }
    if current.calls.count > 1 { add { $0.calls = [failure.call ?? FuzzCall(rows: 1)] } }
    if let call = current.calls.first, current.calls.count == 1 {
      add { $0.calls = [FuzzCall(rows: call.rows)] }
      for fewer in [1, 2, 3, call.rows / 2, call.rows - 1] where fewer >= 1 && fewer < call.rows {
        add { $0.calls = [FuzzCall(rows: fewer, firstSpecial: call.firstSpecial)] }
        guard let first = call.firstSpecial else { continue }
        let last = first + call.rows - fewer
        add { $0.calls = [FuzzCall(rows: fewer, firstSpecial: last)] }
      }
    }
    add { $0.optimizations = $0.optimizations.map { _ in .full } }
    add { $0.schedules = $0.schedules.map { _ in nil } }
    // Names of regions and weights stand in the way of smaller graphs.
    add { $0.schedules = $0.schedules.map { $0?.withoutNames } }
    for position in current.schedules.indices { add { $0.schedules[position] = nil } }
    return calls
  }

  private func reductions(of graph: Graph) -> [GraphReduction] {
    var reductions: [GraphReduction] = []
    let outputs = graph.outputs.indices
    if outputs.count > 1 {
      reductions += outputs.map { GraphReduction(outputs: [$0]) }
      reductions += outputs.map { dropped in
        GraphReduction(outputs: outputs.filter { $0 != dropped })
      }
    }
    let steps = graph.values.filter { !graph[$0].op.traits.isLeaf }
    // Early values become inputs, late ones give way to what they are computed from.
    reductions += steps.reversed().map { GraphReduction(cut: $0) }
    for id in steps.reversed() {
      reductions += graph[id].operands.map { GraphReduction(replacements: [id: $0]) }
    }
    reductions += FuzzShrinker.smallerExtents(of: graph)
    for id in steps {
      guard case .statistic(let statistic) = graph[id].op, statistic.window != .all else {
        continue
      }
      reductions.append(GraphReduction(wholeRow: [id]))
    }
    let inputs = graph.inputs.filter { id in
      guard case .input(_, let storage) = graph[id].op else { return false }
      return storage != .f32
    }
    let stores = outputs.filter { graph.outputs[$0].storage != .f32 }
    reductions.append(GraphReduction(plainInputs: Set(inputs), plainOutputs: Set(stores)))
    reductions += inputs.map { GraphReduction(plainInputs: [$0]) }
    reductions += stores.map { GraphReduction(plainOutputs: [$0]) }
    reductions.append(GraphReduction(dropsNames: true))
    return reductions
  }

  /// One extent alone, and with it all its multiples.
  private static func smallerExtents(of graph: Graph) -> [GraphReduction] {
    let extents = Set(graph.nodes.flatMap(\.shape.extents)).filter { $0 > 1 }.sorted(by: >)
    var reductions: [GraphReduction] = []
    for extent in extents {
      for smaller in [1, 2, extent / 2, extent / 4 * 3, extent - 1]
      where smaller >= 1 && smaller < extent {
        let multiples = extents.filter { $0 % extent == 0 }
        reductions.append(GraphReduction(extents: [extent: smaller]))
        guard multiples.count > 1 else { continue }
        let pairs = multiples.map { ($0, $0 / extent * smaller) }
        reductions.append(GraphReduction(extents: Dictionary(uniqueKeysWithValues: pairs)))
      }
    }
    return reductions
  }
}
