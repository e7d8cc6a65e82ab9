import NormGenIR
import NormGenLoops
import NormGenSchedule

/// The functions of one product: gathering a block of weights, packing them all, one tile, and the
/// product.
struct ProductFunctions {
  let product: Multiplication
  /// What tells the functions of the kernel's products apart, such as `768x3072`.
  private let extents: String
  private let symbol: String
  private let target: Target
  private let schedule: MatmulSchedule
  private let xStride: Int
  private let sumsStride: Int

  /// What two products must agree on to share functions.
  private struct Key: Hashable {
    let xStride: Int
    let sumsStride: Int
    let depth: Int
    let columns: Int
    let storage: DType
    let matmul: Matmul
    let isPacked: Bool
  }

  /// The functions of a program's products; those alike share them.
  static func all(
    of program: LoopProgram, symbol: String, target: Target, schedule: MatmulSchedule
  ) -> [ProductFunctions] {
    let strides = Dictionary(
      program.panels.map { ($0.name, $0.stride) }, uniquingKeysWith: { $1 })
    var known: [Key: String] = [:]
    var taken: Set<String> = []
    return program.multiplications.map { product in
      let key = Key(
        xStride: strides[product.x] ?? 0, sumsStride: strides[product.sums] ?? 0,
        depth: product.depth, columns: product.columns, storage: product.storage,
        matmul: product.matmul, isPacked: product.isPacked)
      var extents = known[key] ?? "\(product.depth)x\(product.columns)"
      if known[key] == nil {
        let plain = extents
        var number = 1
        while !taken.insert(extents).inserted {
          number += 1
          extents = "\(plain)_\(number)"
        }
        known[key] = extents
      }
      return ProductFunctions(
        product: product, extents: extents, symbol: symbol, target: target,
        schedule: schedule, xStride: key.xStride, sumsStride: key.sumsStride)
    }
  }

  // MARK: Extents

  private var lanes: Int { target.lanes }
  private var vectors: Int { target.matmulTile.vectors }
  /// Columns of a panel.
  var columns: Int { target.panelColumns }
  /// Panels of weights.
  var panels: Int { (product.columns + columns - 1) / columns }
  private var isDot: Bool { product.matmul.accumulation == .bf16Dot }
  /// Whether the columns of the panel's two vectors alternate: bf16 is widened by one operation then.
  private var isInterleaved: Bool { product.storage == .bf16 && !isDot && vectors == 2 }
  /// The steps that a panel of weights holds: pairs are whole.
  private var steps: Int { product.packedDepth }
  /// Elements of the gathered weights of one block.
  private var blockElements: Int { MatmulOrder.block * columns }
  /// Bytes of them, none if the weights are packed.
  var gatheredBytes: Int { product.isPacked ? 0 : blockElements * product.storage.byteCount }

  // MARK: Names

  /// The function that multiplies.
  var name: String { "multiply_\(extents)" }
  private var tileName: String { "tile_\(extents)" }
  private var gatherName: String { "gather_\(extents)" }
  /// The function that packs this product's weights.
  var packName: String { "\(symbol)_pack_\(product.weights)" }
  /// How packed weights lie.
  var packing: KernelInterface.Packing {
    KernelInterface.Packing(symbol: packName, elements: panels * columns * steps)
  }
  /// The names of the functions that the kernel alone calls.
  var names: [String] { [name, tileName, gatherName] }

  private var weights: Pointer { Pointer(name: "weights", storage: product.storage) }
  private var x: Pointer { Pointer(name: "x", storage: isDot ? .bf16 : .f32) }
  private let sums = Pointer(name: "sums", storage: .f32)

  private func read(_ pointer: Pointer) -> LoopFunction.Parameter {
    LoopFunction.Parameter(pointer.name, .elements(pointer.storage, isWritable: false))
  }

  private func written(_ pointer: Pointer) -> LoopFunction.Parameter {
    LoopFunction.Parameter(pointer.name, .elements(pointer.storage, isWritable: true))
  }

