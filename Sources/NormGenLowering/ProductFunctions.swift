import NormGenIR
import NormGenLoops
import NormGenSchedule

/// The functions of one product: gathering a block of weights, packing them all, one tile, and the
/// product.
struct ProductFunctions {
  let product: Product
  /// What tells the functions of the kernel's products apart, such as `768x3072`.
  let extents: String
  let symbol: String
  let target: Target
  let schedule: ProductSchedule
  let xStride: Int
  let sumsStride: Int
  /// Elements from row to row of what a product of integers reads beside the rows; nil for any other.
  let integerStrides: IntegerStrides?
  /// How the weights are computed, if they are.
  let computed: ComputedWeights?
  /// The tensors that packing takes.
  let sources: [Buffer]

  /// Elements from row to row of scales and of sums.
  struct IntegerStrides: Hashable {
    let scales: Int?
    let sums: Int?
    /// Integers that share a scale.
    let group: Int
  }

  /// What two products must agree on to share functions.
  private struct Key: Hashable {
    let xStride: Int
    let sumsStride: Int
    let integerStrides: IntegerStrides?
    let depth: Int
    let columns: Int
    let storage: DType
    let format: BlockFormat?
    let matmul: Matmul
    let tile: DotTile
    let isPacked: Bool
    let schedule: ProductSchedule
  }

