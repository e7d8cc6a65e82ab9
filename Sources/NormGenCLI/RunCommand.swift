internal import ArgumentParser
internal import Foundation
internal import NormGen
internal import NormGenCheck
internal import NormGenFiles

/// Runs a kernel on tensors from files.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run a kernel on tensors from .npy and .safetensors files.",
    discussion: """
      Tensors must have the storage types of their parameters: nothing is converted. Raw 16-bit \
      elements of a .npy file (uint16 or V2) are read where the parameter is bf16, and bf16 \
      outputs are written to .npy files as uint16. All outputs are computed before the first one \
      is written. A target that this processor lacks is emulated, in one thread. --oracle and \
      --bound write what the interpreter says of an output: a kernel may differ from the value by \
      the bound.
      """)

  @OptionGroup var selection: KernelSelection

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "A tensor for every input: x=a.npy, gain=w.safetensors:gain.", valueName: "name=file"))
  var input: [String] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Where to write outputs; those that are not named are not written.",
      discussion: "In a .safetensors file the tensor has the output's name if none is given.",
      valueName: "name=file"))
  var output: [String] = []

  @OptionGroup var oracle: OracleSelection

  @OptionGroup var target: TargetSelection

  @Option(help: ArgumentHelp("The most threads that share the call.", valueName: "n"))
  var threads = 1

  @Option(
    help: ArgumentHelp(
      "C to compile in place of the emitted text, such as an edited copy of it.",
      valueName: "file.c"))
  var source: String?

  func validate() throws {
    guard threads >= 1 else {
      throw ValidationError("--threads: expected a number from 1 on, found \(threads)")
    }
    _ = try TensorAssignment.all(input, option: "--input")
    if try TensorAssignment.all(output, option: "--output").isEmpty {
      guard oracle.isAsked else {
        throw ValidationError("--output: expected at least one NAME=FILE")
      }
      guard source == nil else {
        throw ValidationError("--source: expected an --output that the C writes")
      }
    }
  }

  func run() throws {
    let kernel = try selection.one()
    let parameters = RunParameters(kernel.graph)
    let inputs = try TensorAssignment.all(input, option: "--input")
    var outputs = try TensorAssignment.all(output, option: "--output")
    try parameters.check(
      inputs: inputs.map(\.name), outputs: outputs.map(\.name) + oracle.names())
    for index in outputs.indices
    where outputs[index].reference.format == .safetensors && outputs[index].reference.name == nil {
      outputs[index].reference.name = outputs[index].name
    }

    let compiler = try target.compiler()
    let lowering =
      outputs.isEmpty ? nil : try compiler.emitting(kernel).lower(kernel.graph)
    let (tensors, rows) = try parameters.load(inputs)
    try parameters.admit(rows: rows, inputs: tensors)
    let results =
      try lowering.map { try self.results(of: $0, tensors, rows: rows, compiler) } ?? [:]
    let judgements = try oracle.files(of: kernel.graph, rows: rows, inputs: tensors)
    var files: [(reference: TensorReference, tensor: HostTensor)] = []
    for assignment in outputs {
      guard let tensor = results[assignment.name] else {
        throw CallError.missing(parameter: assignment.name)
      }
      files.append((assignment.reference, tensor))
    }
    try TensorFile.write(files)
    for (assignment, file) in zip(outputs, files) {
      try Terminal.print(line(assignment, file.tensor))
    }
    for file in judgements { try file.write() }
  }

  private func results(
    of lowering: Lowering, _ tensors: [String: HostTensor], rows: Int, _ compiler: Compiler
  ) throws -> [String: HostTensor] {
    guard let source else {
      let call = KernelCall(lowering, rows: rows, inputs: tensors)
      let results = try TargetMachine.outputs(
        of: [call], on: lowering.target, compiler: compiler, threads: threads)
      return results.first ?? [:]
    }
    let text = try TextFile.text(at: source)
    let compiled: CompiledKernel
    do { compiled = try compiler.compile(lowering, source: text) } catch {
      throw CommandError.file(path: source, reason: "\(error)")
    }
    return try compiled(tensors, threads: threads)
  }

  /// Such as `y: f32[128, 384] in y.npy`.
  private func line(_ output: TensorAssignment, _ tensor: HostTensor) -> String {
    let extents = tensor.shape.map(String.init).joined(separator: ", ")
    let line = "\(output.name): \(tensor.storage.rawValue)[\(extents)] in \(output.reference)"
    guard output.reference.format == .npy, tensor.storage == .bf16 else { return line }
    return line + ", its bits as uint16 because NumPy has no bf16"
  }
}

/// A kernel's inputs and outputs, and what files may stand for them.
private struct RunParameters {
  private struct Input {
    let name: String
    let storage: DType
    let shape: Shape
  }

  private let kernel: String
  private let inputs: [Input]
  private let outputs: [(name: String, storage: DType, shape: Shape)]

