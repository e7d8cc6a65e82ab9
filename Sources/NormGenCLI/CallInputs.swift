internal import ArgumentParser
internal import NormGen
internal import NormGenCheck

/// What the kernels of `check` and `diff` read: seeded inputs, rows of special values, or files.
struct CallInputs: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Numbers of rows of seeded inputs.",
      discussion: "By default \(CallInputs.boundaryRowsText).",
      valueName: "n"))
  var rows: [Int] = []

  @Flag(help: "Take rows of special values, too; alone without --rows.")
  var adversarial = false

  @Option(help: "The seed of the inputs, by default NORMGEN_SEED or a new one.")
  var seed: UInt64?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "A tensor for every input in place of seeded ones: x=a.npy, gain=w.safetensors:gain.",
      valueName: "name=file"))
  var input: [String] = []

  /// None, one, and numbers around a few; an odd one last.
  static let boundaryRows = [0, 1, 2, 3, 17]

  static var boundaryRowsText: String { boundaryRows.map(String.init).joined(separator: " ") }

  /// The inputs of a call.
  struct Call {
    let inputs: TargetComparison.Call
    /// What the rows hold, if they hold special values.
    let special: SpecialRows?
  }

  var areSeeded: Bool { input.isEmpty }

  func validate() throws {
    if let row = rows.first(where: { $0 < 0 }) {
      throw ValidationError("--rows: expected numbers from 0 on, found \(row)")
    }
    _ = try TensorAssignment.all(input, option: "--input")
    if !input.isEmpty, !rows.isEmpty || adversarial || seed != nil {
      throw ValidationError("--input: can't go with --rows, --adversarial or --seed")
    }
  }

  /// The inputs of each call of a kernel.
  ///
  /// - Parameter counts: The numbers of rows if nothing is chosen.
  func calls(
    of graph: Graph, seed: UInt64, rows counts: [Int] = CallInputs.boundaryRows
  ) throws -> [Call] {
    guard areSeeded else { return [try callOfFiles(graph)] }
    var calls: [Call] = []
    for rows in rows.isEmpty && !adversarial ? counts : rows {
      try CheckMemory.admit(graph, rows: rows)
      let tensors = try RandomInputs.tensors(for: graph, rows: rows, seed: seed)
      calls.append(Call(inputs: .init(rows: rows, inputs: tensors), special: nil))
    }
    if adversarial {
      let special = try SpecialRows(for: graph, seed: seed)
      calls.append(
        Call(
          inputs: .init(rows: special.count, inputs: special.inputs), special: special))
    }
    return calls
  }

  private func callOfFiles(_ graph: Graph) throws -> Call {
    let parameters = RunParameters(graph)
    let assignments = try TensorAssignment.all(input, option: "--input")
    try parameters.check(inputs: assignments.map(\.name), outputs: [])
    let (tensors, rows) = try parameters.load(assignments)
    try CheckMemory.admit(graph, rows: rows)
    return Call(inputs: .init(rows: rows, inputs: tensors), special: nil)
  }
}
