internal import ArgumentParser
internal import Foundation
internal import NormGen
internal import NormGenCheck
internal import NormGenFiles

/// Runs a kernel on tensors from files.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run a kernel on tensors from .npy, .safetensors and .gguf files.",
    discussion: """
      Tensors must have the storage types of their parameters: nothing is converted. Raw 16-bit \
      elements of a .npy file (uint16 or V2) are read where the parameter is bf16, and bf16 \
      outputs are written to .npy files as uint16. Quantized blocks of a .gguf file are read where the \
      parameter is declared in their type, and as their values where it is f32. All outputs are computed \
      before the first one is written. A target that this processor lacks is emulated, in one thread. --oracle and \
      --bound write what the interpreter in Float64 says of an output: a kernel may differ from the \
      value by the bound. --exact writes what the exact interpreter says: a kernel may not differ. \
      With --source and one of these all outputs that are written are judged: status 1 if a bit is \
      wrong or an element lies beyond its bound, 3 if no element of an output says anything.
      """)

  @OptionGroup var selection: KernelSelection

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "A tensor for every input: x=a.npy, gain=w.safetensors:gain, w=m.gguf:w.",
      valueName: "name=file"))
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
    let outputs = try TensorAssignment.all(output, option: "--output").map(\.namingTensor)
    try parameters.check(
      inputs: inputs.map(\.name), outputs: outputs.map(\.name) + oracle.names())
    var read = inputs.map(\.reference.path) + (source.map { [$0] } ?? [])
    if SelectedKernel.isFile(selection.kernel) { read.append(selection.kernel) }
    // Before anything is computed.
    try TensorFile.check(
      outputs.map(\.reference) + oracle.assignments().map(\.reference), notReplacing: read)
    for assignment in outputs {
      for output in kernel.graph.outputs where output.name == assignment.name {
        try TensorFile.check(assignment.reference, holds: output.storage)
      }
    }

    let compiler = try target.compiler()
    let lowering =
      outputs.isEmpty ? nil : try compiler.emitting(kernel).lower(kernel.graph)
    let (tensors, rows) = try parameters.load(inputs)
    try parameters.admit(rows: rows, inputs: tensors)
    let results =
      try lowering.map { try self.results(of: $0, tensors, rows: rows, compiler) } ?? [:]
    // An edited source is judged by both interpreters where one of them is asked for.
    let references =
      source != nil && oracle.isAsked
      ? try ReferenceOutputs(
        of: kernel.graph, rows: rows, inputs: tensors, columns: .all(of: kernel.graph)) : nil
    let judgements = try oracle.files(of: kernel.graph, rows: rows, inputs: tensors, references)
    var files: [(reference: TensorReference, contents: TensorFile.Contents)] = []
    var lines: [String] = []
    for assignment in outputs {
      guard let tensor = results[assignment.name] else {
        throw CallError.missing(parameter: assignment.name)
      }
      files.append((assignment.reference, .tensor(tensor)))
      lines.append(assignment.line(tensor))
    }
    for file in judgements {
      files.append((file.reference, file.contents))
      lines.append(file.line)
    }
    try TensorFile.write(files, notReplacing: read)
    try Terminal.print(lines.joined(separator: "\n"))
    if let references { try judge(kernel.graph, results, references) }
  }

  /// Judges all that an edited source has written.
  private func judge(
    _ graph: Graph, _ results: [String: HostTensor], _ references: ReferenceOutputs
  ) throws {
    let written = try TensorAssignment.all(output, option: "--output").map(\.name)
    var passes = true
    var unjudged: [String] = []
    for (index, output) in graph.outputs.enumerated() where written.contains(output.name) {
      guard let tensor = results[output.name] else { continue }
      let judgement = references.judgement(of: tensor, output: index)
      try Terminal.print("\(output.name): \(judgement.exact)\n\(output.name): \(judgement.bound)")
      passes = passes && judgement.passes
      if judgement.telling == 0 { unjudged.append(output.name) }
    }
    if !passes { throw ExitCode.failure }
    guard unjudged.isEmpty else {
      try Terminal.print(ExitCode.notJudgedText(unjudged))
      throw ExitCode.notJudged
    }
  }

  private func results(
    of lowering: Lowering, _ tensors: [String: HostTensor], rows: Int, _ compiler: Compiler
  ) throws -> [String: HostTensor] {
    let kernel: ComparedKernel
    if let source {
      let text = try TextFile.text(at: source)
      do { kernel = try ComparedKernel(lowering, source: text, compiler: compiler) } catch {
        throw CommandError.file(path: source, reason: "\(error)")
      }
    } else {
      kernel = try ComparedKernel(lowering, compiler: compiler)
    }
    let call = TargetComparison.Call(rows: rows, inputs: tensors)
    return try kernel.outputs(of: [call], threads: threads).first ?? [:]
  }
}
