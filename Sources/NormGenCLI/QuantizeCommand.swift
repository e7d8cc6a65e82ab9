internal import ArgumentParser
internal import Foundation
internal import NormGen
internal import NormGenFiles

/// Quantizes a tensor of a file to blocks in a `.gguf` file.
struct QuantizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize",
    abstract: "Quantize a tensor of a .npy, .safetensors or .gguf file to blocks.",
    discussion: """
      The rows, the last axis, become blocks with the bytes of the reference quantizer in the Python \
      package gguf, and the tensor alone is written to a .gguf file. Elements are f32, bf16 or f16; blocks \
      of a .gguf file are read as their Float32 values. A NaN, an infinity, or a scale that a block can't \
      hold is an error, and then no file is written.
      """)

  @Argument(
    help: ArgumentHelp(
      "The tensor: a.npy, w.safetensors:gain, m.gguf:w.", valueName: "file:tensor"))
  var tensor: String

  @Option(
    help: ArgumentHelp(
      "The format of the blocks: \(QuantizeCommand.formats).", valueName: "format"))
  var format: String

  @Option(help: ArgumentHelp("Where to write the blocks.", valueName: "file.gguf"))
  var output: String

  @Option(
    help: ArgumentHelp("The tensor's name in the output, by default the one it has."))
  var name: String?

  @Option(
    help: ArgumentHelp(
      "The storage type that the elements must have: bf16 for raw 16-bit elements of a .npy file.",
      valueName: "type"))
  var storage: String?

  private static var formats: String {
    BlockQuantizer.formats.map(\.name).joined(separator: ", ")
  }

  func validate() throws {
    _ = try input()
    _ = try blockFormat()
    _ = try destination()
    _ = try expected()
  }

  func run() throws {
    let (input, output, format) = (try input(), try destination(), try blockFormat())
    let quantizer: BlockQuantizer
    do { quantizer = try BlockQuantizer(format) } catch { throw QuantizeError.format(error) }
    // Before anything is read.
    try FileWriter.check(output.path, notReplacing: [input.path])
    guard let name = try name ?? output.name ?? TensorFile.name(of: input) else {
      throw QuantizeError.noName(input)
    }
    try GGUFFile.check(name: name, file: output.path)
    let tensor = try TensorFile.load(input, as: try expected())
    try admit(tensor, format)
    let blocks: BlockTensor
    do { blocks = try quantizer.quantize(tensor) } catch {
      throw QuantizeError.tensor(input, error)
    }
    try GGUFFile.write([(name, blocks)], to: output.path, notReplacing: [input.path])
    let extents = blocks.shape.map(String.init).joined(separator: ", ")
    try Terminal.print(
      "\(VisibleText.of(name)): \(blocks.format.name)[\(extents)] in \(output.path)")
  }

  private func input() throws -> TensorReference {
    do { return try TensorReference(tensor) } catch { throw ValidationError("\(error)") }
  }

  private func blockFormat() throws -> BlockFormat {
    guard let format = BlockFormat.named(format) else {
      let names = BlockFormat.all.map(\.name)
      throw ValidationError(
        "--format: no block format is named '\(VisibleText.excerpt(format))'; "
          + NearNames.question(NearNames.of(format, among: names).map { "'\($0)'" })
          + "expected one of \(QuantizeCommand.formats)")
    }
    return format
  }

  private func destination() throws -> TensorReference {
    guard let reference = try? TensorReference(output), reference.format == .gguf else {
      throw ValidationError(
        "--output: '\(VisibleText.excerpt(output))': expected FILE.gguf, which alone holds blocks")
    }
    guard name == nil || reference.name == nil else {
      throw ValidationError("--name: can't go with a name in --output")
    }
    return reference
  }

  private func expected() throws -> DType? {
    guard let storage else { return nil }
    guard let type = DType(rawValue: storage), type.holdsFractions else {
      throw ValidationError(
        "--storage: expected f32, bf16 or f16, found '\(VisibleText.excerpt(storage))'")
    }
    return type
  }

  /// Refuses a tensor that does not fit this machine's memory together with its blocks.
  private func admit(_ tensor: HostTensor, _ format: BlockFormat) throws(QuantizeError) {
    let memory = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    let needed = tensor.byteCount + tensor.count / format.elementCount * format.byteCount
    guard needed <= memory else { throw .memory(byteCount: needed, memory: memory) }
  }
}

/// Why a tensor can't be quantized.
enum QuantizeError: Error, Hashable, CustomStringConvertible {
  /// A format without a quantizer.
  case format(QuantizationError)
  /// A tensor that its format can't hold.
  case tensor(TensorReference, QuantizationError)
  /// A tensor without a name where the output needs one.
  case noName(TensorReference)
  /// More bytes than memory.
  case memory(byteCount: Int, memory: Int)

  var description: String {
    switch self {
    case .format(let error): "--format: \(error)"
    case .tensor(let tensor, let error):
      "'\(VisibleText.excerpt(tensor.description))': \(error)"
    case .noName(let tensor):
      "'\(VisibleText.excerpt(tensor.description))': the array in it has no name; give one with --name"
    case .memory(let byteCount, let memory):
      "the tensor and its blocks take \(byteCount) bytes, but this machine has \(memory) bytes of memory"
    }
  }
}