  init(_ graph: Graph) {
    kernel = graph.name
    inputs = graph.inputs.compactMap { id in
      guard case .input(let name, let storage) = graph[id].op else { return nil }
      return Input(name: name, storage: storage, shape: graph[id].shape)
    }
    outputs = graph.outputs.map { ($0.name, $0.storage, graph[$0.value].shape) }
  }

  /// Checks that every input is assigned, and nothing that does not exist.
  func check(inputs assigned: [String], outputs written: [String]) throws(RunError) {
    let known = inputs.map(\.name)
    if let name = assigned.first(where: { !known.contains($0) }) {
      throw .unknownInput(name, kernel: kernel, known: known)
    }
    let missing = known.filter { !assigned.contains($0) }
    guard missing.isEmpty else { throw .missingInputs(missing, kernel: kernel) }
    let produced = outputs.map(\.name)
    if let name = written.first(where: { !produced.contains($0) }) {
      throw .unknownOutput(name, kernel: kernel, known: produced)
    }
  }

  /// The tensors by parameter, and the number of rows that they agree on.
  func load(
    _ assignments: [TensorAssignment]
  ) throws(RunError) -> (tensors: [String: HostTensor], rows: Int) {
    var tensors: [String: HostTensor] = [:]
    var rows: (count: Int, parameter: String)?
    for input in inputs {
      guard let reference = assignments.first(where: { $0.name == input.name })?.reference else {
        throw .missingInputs([input.name], kernel: kernel)
      }
      let tensor: HostTensor
      do { tensor = try TensorFile.load(reference, as: input.storage) } catch {
        throw .unreadable(input: input.name, error)
      }
      tensors[input.name] = tensor
      let fixed = input.shape.hasRows ? Array(tensor.shape.dropFirst()) : tensor.shape
      guard fixed == input.shape.extents, !input.shape.hasRows || !tensor.shape.isEmpty else {
        throw .shape(
          input: input.name, reference, expected: input.shape, found: tensor.shape)
      }
      guard input.shape.hasRows, let count = tensor.shape.first else { continue }
      if let rows, rows.count != count {
        throw .rows(
          input: input.name, reference, expected: rows.count, like: rows.parameter,
          found: count)
      }
      rows = (count, input.name)
    }
    guard let rows else { throw .noRows(kernel: kernel) }
    return (tensors, rows.count)
  }

  /// Refuses a call whose tensors do not fit this machine's memory together.
  func admit(rows: Int, inputs: [String: HostTensor]) throws(RunError) {
    let memory = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    var total = 0
    for tensor in inputs.values { total = sum(total, tensor.byteCount) }
    for output in outputs {
      let (count, overflow) = rows.multipliedReportingOverflow(by: output.shape.elementsPerRow)
      let (bytes, tooMany) = count.multipliedReportingOverflow(by: output.storage.byteCount)
      total = sum(total, overflow || tooMany ? .max : bytes)
    }
    guard total <= memory else {
      throw .memory(kernel: kernel, rows: rows, byteCount: total, memory: memory)
    }
  }

  /// The sum, or the largest number where there is none.
  private func sum(_ left: Int, _ right: Int) -> Int {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? .max : sum
  }
}

/// Why files can't be a kernel's tensors.
enum RunError: Error, Hashable, CustomStringConvertible {
  /// The kernel has no input of this name.
  case unknownInput(String, kernel: String, known: [String])
  /// The kernel has no output of this name.
  case unknownOutput(String, kernel: String, known: [String])
  /// Inputs without a tensor.
  case missingInputs([String], kernel: String)
  /// A file that can't be read as the input's type.
  case unreadable(input: String, TensorFileError)
  /// A tensor of another shape than its input.
  case shape(input: String, TensorReference, expected: Shape, found: [Int])
  /// A tensor with another number of rows than one before it.
  case rows(input: String, TensorReference, expected: Int, like: String, found: Int)
  /// A kernel none of whose inputs has rows.
  case noRows(kernel: String)
  /// More bytes than memory.
  case memory(kernel: String, rows: Int, byteCount: Int, memory: Int)

  var description: String {
    switch self {
    case .unknownInput(let name, let kernel, let known):
      "--input: '\(kernel)' has no input '\(name)'; inputs: \(known.joined(separator: ", "))"
    case .unknownOutput(let name, let kernel, let known):
      "--output: '\(kernel)' has no output '\(name)'; outputs: \(known.joined(separator: ", "))"
    case .missingInputs(let names, let kernel):
      "--input: '\(kernel)' needs a tensor for \(names.joined(separator: ", "))"
    case .unreadable(let input, let error): "input '\(input)': \(error)"
    case .shape(let input, let reference, let expected, let found):
      "input '\(input)': '\(reference)': expected shape \(expected), found \(found)"
    case .rows(let input, let reference, let expected, let like, let found):
      "input '\(input)': '\(reference)': expected \(expected) rows like '\(like)', found \(found)"
    case .noRows(let kernel): "'\(kernel)' has no input with rows"
    case .memory(let kernel, let rows, let byteCount, let memory):
      "the tensors of '\(kernel)' on \(rows) rows take \(byteCount) bytes, but this machine has "
        + "\(memory) bytes of memory"
    }
  }
}
