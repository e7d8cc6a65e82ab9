import NormGenIR
import NormGenLoops
import NormGenSchedule

/// The functions that put weights in the order in which a product reads them.
extension ProductFunctions {
  var block: Pointer { Pointer(name: "block", storage: product.storage) }

  func gather() -> LoopFunction {
    let isPlain = product.matmul.layout == .inOut && order.isPlain
    return LoopFunction(
      gatherName,
      comment:
        "`depth` steps of a sliver of \(columns) columns of weights, from its first one on, as "
        + "the product reads them: \(order.summary)\(sumsIntegers ? ", as bytes without signs, 128 more" : ""); "
        + "zeros beyond the `count` columns that are left.",
      parameters: [
        .read(weights), .init("count", .index), .init("depth", .index), .written(block),
      ],
      body: [isPlain ? gatherRows() : gatherElements()])
  }

  /// Its call for a sliver's steps from k on.
  func gather(_ sliver: Index, _ k: Index, depth: Index, to block: CallArgument) -> Stmt {
    gather(
      .place(weights.name, at: place(of: sliver, k)), left: left(behind: sliver), depth: depth,
      to: block)
  }

  private func gather(
    _ place: CallArgument, left: Index, depth: Index, to block: CallArgument
  ) -> Stmt {
    .call(gatherName, [place, .index(left), .index(depth), block])
  }

  /// Where the weights of a sliver's step lie.
  func place(of sliver: Index, _ k: Index) -> Index {
    let first = Index.constant(columns) * sliver
    switch product.matmul.layout {
    case .inOut: return .constant(product.columns) * k + first
    case .outIn: return .constant(product.depth) * first + k
    }
  }

  /// The weights' columns from a sliver's first one on.
  func left(behind sliver: Index) -> Index {
    .constant(product.columns) - .constant(columns) * sliver
  }

  /// One weight after the other, along the weights' own rows.
  func gatherElements() -> Stmt {
    let isInOut = product.matmul.layout == .inOut
    let source: Index =
      isInOut
      ? .constant(product.columns) * "i" + "c" : .constant(product.depth) * "c" + "i"
    let isColumn: LoopCondition = "c" < "count"
    // Steps that a block lacks to whole ones are zeros.
    let hasGap = product.depth % order.step != 0
    let isInside = hasGap ? .both(isColumn, "i" < "depth") : isColumn
    let whole = Index.constant(order.step) * Index.variable("depth").quotientUp(order.step)
    let end: Index = hasGap ? whole : "depth"
    let element = LoopExpr.stored(weights, at: source)
    let copy: Stmt = .storeStored(
      block, at: order.place("i", "c"),
      .choose(isInside, sumsIntegers ? .signFlipped(element) : element, .storedZero))
    let last = Index.constant(columns)
    return isInOut
      ? .each("i", upTo: end, .each("c", upTo: last, copy))
      : .each("c", upTo: last, .each("i", upTo: end, copy))
  }

  /// Whole vectors of a weight row, which are also those of the block.
  func gatherRows() -> Stmt {
    let row = Pointer(name: "row", storage: product.storage)
    let place = Pointer(name: "place", storage: product.storage)
    let vector = Index.constant(lanes) * "v"
    func copy(_ lanes: Lanes) -> Stmt {
      .storeStored(place, at: 0, .storedVector(row, at: vector, lanes))
    }
    return .loop(
      index: "i", from: 0, to: "depth", step: 1,
      body: [
        .pointer(row, buffer: weights.name, offset: .constant(product.columns) * "i"),
        .each(
          "v", upTo: .constant(vectors),
          .index("left", "count" - vector),
          .pointer(place, buffer: block.name, offset: .constant(columns) * "i" + vector),
          .when(
            .constant(lanes) <= "left", [copy(.all)],
            otherwise: [
              .when(
                0 < "left", [copy(.leading("left"))],
                otherwise: [.storeStored(place, at: 0, .storedZeros(product.storage))])
            ])),
      ])
  }

  func elements() -> LoopFunction {
    LoopFunction(
      packing.elementsSymbol,
      comment: "The \(product.storage.rawValue) elements of packed \(product.weights).",
      linkage: .exported, parameters: [], returnsIndex: true,
      body: [.leave(.constant(packing.elements))])
  }

