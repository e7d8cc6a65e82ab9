import NormGenIR
import NormGenLoops
import NormGenSchedule

/// The functions that sum over the rows of panels, and those that store totals in the end.
struct RowSumFunctions {
  private let program: LoopProgram
  private let target: Target
  private let schedule: MatmulSchedule
  private let panels: [String: Panel]
  private let totals: [String: Total]
  private let storages: [String: DType]
  /// Elements before each total in the memory of one block's totals.
  private let offsets: [String: Int]

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

  /// The function of an accumulation.
  func name(of accumulation: Accumulation) -> String { "add_\(accumulation.total)" }
  /// The function that stores a total.
  func name(of total: Total) -> String { "store_\(total.name)" }
  /// The function that multiplies one tile, the same for all outer sums.
  private static let tileName = "outer_tile"

  /// All names that the functions take in the emitted file.
  var names: Set<String> {
    Set(
      program.accumulations.map { name(of: $0) } + [RowSumFunctions.tileName]
        + program.totals.map { name(of: $0) })
  }

  /// Elements before each total in the memory of one block's totals.
  func offset(of name: String) -> Int { offsets[name] ?? program.totalStride }

  /// The output in whose memory a total's sums lie, if they do.
  func directOutput(of name: String) -> String? {
    totals[name].flatMap { $0.isDirect ? $0.outputs.first : nil }
  }

  // MARK: Extents

  private var tile: MatmulTile { target.matmulTile }
  private var lanes: Int { target.lanes }
  private var columns: Int { target.panelColumns }
  /// Rows of one result tile times rows of a block.
  private var xTileElements: Int { tile.rows * RowSumOrder.block }
  private var panelElements: Int { columns * RowSumOrder.block }

  /// Tiles whose factors are gathered together.
  private func chunk(_ rows: Int) -> Int {
    min(max(schedule.gatheredBytes / 4 / xTileElements, 1), tiles(rows))
  }

  private func tiles(_ rows: Int) -> Int { (rows + tile.rows - 1) / tile.rows }

  /// What parts of an accumulation are counted in.
  func units(of accumulation: Accumulation) -> Int {
    switch accumulation.terms {
    case .columns: ((totals[accumulation.total]?.count ?? 0) + lanes - 1) / lanes
    case .outer(_, _, _, let count): (count + columns - 1) / columns
    }
  }

  /// Bytes that one part gathers factors in.
  var gatheredBytes: Int {
    program.accumulations.map { accumulation in
      switch accumulation.terms {
      case .columns: 0
      case .outer(_, _, let rows, _): (panelElements + chunk(rows) * xTileElements) * 4
      }
    }.max() ?? 0
  }

  // MARK: Functions

  private let x = Pointer(name: "x", storage: .f32)
  private let y = Pointer(name: "y", storage: .f32)
  private let sum = Pointer(name: "sum", storage: .f32)

  private static func read(_ name: String) -> LoopFunction.Parameter {
    LoopFunction.Parameter(name, .elements(.f32, isWritable: false))
  }

  private static func written(_ name: String) -> LoopFunction.Parameter {
    LoopFunction.Parameter(name, .elements(.f32, isWritable: true))
  }

  /// The functions of an accumulation, each before its callers.
  func functions(of accumulation: Accumulation) -> [LoopFunction] {
    switch accumulation.terms {
    case .columns(let x, let y, let repeats):
      [columnSum(accumulation, x: x, y: y, repeats: repeats)]
    case .outer(let x, let y, let rows, let count):
      [outerTile(), outerSum(accumulation, x: x, y: y, rows: rows, count: count)]
    }
  }