  // MARK: Functions

  /// All of them, each before its callers.
  ///
  /// - Parameter packs: Whether the function that packs is among them.
  func functions(packs: Bool) -> [LoopFunction] {
    (packs || !product.isPacked ? [gather()] : []) + (packs ? [pack()] : []) + [tile(), multiply()]
  }

  /// The statements for the blocks of each panel's steps.
  private func blocks(_ body: [Stmt]) -> Stmt {
    .loop(
      index: "k", from: 0, to: .constant(product.depth), step: .constant(MatmulOrder.block),
      body: [
        .index(
          "depth",
          .minimum(.constant(product.depth) - "k", .constant(MatmulOrder.block)))
      ] + body)
  }

  /// Where the block of a panel begins among packed weights.
  private var packedPlace: Index {
    .constant(steps * columns) * "panel" + .constant(columns) * "k"
  }

  private func multiply() -> LoopFunction {
    let block = Pointer(name: "block", storage: product.storage)
    let xBlock = Pointer(name: "x_block", storage: x.storage)
    let panelSums = Pointer(name: "panel_sums", storage: .f32)
    var body: [Stmt]
    if product.isPacked {
      body = [.pointer(block, buffer: weights.name, offset: packedPlace)]
    } else {
      body = [
        .carve(
          block, from: "gathered", byte: 0, count: .constant(blockElements),
          columns: blockElements, stride: blockElements),
        .call(
          gatherName,
          [
            .place(weights.name, at: 0), .index("panel"), .index("k"), .index("depth"),
            .place(block.name, at: 0),
          ]),
      ]
    }
    let strips = target.matmulTile.heights.map { height in
      LoopStrip(
        count: height,
        body: [
          .call(
            tileName,
            [
              .index("depth"), .place(xBlock.name, at: .constant(xStride) * "row"),
              .place(block.name, at: 0),
              .place(panelSums.name, at: .constant(sumsStride) * "row"), .flag(.equal("k", 0)),
              .index(.constant(height)),
            ])
        ])
    }
    body += [
      .pointer(xBlock, buffer: x.name, offset: "k"),
      .pointer(panelSums, buffer: sums.name, offset: .constant(columns) * "panel"),
      .strips(index: "row", to: "rows", strips),
    ]
    return LoopFunction(
      name,
      comment:
        "Rows of \(product.depth) elements times a matrix of \(product.columns) columns: the "
        + "panels of \(columns) columns from `first` up to `end`.",
      parameters: [.init("rows", .index), read(x), read(weights), written(sums)]
        + (product.isPacked ? [] : [.init("gathered", .memory)])
        + [.init("first", .index), .init("end", .index)],
      body: [.loop(index: "panel", from: "first", to: "end", step: 1, body: [blocks(body)])])
  }

  // MARK: The tile

  private func tile() -> LoopFunction {
    let panel = Pointer(name: "panel", storage: product.storage)
    let chains = isDot ? "dot products of bf16 pairs" : "fused multiply-adds"
    return LoopFunction(
      tileName,
      comment:
        "The sums of `height` rows and the \(columns) columns of a panel over `depth` steps, "
        + "for each one chain of \(chains) from +0. What an earlier block has summed is added to.",
      linkage: .inlined,
      parameters: [
        .init("depth", .index), read(x), read(panel), written(sums), .init("is_first", .flag),
        .init("height", .constant),
      ],
      body: [Tile.zeros(rows: target.matmulTile.rows, vectors: vectors, height: "height")]
        .flatMap { $0 } + (isDot ? dotSteps(panel) : fusedSteps(panel))
        + [
          Tile.store(
            vectors: vectors, lanes: lanes, height: "height", stride: .constant(sumsStride))
        ])
  }

  private func overVectors(_ body: Stmt...) -> Stmt {
    .loop(index: "v", from: 0, to: .constant(vectors), step: 1, body: body)
  }

