import NormGenIR
import NormGenLoops
import NormGenSchedule

/// Outer sums over rows: products with the rows of a block as their depth, cut into tiles.
extension RowSumFunctions {
  func outerTile() -> LoopFunction {
    let height = Index.constant(tile.rows)
    return LoopFunction(
      RowSumFunctions.tileName,
      comment:
        "The products of \(tile.rows) elements of x and \(columns) of y, summed over `depth` "
        + "rows by one chain each from +0, and added to what earlier blocks have summed.",
      parameters: [
        .init("depth", .index), .read(x), .read(y),
        .written(sums), .init("stride", .index), .init("is_first", .flag),
      ],
      body: Tile.zeros(rows: tile.rows, vectors: tile.vectors, height: height) + [
        .loop(
          index: "row", from: 0, to: "depth", step: 1,
          body: [
            .array("factors", extents: [tile.vectors], .vector),
            .each(
              "v", upTo: .constant(tile.vectors),
              .setEntry(
                "factors", ["v"],
                .load(y, at: .constant(columns) * "row" + .constant(lanes) * "v", .all))),
            .loop(
              index: "r", from: 0, to: height, step: 1,
              body: [
                .define(
                  "element", .broadcast(.loadScalar(x, at: .constant(tile.rows) * "row" + "r"))),
                .each(
                  "v", upTo: .constant(tile.vectors),
                  Tile.add(.vector("element"), .entry("factors", ["v"]))),
              ]),
          ]),
        Tile.store(
          vectors: .constant(tile.vectors), lanes: lanes, height: height, stride: "stride"),
      ])
  }

  func outerSum(
    _ summation: RowSummation, x xName: String, y yName: String, rows: Int, count: Int
  ) -> LoopFunction {
    let ySliver = Pointer(name: "y_sliver", storage: .f32)
    let xTiles = Pointer(name: "x_tiles", storage: .f32)
    let xElements = tilesAtOnce(rows) * xTileElements
    return LoopFunction(
      name(of: summation),
      comment: "Adds the products of the rows' \(rows) elements of x with the \(count) of y to "
        + "\(summation.total): the slivers of \(columns) columns from `first` up to `end`.",
      parameters: [
        .init("rows", .index), .read(x), .read(y),
        .written(total), .init("is_first", .flag), .init("gathered", .memory),
        .init("first", .index), .init("end", .index),
      ],
      body: [
        .carve(
          ySliver, from: "gathered", byte: 0, count: .constant(sliverElements),
          columns: sliverElements, stride: sliverElements),
        .carve(
          xTiles, from: "gathered", byte: .constant(sliverElements * 4),
          count: .constant(xElements), columns: xElements, stride: xElements),
        .scratch(Pointer(name: "edge", storage: .f32), count: tile.rows * columns),
        .loop(
          index: "first_tile", from: 0, to: .constant(tiles(rows)),
          step: .constant(tilesAtOnce(rows)),
          body: [
            .index(
              "end_tile",
              .minimum("first_tile" + .constant(tilesAtOnce(rows)), .constant(tiles(rows)))),
            gatherTiles(stride: panels[xName]?.stride ?? 0),
            .loop(
              index: "sliver", from: "first", to: "end", step: 1,
              body: [
                gatherSliver(stride: panels[yName]?.stride ?? 0),
                addTiles(rows: rows, count: count),
              ]),
          ]),
      ])
  }

  /// The factors of tiles that are gathered at once, row by row; behind the last element what the
  /// panel's rows are padded with.
  func gatherTiles(stride: Int) -> Stmt {
    let xTile = Pointer(name: "x_tile", storage: .f32)
    let element: Index = .constant(tile.rows) * "tile" + "r"
    return .loop(
      index: "tile", from: "first_tile", to: "end_tile", step: 1,
      body: [
        .pointer(
          xTile, buffer: "x_tiles", offset: .constant(xTileElements) * ("tile" - "first_tile")),
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

  func gatherSliver(stride: Int) -> Stmt {
    let yRow = Pointer(name: "y_row", storage: .f32)
    let ySliver = Pointer(name: "y_sliver", storage: .f32)
    let vector = Index.constant(lanes) * "v"
    return .loop(
      index: "row", from: 0, to: "rows", step: 1,
      body: [
        .pointer(
          yRow, buffer: "y", offset: .constant(stride) * "row" + .constant(columns) * "sliver"),
        .each(
          "v", upTo: .constant(tile.vectors),
          .store(
            ySliver, at: .constant(columns) * "row" + vector, .load(yRow, at: vector, .all), .all)),
      ])
  }

  func addTiles(rows: Int, count: Int) -> Stmt {
    let xTile = Pointer(name: "x_tile", storage: .f32)
    func call(_ sums: String, stride: Int, isFirst: LoopCondition) -> Stmt {
      .call(
        RowSumFunctions.tileName,
        [
          .index("rows"), .place("x_tile", at: 0), .place("y_sliver", at: 0), .place(sums, at: 0),
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
      index: "tile", from: "first_tile", to: "end_tile", step: 1,
      body: [
        .pointer(
          xTile, buffer: "x_tiles", offset: .constant(xTileElements) * ("tile" - "first_tile")),
        .pointer(
          sums, buffer: "total",
          offset: .constant(count * tile.rows) * "tile" + .constant(columns) * "sliver"),
        .index("height", .constant(rows) - .constant(tile.rows) * "tile"),
        .index("width", .constant(count) - .constant(columns) * "sliver"),
        .when(
          .both(.constant(tile.rows) <= "height", .constant(columns) <= "width"),
          [call("sums", stride: count, isFirst: .flag("is_first"))],
          otherwise: [
            .comment("A tile at the edge has sums that nobody asked for."),
            call("edge", stride: columns, isFirst: .always), addEdge,
          ]),
      ])
  }
}
