public import NormGen

/// A random kernel: chains of elementwise steps, statistics over windows, norms, residuals, heads,
/// one number a row, several outputs and mixed storage types.
///
/// The same seed gives the same kernel everywhere. All its steps run over the same rows, so that
/// it can be planned as one region. Most steps keep values near 1, so that bounds stay finite; a
/// few may overflow or give NaN.
public struct RandomGraph: Sendable {
  /// The seed that the kernel was made from.
  public let seed: UInt64
  /// The number of steps that were taken.
  public let steps: Int
  /// The kernel, named after its seed.
  public let kernel: Kernel

  /// The kernel of `seed`.
  ///
  /// - Parameters:
  ///   - seed: Chooses everything.
  ///   - steps: Stops after so many steps, to look for a smaller kernel that shows the same
  ///     mistake; nil takes as many as the seed chooses.
  ///   - longestRow: The greatest extent of a row.
  public init(seed: UInt64, steps: Int? = nil, longestRow: Int = 1024) {
    var builder = RandomGraphBuilder(seed: seed, longestRow: longestRow)
    let chosen = 2 + builder.random.below(14)
    self.seed = seed
    self.steps = max(0, min(steps ?? chosen, chosen))
    for _ in 0..<self.steps { builder.step() }
    self.kernel = Kernel("random_\(seed)", outputs: builder.outputs())
  }

  /// The kernel of the same seed with the fewest steps for which `fails` still holds.
  public func shrunk(while fails: (RandomGraph) -> Bool) -> RandomGraph {
    for fewer in 0..<steps {
      let candidate = RandomGraph(seed: seed, steps: fewer)
      if fails(candidate) { return candidate }
    }
    return self
  }
}

extension SeededGenerator {
  /// A whole number from 0 up to `bound`.
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  /// Whether something of the given probability happens.
  mutating func happens(_ probability: Double) -> Bool { uniform() < probability }

  /// One of several; the list is not empty.
  mutating func choice<Element>(_ elements: [Element]) -> Element {
    elements[below(elements.count)]
  }
}
