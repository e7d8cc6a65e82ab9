internal import ArgumentParser
internal import NormGen
internal import NormGenFiles

/// Where the interpreters' values of a kernel's outputs are written, and the bounds.
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

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Where to write outputs as the exact interpreter has them, to the bit.",
      valueName: "name=file"))
  var exact: [String] = []

  /// What an interpreter says of an output, and the file it goes to.
  struct File {
    /// The file.
    let reference: TensorReference
    /// The values or the bounds.
    let contents: TensorFile.Contents
    /// Such as `oracle of y: f64[2, 8] in y.npy`.
    let line: String

    fileprivate init(
      _ what: String, _ assignment: TensorAssignment, _ values: [Double], shape: [Int]
    ) {
      reference = assignment.reference
      contents = .doubles(values, shape: shape)
      let extents = shape.map(String.init).joined(separator: ", ")
      line = "\(what) of \(assignment.name): f64[\(extents)] in \(reference.path)"
    }

    fileprivate init(exact assignment: TensorAssignment, _ tensor: HostTensor) {
      reference = assignment.reference
      contents = .tensor(tensor)
      line = "exact of \(assignment.line(tensor))"
    }
  }

  /// Whether anything is to be written.
  var isAsked: Bool { !oracle.isEmpty || !bound.isEmpty || !exact.isEmpty }

  func validate() throws {
    for (texts, option) in [(oracle, "--oracle"), (bound, "--bound")] {
      for assignment in try TensorAssignment.all(texts, option: option)
      where assignment.reference.format != .npy {
        throw ValidationError(
          "\(option): \(assignment.name): expected FILE.npy, found '\(assignment.reference)'")
      }
    }
    _ = try exactAssignments()
  }

  /// The outputs that are asked for, with their files.
  func assignments() throws -> [TensorAssignment] {
    try TensorAssignment.all(oracle, option: "--oracle")
      + TensorAssignment.all(bound, option: "--bound") + exactAssignments()
  }

  /// The outputs that are asked for.
  func names() throws -> [String] { try assignments().map(\.name) }

  /// What is to be written for a call; an interpreter runs only if something of it is.
  ///
  /// - Parameter references: What both interpreters say, if they have run already.
  func files(
    of graph: Graph, rows: Int, inputs: [String: HostTensor], _ references: ReferenceOutputs?
  ) throws -> [File] {
    var files: [File] = []
    if !oracle.isEmpty || !bound.isEmpty {
      let outputs =
        try references?.bounded
        ?? GraphInterpreter.outputs(of: graph, rows: rows, inputs: inputs)
      for (texts, option) in [(oracle, "--oracle"), (bound, "--bound")] {
        for assignment in try TensorAssignment.all(texts, option: option) {
          guard let index = graph.outputs.firstIndex(where: { $0.name == assignment.name })
          else { continue }
          let shape = graph[graph.outputs[index].value].shape.extents(rows: rows)
          let values = outputs[index].map { option == "--oracle" ? $0.value : $0.error }
          files.append(File(String(option.dropFirst(2)), assignment, values, shape: shape))
        }
      }
    }
    if !exact.isEmpty {
      let outputs =
        try references?.exact ?? ExactInterpreter.outputs(of: graph, rows: rows, inputs: inputs)
      for assignment in try exactAssignments() {
        guard let index = graph.outputs.firstIndex(where: { $0.name == assignment.name })
        else { continue }
        files.append(File(exact: assignment, outputs[index]))
      }
    }
    return files
  }

  private func exactAssignments() throws -> [TensorAssignment] {
    try TensorAssignment.all(exact, option: "--exact").map(\.namingTensor)
  }
}
