import NormGenIR
import NormGenLoops
import NormGenSchedule

/// The functions of one row program: its rows one after the other, or tile after tile.
struct RowFunctions {
  private let rowProgram: RowProgram
  /// The function that handles all rows.
  let name: String
  private let comment: String
  private let schedule: Schedule
  private let streamed: [StreamedOutput]
  /// Whether the function is the kernel; any other is told the rows of the whole call where it must know
  /// how much is written.
  let isKernel: Bool
  /// Where its arrays lie. The function takes the caller's memory for them last.
  private let memory: RowMemory

  /// The functions of a program's steps, by the row programs' names.
  ///
  /// - Parameter schedules: One for each of the row programs, in order; the program's weights' follow.
  static func all(
    of program: LoopProgram, symbol: String, schedules: [Schedule], target: Target
  ) -> [String: RowFunctions] {
    if program.division == .rows, let rowProgram = program.rowPrograms.first,
      rowProgram.buffers == program.buffers, RowMemory(of: rowProgram).bytes == 0
    {
      let function = RowFunctions(
        rowProgram, name: symbol, comment: "", schedule: schedules.first ?? Schedule(),
        target: target, isKernel: true)
      return [rowProgram.name: function]
    }
    var functions: [String: RowFunctions] = [:]
    var schedules = schedules[...]
    for (number, step) in program.steps.enumerated() {
      guard case .rows(let rowPrograms) = step else { continue }
      for (place, rowProgram) in rowPrograms.enumerated() {
        let suffix = rowPrograms.count > 1 ? "_\(place + 1)" : ""
        functions[rowProgram.name] = RowFunctions(
          rowProgram, name: "step\(number + 1)\(suffix)",
          comment: "Step \(number + 1): \(rowProgram.summary.joined(separator: "; ")).",
          schedule: schedules.popFirst() ?? Schedule(), target: target)
      }
    }
    return functions
  }

  /// - Parameter isKernel: Whether the function is the kernel that users call.
  init(
    _ rowProgram: RowProgram, name: String, comment: String, schedule: Schedule, target: Target,
    isKernel: Bool = false
  ) {
    self.rowProgram = rowProgram
    self.name = name
    self.comment = comment
    self.schedule = schedule
    streamed = StreamedOutput.all(of: rowProgram, schedule: schedule, target: target)
    self.isKernel = isKernel
    memory = RowMemory(of: rowProgram)
  }

  /// Whether the function takes the rows of the whole call behind its tensors.
  var takesAllRows: Bool { !isKernel && !streamed.isEmpty }

  /// The bytes of memory that a call needs; 0 if the stack has room for all.
  var lentBytes: Int { memory.bytes }

  private var hasTiles: Bool { rowProgram.tile > 1 }

  /// All of them, each before its callers.
  func functions() -> [LoopFunction] {
    let body = hasTiles ? strips : [row]
    let whole = LoopFunction(
      name, comment: comment, linkage: isKernel ? .exported : .local,
      parameters: [.init("rows", .index)] + tensors
        + (takesAllRows ? [.init("all_rows", .index)] : []) + lentMemory,
      hasDistinctTensors: true, streamed: hasTiles ? [] : streamedPointers,
      body: (streamed.isEmpty ? [] : streamDefinition) + body
        + (streamed.isEmpty ? [] : [.when(.flag("stream"), [.finishStreams], otherwise: [])]))
    return hasTiles ? [tile, whole] : [whole]
  }

  private var streamedPointers: Set<String> { Set(streamed.map(\.pointer.name)) }

  /// The kernel's tensors and their strides.
  private var tensors: [LoopFunction.Parameter] {
    rowProgram.buffers.flatMap { buffer -> [LoopFunction.Parameter] in
      let tensor = LoopFunction.Parameter(
        buffer.name, .elements(buffer.storage, isWritable: buffer.isOutput),
        columns: buffer.shape.elementsPerRow)
      guard buffer.shape.hasRows else { return [tensor] }
      return [tensor, .init("\(buffer.name)_stride", .stride(of: buffer.name))]
    }
  }

