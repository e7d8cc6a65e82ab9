import NormGenIR
import NormGenLoops
import NormGenSchedule

/// The functions that sum over the rows of panels, and those that store totals in the end.
struct RowSumFunctions {
  let program: LoopProgram
  let target: Target
  let schedule: MatmulSchedule
  let panels: [String: Panel]
  let totals: [String: Total]
  let storages: [String: DType]
  /// Elements before each total in the memory of one block's totals.
  let offsets: [String: Int]

  init(_ program: LoopProgram, target: Target, schedule: MatmulSchedule) {
    self.program = program
    self.target = target
    self.schedule = schedule
    panels = Dictionary(program.panels.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    totals = Dictionary(program.totals.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    storages = Dictionary(
      program.buffers.map { ($0.name, $0.storage) }, uniquingKeysWith: { $1 })
    var offsets: [String: Int] = [:]
    var stride = 0
    for total in program.totals {
      offsets[total.name] = stride
      if !total.isDirect { stride += total.stride }
    }
    self.offsets = offsets
  }

  // MARK: Names

  /// The function of a summation.
  func name(of summation: RowSummation) -> String { "add_\(summation.total)" }
  /// The function that stores a total.
  func name(of total: Total) -> String { "store_\(total.name)" }
  /// The function that multiplies one tile, the same for all outer sums.
  static let tileName = "outer_tile"

  /// Elements before each total in the memory of one block's totals.
  func offset(of name: String) -> Int { offsets[name] ?? program.totalStride }

  /// The output in whose memory a total's sums lie, if they do.
  func directOutput(of name: String) -> String? {
    totals[name].flatMap { $0.isDirect ? $0.outputs.first : nil }
  }

  // MARK: Extents

  var tile: DotTile { target.dot(for: .fused) }
  var lanes: Int { target.lanes }
  var columns: Int { tile.columns(lanes: target.lanes) }
  /// Rows of one result tile times rows of a block.
  var xTileElements: Int { tile.rows * RowSumOrder.block }
  var sliverElements: Int { columns * RowSumOrder.block }

  /// Tiles whose factors are gathered at once.
  func tilesAtOnce(_ rows: Int) -> Int {
    min(max(schedule.gatheredBytes / 4 / xTileElements, 1), tiles(rows))
  }

  func tiles(_ rows: Int) -> Int { (rows + tile.rows - 1) / tile.rows }

  /// What parts of a summation are counted in.
  func units(of summation: RowSummation) -> Int {
    switch summation.terms {
    case .columns: ((totals[summation.total]?.count ?? 0) + lanes - 1) / lanes
    case .outer(_, _, _, let count): (count + columns - 1) / columns
    }
  }

  /// Bytes that one part gathers factors in.
  var gatheredBytes: Int {
    program.summations.map { summation in
      switch summation.terms {
      case .columns: 0
      case .outer(_, _, let rows, _): (sliverElements + tilesAtOnce(rows) * xTileElements) * 4
      }
    }.max() ?? 0
  }

  // MARK: Functions

  let x = Pointer(name: "x", storage: .f32)
  let y = Pointer(name: "y", storage: .f32)
  let sum = Pointer(name: "sum", storage: .f32)
  let sums = Pointer(name: "sums", storage: .f32)
  let total = Pointer(name: "total", storage: .f32)

  /// The functions of a summation, each before its callers.
  func functions(of summation: RowSummation) -> [LoopFunction] {
    switch summation.terms {
    case .columns(let x, let y, let repeats):
      [columnSum(summation, x: x, y: y, repeats: repeats)]
    case .outer(let x, let y, let rows, let count):
      [outerTile(), outerSum(summation, x: x, y: y, rows: rows, count: count)]
    }
  }

  func columnSum(
    _ summation: RowSummation, x xName: String, y yName: String?, repeats: Int
  ) -> LoopFunction {
    let count = totals[summation.total]?.count ?? 0
    let (whole, left) = (count / lanes, count % lanes)
    let unit = Index.constant(lanes) * "unit"
    func load(_ pointer: Pointer, of panel: String, _ lanes: Lanes) -> LoopExpr {
      let row = Index.constant(panels[panel]?.stride ?? 0) * "row"
      guard repeats > 1 else { return .load(pointer, at: row + unit, lanes) }
      return .load(pointer, at: row + .constant(count) * "repeat" + unit, lanes)
    }
    func body(_ lanes: Lanes) -> [Stmt] {
      let chain = LoopExpr.vector("chain")
      let x = load(self.x, of: xName, lanes)
      let added: Stmt = .assign(
        "chain",
        yName.map { .apply(.multiplyAdd, [x, load(y, of: $0, lanes), chain]) }
          ?? .apply(.add, [chain, x]))
      let terms =
        repeats > 1
        ? .loop(index: "repeat", from: 0, to: .constant(repeats), step: 1, body: [added]) : added
      return [
        .variable("chain", .broadcast(.constant(0))),
        .loop(index: "row", from: 0, to: "rows", step: 1, body: [terms]),
        .pointer(sum, buffer: "total", offset: unit),
        .assign(
          "chain",
          .choose(.flag("is_first"), chain, .apply(.add, [.load(sum, at: 0, lanes), chain]))),
        .store(sum, at: 0, chain, lanes),
      ]
    }
    var statements: [Stmt] = []
    if whole > 0 {
      let end: Index = left == 0 ? "end" : .minimum("end", .constant(whole))
      statements.append(.loop(index: "unit", from: "first", to: end, step: 1, body: body(.all)))
    }
    if left > 0 {
      statements.append(
        .when(
          .both("first" <= .constant(whole), .constant(whole) < "end"),
          [.index("unit", .constant(whole))] + body(.first(left)), otherwise: []))
    }
    return LoopFunction(
      name(of: summation),
      comment: "Adds the sums over a block's rows to \(summation.total): for each element one "
        + "chain from +0. The elements in vectors from `first` up to `end`.",
      parameters: [.init("rows", .index), .read(x)]
        + (yName == nil ? [] : [.read(y)])
        + [
          .written(total), .init("is_first", .flag), .init("first", .index),
          .init("end", .index),
        ],
      body: statements)
  }

  // MARK: Storing

  /// The function that stores a total in its outputs.
  func store(_ total: Total) -> LoopFunction {
    if total.isDirect {
      // The sums lie in the output already, unless there were no rows to sum.
      let clear: Stmt = .loop(
        index: "i", from: 0, to: .constant(total.count), step: 1,
        body: [.storeScalar(sums, at: "i", .constant(0))])
      return LoopFunction(
        name(of: total), comment: "Without rows the sums are zero.",
        parameters: [.init("rows", .index), .written(sums)],
        body: [.when("rows" < 1, [clear], otherwise: [])])
    }
    let value = LoopExpr.scalar("total")
    var body: [Stmt] = [
      .variable("total", .choose(0 < "blocks", .loadScalar(sums, at: "i"), .constant(0))),
      .loop(
        index: "block", from: 1, to: "blocks", step: 1,
        body: [
          .assign(
            "total",
            .apply(
              .add,
              [value, .loadScalar(sums, at: .constant(program.totalStride) * "block" + "i")]))
        ]),
    ]
    if total.aggregate == .mean {
      let terms = Index.constant(total.termsPerRow) * "rows"
      body.append(.assign("total", .apply(.divide, [value, .number(terms)])))
    }
    let outputs = total.outputs.enumerated().map { number, output in
      Pointer(
        name: total.outputs.count > 1 ? "output\(number + 1)" : "output",
        storage: storages[output] ?? .f32)
    }
    body += outputs.map { .storeScalar($0, at: "i", value) }
    return LoopFunction(
      name(of: total),
      comment: "Stores \(total.outputs.joined(separator: " and ")): the blocks' sums, added in "
        + "increasing order. The elements from `first` up to `end`.",
      parameters: (total.aggregate == .mean ? [.init("rows", .index)] : []) + [
        .init("blocks", .index), .read(sums),
      ] + outputs.map { .written($0) } + [
        .init("first", .index), .init("end", .index),
      ],
      body: [.loop(index: "i", from: "first", to: "end", step: 1, body: body)])
  }
}