  /// The functions of a program's products; those alike share them.
  static func all(
    of program: LoopProgram, symbol: String, target: Target, schedule: MatmulSchedule
  ) -> [ProductFunctions] {
    let strides = Dictionary(
      program.panels.map { ($0.name, $0.stride) }, uniquingKeysWith: { $1 })
    let computed = Dictionary(
      program.weights.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    let buffers = Dictionary(program.buffers.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    var known: [Key: String] = [:]
    var taken: Set<String> = []
    return program.products.map { product in
      let integerStrides = product.integers.map { integers in
        IntegerStrides(
          scales: integers.scales.map { strides[$0] ?? 0 },
          sums: integers.sums.map { strides[$0] ?? 0 },
          group: integers.group)
      }
      let key = Key(
        xStride: strides[product.x] ?? 0, sumsStride: strides[product.sums] ?? 0,
        integerStrides: integerStrides,
        depth: product.depth, columns: product.columns, storage: product.storage,
        format: product.format, matmul: product.matmul, tile: product.tile,
        isPacked: product.isPacked,
        schedule: schedule.product(product.weights))
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
        schedule: key.schedule, xStride: key.xStride, sumsStride: key.sumsStride,
        integerStrides: key.integerStrides,
        computed: computed[product.weights],
        sources: computed[product.weights]?.inputs
          ?? buffers[product.weights].map { [$0] } ?? [])
    }
  }

  // MARK: Extents

  var lanes: Int { target.lanes }
  var vectors: Int { product.tile.vectors }
  /// Columns of a sliver.
  var columns: Int { product.tile.columns(lanes: lanes) }
  /// Slivers of weights.
  var slivers: Int { (product.columns + columns - 1) / columns }
  /// What adds products.
  var instruction: DotInstruction { DotInstruction(product.tile.accumulation) }
  /// How the weights of a sliver lie. Those of bf16 that are widened take turns: one operation widens
  /// either half of a pair.
  var order: SliverOrder {
    let isWidened = tiledStorage == .bf16 && product.matmul.accumulation.step.operand == .f32
    return SliverOrder(
      columns: columns, step: instruction.step, turns: isWidened && vectors == 2 ? 2 : 1,
      lanes: lanes)
  }
  /// The steps that a sliver of weights holds: pairs are whole.
  var steps: Int { product.packedDepth }
  /// The steps that are summed at once: those of a block, or all of integers, whose sums are exact.
  var blockSteps: Int { sumsIntegers ? product.packedDepth : MatmulOrder.block }
  /// Whether it sums integers of weights without factors.
  var sumsIntegers: Bool { integerStrides != nil && product.format == nil }
  /// Elements of the gathered weights of one block.
  var blockElements: Int { blockSteps * columns }
  /// Whether a part gathers weights, or the values of their blocks, while it multiplies.
  var gathers: Bool { !product.isPacked || product.format != nil && integerStrides == nil }
  /// Bytes of them, whole cache lines.
  var gatheredBytes: Int {
    gathers ? (blockElements * tiledStorage.byteCount + 63) / 64 * 64 : 0
  }
  /// The type of the weights that tiles read.
  var tiledStorage: DType { product.format == nil ? product.storage : .f32 }

  // MARK: Names

  /// The function that multiplies.
  var name: String { "multiply_\(extents)" }
  var tileName: String { "tile_\(extents)" }
  var gatherName: String { "gather_\(extents)" }
  /// The function that packs this product's weights.
  var packName: String { "\(symbol)_pack_\(product.weights)" }
  /// How packed weights lie.
  var packing: KernelInterface.Packing {
    KernelInterface.Packing(
      symbol: packName, entry: computed == nil ? nil : "\(symbol)_entry_pack_\(product.weights)",
      sources: sources,
      elements: packedElements,
      elementsSymbol: "\(symbol)_packed_elements_\(product.weights)")
  }

  /// The elements of packed weights, of bytes if they are blocks.
  private var packedElements: Int {
    BlockFunctions(self).map { slivers * $0.sliverBytes }
      ?? slivers * columns * steps + workElements
  }

  /// The elements behind packed weights that packing computes rows in.
  var workElements: Int { computed.map { rowsAtOnce * $0.columns } ?? 0 }

  var weights: Pointer { Pointer(name: "weights", storage: product.storage) }
  var x: Pointer { Pointer(name: "x", storage: product.matmul.accumulation.step.operand) }
  let sums = Pointer(name: "sums", storage: .f32)

  let xScales = Pointer(name: "x_scales", storage: .f32)
  let xSums = Pointer(name: "x_sums", storage: .f32)
  /// What a product of integers reads beside the rows: scales and sums, where it needs them.
  var besides: [(pointer: Pointer, stride: Int)] {
    [(xScales, integerStrides?.scales), (xSums, integerStrides?.sums)].compactMap {
      pointer, stride in
      stride.map { (pointer, $0) }
    }
  }

  // MARK: Functions

  /// All of them, each before its callers.
  ///
  /// - Parameter packs: Whether the function that packs is among them.
  func functions(packs: Bool) -> [LoopFunction] {
    let blocks = BlockFunctions(self)
    let packing =
      (packs || !product.isPacked ? [blocks?.gather() ?? gather()] : [])
      + (packs ? [elements(), pack()] : [])
    if let blocks, product.integers != nil {
      return packing + [blocks.integerTile(), blocks.multiplyIntegers()]
    }
    return packing
      + (blocks.map { [$0.dequantize(), tile(), $0.tile()] } ?? [tile()]) + [multiply()]
  }

  /// The statements for the blocks of each sliver's steps.
  func blocks(_ body: [Stmt]) -> Stmt {
    .loop(
      index: "k", from: 0, to: .constant(product.depth), step: .constant(blockSteps),
      body: [
        .index("depth", .minimum(.constant(product.depth) - "k", .constant(blockSteps)))
      ] + body)
  }

  /// Where the block of a sliver begins among packed weights.
  func packedPlace(_ sliver: Index, _ k: Index) -> Index {
    .constant(steps * columns) * sliver + .constant(columns) * k
  }

  var multiplyComment: String {
    "Rows of \(product.depth) elements times a matrix of \(product.columns) columns: the slivers of "
      + "\(columns) columns from `first` up to `end`."
  }

  func multiply() -> LoopFunction {
    let block = Pointer(name: "block", storage: tiledStorage)
    let packed = Pointer(name: "packed", storage: product.storage)
    let xBlock = Pointer(name: "x_block", storage: x.storage)
    let sliverSums = Pointer(name: "sliver_sums", storage: .f32)
    /// Tiles of all rows, as high as there is room for.
    func tiles(
      _ tile: String, _ heights: [Int], weights: String, slivers: [CallArgument] = []
    ) -> [Stmt] {
      [
        .pointer(xBlock, buffer: x.name, offset: "k"),
        .pointer(sliverSums, buffer: sums.name, offset: .constant(columns) * "sliver"),
        .strips(
          index: "row", to: "rows",
          heights.map { height in
            LoopStrip(
              count: height,
              body: [
                .call(
                  tile,
                  [
                    .index("depth"), .place(xBlock.name, at: .constant(xStride) * "row"),
                  ] + besides.map { .place($0.pointer.name, at: .constant($0.stride) * "row") } + [
                    .place(weights, at: 0),
                    .place(sliverSums.name, at: .constant(sumsStride) * "row"),
                  ] + (sumsIntegers ? [] : [.flag(.equal("k", 0))]) + [.index(.constant(height))]
                    + slivers)
              ])
          }),
      ]
    }
    let carved: Stmt = .carve(
      block, from: "gathered", byte: 0, count: .constant(blockElements),
      columns: blockElements, stride: blockElements)
    let plain = tiles(tileName, product.tile.heights, weights: block.name)
    var head: [Stmt] = []
    let body: [Stmt]
    if let blocks = BlockFunctions(self) {
      let place = Stmt.pointer(
        packed, buffer: weights.name, offset: blocks.place(of: "sliver", "k"))
      head = blocks.heights.map { slivers, heights in
        let strips = Set([slivers, 1]).sorted(by: >).map { count in
          LoopStrip(
            count: count,
            body: [
              .index("sliver", "first" + "side"),
              self.blocks(
                [place]
                  + tiles(
                    blocks.tileName, heights, weights: packed.name,
                    slivers: [.index(.constant(count))])),
            ])
        }
        return .when(
          "rows" <= .constant(heights[0]),
          [.strips(index: "side", to: "end" - "first", strips), .leave(nil)], otherwise: [])
      }
      body =
        [
          carved, place,
          .call(
            blocks.dequantizeName,
            [.place(packed.name, at: 0), .index("depth"), .place(block.name, at: 0)]),
        ] + plain
    } else if product.isPacked {
      body = [.pointer(block, buffer: weights.name, offset: packedPlace("sliver", "k"))] + plain
    } else {
      body =
        [carved, gather("sliver", "k", depth: "depth", to: .place(block.name, at: 0))] + plain
    }
    return LoopFunction(
      name,
      comment: multiplyComment,
      parameters: [.init("rows", .index), .read(x)] + besides.map { .read($0.pointer) }
        + [.read(weights), .written(sums)]
        + (gathers ? [.init("gathered", .memory)] : [])
        + [.init("first", .index), .init("end", .index)],
      body: head + [
        .loop(index: "sliver", from: "first", to: "end", step: 1, body: [self.blocks(body)])
      ])
  }
}

extension Product {
  /// The k that packed weights hold: steps are whole.
  var packedDepth: Int {
    let step = matmul.accumulation.step.depth
    return (depth + step - 1) / step * step
  }
}