  /// The scalars of which each row of a tile has one, and what lies in memory of the others.
  private var scalarArrays: [Stmt] {
    func array(_ name: String, _ count: Int) -> Stmt {
      .array(name, extents: [count], .scalar, in: memory.place(of: name))
    }
    return rowProgram.tileScalars.map { array($0, rowProgram.tile) }
      + memory.scalars.sorted().map { array($0, 1) }
      + memory.numbers.sorted { $0.key < $1.key }.flatMap { bits, name in
        [array(name, 1), .setEntry(name, [0], .constant(Float(bitPattern: bits)))]
      }
  }

  private var lentMemory: [LoopFunction.Parameter] {
    memory.bytes > 0 ? [.init(memory.name, .memory)] : []
  }

  // MARK: Rows

  private var row: Stmt {
    .loop(
      index: LoopIndex.row, from: 0, to: "rows", step: 1,
      body: scalarArrays + rowProgram.row.map { lowered($0) })
  }

  /// The function for a tile, compiled once for whole tiles and once for single rows.
  private var tile: LoopFunction {
    LoopFunction(
      tileName, comment: "The rows from `first` on, as many as a tile has.", linkage: .inlined,
      parameters: (tileNeedsRows ? [.init("rows", .index)] : []) + tensors
        + lentMemory + [.init("first", .index)]
        + (streamed.isEmpty ? [] : [.init("stream", .flag)]) + [.init("tile", .constant)],
      hasDistinctTensors: true, streamed: streamedPointers,
      body: scalarArrays + rowProgram.row.map { lowered($0) })
  }

  private var tileName: String { "\(name)_tile" }

  /// A tile counts its own rows; only where the next row is asked for must it know the last one.
  private var tileNeedsRows: Bool { rowProgram.row.contains { $0.prefetches } }

  /// Whole tiles, then row by row.
  private var strips: [Stmt] {
    func call(_ count: Int) -> LoopStrip {
      let arguments: [CallArgument] =
        (tileNeedsRows ? [.index("rows")] : [])
        + (tensors + lentMemory).map { $0.handedOn() }
        + [.index(.variable(LoopIndex.row))] + (streamed.isEmpty ? [] : [.flag(.flag("stream"))])
        + [.index(.constant(count))]
      return LoopStrip(count: count, body: [.call(tileName, arguments)])
    }
    return [.strips(index: LoopIndex.row, to: "rows", [call(rowProgram.tile), call(1)])]
  }

  /// Whether this call's stores bypass the caches.
  private var streamDefinition: [Stmt] {
    let bytes = streamed.map(\.bytesPerRow).reduce(0, +)
    let threshold = max(schedule.streamingBytes ?? 0, 0)
    let least = threshold / bytes + (threshold % bytes == 0 ? 0 : 1)
    var test: LoopCondition = .atMost(.constant(least), isKernel ? "rows" : "all_rows")
    for output in streamed {
      test = .both(
        test,
        .rowsAligned(
          output.buffer.name, output.buffer.storage, to: output.alignment(lanes: rowProgram.lanes)))
    }
    let size = threshold % (1 << 20) == 0 ? "\(threshold >> 20) MiB" : "\(threshold) bytes"
    return [
      .comment("Outputs of \(size) and more bypass the caches where their rows are aligned."),
      .flag("stream", test),
    ]
  }

  // MARK: Tiles

  /// The current row among those of its tile.
  private static let rowOfTile: Index = .variable(LoopIndex.row) - "first"

  private func isOfTile(_ name: String) -> Bool {
    rowProgram.tileGroups.contains(name) || rowProgram.tileScalars.contains(name)
  }

  /// Whether a scalar is an entry of an array.
  private func isEntry(_ name: String) -> Bool {
    isOfTile(name) || memory.scalars.contains(name)
  }

  /// The indices of what each row of a tile has one of, or of a scalar in memory.
  private func indices(_ name: String) -> [Index] {
    isOfTile(name) ? [RowFunctions.rowOfTile] : memory.scalars.contains(name) ? [0] : []
  }

  /// The statements of a loop or section, around which what lies in memory stays there: compilers would
  /// hold it in registers, of which there are too few, and so on the stack again.
  private func settled(_ statements: [Stmt]) -> [Stmt] {
    let lowered = statements.map { self.lowered($0) }
    return statements.contains(where: usesMemory) ? [.settle] + lowered + [.settle] : lowered
  }

