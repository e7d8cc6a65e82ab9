import NormGenIR

/// Checks a program's steps: each row program by ``LoopVerifier``, the extents of every
/// product, and that panels are written once, whole or in parts, before they are read.
public enum LoopProgramVerifier {
  /// Verifies `program`.
  public static func verify(_ program: LoopProgram) throws(LoopError) {
    func error(_ message: String) -> LoopError {
      LoopError(kernel: program.name, message: message)
    }
    let panels = Dictionary(program.panels.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    let buffers = Dictionary(program.buffers.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    let totals = Dictionary(program.totals.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    let names =
      program.totals.map(\.name) + program.panels.map(\.name) + program.views.map(\.name)
      + program.buffers.map(\.name)
    guard Set(names).count == names.count else { throw error("a parameter or panel name repeats") }
    guard program.chunkRows >= 1 else { throw error("chunks of \(program.chunkRows) rows") }
    let views = Dictionary(
      program.views.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    /// The step that has written each panel and parameter, all of it.
    var written: [String: Int] = [:]
    /// The columns that views have written of panels and parameters.
    var parts: [String: WrittenColumns] = [:]
    func write(_ name: String, in step: Int) throws(LoopError) {
      guard parts[name] == nil, written.updateValue(step, forKey: name) == nil else {
        throw error("'\(name)' is written twice")
      }
    }
    func write(
      _ part: Range<Int>, of name: String, _ columns: Int, in step: Int
    ) throws(LoopError) {
      guard parts[name] != nil || written[name] == nil,
        parts[name, default: WrittenColumns()].insert(part)
      else { throw error("the columns \(part) of '\(name)' are written twice") }
      if parts[name]?.count == columns { written[name] = step }
    }
    for weights in program.weights {
      try LoopVerifier.verify(weights.rowProgram)
      let extents = [weights.rows, weights.columns]
      guard let parameter = buffers[weights.name], parameter.storage == weights.storage,
        parameter.shape == Shape(hasRows: false, extents: extents)
      else { throw error("'\(weights.name)' is no parameter of \(extents)") }
      let written = weights.rowProgram.buffers.filter(\.isOutput)
      guard written.count == 1, written[0].shape.hasRows, written[0].storage == weights.storage,
        written[0].shape.elementsPerRow == weights.columns,
        weights.rowProgram.buffers.filter({ !$0.isOutput }).map(\.name)
          == weights.sources.map(\.name)
      else { throw error("'\(weights.rowProgram.name)' computes no rows of '\(weights.name)'") }
    }
    for (number, step) in program.steps.enumerated() {
      /// Whether an earlier step has written a panel or parameter.
      func isReady(_ name: String) -> Bool { written[name].map { $0 < number } ?? false }
      switch step {
      case .rows(let rowPrograms):
        for rowProgram in rowPrograms {
          try LoopVerifier.verify(rowProgram)
          for buffer in rowProgram.buffers {
            if let view = views[buffer.name] {
              let isOpen =
                buffer.isOutput
                ? panels[view.base] != nil || buffers[view.base]?.isOutput == true
                : isReady(view.base) || buffers[view.base]?.isOutput == false
              guard isOpen else {
                let reason =
                  buffer.isOutput
                  ? "writes '\(view.base)', which is no panel or output"
                  : "is read before '\(view.base)' is written"
                throw error("the view '\(view.name)' \(reason)")
              }
              let columns =
                panels[view.base]?.columns ?? buffers[view.base]?.shape.elementsPerRow ?? 0
              let storage = panels[view.base]?.storage ?? buffers[view.base]?.storage
              let hasRows = panels[view.base] != nil || buffers[view.base]?.shape.hasRows == true
              guard view.offset >= 0, view.offset + buffer.shape.elementsPerRow <= columns,
                storage == buffer.storage, hasRows == buffer.shape.hasRows
              else {
                throw error(
                  "the view '\(view.name)' of \(buffer.shape) from \(view.offset) on does not lie in "
                    + "'\(view.base)'")
              }
              if buffer.isOutput {
                let part = view.offset..<view.offset + buffer.shape.elementsPerRow
                try write(part, of: view.base, columns, in: number)
              }
            } else if let panel = panels[buffer.name] {
              guard panel.storage == buffer.storage, buffer.shape.hasRows,
                panel.columns == buffer.shape.elementsPerRow
              else { throw error("'\(panel.name)' is \(panel.columns) \(panel.storage) a row") }
              if buffer.isOutput {
                try write(buffer.name, in: number)
              } else if !isReady(buffer.name) {
                throw error("'\(buffer.name)' is read before it is written")
              }
            } else if let total = totals[buffer.name] {
              guard buffer.isAccumulated, buffer.storage == .f32, !buffer.shape.hasRows,
                buffer.shape.elementsPerRow == total.count
              else { throw error("'\(total.name)' are sums of \(total.count) f32") }
              try write(buffer.name, in: number)
            } else {
              guard buffers[buffer.name] == buffer else {
                throw error("'\(buffer.name)' is no parameter or panel of that type")
              }
              if buffer.isOutput { try write(buffer.name, in: number) }
            }
          }
        }
      case .sumRows(let summations):
        for summation in summations {
          guard let total = totals[summation.total] else {
            throw error("'\(summation.total)' are no sums")
          }
          try write(total.name, in: number)
          let factors: [(name: String, columns: Int)]
          switch summation.terms {
          case .columns(let x, let y, let repeats):
            factors = ([x] + (y.map { [$0] } ?? [])).map { ($0, total.count * repeats) }
          case .outer(let x, let y, let rows, let columns):
            guard rows * columns == total.count else {
              throw error("'\(total.name)' are \(total.count) sums, not \(rows) × \(columns)")
            }
            factors = [(x, rows), (y, columns)]
          }
          for factor in factors {
            guard let panel = panels[factor.name], panel.storage == .f32,
              panel.columns == factor.columns, written[panel.name] != nil
            else {
              throw error("'\(factor.name)' is no panel of \(factor.columns) f32 ready to read")
            }
          }
        }
      case .multiply(let products):
        for product in products {
          let operand = product.matmul.accumulation.step.operand
          guard let x = panels[product.x], x.columns == product.depth, x.storage == operand,
            written[x.name] != nil
          else {
            throw error("'\(product.x)' is no panel of \(product.depth) \(operand) ready to read")
          }
          var besides: [(name: String, columns: Int)] = []
          if let integers = product.integers {
            let group = product.format?.subBlockElements ?? product.depth
            for (name, group) in [(integers.scales, integers.group), (integers.sums, group)] {
              if let name { besides.append((name, product.depth / group)) }
            }
          }
          guard (product.integers != nil) == (operand == .i8) else {
            throw error("'\(product.sums)' is no product of integers, or has no scales")
          }
          for (name, columns) in besides {
            guard let panel = panels[name], panel.columns == columns, panel.storage == .f32,
              written[name] != nil
            else { throw error("'\(name)' is no panel of \(columns) f32 ready to read") }
          }
          guard let sums = panels[product.sums], sums.columns == product.columns,
            sums.storage == .f32
          else { throw error("'\(product.sums)' is no panel of \(product.columns) f32") }
          try write(sums.name, in: number)
          guard let weights = buffers[product.weights], !weights.isOutput,
            weights.storage == product.storage, !weights.shape.hasRows,
            weights.shape.elementsPerRow == product.weightElements
          else { throw error("'\(product.weights)' are no weights of the product's shape") }
        }
      }
    }
    for total in program.totals {
      guard written[total.name] != nil else { throw error("'\(total.name)' is never summed") }
      guard !total.isDirect || total.outputs.count == 1 else {
        throw error("'\(total.name)' is summed in one of \(total.outputs.count) outputs")
      }
      for output in total.outputs {
        guard let buffer = buffers[output], !buffer.shape.hasRows,
          buffer.shape.elementsPerRow == total.count, !total.isDirect || buffer.storage == .f32
        else { throw error("'\(output)' does not hold the sums '\(total.name)'") }
        try write(output, in: program.steps.count)
      }
    }
    for buffer in program.buffers where buffer.isOutput && written[buffer.name] == nil {
      throw error("'\(buffer.name)' is never written")
    }
  }
}

/// Columns that are written in parts.
private struct WrittenColumns {
  /// How many there are.
  private(set) var count = 0
  /// The parts, in increasing order.
  private var parts: [Range<Int>] = []

  /// Adds a part.
  ///
  /// - Returns: Whether none of its columns was written before.
  mutating func insert(_ part: Range<Int>) -> Bool {
    var (low, high) = (0, parts.count)
    while low < high {
      let middle = (low + high) / 2
      if parts[middle].lowerBound < part.lowerBound { low = middle + 1 } else { high = middle }
    }
    if low < parts.count, parts[low].overlaps(part) { return false }
    if low > 0, parts[low - 1].overlaps(part) { return false }
    parts.insert(part, at: low)
    count += part.count
    return true
  }
}
