internal import NormGen

/// Why a kernel's matmuls are done as they are, and the scratch memory that a call takes.
struct MatmulSummary {
  private let lowering: Lowering
  private let forced: MatmulSchedule?
  private var program: LoopProgram { lowering.program }

  init(_ lowering: Lowering, _ compiler: Compiler) {
    self.lowering = lowering
    self.forced = compiler.matmulSchedule ?? compiler.schedule?.matmul
  }

  private var bytesPerRow: Int { program.panels.map(\.bytesPerRow).reduce(0, +) }

  /// A line for each choice; none for a kernel without matmuls.
  var reasons: [String] {
    guard program.onlyKernel == nil else { return [] }
    let tile = lowering.target.matmulTile
    var lines = [
      "a product keeps \(tile.rows) rows × \(tile.vectors) vectors of columns in registers",
      "rows pass from step to step in panels: that costs K and N operations a row beside K · N, "
        + "and leaves every rounding where it is declared",
      blocks,
    ]
    var seen: Set<String> = []
    for product in program.multiplications where seen.insert(product.weights).inserted {
      lines.append("\(product.weights) is read \(packing(of: product))")
    }
    return lines
  }

  private var blocks: String {
    if forced?.blockRows != nil { return "blocks of \(program.blockRows) rows, as asked for" }
    let schedule = forced ?? MatmulSchedule()
    let most = schedule.mostBlockRows
    guard
      program.blockRows < most / lowering.target.matmulTile.rows * lowering.target.matmulTile.rows
    else {
      return "blocks of \(program.blockRows) rows: with so many, weights come from memory seldom"
    }
    return "blocks of \(program.blockRows) rows: their panels fit "
      + "\(schedule.mostPanelBytes >> 20) MiB, or are one tile"
  }

  private func packing(of product: Multiplication) -> String {
    if product.isPacked { return "packed: packing once saves gathering it in every call" }
    if forced?.packsWeights == false { return "as it is, as asked for" }
    return "as it is: the kernel does more with it than matmuls of one kind"
  }

  /// Rows of the table of costs; none for a kernel without scratch memory.
  var memory: [[String]] {
    guard lowering.module.interface.parts != nil else { return [] }
    guard program.onlyKernel == nil else {
      return [
        ["scratch bytes of a call", scratch(rows: 1, parts: 1)],
        ["the same in 2 parts", scratch(rows: 2, parts: 2)],
      ]
    }
    let counts = [1, program.blockRows].map { rows in
      "\(scratch(rows: rows, parts: 1)) for \(rows) \(rows == 1 ? "row" : "rows")"
    }
    let many = 2 * program.blockRows
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