  /// Whether a statement itself uses partials, a group or a scalar in memory.
  private func usesMemory(_ statement: Stmt) -> Bool {
    switch statement {
    case .accumulate(let name, _, _, _, _), .setGroup(let name, _, _):
      if memory.place(of: name) != .stack { return true }
    default: break
    }
    guard !memory.scalars.isEmpty || !memory.numbers.isEmpty else { return false }
    var uses = false
    for value in statement.values {
      loweredOperand(value).visit { if case .scalarEntry = $0 { uses = true } }
    }
    return uses
  }

  /// A statement of the row program as one of a function.
  private func lowered(_ statement: Stmt) -> Stmt {
    let vectors = Partials.vectors(lanes: rowProgram.lanes)
    let row = Index.variable(LoopIndex.row)
    switch statement {
    case .rows(let body):
      return .loop(
        index: LoopIndex.row, from: "first", to: "first" + "tile", step: 1,
        body: body.map { lowered($0) })
    case .loop(let index, let from, let to, let step, let body):
      return .loop(
        index: index, from: from, to: to, step: step,
        body: settled(body))
    case .section(let text, let body): return .section(text, settled(body))
    case .nextRow:
      let after = row + (hasTiles ? "tile" : 1)
      return .index(LoopIndex.next, .choose(after < "rows", after, row))
    case .group(let name):
      let tile = rowProgram.tileGroups.contains(name) ? [rowProgram.tile] : []
      return .array(name, extents: tile + [vectors], .vector, in: memory.place(of: name))
    case .scratch(let pointer, let count):
      guard case .memory(let name, let byte) = memory.place(of: pointer.name) else {
        return statement
      }
      return .carve(
        pointer, from: name, byte: .constant(byte), count: .constant(count), columns: count,
        stride: count)
    case .partials(let name, let reduction, _):
      return .partials(name, reduction, in: memory.place(of: name))
    case .setGroup(let name, let slot, let value):
      return .setEntry(name, indices(name) + [slot], lowered(value))
    case .storeGroup(let pointer, let index, let name):
      return .storeEntries(pointer, at: index, name, indices(name), count: vectors)
    case .define(let name, let value):
      guard isEntry(name) else { return .define(name, lowered(value)) }
      return .setEntry(name, indices(name), lowered(value))
    case .variable(let name, let value): return .variable(name, lowered(value))
    case .assign(let name, let value): return .assign(name, lowered(value))
    case .accumulate(let name, let slot, let reduction, let terms, let lanes):
      return .accumulate(
        partials: name, slot: slot, reduction, terms: terms.map { loweredOperand($0) }, lanes)
    case .store(let pointer, let index, let value, let lanes):
      return .store(pointer, at: index, lowered(value), lanes)
    case .storeScalar(let pointer, let index, let value):
      return .storeScalar(pointer, at: index, lowered(value))
    case .comment, .pointer, .prefetch, .prefetchLine, .storeStored, .index, .array, .setEntry,
      .when, .strips, .call, .carve, .memory, .step, .leave, .flag,
      .finishStreams, .settle, .storeEntries:
      return statement
    }
  }

  /// The same of what a vector is computed with.
  private func loweredOperand(_ value: LoopExpr) -> LoopExpr {
    guard case .constant(let number) = value, let name = memory.numbers[number.bitPattern] else {
      return lowered(value)
    }
    return .scalarEntry(name, [0])
  }

  /// A value of the row program as one of a function.
  private func lowered(_ value: LoopExpr) -> LoopExpr {
    switch value {
    case .scalar(let name): return isEntry(name) ? .scalarEntry(name, indices(name)) : value
    case .apply(let op, let operands):
      return .apply(
        op,
        operands.map { value.isVector ? loweredOperand($0) : lowered($0) })
    case .rounded(let type, let operand): return .rounded(type, lowered(operand))
    case .leading(let operand, let count): return .leading(lowered(operand), count: count)
    case .vector, .constant, .load, .loadScalar, .combined, .broadcast, .entry, .scalarEntry,
      .choose, .number, .stored, .storedVector, .storedZero, .storedZeros, .pairs, .pair, .widened,
      .dot, .bytes, .words, .bits, .signedBits, .storedBits, .joined, .whole, .quads, .quad,
      .quadZeros, .quadStart, .quadDot, .quadTotal, .signFlipped:
      return value
    }
  }
}
