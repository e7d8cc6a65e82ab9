internal import ArgumentParser
internal import NormGen
internal import NormGenFiles

/// Where the oracle's values and bounds of a kernel's outputs are written.
struct OracleSelection: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Where to write the oracle's values of outputs, in Float64.", valueName: "name=file.npy"))
  var oracle: [String] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Where to write the bounds on what a kernel may differ from them, in Float64.",
      valueName: "name=file.npy"))
  var bound: [String] = []

  /// What the oracle says of an output, and the file it goes to.
  struct File {
    /// The file.
    let reference: TensorReference
    /// The values or the bounds.
    let contents: TensorFile.Contents
    /// Such as `oracle of y: f64[2, 8] in y.npy`.
    let line: String

    fileprivate init(
      _ assignment: TensorAssignment, _ what: String, _ values: [Double], shape: [Int]
    ) {
      reference = assignment.reference
      contents = .doubles(values, shape: shape)
      let extents = shape.map(String.init).joined(separator: ", ")
      line = "\(what) of \(assignment.name): f64[\(extents)] in \(reference.path)"
    }
  }

  /// Whether anything is to be written.
  var isAsked: Bool { !oracle.isEmpty || !bound.isEmpty }

  func validate() throws {
    for (texts, option) in [(oracle, "--oracle"), (bound, "--bound")] {
      for assignment in try TensorAssignment.all(texts, option: option)
      where assignment.reference.format != .npy {
        throw ValidationError(
          "\(option): \(assignment.name): expected FILE.npy, found '\(assignment.reference)'")
      }
    }
  }

  /// The outputs that are asked for, with their files.
  func assignments() throws -> [TensorAssignment] {
    try TensorAssignment.all(oracle, option: "--oracle")
      + TensorAssignment.all(bound, option: "--bound")
  }

  /// The outputs that are asked for.
  func names() throws -> [String] { try assignments().map(\.name) }

  /// What is to be written for a call; the interpreter runs only if something is.
  func files(of graph: Graph, rows: Int, inputs: [String: HostTensor]) throws -> [File] {
    guard isAsked else { return [] }
    let outputs = try GraphInterpreter.outputs(of: graph, rows: rows, inputs: inputs)
    var files: [File] = []
    for (texts, option) in [(oracle, "--oracle"), (bound, "--bound")] {
      for assignment in try TensorAssignment.all(texts, option: option) {
        for (output, elements) in zip(graph.outputs, outputs) where output.name == assignment.name {
          let shape = graph[output.value].shape.extents(rows: rows)
          let values = option == "--oracle" ? elements.map(\.value) : elements.map(\.error)
          files.append(
            File(assignment, String(option.dropFirst(2)), values, shape: shape))
        }
      }
    }
    return files
  }
}
