internal import Foundation
internal import NormGen

/// Reads kernels from files in the text form.
enum TextFile {
  /// Longer files are refused; the longest kernels have a few kilobytes.
  static let byteLimit = 4 << 20

  /// The kernels of a file, with the registered functions; their names differ.
  static func graphs(at path: String) throws -> [Graph] {
    let graphs = try GraphParser.graphs(
      in: try text(at: path), file: path, functions: Registry.current.functions)
    var seen: Set<String> = []
    for graph in graphs where !seen.insert(graph.name).inserted {
      throw CommandError.duplicateKernel(graph.name, place: path)
    }
    return graphs
  }

  /// The text of a file.
  static func text(at path: String) throws(CommandError) -> String {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw .file(path: path, reason: "expected a text file with kernels, found no such file")
    }
    guard !isDirectory.boolValue else {
      throw .file(path: path, reason: "expected a text file with kernels, found a directory")
    }
    let bytes: Data
    do {
      let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
      defer { try? file.close() }
      bytes = try file.read(upToCount: byteLimit + 1) ?? Data()
    } catch {
      throw .file(path: path, reason: "cannot be read: \(error.localizedDescription)")
    }
    guard bytes.count <= byteLimit else {
      throw .file(path: path, reason: "is longer than \(byteLimit) bytes")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .file(path: path, reason: "expected UTF-8 text, found other bytes")
    }
    return text
  }
}
