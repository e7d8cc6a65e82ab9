import NormGenLoops
import NormGenLowering
import NormGenSchedule

/// The C of a kernel with several functions, and what its header declares.
struct CModule {
  private let module: LoopModule
  private let program: LoopProgram
  private let target: Target
  private let schedules: [Schedule]
  private let library: SupportLibrary
  private let reserved: Set<String>

  init(
    _ module: LoopModule, program: LoopProgram, target: Target, schedules: [Schedule],
    library: SupportLibrary
  ) {
    self.module = module
    self.program = program
    self.target = target
    self.schedules = schedules
    self.library = library
    self.reserved = CReserved.functions(
      of: module.interface.symbol, packing: program.buffers.map(\.name)
    ).union(module.members.map(\.name))
  }

  private func printed(_ function: LoopFunction) -> CFunction {
    CFunction(function, lanes: module.lanes, library: library, reserved: reserved)
  }

  private func function(_ name: String) -> CFunction? {
    module.functions.first { $0.name == name }.map(printed)
  }

  /// The definitions, in order, without the entry for callers with arrays of parameters.
  func definitions() -> [String] {
    var remaining = schedules[...]
    return module.members.map { member in
      switch member {
      case .function(let function):
        var printed = printed(function)
        let head =
          function.name == module.interface.symbol
          ? [contract()] : CLayout.comment(function.comment, depth: 0)
        return printed.lines(under: head).joined(separator: "\n")
      case .rows(let rows):
        var printed = CRowFunction(
          rows.kernel, symbol: rows.name, target: target,
          schedule: remaining.popFirst() ?? Schedule(), library: library, reserved: reserved,
          takesAllRows: rows.takesAllRows)
        return printed.lines(
          under: CLayout.comment(rows.comment, depth: 0), prefix: "static void"
        ).joined(separator: "\n")
      }
    }
  }

  /// What the header and the definition say.
  func contract() -> String {
    let symbol = module.interface.symbol
    let kernel = module.functions.first { $0.name == symbol }
    let tensors = (kernel?.parameters ?? []).filter { parameter in
      if case .elements = parameter.kind { return true }
      return false
    }
    guard let names = kernel.map(printed)?.names else { return "" }
    var notes: [String: String] = [:]
    for parameter in module.interface.parameters {
      notes[parameter.buffer.name] = parameter.packing.map { "as \($0.symbol) leaves them" }
    }
    var lines = CContract.head(symbol, hasTotals: !program.totals.isEmpty)
    lines += CContract.parameters(
      zip(program.buffers, tensors).map { buffer, tensor in
        CContract.Parameter(
          buffer: buffer, name: names.known(tensor.name), stride: names.stride(of: tensor.name),
          note: notes[buffer.name])
      })
    lines.append(" *")
    lines += CLayout.words(
      "scratch: \(module.interface.parts?.scratchBytes ?? "")(rows, 1) bytes of any alignment that nobody "
        + "else uses.", first: " *", next: " *")
    return (lines + CContract.rules + [" */"]).joined(separator: "\n")
  }

  /// The declarations in the header.
  func prototypes() -> String {
    let symbol = module.interface.symbol
    func declared(_ name: String) -> [String] { function(name)?.prototype(end: ";") ?? [] }
    guard let parts = module.interface.parts else { return "" }
    let (phases, scratchBytes) = (parts.phases, parts.scratchBytes)
    var lines = declared(symbol) + ["", "/*"]
    lines += CLayout.words(
      "The same by `parts` threads: every phase from 0 to \(phases)(rows, parts) - 1 in order, each "
        + "with all parts from 0 to parts - 1, at once or one after the other, on scratch memory of "
        + "\(scratchBytes)(rows, parts) bytes. The bits do not depend on the number of parts.",
      first: " *", next: " *")
    lines += [" */"] + declared(parts.part) + declared(phases) + declared(scratchBytes)
    let known: Set<String> = [symbol, phases, scratchBytes, parts.part]
    for function in module.functions
    where function.linkage == .exported && !known.contains(function.name) {
      lines += [""] + CLayout.comment(function.comment, depth: 0)
      lines += printed(function).prototype(end: ";")
    }
    return lines.joined(separator: "\n")
  }

  /// The declaration for callers with arrays of parameters.
  func entryPrototype(end: String) -> String {
    CLayout.wrappedText(
      "void \(module.interface.entry)(int64_t rows, void *const *buffers, const int64_t *strides, "
        + "void *scratch, int64_t phase, int64_t part, int64_t parts)\(end)")
  }

  /// Its definition.
  func entry() -> String {
    let part = module.interface.parts?.part ?? ""
    let arguments = function(part)?.argumentsOfEntry() ?? []
    let call = CLayout.wrapped("\(part)(\(arguments.joined(separator: ", ")));", depth: 1)
    return ([entryPrototype(end: " {")] + call + ["}"]).joined(separator: "\n")
  }
}
