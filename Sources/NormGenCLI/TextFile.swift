internal import Foundation
package import NormGen
internal import NormGenFiles

/// Reads kernels from files in the text form.
package enum TextFile {
  /// Longer files are refused; the longest kernels have a few kilobytes.
  package static let byteLimit = 4 << 20

  /// The kernels of a file, with the registered functions; their names differ.
  package static func graphs(at path: String) throws -> [Graph] {
    let graphs = try GraphParser.graphs(
      in: try text(at: path), file: VisibleText.of(path), functions: Registry.current.functions)
    var seen: Set<String> = []
    for graph in graphs where !seen.insert(graph.name).inserted {
      throw CommandError.duplicateKernel(graph.name, place: path)
    }
    return graphs
  }

  /// The text of a file.
  static func text(at path: String) throws(CommandError) -> String {
    let bytes: [UInt8]
    do throws(TensorFileError) {
      bytes = try FileBytes.read(path, atMost: byteLimit + 1)
    } catch .system(operation: "open", _, code: ENOENT) {
      throw .file(path: path, reason: "expected a text file with kernels, found no such file")
    } catch .notRegular(_, let found) {
      throw .file(path: path, reason: "expected a text file with kernels, found \(found)")
    } catch .system(_, _, let code) {
      throw .file(path: path, reason: "cannot be read: \(String(cString: strerror(code)))")
    } catch {
      throw .unusableFile(error)
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
