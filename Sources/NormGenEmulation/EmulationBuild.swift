internal import Foundation
internal import NormGenTemplates

/// Compiles kernels and the machine's own sources, and links them.
struct EmulationBuild: ~Copyable {
  /// Compiling one run's kernels takes far less; only a hung compiler takes longer.
  static let timeLimit = 120.0

  let directory: TemporaryDirectory
  private let compiler: String
  private var objects: [String] = []

  init(compiler: String) throws(EmulationError) {
    directory = try TemporaryDirectory()
    self.compiler = compiler
  }

  /// Compiles the machine's sources, the table of entries among them.
  mutating func addMachine(
    _ sources: [EmulationTemplates.File], kernels: [EmulatedKernel], flags: [String]
  ) throws(EmulationError) {
    let header = EmulationTemplates.protocolHeader
    try directory.write(header.text, to: header.name)
    let table = try Self.entryTable(of: kernels)
    try compile(sources.map { ($0.name, $0.text) } + [("entries.c", table)], flags: flags)
  }

  /// Compiles the kernels' sources, each distinct one once, and their adapters.
  mutating func addKernels(
    _ kernels: [EmulatedKernel], flags: [String]
  ) throws(EmulationError) {
    var seen: Set<EmulatedSource> = []
    var groups: [[String]: [(String, String)]] = [:]
    for (index, kernel) in kernels.enumerated() where seen.insert(kernel.source).inserted {
      switch kernel.source {
      case .c(let text, let extra):
        groups[extra, default: []].append(("kernel\(index).c", text))
      case .assembly(let text):
        // GNU as does not know this table of symbols, which only linkers of LLVM read.
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("\t.addrsig") }
        groups[[], default: []].append(
          ("kernel\(index).s", lines.joined(separator: "\n") + "\n"))
      case .object(let bytes):
        let name = "kernel\(index).o"
        try directory.write(Data(bytes), to: name)
        objects.append(name)
      }
    }
    for (index, kernel) in kernels.enumerated() {
      guard let adapter = kernel.adapter else { continue }
      groups[[], default: []].append(("adapter\(index).c", adapter))
    }
    for (extra, sources) in groups { try compile(sources, flags: flags + extra) }
  }

  /// Links everything added so far.
  borrowing func link(_ flags: [String], into output: String) throws(EmulationError) {
    try execute(compiler, flags + objects + ["-lgcc", "-o", output], log: "link.log")
  }

  /// Compiles and links a file that stands apart from the kernels.
  borrowing func compileApart(
    _ source: EmulationTemplates.File, flags: [String], into output: String
  ) throws(EmulationError) {
    try directory.write(source.text, to: source.name)
    try execute(compiler, flags + [source.name, "-o", output], log: "apart.log")
  }

  /// Executes a build step.
  borrowing func execute(
    _ tool: String, _ arguments: [String], log: String
  ) throws(EmulationError) {
    let running = try Subprocess(tool, arguments, in: directory, log: log)
    try running.finish(by: Deadline(after: Self.timeLimit))
  }

  // A compiler driver takes several files but compiles them one after the other, so the files are
  // dealt to as many drivers as there are processors.
  private mutating func compile(
    _ sources: [(name: String, text: String)], flags: [String]
  ) throws(EmulationError) {
    for source in sources { try directory.write(source.text, to: source.name) }
    let names = sources.map(\.name)
    let lanes = min(names.count, max(1, ProcessInfo.processInfo.activeProcessorCount))
    let deadline = Deadline(after: Self.timeLimit)
    try compile(names, flags: flags, lane: 0, of: lanes, by: deadline)
    objects += names.map { ($0 as NSString).deletingPathExtension + ".o" }
  }

  // Recursion keeps each noncopyable process alive until the ones after it have been started.
  private borrowing func compile(
    _ names: [String], flags: [String], lane: Int, of lanes: Int, by deadline: Deadline
  ) throws(EmulationError) {
    guard lane < lanes else { return }
    let mine = stride(from: lane, to: names.count, by: lanes).map { names[$0] }
    let running = try Subprocess(
      compiler, flags + ["-c"] + mine, in: directory, log: "compile\(lane).log")
    try compile(names, flags: flags, lane: lane + 1, of: lanes, by: deadline)
    try running.finish(by: deadline)
  }

  private static func entryTable(
    of kernels: [EmulatedKernel]
  ) throws(EmulationError) -> String {
    var names: Set<String> = []
    for kernel in kernels {
      guard isIdentifier(kernel.name) else {
        throw .invalidKernel(name: kernel.name, reason: "the name is not a C identifier")
      }
      guard names.insert(kernel.name).inserted else {
        throw .invalidKernel(name: kernel.name, reason: "the name is used twice")
      }
    }
    let declarations = kernels.map { "extern emulation_entry \($0.name)_entry;\n" }.joined()
    let entries = kernels.map { "  \($0.name)_entry,\n" }.joined()
    return """
      #include "emulation_protocol.h"

      \(declarations)
      emulation_entry *const emulation_entries[] = {
      \(entries)  NULL,
      };
      const uint64_t emulation_entry_count = \(kernels.count);

      """
  }

  private static func isIdentifier(_ name: String) -> Bool {
    guard let first = name.utf8.first, !(48...57).contains(first) else { return false }
    return name.utf8.allSatisfy { byte in
      switch byte {
      case 48...57, 65...90, 95, 97...122: true
      default: false
      }
    }
  }
}
