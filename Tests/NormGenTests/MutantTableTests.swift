import Testing

/// The kinds of mistakes that the contract must not let through, and the mutants that make them.
@Suite struct MutantTableTests {
  static let kinds: [(kind: String, mutants: [String])] = [
    (
      "arithmetic",
      [
        "mean of |x|", "sum instead of mean", "divisor n − 1", "uncentred variance",
        "row not centred", "gain without offset", "range of 128", "maximum for sum",
        "another gelu", "gate without tanh", "division left out", "bias missing",
        "mean of one row more", "gain and shift in two roundings",
      ]
    ),
    ("windows", ["k + 1", "k − 1", "window ignored"]),
    (
      "tails",
      [
        "tail of the statistic dropped", "tail of the output dropped", "last block missing",
        "block left out", "last term missing",
      ]
    ),
    ("rounding points", ["gain before the cast", "cast before the gain"]),
    (
      "epsilon",
      [
        "no epsilon", "wrong epsilon", "epsilon outside the root", "epsilon inside the root",
        "epsilon lost",
      ]
    ),
    (
      "residual mode",
      [
        "residual rounded", "residual not rounded", "residual after the norm",
        "residual of the value before the norm",
      ]
    ),
    ("wrong stride", ["wrong stride of the input", "row stride ignored", "wrong row of x"]),
    (
      "last column and row",
      [
        "last column missing", "last column dropped", "last row missing", "first row missing",
        "last row of a block left out",
      ]
    ),
    (
      "swapped operands",
      [
        "gain and shift exchanged", "operands of a difference exchanged",
        "operands of a quotient exchanged", "gate and up exchanged", "weights exchanged",
        "products exchanged", "layout exchanged", "weights of the other matmul",
      ]
    ),
    ("reassociated sum", ["reassociated sum"]),
  ]

  /// The names of all mutants, by the suite that demands that each is caught on two kernels.
  static let suites: [(suite: String, mutants: [String])] = [
    (
      "MutantTests",
      GraphMutant.all.map(\.name) + MutantTests.Mistaken.all.map(\.name)
        + MutantTests.edits.map(\.name)
    ),
    (
      "MatmulMutantTests",
      MatmulMutantTests.graphs.map(\.name) + MatmulMutantTests.programs.map(\.name)
        + MatmulMutantTests.edits.map(\.name)
    ),
    ("RowSumTests", RowSumTests.mutants.map(\.name)),
  ]

  @Test func everyKindOfMistakeIsMade() {
    let known = Set(Self.suites.flatMap(\.mutants))
    #expect(known.count >= 20)
    for (kind, mutants) in Self.kinds {
      for name in mutants { #expect(known.contains(name), "\(kind): '\(name)'") }
    }
    // The order of sums is one of rows, of products and of sums over rows.
    #expect(Self.suites.allSatisfy { $0.mutants.contains("reassociated sum") })
  }
}
