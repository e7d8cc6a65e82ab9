import NormGenIR
import NormGenLoops
import NormGenSchedule

/// What a part does in a phase, and the kernel that is all of them.
extension DriverFunctions {
  func part(_ body: [Stmt]) -> LoopFunction {
    LoopFunction(
      interface.parts.part,
      comment: "What part `part` of `parts` does in a phase. All parts of a phase may run at once; "
        + "the next phase begins when they have ended.",
      linkage: .exported,
      parameters: [.init("rows", .index)] + parameters()
        + [
          .init("scratch", .scratch), .init("phase", .index), .init("part", .index),
          .init("parts", .index),
        ], body: body)
  }

  /// A call of the function for steps, for `count` rows.
  func call(
    _ function: LoopFunction, _ count: Index, at row: Index?, panels: String,
    isFirst: LoopCondition, steps: (Index, Index), of part: (Index, Index)
  ) -> Stmt {
    let own: [String: CallArgument] = [
      "rows": .index(count), "panels": .place(panels, at: 0), "is_first": .flag(isFirst),
      "first_step": .index(steps.0), "end_step": .index(steps.1), "part": .index(part.0),
      "parts": .index(part.1),
    ]
    let strided = Set(
      program.buffers.filter(\.shape.hasRows).map { name($0.name) })
    return .call(
      function.name,
      function.parameters.map { parameter in
        if let argument = own[parameter.name] { return argument }
        let place =
          strided.contains(parameter.name) ? row.map { $0 * .stride(parameter.name) } : nil
        return parameter.handedOn(at: place ?? 0)
      })
  }

  /// What a part gathers for itself, behind the bytes that all parts share; nothing where none does.
  private func ownMemory(behind shared: Index = 0) -> [Stmt] {
    guard gathers else { return [] }
    let byte = shared + "part" * .constant(gatheredBytes)
    return [.memory(gathered, from: "memory", byte: byte, isAligned: false)]
  }

  /// Row programs alone: each part takes rows of its own, whole tiles, and has memory of its own.
  func ownRows() -> [Stmt] {
    let tile = program.tileRows
    let range: [Stmt] =
      tile == 1
      ? [.index("row", share("rows")), .index("count", shareEnd("rows") - "row")]
      : [
        .index("tiles", Index.variable("rows").quotientUp(tile)),
        .index("row", share("tiles") * .constant(tile)),
        .index("end", shareEnd("tiles") * .constant(tile)),
        .index("count", .minimum("end", "rows") - "row"),
      ]
    let memory: [Stmt] =
      gathers
      ? [.memory("memory", from: "scratch", byte: 0, isAligned: true)] + ownMemory() : []
    return [.when("rows" < 1, [.leave(nil)], otherwise: [])] + memory + range
      + program.rowPrograms.map { call($0, at: "row", sums: "sums") }
  }

  /// Without totals: with few rows parts share every step, with many each takes rows of its own.
  func rowParts(_ function: LoopFunction) -> [Stmt] {
    let tile = program.tileRows
    var body: [Stmt] = [.when("rows" < 1, [.leave(nil)], otherwise: [])]
    if gathers {
      body.append(.memory("memory", from: "scratch", byte: 0, isAligned: true))
      body += ownMemory()
      body.append(
        .memory(
          "panels", from: "memory", byte: "parts" * .constant(gatheredBytes), isAligned: false))
    } else {
      body.append(.memory("panels", from: "scratch", byte: 0, isAligned: true))
    }
    let shared = call(
      function, "rows", at: nil, panels: "panels", isFirst: .always, steps: ("phase", "phase" + 1),
      of: ("part", "parts"))
    let own = call(
      function, "count", at: "row", panels: "own_panels", isFirst: .always,
      steps: (0, .constant(steps)),
      of: (0, 1))
    return body + [
      .when(phases("rows", "parts") > 1, [shared, .leave(nil)], otherwise: []),
      .comment(
        "As many rows for each part, in chunks of about the same size, whole tiles of \(tile)."),
      .index("first", share("rows")), .index("end", shareEnd("rows")),
      .when("end" <= "first", [.leave(nil)], otherwise: []),
      .memory(
        "own_panels", from: "panels", byte: "part" * largestChunk * .constant(bytesPerRow),
        isAligned: false),
      .index("chunks", ("end" - "first").quotientUp(program.chunkRows)),
      .index(
        "size",
        ((("end" - "first") + "chunks" - 1) / "chunks").quotientUp(tile) * .constant(tile)),
      .loop(
        index: "row", from: "first", to: "end", step: "size",
        body: [.index("count", .minimum("end" - "row", "size")), own]),
    ]
  }