  func pack() -> LoopFunction {
    let packed = Pointer(name: packed, storage: product.storage)
    let body: Stmt
    if let computed {
      body = packComputed(computed)
    } else if let blocks = BlockFunctions(self) {
      body = blocks.pack()
    } else {
      let place = CallArgument.place(packed.name, at: packedPlace("sliver", "k"))
      body = .each(
        "sliver", upTo: .constant(slivers),
        blocks([gather("sliver", "k", depth: "depth", to: place)]))
    }
    return LoopFunction(
      packName, comment: packContract, linkage: .exported,
      parameters: packing.sources.map {
        .init(sourceName($0.name), .elements($0.storage, isWritable: false))
      } + [.written(packed)],
      body: [body])
  }

  /// Some rows of weights after the other: computed behind the packed ones, then gathered.
  private func packComputed(_ computed: ComputedWeights) -> Stmt {
    let rows = Pointer(name: "computed", storage: product.storage)
    let behind = Stmt.pointer(
      rows, buffer: packed, offset: .constant(slivers * columns * steps))
    func gathered(_ place: Index, left: Index) -> Stmt {
      gather(
        .place(rows.name, at: place), left: left, depth: "depth",
        to: .place(packed, at: packedPlace("sliver", "k")))
    }
    switch product.matmul.layout {
    case .inOut:
      // A row of weights is a step of all slivers.
      return .loop(
        index: "k", from: 0, to: .constant(computed.rows), step: .constant(rowsAtOnce),
        body: [
          .index("depth", .minimum(.constant(computed.rows) - "k", .constant(rowsAtOnce))),
          behind, call(computed, rows: "depth", from: "k", to: rows.name),
          .each(
            "sliver", upTo: .constant(slivers),
            gathered(.constant(columns) * "sliver", left: left(behind: "sliver"))),
        ])
    case .outIn:
      // A row of weights is a column of one sliver.
      return .loop(
        index: "sliver", from: 0, to: .constant(slivers), step: 1,
        body: [
          .index("count", .minimum(left(behind: "sliver"), .constant(columns))),
          behind,
          call(computed, rows: "count", from: .constant(columns) * "sliver", to: rows.name),
          blocks([gathered("k", left: "count")]),
        ])
    }
  }

  /// A call of the row program that computes weights.
  private func call(
    _ computed: ComputedWeights, rows: Index, from first: Index, to place: String
  ) -> Stmt {
    let sources = computed.sources.flatMap { source -> [CallArgument] in
      let base = sourceName(source.parameter)
      let offset = Index.constant(source.offset)
      guard source.hasRows else { return [.place(base, at: offset)] }
      let stride = Index.constant(source.stride)
      return [.place(base, at: stride * first + offset), .index(stride)]
    }
    return .call(
      rowsName,
      [.index(rows)] + sources
        + [.place(place, at: 0), .index(.constant(computed.columns))])
  }

  /// The function that computes rows of weights.
  var rowsName: String { "compute_\(product.weights)" }

  /// The rows of weights that are computed before they are gathered.
  var rowsAtOnce: Int {
    switch product.matmul.layout {
    // Pairs of steps stay together.
    case .inOut: 16
    case .outIn: columns
    }
  }

  /// What the function that packs calls the packed weights.
  private var packed: String { "packed" }

  /// What it calls a tensor that it takes.
  private func sourceName(_ name: String) -> String {
    guard computed != nil else { return weights.name }
    let own: Set = ["packed", "computed", "k", "sliver", "depth", "count"]
    guard own.contains(name) else { return name }
    let taken = own.union(sources.map(\.name))
    var candidate = name
    while taken.contains(candidate) { candidate += "_" }
    return candidate
  }

  var packContract: String {
    let shape: String
    switch product.matmul.layout {
    case .inOut: shape = "[\(product.depth), \(product.columns)]"
    case .outIn: shape = "[\(product.columns), \(product.depth)]"
    }
    if let format = product.format {
      return
        "Packs \(product.weights): reads \(format.name) blocks of \(shape), row after row, and "
        + "writes \(packing.elements) bytes."
    }
    guard computed != nil else {
      return "Packs \(product.weights): reads \(product.storage.rawValue) \(shape) and writes "
        + "\(packing.elements) elements."
    }
    let sources = packing.sources.map { "\($0.name) \($0.storage.rawValue) \($0.shape)" }
    return "Computes and packs \(product.weights), \(product.storage.rawValue) \(shape): reads "
      + "\(sources.joined(separator: ", ")) and writes \(packing.elements) elements, of which the last "
      + "\(workElements) are its own."
  }
}
