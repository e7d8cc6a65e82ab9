internal import Foundation
internal import NormGen
internal import NormGenFiles

/// A kernel's inputs and outputs, and what files may stand for them.
struct RunParameters {
  private struct Input {
    let name: String
    let storage: DType
    let shape: Shape
    /// What its bytes are blocks of, if they are.
    let format: BlockFormat?
  }

  private let kernel: String
  private let inputs: [Input]
  private let outputs: [(name: String, storage: DType, shape: Shape)]

  init(_ graph: Graph) {
    kernel = graph.name
    let blocks = graph.blockInputs
    inputs = graph.inputs.compactMap { id in
      guard case .input(let name, let storage) = graph[id].op else { return nil }
      return Input(
        name: name, storage: storage, shape: graph[id].shape, format: blocks[id]?.format)
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
      do throws(TensorFileError) {
        tensor =
          if let format = input.format {
            try TensorFile.load(reference, blocksOf: format)
          } else {
            try TensorFile.load(reference, as: input.storage)
          }
      } catch {
        guard let format = input.format else { throw .unreadable(input: input.name, error) }
        throw .unreadableBlocks(input: input.name, format: format.name, error)
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
  /// A file that holds no blocks of the input's format.
  case unreadableBlocks(input: String, format: String, TensorFileError)
  /// A tensor of another shape than its input.
  case shape(input: String, TensorReference, expected: Shape, found: [Int])
  /// A tensor with another number of rows than one before it.
  case rows(input: String, TensorReference, expected: Int, like: String, found: Int)
  /// A kernel none of whose inputs has rows.
  case noRows(kernel: String)
  /// More bytes than memory.
  case memory(kernel: String, rows: Int, byteCount: Int, memory: Int)

  /// Which files hold blocks of a format.
  private static func sources(of format: String) -> String {
    BlockFormat.grouped.contains { $0.name == format }
      ? "from a layer of a GPTQ or AWQ .safetensors file"
      : "of a .gguf file, as 'normgen quantize' writes them"
  }

  var description: String {
    switch self {
    case .unknownInput(let name, let kernel, let known):
      "--input: '\(kernel)' has no input '\(name)'; inputs: \(known.joined(separator: ", "))"
    case .unknownOutput(let name, let kernel, let known):
      "--output: '\(kernel)' has no output '\(name)'; outputs: \(known.joined(separator: ", "))"
    case .missingInputs(let names, let kernel):
      "--input: '\(kernel)' needs a tensor for \(names.joined(separator: ", "))"
    case .unreadable(let input, let error): "input '\(input)': \(error)"
    case .unreadableBlocks(let input, let format, let error):
      "input '\(input)', \(format) blocks \(RunError.sources(of: format)), or their bytes: \(error)"
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
