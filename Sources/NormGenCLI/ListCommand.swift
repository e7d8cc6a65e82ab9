internal import ArgumentParser
internal import Foundation
internal import NormGen

/// Lists the kernels that can be named.
struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the kernels that can be named.")

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let kernels = try Registry.current.catalog.entries.map { try ListedKernel($0) }
    if json {
      try Terminal.print(try JSONText.of(kernels))
      return
    }
    let rows = kernels.map { kernel in
      [
        kernel.name, kernel.inputs.map(\.name).joined(separator: ", "),
        kernel.outputs.map(\.text).joined(separator: ", "), kernel.summary,
      ]
    }
    try Terminal.print(TextTable(header: ["kernel", "inputs", "outputs", "summary"], rows).text)
  }
}

/// A kernel as `list` shows it.
private struct ListedKernel: Encodable {
  struct Parameter: Encodable {
    let name: String
    let storage: String
    let shape: String

    /// Such as `y bf16[rows, 4096]`.
    var text: String { "\(name) \(storage)\(shape)" }
  }

  let name: String
  let inputs: [Parameter]
  let outputs: [Parameter]
  let summary: String

  init(_ entry: Catalog.Entry) throws {
    let graph = try entry.kernel.graph()
    name = graph.name
    summary = entry.summary
    inputs = graph.inputs.compactMap { id in
      guard case .input(let name, let storage) = graph[id].op else { return nil }
      return Parameter(
        name: name, storage: storage.rawValue, shape: graph[id].shape.description)
    }
    outputs = graph.outputs.map { output in
      Parameter(
        name: output.name, storage: output.storage.rawValue,
        shape: graph[output.value].shape.description)
    }
  }
}