  private func fusedSteps(_ panel: Pointer) -> [Stmt] {
    let step = Pointer(name: "step", storage: product.storage)
    var body: [Stmt] = [
      .pointer(step, buffer: panel.name, offset: .constant(columns) * "k"),
      .array("weights", extents: [vectors], .vector),
    ]
    if isInterleaved {
      body += [
        .define("pairs", .pairs(step, at: 0)),
        .setEntry("weights", [0], .widened(isSecond: false, .vector("pairs"))),
        .setEntry("weights", [1], .widened(isSecond: true, .vector("pairs"))),
      ]
    } else {
      body.append(
        overVectors(
          .setEntry("weights", ["v"], .load(step, at: .constant(lanes) * "v", .all))))
    }
    body += prefetch(step)
    body.append(
      .loop(
        index: "r", from: 0, to: "height", step: 1,
        body: [
          .define("element", .broadcast(.loadScalar(x, at: .constant(xStride) * "r" + "k"))),
          overVectors(Tile.add(.vector("element"), .entry("weights", ["v"]))),
        ]))
    return [.loop(index: "k", from: 0, to: "depth", step: 1, body: body)]
  }

  private func dotSteps(_ panel: Pointer) -> [Stmt] {
    let step = Pointer(name: "step", storage: product.storage)
    func added(_ pair: LoopExpr, _ weights: LoopExpr) -> Stmt {
      .setEntry("chain", ["r", "v"], .dot(.entry("chain", ["r", "v"]), pair, weights))
    }
    let place: Index = .constant(xStride) * "r"
    let body: [Stmt] =
      [
        .pointer(step, buffer: panel.name, offset: .constant(columns) * "k"),
        .array("weights", extents: [vectors], .pairs),
        overVectors(
          .setEntry("weights", ["v"], .pairs(step, at: .constant(2 * lanes) * "v"))),
      ] + prefetch(step) + [
        .loop(
          index: "r", from: 0, to: "height", step: 1,
          body: [
            .define("pair", .pair(x, at: place + "k", isHalf: false)),
            overVectors(added(.vector("pair"), .entry("weights", ["v"]))),
          ])
      ]
    let steps: Stmt = .loop(index: "k", from: 0, to: "depth" - 1, step: 2, body: body)
    guard product.depth % 2 == 1 else { return [steps] }
    // The last step of an odd depth, whose pair is half a zero.
    let last = Index.constant(columns) * ("depth" - 1) + .constant(2 * lanes) * "v"
    let odd: Stmt = .when(
      .equal("depth" % 2, 1),
      [
        .loop(
          index: "r", from: 0, to: "height", step: 1,
          body: [
            .define("pair", .pair(x, at: place + ("depth" - 1), isHalf: true)),
            overVectors(added(.vector("pair"), .pairs(panel, at: last))),
          ])
      ], otherwise: [])
    return [steps, odd]
  }

  /// Asks for weights some steps ahead, a cache line at a time.
  private func prefetch(_ step: Pointer) -> [Stmt] {
    let bytes = columns * product.storage.byteCount * (isDot ? 2 : 1)
    let ahead = Index.constant(
      columns * product.storage.byteCount * min(max(schedule.weightStepsAhead, 0), 1 << 16))
    guard bytes > 64 else { return [.prefetchLine(step, byte: ahead)] }
    return [
      .loop(
        index: "v", from: 0, to: .constant(bytes / 64), step: 1,
        body: [
          .prefetchLine(step, byte: ahead + 64 * "v")
        ])
    ]
  }

  // MARK: Packing

  private var block: Pointer { Pointer(name: "block", storage: product.storage) }

