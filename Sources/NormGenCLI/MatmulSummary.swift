internal import NormGen

/// Why a kernel's matmuls are done as they are, and the scratch memory that a call takes.
struct MatmulSummary {
  private let lowering: Lowering
  private let forced: MatmulSchedule?
  private var program: LoopProgram { lowering.program }

  init(_ lowering: Lowering, _ compiler: Compiler) {
    self.lowering = lowering
    self.forced = compiler.schedule.matmul
  }

  private var bytesPerRow: Int { program.panels.map(\.bytesPerRow).reduce(0, +) }

  /// A line for each choice; none for a kernel without matmuls.
  var reasons: [String] {
    guard program.division != .rows else { return [] }
    var lines =
      tiles + [
        "rows pass from step to step in panels: that costs K and N operations a row beside K · N, "
          + "and leaves every rounding where it is declared",
        chunks,
      ]
    var seen: Set<String> = []
    for product in program.products where seen.insert(product.weights).inserted {
      lines.append("\(product.weights) is read \(packing(of: product))")
    }
    return lines
  }

  /// A line for each tile of the products; without any, for that of outer sums.
  private var tiles: [String] {
    var tiles: [DotTile] = []
    for product in program.products where !tiles.contains(product.tile) {
      tiles.append(product.tile)
    }
    if tiles.isEmpty { tiles = [lowering.target.dot(for: .fused)] }
    return tiles.map { tile in
      "a product keeps \(tile.rows) rows × \(tile.vectors) vectors of columns in registers"
    }
  }

  private var chunks: String {
    if forced?.chunkRows != nil { return "chunks of \(program.chunkRows) rows, as asked for" }
    let schedule = forced ?? MatmulSchedule()
    let most = schedule.mostChunkRows
    guard
      program.chunkRows < most / program.tileRows * program.tileRows
    else {
      return "chunks of \(program.chunkRows) rows: with so many, weights come from memory seldom"
    }
    return "chunks of \(program.chunkRows) rows: their panels fit "
      + "\(schedule.mostPanelBytes >> 20) MiB, or are one tile"
  }

  private func packing(of product: Product) -> String {
    if let weights = program.weights.first(where: { $0.name == product.weights }) {
      let inputs = weights.inputs.map(\.name).joined(separator: ", ")
      return "packed: it is computed from \(inputs), once, when it is packed"
    }
    if product.isPacked { return "packed: packing once saves gathering it in every call" }
    if forced?.product(product.weights).packsWeights == false { return "as it is, as asked for" }
    return "as it is: the kernel does more with it than matmuls of one kind"
  }

  /// Rows of the table of costs; none for a kernel without scratch memory.
  var memory: [[String]] {
    guard lowering.module.interface.takesScratch else { return [] }
    guard program.division != .rows else {
      return [
        ["scratch bytes of a call", scratch(rows: 1, parts: 1)],
        ["the same in 2 parts", scratch(rows: 2, parts: 2)],
      ]
    }
    let counts = [1, program.chunkRows].map { rows in
      "\(scratch(rows: rows, parts: 1)) for \(rows) \(rows == 1 ? "row" : "rows")"
    }
    let many = 2 * program.chunkRows
    return [
      ["panel bytes per row", "\(bytesPerRow)"],
      ["scratch bytes of a call", counts.joined(separator: ", ") + " and more"],
      ["the same in 2 parts", "\(scratch(rows: many, parts: 2)) for \(many) rows and more"],
    ]
  }

  private func scratch(rows: Int, parts: Int) -> String {
    do { return "\(try lowering.module.scratchBytes(rows: rows, parts: parts))" } catch {
      return "\(error)"
    }
  }
}
