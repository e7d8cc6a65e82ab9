import NormGenLoops

/// The C of a kernel's functions, and what its header declares.
struct CModule {
  private let module: LoopModule
  private let hasTotals: Bool
  private let library: SupportLibrary
  private let unrollsTiles: Bool
  private let reserved: Set<String>

  /// - Parameters:
  ///   - hasTotals: Whether something is written without any row.
  ///   - unrollsTiles: Whether registers hold what tiles sum: those of a known architecture.
  init(_ module: LoopModule, hasTotals: Bool, library: SupportLibrary, unrollsTiles: Bool) {
    self.module = module
    self.hasTotals = hasTotals
    self.library = library
    self.unrollsTiles = unrollsTiles
    self.reserved = CReserved.functions(
      of: module.interface.symbol, packing: module.interface.parameters.map(\.buffer.name)
    ).union(module.functions.map(\.name))
  }

  private func printed(_ function: LoopFunction) -> CFunction {
    CFunction(
      function, lanes: module.lanes, unrollsTiles: unrollsTiles, library: library,
      reserved: reserved)
  }

  private func function(_ name: String) -> CFunction? {
    module.functions.first { $0.name == name }.map(printed)
  }

  /// The definitions, in order, without the entry for callers with arrays of parameters.
  func definitions() -> [String] {
    module.functions.map { function in
      var printed = printed(function)
      let head =
        function.name == module.interface.symbol
        ? [contract()] : CLayout.comment(function.comment, depth: 0)
      return printed.lines(under: head).joined(separator: "\n")
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
    var lines = CContract.head(symbol, hasTotals: hasTotals)
    lines += CContract.parameters(
      zip(module.interface.parameters.map(\.buffer), tensors).map { buffer, tensor in
        CContract.Parameter(
          buffer: buffer, name: names.known(tensor.name), stride: names.stride(of: tensor.name),
          note: notes[buffer.name])
      })
    lines.append(" *")
    if module.interface.takesScratch {
      lines += CLayout.words(
        "scratch: \(module.interface.parts.scratchBytes)(rows, 1) bytes of any alignment that nobody "
          + "else uses.", first: " *", next: " *")
    }
    let storages = module.interface.parameters.map(\.buffer.storage)
    return (lines + CContract.rules(storages) + [" */"]).joined(separator: "\n")
  }

  /// The declarations in the header.
  func prototypes() -> String {
    let symbol = module.interface.symbol
    func declared(_ name: String) -> [String] { function(name)?.prototype(end: ";") ?? [] }
    let parts = module.interface.parts
    let (phases, scratchBytes) = (parts.phases, parts.scratchBytes)
    var lines = declared(symbol) + ["", "/*"]
    lines += CLayout.words(
      "The same by `parts` threads: every phase from 0 to \(phases)(rows, parts) - 1 in order, each "
        + "with all parts from 0 to parts - 1, at once or one after the other, on scratch memory of "
        + "\(scratchBytes)(rows, parts) bytes. The bits do not depend on the number of parts.",
      first: " *", next: " *")
    lines += [" */"] + declared(parts.part) + declared(phases) + declared(scratchBytes)
    let known: Set<String> = [symbol, phases, scratchBytes, parts.part]
    let packings = Dictionary(packings.map { ($0.symbol, $0) }, uniquingKeysWith: { $1 })
    for function in module.functions
    where function.linkage == .exported && !known.contains(function.name) {
      lines += [""] + CLayout.comment(function.comment, depth: 0)
      lines += printed(function).prototype(end: ";")
      guard let packing = packings[function.name] else { continue }
      lines += ["// The same for a caller that has what it reads in an array."]
      lines.append(packEntryPrototype(packing, end: ";"))
    }
    return lines.joined(separator: "\n")
  }

  /// The declaration for callers with arrays of parameters.
  func entryPrototype(end: String) -> String {
    CLayout.wrappedText(
      "void \(module.interface.entry)(int64_t rows, void *const *buffers, const int64_t *strides, "
        + "void *scratch, int64_t phase, int64_t part, int64_t parts)\(end)")
  }

  /// Its definition, and those of functions that pack what several tensors hold.
  func entries() -> [String] {
    packings.map { packing in
      calling(packing.symbol, from: packEntryPrototype(packing, end: " {"), ["packed"])
    } + [calling(module.interface.parts.part, from: entryPrototype(end: " {"), [])]
  }

  private func calling(_ callee: String, from head: String, _ last: [String]) -> String {
    let tensors = function(callee)?.argumentsOfEntry() ?? []
    let arguments = tensors.dropLast(last.count) + last
    let call = CLayout.wrapped("\(callee)(\(arguments.joined(separator: ", ")));", depth: 1)
    return ([head] + call + ["}"]).joined(separator: "\n")
  }

  /// The functions that pack weights which are computed.
  private var packings: [KernelInterface.Packing] {
    module.interface.parameters.compactMap(\.packing).filter { $0.entry != nil }
  }

  private func packEntryPrototype(_ packing: KernelInterface.Packing, end: String) -> String {
    CLayout.wrappedText(
      "void \(packing.entry ?? packing.symbol)(const void *const *buffers, void *packed)\(end)")
  }
}
