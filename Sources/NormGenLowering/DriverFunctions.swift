import NormGenIR
import NormGenLoops
import NormGenSchedule

/// The functions around row programs and products: which rows and which columns each call handles, and
/// where the panels lie.
struct DriverFunctions {
  private let program: LoopProgram
  private let target: Target
  /// How the kernel is called.
  let interface: KernelInterface
  private let parts: KernelInterface.Parts
  /// The functions of sums over rows.
  let sums: RowSumFunctions
  /// The row programs' functions, by the programs' names.
  var rowFunctions: [String: RowFunctions] = [:]
  private let products: [ProductFunctions]
  /// The first of each step's products.
  private let firstProducts: [Int]
  private let views: [String: LoopProgram.View]
  private let panels: [String: Panel]
  /// The names of parameters and panels in the functions.
  private let names: [String: String]

  init(_ program: LoopProgram, symbol: String, target: Target, schedule: MatmulSchedule) {
    self.program = program
    self.target = target
    let products = ProductFunctions.all(
      of: program, symbol: symbol, target: target, schedule: schedule)
    self.products = products
    parts = KernelInterface.Parts(
      phases: "\(symbol)_phases", scratchBytes: "\(symbol)_scratch_bytes", part: "\(symbol)_part")
    interface = KernelInterface(
      symbol: symbol, entry: "\(symbol)_entry",
      parameters: program.buffers.map { buffer in
        let product = products.first {
          $0.product.isPacked && $0.product.weights == buffer.name
        }
        return .init(buffer: buffer, packing: product?.packing)
      }, parts: parts)
    sums = RowSumFunctions(program, target: target, schedule: schedule)
    views = Dictionary(program.views.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    panels = Dictionary(program.panels.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    var firstProducts = [0]
    for step in program.steps {
      let last = firstProducts[firstProducts.count - 1]
      switch step {
      case .rows, .accumulate: firstProducts.append(last)
      case .multiply(let multiplications): firstProducts.append(last + multiplications.count)
      }
    }
    self.firstProducts = firstProducts
    var taken = DriverFunctions.locals
    var names: [String: String] = [:]
    for name in program.buffers.map(\.name) + program.panels.map(\.name) {
      var candidate = name
      while !taken.insert(candidate).inserted { candidate += "_" }
      names[name] = candidate
    }
    self.names = names
  }

  /// What the functions call their own.
  private static let locals: Set<String> = [
    "rows", "scratch", "phase", "part", "parts", "panels", "own_panels", "gathered", "memory",
    "count", "block", "blocks", "copies", "size", "row", "first", "end", "step", "first_step",
    "end_step", "sums", "block_sums", "is_first", "i",
  ]

  /// The function that does some of a program's steps.
  private static let runSteps = "run_steps"

  /// The products of a step and of those behind it.
  func products(ofStep number: Int) -> ArraySlice<ProductFunctions> {
    products[firstProducts[number]...]
  }

  private func name(_ parameter: String) -> String { names[parameter] ?? parameter }

  // MARK: Extents

  private var blockRows: Index { .constant(program.blockRows) }
  private var steps: Int { program.steps.count }
  private var bytesPerRow: Int { program.panels.map(\.bytesPerRow).reduce(0, +) }
  private var totalBytes: Int { program.totalStride * 4 }
  /// Bytes of what one part gathers, weights or factors.
  private var gatheredBytes: Int {
    max(products.map(\.gatheredBytes).max() ?? 0, sums.gatheredBytes)
  }
  private var gathers: Bool { gatheredBytes > 0 }
  private var hasTotals: Bool { !program.totals.isEmpty }
  /// Whether panels pass from step to step.
  private var hasSteps: Bool { !hasTotals || program.sharesBlocks }

  /// The rows of the largest block of a call.
  private var largestBlock: Index { .minimum("rows", blockRows) }
  /// Blocks of all rows.
  private var allBlocks: Index { Index.variable("rows").quotientUp(program.blockRows) }

  private func phases(_ rows: Index, _ parts: Index) -> Index {
    .result(of: self.parts.phases, [rows, parts])
  }

  // MARK: Functions

  /// All of them, each before its callers.
  func functions() -> [LoopFunction] {
    [phases(), scratchBytes()] + (hasSteps ? [runSteps()] : [])
      + program.totals.map { sums.store($0) } + [part(), kernel()]
  }

  private let extentParameters: [LoopFunction.Parameter] = [
    .init("rows", .index), .init("parts", .index),
  ]

  private func phases() -> LoopFunction {
    let comment: String
    var body: [Stmt] = []
    if !hasTotals {
      comment =
        "The phases of a call that `parts` threads share: with few rows they share every step, with "
        + "many each takes rows of its own through all of them."
      body.append(
        .leave(
          .choose(.both("parts" > 1, "rows" <= blockRows), .constant(steps), 1)))
    } else if program.sharesBlocks {
      comment =
        "The phases of a call that `parts` threads share: every step of every block of rows, then "
        + "the totals."
      body = [
        .index("blocks", allBlocks),
        .leave(.choose("parts" > 1, .constant(steps) * "blocks" + 1, 2)),
      ]
    } else {
      comment =
        "The phases of a call that `parts` threads share: all blocks of rows, then the totals."
      body = [.leave(2)]
    }
    return LoopFunction(
      self.parts.phases, comment: comment, linkage: .exported,
      parameters: extentParameters, returnsIndex: true, body: body)
  }

  private func scratchBytes() -> LoopFunction {
    // Wherever the memory begins, what lies in it begins at a cache line.
    let alignment = 64
    var body: [Stmt] = []
    let block: Stmt = .index("block", .choose("rows" < 1, 0, largestBlock))
    let gathered: Index = gathers ? "parts" * .constant(gatheredBytes) : 0
    if !hasTotals {
      body += [
        block, .index("copies", .choose(phases("rows", "parts") > 1, 1, "parts")),
        .leave(
          "copies" * "block" * .constant(bytesPerRow) + gathered + .constant(alignment)),
      ]
    } else if program.sharesBlocks {
      body += [
        block,
        .leave(
          "block" * .constant(bytesPerRow) + gathered + .constant(totalBytes + alignment)),
      ]
    } else {
      body += [
        .index("blocks", .choose("rows" < 1, 0, allBlocks)),
        .leave("blocks" * .constant(totalBytes) + .constant(alignment)),
      ]
    }
    return LoopFunction(
      self.parts.scratchBytes,
      comment: "The bytes of scratch memory of such a call.", linkage: .exported,
      parameters: extentParameters, returnsIndex: true, body: body)
  }

  // MARK: Steps

  /// A block of rows through all steps, or one step of it that parts share.
  private func runSteps() -> LoopFunction {
    var body: [Stmt] = [
      .index("row", share("rows")), .index("count", shareEnd("rows") - "row"),
    ]
    var offset = 0
    for panel in program.panels {
      body.append(
        .carve(
          Pointer(name: name(panel.name), storage: panel.storage), from: "panels",
          byte: "rows" * .constant(offset), count: "rows" * .constant(panel.stride),
          columns: panel.columns, stride: panel.stride))
      offset += panel.bytesPerRow
    }
    let calls = program.steps.enumerated().map { number, step -> [Stmt] in
      switch step {
      case .rows(let kernels): kernels.map { call($0, at: "row", sums: "sums") }
      case .accumulate(let accumulations): accumulations.map { call($0) }
      case .multiply(let multiplications):
        products(ofStep: number).prefix(multiplications.count).map { call($0) }
      }
    }
    body.append(
      .loop(
        index: "step", from: "first_step", to: "end_step", step: 1,
        body: [.step("step", calls)]))
    let used = UsedNames(of: calls.flatMap { $0 })
    return LoopFunction(
      DriverFunctions.runSteps,
      comment: "The steps from `first_step` up to `end_step`, counted from 0, for a block of rows; "
        + "parts share its rows and the products' columns.",
      parameters: [.init("rows", .index)] + parameters(used) + stepsParameters(used),
      body: body)
  }

  /// What `run_steps` takes behind the kernel's own parameters.
  private func stepsParameters(_ used: UsedNames) -> [LoopFunction.Parameter] {
    [.init("panels", .memory)]
      + (used.names.contains("gathered") ? [.init("gathered", .memory)] : [])
      + (used.names.contains("sums") ? [.init("sums", .elements(.f32, isWritable: true))] : [])
      + (used.names.contains("is_first") ? [.init("is_first", .flag)] : []) + [
        .init("first_step", .index), .init("end_step", .index), .init("part", .index),
        .init("parts", .index),
      ]
  }

  /// The kernel's parameters, all or those that are used.
  private func parameters(_ used: UsedNames? = nil) -> [LoopFunction.Parameter] {
    program.buffers.flatMap { buffer -> [LoopFunction.Parameter] in
      let name = name(buffer.name)
      guard used?.names.contains(name) != false else { return [] }
      let elements = LoopFunction.Parameter(
        name, .elements(buffer.storage, isWritable: buffer.isOutput))
      guard buffer.shape.hasRows else { return [elements] }
      return [elements, .init("\(name)_stride", .stride(of: name))]
    }
  }

  private func share(_ count: Index) -> Index { .share(of: count, part: "part", parts: "parts") }
  private func shareEnd(_ count: Index) -> Index {
    .share(of: count, part: "part" + 1, parts: "parts")
  }

  /// A row program's call for `count` rows from a row on.
  private func call(_ kernel: LoopKernel, at row: Index, sums place: String) -> Stmt {
    let rows = rowFunctions[kernel.name]
    var arguments: [CallArgument] = [.index("count")]
    for buffer in kernel.buffers {
      if buffer.isAccumulated {
        arguments.append(.place(place, at: .constant(sums.offset(of: buffer.name))))
        continue
      }
      let view = views[buffer.name]
      let base = view?.base ?? buffer.name
      let column = Index.constant(view?.offset ?? 0)
      guard buffer.shape.hasRows else {
        arguments.append(.place(name(base), at: column))
        continue
      }
      let stride = panels[base].map { Index.constant($0.stride) } ?? .stride(name(base))
      arguments += [.place(name(base), at: column + row * stride), .index(stride)]
    }
    if rows?.takesAllRows == true { arguments.append(.index("rows")) }
    return .call(rows?.name ?? kernel.name, arguments)
  }

  private func call(_ product: ProductFunctions) -> Stmt {
    let panels = Index.constant(product.panels)
    return .call(
      product.name,
      [
        .index("rows"), .place(name(product.product.x), at: 0),
        .place(name(product.product.weights), at: 0), .place(name(product.product.sums), at: 0),
      ] + (product.product.isPacked ? [] : [.place("gathered", at: 0)])
        + [.index(share(panels)), .index(shareEnd(panels))])
  }

  private func call(_ accumulation: Accumulation) -> Stmt {
    var arguments: [CallArgument] = [.index("rows")]
    var needsGathered = false
    switch accumulation.terms {
    case .columns(let x, let y, _):
      arguments += ([x] + (y.map { [$0] } ?? [])).map { .place(name($0), at: 0) }
    case .outer(let x, let y, _, _):
      arguments += [x, y].map { .place(name($0), at: 0) }
      needsGathered = true
    }
    arguments += [place(ofTotal: accumulation.total), .flag(.flag("is_first"))]
    if needsGathered { arguments.append(.place("gathered", at: 0)) }
    let units = Index.constant(sums.units(of: accumulation))
    return .call(
      sums.name(of: accumulation), arguments + [.index(share(units)), .index(shareEnd(units))])
  }

  /// Where the sums of a total lie.
  private func place(ofTotal total: String) -> CallArgument {
    if let output = sums.directOutput(of: total) { return .place(name(output), at: 0) }
    return .place("sums", at: .constant(sums.offset(of: total)))
  }

  // MARK: Parts

  private func part() -> LoopFunction {
    let body = !hasTotals ? rowParts() : program.sharesBlocks ? sharedParts() : blockParts()
    return LoopFunction(
      self.parts.part,
      comment: "What part `part` of `parts` does in a phase. All parts of a phase may run at once; "
        + "the next phase begins when they have ended.",
      linkage: .exported,
      parameters: [.init("rows", .index)] + parameters()
        + [
          .init("scratch", .scratch), .init("phase", .index), .init("part", .index),
          .init("parts", .index),
        ], body: body)
  }

  /// A call of `run_steps` for `count` rows.
  private func runSteps(
    _ count: Index, at row: Index?, panels: String, isFirst: LoopCondition, steps: (Index, Index),
    of part: (Index, Index)
  ) -> Stmt {
    var arguments: [CallArgument] = []
    for parameter in runSteps().parameters {
      switch parameter.name {
      case "rows": arguments.append(.index(count))
      case "panels": arguments.append(.place(panels, at: 0))
      case "is_first": arguments.append(.flag(isFirst))
      case "first_step": arguments.append(.index(steps.0))
      case "end_step": arguments.append(.index(steps.1))
      case "part": arguments.append(.index(part.0))
      case "parts": arguments.append(.index(part.1))
      default:
        switch parameter.kind {
        case .stride(let name): arguments.append(.index(.stride(name)))
        case .elements, .memory, .scratch, .index, .constant, .flag:
          let hasRows = program.buffers.contains {
            name($0.name) == parameter.name && $0.shape.hasRows
          }
          let place = hasRows ? row.map { $0 * .stride(parameter.name) } : nil
          arguments.append(.place(parameter.name, at: place ?? 0))
        }
      }
    }
    return .call(DriverFunctions.runSteps, arguments)
  }

  /// Without totals: with few rows parts share every step, with many each takes rows of its own.
  private func rowParts() -> [Stmt] {
    let tile = target.matmulTile.rows
    var body: [Stmt] = [.when("rows" < 1, [.leave(nil)], otherwise: [])]
    if gathers {
      body += [
        .memory("memory", from: "scratch", byte: 0, isAligned: true),
        .memory(
          "gathered", from: "memory", byte: "part" * .constant(gatheredBytes), isAligned: false),
        .memory(
          "panels", from: "memory", byte: "parts" * .constant(gatheredBytes), isAligned: false),
      ]
    } else {
      body.append(.memory("panels", from: "scratch", byte: 0, isAligned: true))
    }
    let shared = runSteps(
      "rows", at: nil, panels: "panels", isFirst: .always, steps: ("phase", "phase" + 1),
      of: ("part", "parts"))
    let own = runSteps(
      "count", at: "row", panels: "own_panels", isFirst: .always, steps: (0, .constant(steps)),
      of: (0, 1))
    return body + [
      .when(phases("rows", "parts") > 1, [shared, .leave(nil)], otherwise: []),
      .comment(
        "As many rows for each part, in blocks of about the same size, whole tiles of \(tile)."),
      .index("first", share("rows")), .index("end", shareEnd("rows")),
      .when("end" <= "first", [.leave(nil)], otherwise: []),
      .memory(
        "own_panels", from: "panels", byte: "part" * largestBlock * .constant(bytesPerRow),
        isAligned: false),
      .index("blocks", ("end" - "first").quotientUp(program.blockRows)),
      .index(
        "size",
        ((("end" - "first") + "blocks" - 1) / "blocks").quotientUp(tile) * .constant(tile)),
      .loop(
        index: "row", from: "first", to: "end", step: "size",
        body: [.index("count", .minimum("end" - "row", "size")), own]),
    ]
  }

  /// With totals of one region: every block of rows is one part's, with totals of its own; the last
  /// phase stores them.
  private func blockParts() -> [Stmt] {
    let stride = Index.constant(program.totalStride)
    let sums = Pointer(name: "sums", storage: .f32)
    let blockSums = Pointer(name: "block_sums", storage: .f32)
    let row = blockRows * "block"
    return [
      .memory("memory", from: "scratch", byte: 0, isAligned: true),
      .index("blocks", allBlocks),
      .carve(
        sums, from: "memory", byte: 0, count: stride * "blocks", columns: program.totalStride,
        stride: program.totalStride),
      .when(
        .equal("phase", 0),
        [
          .loop(
            index: "block", from: share("blocks"), to: shareEnd("blocks"), step: 1,
            body: [
              .index("row", row), .index("count", .minimum("rows" - "row", blockRows)),
              .pointer(blockSums, buffer: "sums", offset: stride * "block"),
              .loop(
                index: "i", from: 0, to: stride, step: 1,
                body: [.storeScalar(blockSums, at: "i", .constant(0))]),
            ] + program.kernels.map { call($0, at: "row", sums: "block_sums") }),
          .leave(nil),
        ], otherwise: []),
    ] + storeTotals(blocks: "blocks")
  }

  /// With totals beside products: parts share the steps of a block, and the blocks follow each other;
  /// the last phase stores the totals.
  private func sharedParts() -> [Stmt] {
    var body: [Stmt] = [.memory("memory", from: "scratch", byte: 0, isAligned: true)]
    if program.totalStride > 0 {
      body.append(
        .carve(
          Pointer(name: "sums", storage: .f32), from: "memory", byte: 0,
          count: .constant(program.totalStride), columns: program.totalStride,
          stride: program.totalStride))
    }
    if gathers {
      body.append(
        .memory(
          "gathered", from: "memory",
          byte: .constant(totalBytes) + "part" * .constant(gatheredBytes), isAligned: false))
    }
    let gathered: Index = gathers ? "parts" * .constant(gatheredBytes) : 0
    body.append(
      .memory("panels", from: "memory", byte: .constant(totalBytes) + gathered, isAligned: false))
    let isLast: LoopCondition = .equal("phase", phases("rows", "parts") - 1)
    let step: Index = .choose("parts" > 1, "phase" % .constant(steps), 0)
    return body + [
      .when(
        isLast, storeTotals(blocks: .minimum("rows", 1)) + [.leave(nil)], otherwise: []),
      .comment("One part does all steps of all blocks in one phase."),
      .index(
        "first", .choose("parts" > 1, "phase" / .constant(steps) * blockRows, 0)),
      .index(
        "end",
        .choose(.both("parts" > 1, blockRows < "rows" - "first"), "first" + blockRows, "rows")),
      .loop(
        index: "row", from: "first", to: "end", step: blockRows,
        body: [
          .index("count", .minimum("end" - "row", blockRows)),
          .index("first_step", step),
          .index("end_step", .choose("parts" > 1, "first_step" + 1, .constant(steps))),
          runSteps(
            "count", at: "row", panels: "panels", isFirst: .equal("row", 0),
            steps: ("first_step", "end_step"), of: ("part", "parts")),
        ]),
    ]
  }

  private func storeTotals(blocks: Index) -> [Stmt] {
    program.totals.map { total in
      let name = sums.name(of: total)
      if total.isDirect {
        let call: Stmt = .call(name, [.index("rows"), place(ofTotal: total.name)])
        return .when(.equal("part", 0), [call], otherwise: [])
      }
      let count = Index.constant(total.count)
      return .call(
        name,
        (total.reduction == .mean ? [.index("rows")] : [])
          + [.index(blocks), place(ofTotal: total.name)]
          + total.outputs.map { .place(self.name($0), at: 0) }
          + [.index(share(count)), .index(shareEnd(count))])
    }
  }

  // MARK: The kernel

  private func kernel() -> LoopFunction {
    func part(_ phase: Index) -> Stmt {
      .call(
        self.parts.part,
        [.index("rows")]
          + parameters().map { parameter -> CallArgument in
            switch parameter.kind {
            case .stride(let name): .index(.stride(name))
            case .elements, .memory, .scratch, .index, .constant, .flag:
              .place(parameter.name, at: 0)
            }
          } + [.place("scratch", at: 0), .index(phase), .index(0), .index(1)])
    }
    let body: Stmt =
      hasTotals
      ? .loop(index: "phase", from: 0, to: phases("rows", 1), step: 1, body: [part("phase")])
      : part(0)
    return LoopFunction(
      interface.symbol, comment: "", linkage: .exported,
      parameters: [.init("rows", .index)] + parameters() + [.init("scratch", .scratch)],
      body: [body])
  }
}

/// The names that calls hand on.
private struct UsedNames {
  private(set) var names: Set<String> = []

  init(of statements: [Stmt]) {
    for statement in statements {
      guard case .call(_, let arguments) = statement else { continue }
      for argument in arguments {
        switch argument {
        case .place(let name, _): names.insert(name)
        case .flag(.flag(let name)): names.insert(name)
        case .flag, .index: break
        }
      }
    }
  }
}