  /// With totals of one region: every block of rows is one part's, with totals of its own; the last
  /// phase stores them.
  func blockParts() -> [Stmt] {
    let stride = Index.constant(program.totalStride)
    let sums = Pointer(name: "sums", storage: .f32)
    let blockSums = Pointer(name: "block_sums", storage: .f32)
    let row = chunkRows * "block"
    return [
      .memory("memory", from: "scratch", byte: 0, isAligned: true),
      .index("blocks", allChunks),
      .carve(
        sums, from: "memory", byte: 0, count: stride * "blocks", columns: program.totalStride,
        stride: program.totalStride),
      .when(
        .equal("phase", 0),
        ownMemory(behind: .constant(totalBytes) * "blocks") + [
          .loop(
            index: "block", from: share("blocks"), to: shareEnd("blocks"), step: 1,
            body: [
              .index("row", row), .index("count", .minimum("rows" - "row", chunkRows)),
              .pointer(blockSums, buffer: "sums", offset: stride * "block"),
              .loop(
                index: "i", from: 0, to: stride, step: 1,
                body: [.storeScalar(blockSums, at: "i", .constant(0))]),
            ] + program.rowPrograms.map { call($0, at: "row", sums: "block_sums") }),
          .leave(nil),
        ], otherwise: []),
    ] + storeTotals(blocks: "blocks")
  }

  /// With totals beside products: parts share the steps of a chunk, and the chunks follow each other;
  /// the last phase stores the totals.
  func sharedParts(_ function: LoopFunction) -> [Stmt] {
    var body: [Stmt] = [.memory("memory", from: "scratch", byte: 0, isAligned: true)]
    if program.totalStride > 0 {
      body.append(
        .carve(
          Pointer(name: "sums", storage: .f32), from: "memory", byte: 0,
          count: .constant(program.totalStride), columns: program.totalStride,
          stride: program.totalStride))
    }
    body += ownMemory(behind: .constant(totalBytes))
    let gathered: Index = gathers ? "parts" * .constant(gatheredBytes) : 0
    body.append(
      .memory("panels", from: "memory", byte: .constant(totalBytes) + gathered, isAligned: false))
    let isLast: LoopCondition = .equal("phase", phases("rows", "parts") - 1)
    let step: Index = .choose("parts" > 1, "phase" % .constant(steps), 0)
    return body + [
      .when(
        isLast, storeTotals(blocks: .minimum("rows", 1)) + [.leave(nil)], otherwise: []),
      .comment("One part does all steps of all chunks in one phase."),
      .index(
        "first", .choose("parts" > 1, "phase" / .constant(steps) * chunkRows, 0)),
      .index(
        "end",
        .choose(.both("parts" > 1, chunkRows < "rows" - "first"), "first" + chunkRows, "rows")),
      .loop(
        index: "row", from: "first", to: "end", step: chunkRows,
        body: [
          .index("count", .minimum("end" - "row", chunkRows)),
          .index("first_step", step),
          .index("end_step", .choose("parts" > 1, "first_step" + 1, .constant(steps))),
          call(
            function, "count", at: "row", panels: "panels", isFirst: .equal("row", 0),
            steps: ("first_step", "end_step"), of: ("part", "parts")),
        ]),
    ]
  }

  func storeTotals(blocks: Index) -> [Stmt] {
    program.totals.map { total in
      let name = sums.name(of: total)
      if total.isDirect {
        let call: Stmt = .call(name, [.index("rows"), place(ofTotal: total.name)])
        return .when(.equal("part", 0), [call], otherwise: [])
      }
      let count = Index.constant(total.count)
      return .call(
        name,
        (total.aggregate == .mean ? [.index("rows")] : [])
          + [.index(blocks), place(ofTotal: total.name)]
          + total.outputs.map { .place(self.name($0), at: 0) }
          + [.index(share(count)), .index(shareEnd(count))])
    }
  }

  // MARK: The kernel

  /// The kernel, unless it is a row program's function.
  func kernel() -> [LoopFunction] {
    guard !rowFunctions.values.contains(where: \.isKernel) else { return [] }
    let scratch: [LoopFunction.Parameter] =
      interface.takesScratch ? [.init("scratch", .scratch)] : []
    let taken = [.init("rows", .index)] + parameters() + scratch
    func part(_ phase: Index) -> Stmt {
      .call(
        interface.parts.part,
        taken.map { $0.handedOn() } + [.index(phase), .index(0), .index(1)])
    }
    let body: [Stmt]
    if !interface.takesScratch {
      body =
        [.index("count", "rows")] + program.rowPrograms.map { call($0, at: 0, sums: "sums") }
    } else if program.totals.isEmpty {
      body = [part(0)]
    } else {
      body = [
        .loop(index: "phase", from: 0, to: phases("rows", 1), step: 1, body: [part("phase")])
      ]
    }
    return [
      LoopFunction(
        interface.symbol, comment: "", linkage: .exported, parameters: taken, body: body)
    ]
  }
}
