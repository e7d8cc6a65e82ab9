import NormGen

/// A random kernel of loops: expressions of any nesting in every position of a statement.
struct RandomLoops {
  private var random: SeededGenerator
  private let lanes: Int
  private var scalars: [String] = []
  private var vectors: [String] = []
  /// The start of the current vector in its row, and whether there is one.
  private var place: Index?

  static let extent = 80

  /// The parameters; the kernel's signature is that of any graph with these.
  static let buffers: [Buffer] = {
    func buffer(_ name: String, _ extent: Int, _ storage: DType = .f32, isOutput: Bool = false)
      -> Buffer
    {
      Buffer(
        name: name, storage: storage, shape: Shape(hasRows: name != "w", extents: [extent]),
        isOutput: isOutput)
    }
    return [
      buffer("a", extent), buffer("b", extent), buffer("w", extent), buffer("s", 1),
      buffer("y", extent, isOutput: true), buffer("h", extent, .bf16, isOutput: true),
      buffer("t", 1, isOutput: true),
    ]
  }()

  static func kernel(seed: UInt64, lanes: Int, name: String) -> RowProgram {
    var loops = RandomLoops(random: SeededGenerator(seed: seed), lanes: lanes)
    return RowProgram(
      name: name, buffers: buffers, lanes: lanes, row: loops.statements(), summary: ["random"])
  }

  private init(random: SeededGenerator, lanes: Int) {
    self.random = random
    self.lanes = lanes
  }

  private mutating func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }

  private func pointer(_ name: String) -> Pointer {
    Pointer(name: name == "w" ? name : "\(name)_row", storage: name == "h" ? .bf16 : .f32)
  }

  // MARK: Statements

  private mutating func statements() -> [Stmt] {
    var statements: [Stmt] = Self.buffers.filter { $0.name != "w" }.map { buffer in
      .pointer(
        pointer(buffer.name), buffer: buffer.name,
        offset: .product(.variable(LoopIndex.row), .stride(buffer.name)))
    }
    for name in ["first_scalar", "second_scalar"] {
      statements.append(.define(name, scalar(4)))
      scalars.append(name)
    }
    statements.append(.variable("changing", scalar(3)))
    scalars.append("changing")
    for (number, reduction) in [Reduction.sum, .mean, .max, .min].enumerated() {
      let name = "partials\(number)"
      statements.append(.partials(name, reduction))
      statements.append(
        pass { random, slot in
          let terms = random.terms(reduction)
          return [.accumulate(partials: name, slot: slot, reduction, terms: terms, .all)]
        })
      place = .constant(64)
      let terms = terms(reduction)
      statements.append(
        .accumulate(
          partials: name, slot: .constant(0), reduction, terms: terms, .first(1 + below(lanes - 1)))
      )
      place = nil
      statements.append(.define("total\(number)", .combined(reduction, partials: name)))
      scalars.append("total\(number)")
      statements.append(.assign("changing", scalar(4)))
    }
    statements.append(.group("h_group"))
    statements.append(
      pass { random, slot in
        let own = LoopExpr.vector("own")
        random.vectors = []
        let define = Stmt.define("own", random.vector(4))
        random.vectors = ["own"]
        return [
          define,
          .store(random.pointer("y"), at: random.place ?? .constant(0), random.vector(5), .all),
          .setGroup("h_group", slot: slot, .apply(.subtract, [own, random.vector(4)])),
        ]
      })
    vectors = []
    statements.append(.storeGroup(pointer("h"), at: .constant(0), "h_group"))
    for start in stride(from: 64, to: Self.extent, by: lanes) {
      place = .constant(start)
      statements.append(.store(pointer("y"), at: .constant(start), vector(4), .all))
      statements.append(.store(pointer("h"), at: .constant(start), vector(4), .all))
    }
    place = nil
    return statements + [.storeScalar(pointer("t"), at: .constant(0), scalar(5))]
  }

  /// A loop over the vectors of the first 64 elements.
  private mutating func pass(_ body: (inout RandomLoops, Index) -> [Stmt]) -> Stmt {
    let vector = Index.variable(LoopIndex.vector)
    place = .sum(.variable(LoopIndex.element), .product(vector, .constant(lanes)))
    let statements = body(&self, vector)
    place = nil
    return .loop(
      index: LoopIndex.element, from: .constant(0), to: .product(.constant(8), .constant(8)),
      step: 64,
      body: [
        .loop(
          index: LoopIndex.vector, from: .constant(0), to: .constant(64 / lanes), step: 1,
          body: statements)
      ])
  }

  private mutating func terms(_ reduction: Reduction) -> [LoopExpr] {
    switch reduction {
    case .sum, .mean: (0..<1 + below(2)).map { _ in vector(4) }
    case .max, .min: [vector(4)]
    }
  }

  // MARK: Expressions

  /// Somewhere in a row of weights: sums and products of sums.
  private mutating func elsewhere() -> Index {
    let sum = Index.sum(.variable(LoopIndex.vector), .sum(.constant(1), .constant(below(2))))
    switch below(3) {
    case 0: return .product(.constant(lanes / 2), sum)
    case 1: return .product(sum, .product(.constant(2), .constant(lanes / 4)))
    default: return .sum(.constant(below(5)), .product(sum, .sum(.constant(1), .constant(1))))
    }
  }

  private mutating func vector(_ depth: Int) -> LoopExpr {
    let place = place ?? .constant(0)
    guard depth > 0, below(8) > 0 else {
      switch below(4) {
      case 0 where !vectors.isEmpty: return .vector(vectors[below(vectors.count)])
      case 1 where place != .constant(64) && !isStraight:
        return .load(pointer("w"), at: elsewhere(), .all)
      default: return .load(pointer(["a", "b"][below(2)]), at: place, .all)
      }
    }
    return apply(depth) { random, isFirst in
      isFirst || random.below(3) > 0 ? random.vector(depth - 1) : random.scalar(depth - 1)
    }
  }

  /// Whether the current vector is not in a loop.
  private var isStraight: Bool {
    if case .constant? = place { return true }
    return place == nil
  }

  private mutating func scalar(_ depth: Int) -> LoopExpr {
    guard depth > 0, below(6) > 0 else {
      switch below(3) {
      case 0 where !scalars.isEmpty: return .scalar(scalars[below(scalars.count)])
      case 1: return .loadScalar(pointer("s"), at: .constant(0))
      default: return .constant([-1.5, 0.1, 3, -0.75, 1e-3, -70][below(6)])
      }
    }
    return apply(depth) { random, _ in random.scalar(depth - 1) }
  }

  private mutating func apply(
    _ depth: Int, _ operand: (inout RandomLoops, Bool) -> LoopExpr
  ) -> LoopExpr {
    let common: [ElementwiseOp] = [.add, .subtract, .multiply, .divide, .negate]
    let other: [ElementwiseOp] = [
      .selectGreater, .absolute, .squareRoot, .maximum, .minimum, .multiplyAdd,
    ]
    let op = below(3) > 0 ? common[below(common.count)] : other[below(other.count)]
    if below(12) == 0 { return .rounded([.bf16, .f16][below(2)], operand(&self, true)) }
    // One operand is what makes the whole a vector, at any place.
    let first = below(op.arity)
    guard op != .squareRoot else {
      return .apply(op, [.apply(.absolute, [operand(&self, true)])])
    }
    return .apply(op, (0..<op.arity).map { operand(&self, $0 == first) })
  }
}