  private func columnSum(
    _ accumulation: Accumulation, x xName: String, y yName: String?, repeats: Int
  ) -> LoopFunction {
    let count = totals[accumulation.total]?.count ?? 0
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
      name(of: accumulation),
      comment: "Adds the sums over a block's rows to \(accumulation.total): for each element one "
        + "chain from +0. The elements in vectors from `first` up to `end`.",
      parameters: [.init("rows", .index), RowSumFunctions.read("x")]
        + (yName == nil ? [] : [RowSumFunctions.read("y")])
        + [
          RowSumFunctions.written("total"), .init("is_first", .flag), .init("first", .index),
          .init("end", .index),
        ],
      body: statements)
  }

  private func overVectors(_ body: Stmt...) -> Stmt {
    .loop(index: "v", from: 0, to: .constant(tile.vectors), step: 1, body: body)
  }

  private func outerTile() -> LoopFunction {
    let height = Index.constant(tile.rows)
    return LoopFunction(
      RowSumFunctions.tileName,
      comment:
        "The products of \(tile.rows) elements of x and \(columns) of y, summed over `depth` "
        + "rows by one chain each from +0, and added to what earlier blocks have summed.",
      parameters: [
        .init("depth", .index), RowSumFunctions.read("x"), RowSumFunctions.read("y"),
        RowSumFunctions.written("sums"), .init("stride", .index), .init("is_first", .flag),
      ],
      body: Tile.zeros(rows: tile.rows, vectors: tile.vectors, height: height) + [
        .loop(
          index: "row", from: 0, to: "depth", step: 1,
          body: [
            .array("factors", extents: [tile.vectors], .vector),
            overVectors(
              .setEntry(
                "factors", ["v"],
                .load(y, at: .constant(columns) * "row" + .constant(lanes) * "v", .all))),
            .loop(
              index: "r", from: 0, to: height, step: 1,
              body: [
                .define(
                  "element", .broadcast(.loadScalar(x, at: .constant(tile.rows) * "row" + "r"))),
                overVectors(Tile.add(.vector("element"), .entry("factors", ["v"]))),
              ]),
          ]),
        Tile.store(vectors: tile.vectors, lanes: lanes, height: height, stride: "stride"),
      ])
  }

  private func outerSum(
    _ accumulation: Accumulation, x xName: String, y yName: String, rows: Int, count: Int
  ) -> LoopFunction {
    let yPanel = Pointer(name: "y_panel", storage: .f32)
    let xTiles = Pointer(name: "x_tiles", storage: .f32)
    let xElements = chunk(rows) * xTileElements
    return LoopFunction(
      name(of: accumulation),
      comment: "Adds the products of the rows' \(rows) elements of x with the \(count) of y to "
        + "\(accumulation.total): the panels of \(columns) columns from `first` up to `end`.",
      parameters: [
        .init("rows", .index), RowSumFunctions.read("x"), RowSumFunctions.read("y"),
        RowSumFunctions.written("total"), .init("is_first", .flag), .init("gathered", .memory),
        .init("first", .index), .init("end", .index),
      ],
      body: [
        .carve(
          yPanel, from: "gathered", byte: 0, count: .constant(panelElements),
          columns: panelElements, stride: panelElements),
        .carve(
          xTiles, from: "gathered", byte: .constant(panelElements * 4),
          count: .constant(xElements), columns: xElements, stride: xElements),
        .scratch(Pointer(name: "edge", storage: .f32), count: tile.rows * columns),
        .loop(
          index: "chunk", from: 0, to: .constant(tiles(rows)), step: .constant(chunk(rows)),
          body: [
            .index(
              "chunk_end",
              .minimum("chunk" + .constant(chunk(rows)), .constant(tiles(rows)))),
            gatherTiles(stride: panels[xName]?.stride ?? 0, rows: rows),
            .loop(
              index: "panel", from: "first", to: "end", step: 1,
              body: [
                gatherPanel(stride: panels[yName]?.stride ?? 0), addTiles(rows: rows, count: count),
              ]),
          ]),
      ])
  }

  /// The factors of the tiles of a chunk, row by row; zeros beyond the last element.
  private func gatherTiles(stride: Int, rows: Int) -> Stmt {
    let xTile = Pointer(name: "x_tile", storage: .f32)
    let element: Index = .constant(tile.rows) * "tile" + "r"
    return .loop(
      index: "tile", from: "chunk", to: "chunk_end", step: 1,
      body: [
        .pointer(
          xTile, buffer: "x_tiles", offset: .constant(xTileElements) * ("tile" - "chunk")),
        .loop(
          index: "row", from: 0, to: "rows", step: 1,
          body: [
            .loop(
              index: "r", from: 0, to: .constant(tile.rows), step: 1,
              body: [
                .storeScalar(
                  xTile, at: .constant(tile.rows) * "row" + "r",
                  .loadScalar(x, at: .constant(stride) * "row" + element))
              ])
          ]),
      ])
  }

  private func gatherPanel(stride: Int) -> Stmt {
    let yRow = Pointer(name: "y_row", storage: .f32)
    let yPanel = Pointer(name: "y_panel", storage: .f32)
    let vector = Index.constant(lanes) * "v"
    return .loop(
      index: "row", from: 0, to: "rows", step: 1,
      body: [
        .pointer(
          yRow, buffer: "y", offset: .constant(stride) * "row" + .constant(columns) * "panel"),
        overVectors(
          .store(
            yPanel, at: .constant(columns) * "row" + vector, .load(yRow, at: vector, .all), .all)),
      ])
  }

  private func addTiles(rows: Int, count: Int) -> Stmt {
    let xTile = Pointer(name: "x_tile", storage: .f32)
    let sums = Pointer(name: "sums", storage: .f32)
    func call(_ sums: String, stride: Int, isFirst: LoopCondition) -> Stmt {
      .call(
        RowSumFunctions.tileName,
        [
          .index("rows"), .place("x_tile", at: 0), .place("y_panel", at: 0), .place(sums, at: 0),
          .index(.constant(stride)), .flag(isFirst),
        ])
    }
    let edge = LoopExpr.loadScalar(
      Pointer(name: "edge", storage: .f32), at: .constant(columns) * "r" + "c")
    let addEdge: Stmt = .loop(
      index: "r", from: 0, to: .minimum("height", .constant(tile.rows)), step: 1,
      body: [
        .loop(
          index: "c", from: 0, to: .minimum("width", .constant(columns)), step: 1,
          body: [
            .pointer(sum, buffer: "sums", offset: .constant(count) * "r" + "c"),
            .storeScalar(
              sum, at: 0,
              .choose(
                .flag("is_first"), edge, .apply(.add, [.loadScalar(sum, at: 0), edge]))),
          ])
      ])
    return .loop(
      index: "tile", from: "chunk", to: "chunk_end", step: 1,
      body: [
        .pointer(
          xTile, buffer: "x_tiles", offset: .constant(xTileElements) * ("tile" - "chunk")),
        .pointer(
          sums, buffer: "total",
          offset: .constant(count * tile.rows) * "tile" + .constant(columns) * "panel"),
        .index("height", .constant(rows) - .constant(tile.rows) * "tile"),
        .index("width", .constant(count) - .constant(columns) * "panel"),
        .when(
          .both(.constant(tile.rows) <= "height", .constant(columns) <= "width"),
          [call("sums", stride: count, isFirst: .flag("is_first"))],
          otherwise: [
            .comment("A tile at the edge has sums that nobody asked for."),
            call("edge", stride: columns, isFirst: .always), addEdge,
          ]),
      ])
  }

  // MARK: Storing

  /// The function that stores a total in its outputs.
  func store(_ total: Total) -> LoopFunction {
    let sums = Pointer(name: "sums", storage: .f32)
    if total.isDirect {
      // The sums lie in the output already, unless there were no rows to sum.
      let clear: Stmt = .loop(
        index: "i", from: 0, to: .constant(total.count), step: 1,
        body: [.storeScalar(sums, at: "i", .constant(0))])
      return LoopFunction(
        name(of: total), comment: "Without rows the sums are zero.",
        parameters: [.init("rows", .index), RowSumFunctions.written("sums")],
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
    if total.reduction == .mean {
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
      parameters: (total.reduction == .mean ? [.init("rows", .index)] : []) + [
        .init("blocks", .index), RowSumFunctions.read("sums"),
      ] + outputs.map { .init($0.name, .elements($0.storage, isWritable: true)) } + [
        .init("first", .index), .init("end", .index),
      ],
      body: [.loop(index: "i", from: "first", to: "end", step: 1, body: body)])
  }
}
