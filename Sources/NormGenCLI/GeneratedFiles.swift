internal import Foundation
internal import NormGen

/// The committed form of a catalog: a C target with every kernel for the processors that there are.
///
/// ```
/// NAME_TARGET.c             the kernels
/// include/NAME_TARGET.h     their headers
/// include/MODULE.h          all headers
/// CATALOG.txt               what there is
/// ```
struct GeneratedFiles {
  /// The folder unless another is named.
  static let defaultDirectory = "Generated"
  /// The C module's name unless another is given.
  static let defaultModule = "NormGenKernels"
  /// The instruction sets that a kernel is committed for.
  ///
  /// A kernel with bf16 dot products is there for the processors that have them as an instruction:
  /// other ones imitate it, for which AVX2 is enough; one with products of integers likewise.
  static func targets(of graph: Graph) -> [Target] {
    let accumulations = graph.nodes.compactMap { node -> Matmul.Accumulation? in
      if case .matmul(let matmul) = node.op { matmul.accumulation } else { nil }
    }
    let wide: Target =
      accumulations.contains(.bf16Dot)
      ? .avx512bf16 : accumulations.contains(.int8) ? .avx512vnni : .avx512
    return [.avx2, wide, accumulations.contains(.int8) ? .neondot : .neon]
  }

  /// The files, by path.
  let files: [EmittedFile]

  /// Emits the registered catalog.
  ///
  /// The environment has no influence: the same catalog gives the same bytes.
  init(module: String) throws {
    let entries = Registry.current.catalog.entries
    var files: [EmittedFile] = []
    var headers: [String] = []
    var rows: [[String]] = []
    for (number, entry) in entries.enumerated() {
      Terminal.progress("emitting \(entry.kernel.name), \(number + 1) of \(entries.count)")
      let kernel = try SelectedKernel(entry)
      let targets = GeneratedFiles.targets(of: kernel.graph)
      rows.append(
        [entry.kernel.name, targets.map(\.name).joined(separator: " "), entry.summary])
      for target in targets {
        var compiler = Compiler(target: target)
        compiler.strategies = Registry.current.strategies
        let source = try compiler.emitting(kernel).lower(kernel.graph).source
        headers.append("\(source.name).h")
        files.append(EmittedFile(path: "\(source.name).c", text: source.source))
        files.append(EmittedFile(path: "include/\(source.name).h", text: source.header))
      }
    }
    Terminal.endProgress()
    files.append(
      EmittedFile(
        path: "include/\(module).h", text: GeneratedFiles.umbrella(module, headers)))
    files.append(EmittedFile(path: "CATALOG.txt", text: GeneratedFiles.contents(rows)))
    self.files = files.sorted { $0.path < $1.path }
  }

  private static var command: String { "\(Registry.current.plainCommandName) emit --catalog" }

  private static func umbrella(_ module: String, _ headers: [String]) -> String {
    let includes = headers.map { "#include \"\($0)\"" }.joined(separator: "\n")
    return """
      /*
       * All kernels of the catalog, emitted by NormGen. Regenerate with
       *
       *   \(command)
       */
      #ifndef NORMGEN_\(module.uppercased())_H
      #define NORMGEN_\(module.uppercased())_H

      \(includes)

      #endif

      """
  }

  private static func contents(_ rows: [[String]]) -> String {
    let table = TextTable(header: ["kernel", "targets", "summary"], rows).text
    return """
      Kernels emitted by NormGen. Regenerate with

        \(command)

      Each is KERNEL_TARGET.c with include/KERNEL_TARGET.h; the two files need nothing else.

      \(table)
      """
  }
}

/// How a folder differs from what the catalog emits.
struct GeneratedDifferences {
  /// A file whose bytes differ.
  struct Change {
    let path: String
    /// The number of the first line that differs, from 1.
    let line: Int
    /// That line as emitted and as found; nil past the end.
    let emitted: String?
    let found: String?
  }

  private(set) var changed: [Change] = []
  private(set) var missing: [String] = []
  private(set) var extra: [String] = []

  var isEmpty: Bool { changed.isEmpty && missing.isEmpty && extra.isEmpty }

  /// Compares the files below `directory` with the emitted ones, both ways.
  init(_ emitted: [EmittedFile], in directory: String) throws(CommandError) {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: directory, isDirectory: &isDirectory),
      isDirectory.boolValue
    else {
      throw .file(path: directory, reason: "expected a directory, found none")
    }
    guard let found = FileManager.default.subpaths(atPath: directory) else {
      throw .file(path: directory, reason: "cannot be listed")
    }
    var expected: Set<String> = []
    for file in emitted {
      expected.insert(file.path)
      let path = FileWriter.joined(directory, file.path)
      guard let bytes = FileManager.default.contents(atPath: path) else {
        missing.append(file.path)
        continue
      }
      if bytes != Data(file.text.utf8) { changed.append(Change(file, found: bytes)) }
    }
    for path in found.sorted() where !expected.contains(path) {
      var isDirectory: ObjCBool = false
      _ = FileManager.default.fileExists(
        atPath: FileWriter.joined(directory, path), isDirectory: &isDirectory)
      if !isDirectory.boolValue { extra.append(path) }
    }
  }
}

extension GeneratedDifferences.Change {
  fileprivate init(_ file: EmittedFile, found bytes: Data) {
    let newline = UInt8(ascii: "\n")
    let emitted = Array(file.text.utf8).split(separator: newline, omittingEmptySubsequences: false)
    let found = Array(bytes).split(separator: newline, omittingEmptySubsequences: false)
    let shared = zip(emitted, found).prefix { $0.0 == $0.1 }.count
    self.path = file.path
    self.line = shared + 1
    self.emitted = shared < emitted.count ? String(decoding: emitted[shared], as: UTF8.self) : nil
    self.found = shared < found.count ? String(decoding: found[shared], as: UTF8.self) : nil
  }
}
