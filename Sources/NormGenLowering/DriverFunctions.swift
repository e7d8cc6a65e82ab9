import NormGenIR
import NormGenLoops
import NormGenSchedule

/// The functions around row programs and products: which rows and which columns each call handles, and
/// where the panels lie.
struct DriverFunctions {
  let program: LoopProgram
  let target: Target
  /// How the kernel is called.
  let interface: KernelInterface
  /// The functions of sums over rows.
  let sums: RowSumFunctions
  /// The row programs' functions, by the programs' names.
  let rowFunctions: [String: RowFunctions]
  let products: [ProductFunctions]
  /// The first of each step's products.
  let firstProducts: [Int]
  let views: [String: LoopProgram.View]
  let panels: [String: Panel]
  /// The names of parameters and panels in the functions.
  let names: [String: String]

  init(
    _ program: LoopProgram, symbol: String, target: Target, schedule: MatmulSchedule,
    rowFunctions: [String: RowFunctions]
  ) {
    self.program = program
    self.target = target
    self.rowFunctions = rowFunctions
    let products = ProductFunctions.all(
      of: program, symbol: symbol, target: target, schedule: schedule)
    self.products = products
    let sums = RowSumFunctions(program, target: target, schedule: schedule)
    self.sums = sums
    gatheredBytes = max(
      products.map(\.gatheredBytes).max() ?? 0, sums.gatheredBytes,
      rowFunctions.values.map(\.lentBytes).max() ?? 0)
    interface = KernelInterface(
      symbol: symbol, entry: "\(symbol)_entry",
      parameters: program.buffers.map { buffer in
        let product = products.first {
          $0.product.isPacked && $0.product.weights == buffer.name
        }
        return .init(buffer: buffer, packing: product?.packing)
      },
      parts: .init(
        phases: "\(symbol)_phases", scratchBytes: "\(symbol)_scratch_bytes",
        part: "\(symbol)_part"),
      takesScratch: program.division != .rows || gatheredBytes > 0)
    views = Dictionary(program.views.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    panels = Dictionary(program.panels.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    var firstProducts = [0]
    for step in program.steps {
      let last = firstProducts[firstProducts.count - 1]
      switch step {
      case .rows, .sumRows: firstProducts.append(last)
      case .multiply(let products): firstProducts.append(last + products.count)
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
  static let locals: Set<String> = [
    "rows", "scratch", "phase", "part", "parts", "panels", "own_panels", "gathered", "memory",
    "count", "block", "blocks", "chunk", "chunks", "copies", "size", "row", "first", "end", "step",
    "first_step", "end_step", "sums", "block_sums", "is_first", "i", "kept", "tiles",
  ]

  /// The function that does some of a program's steps.
  static let runSteps = "run_steps"

  /// The products of a step.
  func products(ofStep number: Int) -> ArraySlice<ProductFunctions> {
    products[firstProducts[number]..<firstProducts[number + 1]]
  }

  func name(_ parameter: String) -> String { names[parameter] ?? parameter }

  // MARK: Extents

  var chunkRows: Index { .constant(program.chunkRows) }
  var steps: Int { program.steps.count }
  var bytesPerRow: Int { program.panels.map(\.bytesPerRow).reduce(0, +) }
  var totalBytes: Int { program.totalStride * 4 }
  /// Bytes of what one part has for itself during a step: weights or factors that it gathers, or what
  /// its row programs have no room for on the stack.
  let gatheredBytes: Int
  var gathers: Bool { gatheredBytes > 0 }
  /// What a part calls it.
  var gathered: String {
    products.contains { $0.gatheredBytes > 0 } || sums.gatheredBytes > 0 ? "gathered" : "kept"
  }

  /// The rows of the largest chunk of a call.
  var largestChunk: Index { .minimum("rows", chunkRows) }
  /// Chunks of all rows.
  var allChunks: Index { Index.variable("rows").quotientUp(program.chunkRows) }

  func phases(_ rows: Index, _ parts: Index) -> Index {
    .result(of: interface.parts.phases, [rows, parts])
  }

  // MARK: Functions

  /// All of them, each before its callers.
  func functions() -> [LoopFunction] {
    let division: [LoopFunction] = [phases(), scratchBytes()]
    let totals = program.totals.map { sums.store($0) }
    let (steps, body): ([LoopFunction], [Stmt])
    switch program.division {
    case .rows: (steps, body) = ([], ownRows())
    case .blocks: (steps, body) = ([], blockParts())
    case .steps:
      let function = runSteps()
      (steps, body) = ([function], rowParts(function))
    case .stepsOfChunks:
      let function = runSteps()
      (steps, body) = ([function], sharedParts(function))
    }
    return division + steps + totals + [part(body)] + kernel()
  }

  let extentParameters: [LoopFunction.Parameter] = [
    .init("rows", .index), .init("parts", .index),
  ]

  func phases() -> LoopFunction {
    let comment: String
    let body: [Stmt]
    switch program.division {
    case .rows:
      comment = "each takes rows of its own."
      body = [.leave(1)]
    case .steps:
      comment =
        "with few rows they share every step, with many each takes rows of its own through all of "
        + "them."
      body = [
        .leave(.choose(.both("parts" > 1, "rows" <= chunkRows), .constant(steps), 1))
      ]
    case .blocks:
      comment = "all blocks of rows, then the totals."
      body = [.leave(2)]
    case .stepsOfChunks:
      comment = "every step of every chunk of rows, then the totals."
      body = [
        .index("chunks", allChunks),
        .leave(.choose("parts" > 1, .constant(steps) * "chunks" + 1, 2)),
      ]
    }
    return LoopFunction(
      interface.parts.phases,
      comment: "The phases of a call that `parts` threads share: \(comment)", linkage: .exported,
      parameters: extentParameters, returnsIndex: true, body: body)
  }

  func scratchBytes() -> LoopFunction {
    // Wherever the memory begins, what lies in it begins at a cache line.
    let alignment = 64
    let body: [Stmt]
    let chunk: Stmt = .index("chunk", .choose("rows" < 1, 0, largestChunk))
    let gathered: Index = gathers ? "parts" * .constant(gatheredBytes) : 0
    switch program.division {
    case .rows: body = [.leave(gathers ? gathered + .constant(alignment) : 0)]
    case .steps:
      body = [
        chunk, .index("copies", .choose(phases("rows", "parts") > 1, 1, "parts")),
        .leave(
          "copies" * "chunk" * .constant(bytesPerRow) + gathered + .constant(alignment)),
      ]
    case .blocks:
      body = [
        .index("blocks", .choose("rows" < 1, 0, allChunks)),
        .leave("blocks" * .constant(totalBytes) + gathered + .constant(alignment)),
      ]
    case .stepsOfChunks:
      body = [
        chunk,
        .leave(
          "chunk" * .constant(bytesPerRow) + gathered + .constant(totalBytes + alignment)),
      ]
    }
    return LoopFunction(
      interface.parts.scratchBytes,
      comment: "The bytes of scratch memory of such a call.", linkage: .exported,
      parameters: extentParameters, returnsIndex: true, body: body)
  }

  // MARK: Steps

  /// A chunk of rows through all steps, or one step of it that parts share.
  func runSteps() -> LoopFunction {
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
      case .rows(let rowPrograms): rowPrograms.map { call($0, at: "row", sums: "sums") }
      case .sumRows(let summations): summations.map { call($0) }
      case .multiply: products(ofStep: number).map { call($0) }
      }
    }
    body.append(
      .loop(
        index: "step", from: "first_step", to: "end_step", step: 1,
        body: [.step("step", calls)]))
    let used = calls.flatMap { $0 }.namesInCalls
    return LoopFunction(
      DriverFunctions.runSteps,
      comment: "The steps from `first_step` up to `end_step`, counted from 0, for a chunk of rows; "
        + "parts share its rows and the products' columns.",
      parameters: [.init("rows", .index)] + parameters(used) + stepsParameters(used),
      body: body)
  }

  /// What `run_steps` takes behind the kernel's own parameters.
  func stepsParameters(_ used: Set<String>) -> [LoopFunction.Parameter] {
    [.init("panels", .memory)]
      + (used.contains(gathered) ? [.init(gathered, .memory)] : [])
      + (used.contains("sums") ? [.init("sums", .elements(.f32, isWritable: true))] : [])
      + (used.contains("is_first") ? [.init("is_first", .flag)] : []) + [
        .init("first_step", .index), .init("end_step", .index), .init("part", .index),
        .init("parts", .index),
      ]
  }

  /// The kernel's parameters, all or those that are used.
  func parameters(_ used: Set<String>? = nil) -> [LoopFunction.Parameter] {
    program.buffers.flatMap { buffer -> [LoopFunction.Parameter] in
      let name = name(buffer.name)
      guard used?.contains(name) != false else { return [] }
      let elements = LoopFunction.Parameter(
        name, .elements(buffer.storage, isWritable: buffer.isOutput))
      guard buffer.shape.hasRows else { return [elements] }
      return [elements, .init("\(name)_stride", .stride(of: name))]
    }
  }

  func share(_ count: Index) -> Index { .share(of: count, part: "part", parts: "parts") }
  func shareEnd(_ count: Index) -> Index {
    .share(of: count, part: "part" + 1, parts: "parts")
  }

  /// A row program's call for `count` rows from a row on.
  func call(_ rowProgram: RowProgram, at row: Index, sums place: String) -> Stmt {
    let rows = rowFunctions[rowProgram.name]
    var arguments: [CallArgument] = [.index("count")]
    for buffer in rowProgram.buffers {
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
    if let rows, rows.lentBytes > 0 { arguments.append(.place(gathered, at: 0)) }
    return .call(rows?.name ?? rowProgram.name, arguments)
  }

  func call(_ product: ProductFunctions) -> Stmt {
    let slivers = Index.constant(product.slivers)
    let integers = product.product.integers
    let besides = [integers?.scales, integers?.sums].compactMap { $0 }
    return .call(
      product.name,
      [
        .index("rows"), .place(name(product.product.x), at: 0),
      ] + besides.map { .place(name($0), at: 0) } + [
        .place(name(product.product.weights), at: 0), .place(name(product.product.sums), at: 0),
      ] + (product.gathers ? [.place("gathered", at: 0)] : [])
        + [.index(share(slivers)), .index(shareEnd(slivers))])
  }

  func call(_ summation: RowSummation) -> Stmt {
    var arguments: [CallArgument] = [.index("rows")]
    var needsGathered = false
    switch summation.terms {
    case .columns(let x, let y, _):
      arguments += ([x] + (y.map { [$0] } ?? [])).map { .place(name($0), at: 0) }
    case .outer(let x, let y, _, _):
      arguments += [x, y].map { .place(name($0), at: 0) }
      needsGathered = true
    }
    arguments += [place(ofTotal: summation.total), .flag(.flag("is_first"))]
    if needsGathered { arguments.append(.place("gathered", at: 0)) }
    let units = Index.constant(sums.units(of: summation))
    return .call(
      sums.name(of: summation), arguments + [.index(share(units)), .index(shareEnd(units))])
  }

  /// Where the sums of a total lie.
  func place(ofTotal total: String) -> CallArgument {
    if let output = sums.directOutput(of: total) { return .place(name(output), at: 0) }
    return .place("sums", at: .constant(sums.offset(of: total)))
  }
}