  private func gather() -> LoopFunction {
    let order =
      isDot
      ? "pairs of steps, column by column"
      : isInterleaved ? "step by step, the columns of both vectors in turns" : "step by step"
    let isPlain = product.matmul.layout == .inOut && !isDot && !isInterleaved
    return LoopFunction(
      gatherName,
      comment: "The weights of a panel of \(columns) columns, `depth` steps from step k on, as the "
        + "product reads them: \(order); zeros beyond the last column.",
      parameters: [
        read(weights), .init("panel", .index), .init("k", .index), .init("depth", .index),
        written(block),
      ],
      body: [.index("first", .constant(columns) * "panel")]
        + [isPlain ? gatherRows() : gatherElements()])
  }

  /// One weight after the other, along the weights' own rows.
  private func gatherElements() -> Stmt {
    let (count, depth) = (product.columns, product.depth)
    let isInOut = product.matmul.layout == .inOut
    let source: Index =
      isInOut
      ? .constant(count) * ("k" + "i") + "first" + "c"
      : .constant(depth) * ("first" + "c") + "k" + "i"
    let place: Index
    if isDot {
      place = .constant(columns) * ("i" - "i" % 2) + 2 * "c" + "i" % 2
    } else if isInterleaved {
      place =
        .constant(columns) * "i" + 2 * ("c" % .constant(lanes)) + "c" / .constant(lanes)
    } else {
      place = .constant(columns) * "i" + "c"
    }
    let isOdd = isDot && depth % 2 == 1
    let isColumn: LoopCondition = "first" + "c" < .constant(count)
    let isInside = isOdd ? .both(isColumn, "k" + "i" < .constant(depth)) : isColumn
    let end: Index = isOdd ? "depth" + "depth" % 2 : "depth"
    func overSteps(_ body: Stmt) -> Stmt {
      .loop(index: "i", from: 0, to: end, step: 1, body: [body])
    }
    func overColumns(_ body: Stmt) -> Stmt {
      .loop(index: "c", from: 0, to: .constant(columns), step: 1, body: [body])
    }
    let copy: Stmt = .storeStored(
      block, at: place, .choose(isInside, .stored(weights, at: source), .storedZero))
    return isInOut ? overSteps(overColumns(copy)) : overColumns(overSteps(copy))
  }

  /// Whole vectors of a weight row, which are also those of the block.
  private func gatherRows() -> Stmt {
    let row = Pointer(name: "row", storage: product.storage)
    let place = Pointer(name: "place", storage: product.storage)
    let vector = Index.constant(lanes) * "v"
    func copy(_ lanes: Lanes) -> Stmt {
      .storeStored(place, at: 0, .storedVector(row, at: vector, lanes))
    }
    return .loop(
      index: "i", from: 0, to: "depth", step: 1,
      body: [
        .pointer(
          row, buffer: weights.name,
          offset: .constant(product.columns) * ("k" + "i") + "first"),
        overVectors(
          .index("left", .constant(product.columns) - "first" - vector),
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

  private func pack() -> LoopFunction {
    let packed = Pointer(name: "packed", storage: product.storage)
    let call: Stmt = .call(
      gatherName,
      [
        .place(weights.name, at: 0), .index("panel"), .index("k"), .index("depth"),
        .place(packed.name, at: packedPlace),
      ])
    return LoopFunction(
      packName, comment: packContract, linkage: .exported,
      parameters: [read(weights), written(packed)],
      body: [
        .loop(index: "panel", from: 0, to: .constant(panels), step: 1, body: [blocks([call])])
      ])
  }

  private var packContract: String {
    let shape: String
    switch product.matmul.layout {
    case .inOut: shape = "[\(product.depth), \(product.columns)]"
    case .outIn: shape = "[\(product.columns), \(product.depth)]"
    }
    return "Packs \(product.weights): reads \(product.storage.rawValue) \(shape) and writes "
      + "\(packing.elements) elements."
  }
}

extension Multiplication {
  /// The steps that packed weights hold: pairs are whole.
  var packedDepth: Int {
    matmul.accumulation == .bf16Dot ? (depth + 1) / 2 * 2 : depth
  }
}
