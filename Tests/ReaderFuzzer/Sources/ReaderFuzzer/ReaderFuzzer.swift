import Foundation
import NormGen
import NormGenFiles

/// libFuzzer's loop over files made from those before.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ readOne: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// Gives bytes to the reader that `NORMGEN_READER` names: `ng`, `npy`, `safetensors` or `gguf`.
///
/// What is read must be as small as the file; what is refused must be refused by a typed error that
/// names the file. Anything else ends the process.
@main enum ReaderFuzzer {
  static func main() {
    var count = CommandLine.argc
    var arguments = CommandLine.unsafeArgv
    let status = runDriver(&count, &arguments) { start, count in
      let bytes = UnsafeBufferPointer(start: start, count: count)
      switch reader {
      case "ng": readText(bytes)
      case "npy", "safetensors", "gguf": readTensors(bytes)
      case let name:
        fatalError("NORMGEN_READER: expected ng, npy, safetensors or gguf, found '\(name)'")
      }
      return 0
    }
    exit(status)
  }
}

private let reader = ProcessInfo.processInfo.environment["NORMGEN_READER"] ?? ""

/// A defect that fuzzing must find, beginning with no file: a version that does not exist ends the process.
private let hasPlantedCrash = ProcessInfo.processInfo.environment["NORMGEN_PLANTED_CRASH"] != nil

/// In memory: a file for each trial would take longer than the trial.
private let path = "/dev/shm/normgen-reader-\(getpid()).\(reader)"

/// Kernels that are read must be printed, read again and lowered for every target.
private func readText(_ bytes: UnsafeBufferPointer<UInt8>) {
  let text = String(decoding: bytes, as: UTF8.self)
  let graphs: [Graph]
  do { graphs = try GraphParser.graphs(in: text, file: "fuzz.ng") } catch {
    precondition(error.description.hasPrefix("fuzz.ng:"), "'\(error)' names no place")
    return
  }
  for graph in graphs {
    let printed = "\(graph)"
    let again = try? GraphParser.graphs(in: printed, file: "printed.ng")
    precondition(again == [graph], "printed and read again it is another graph:\n\(printed)")
    for target in Target.general {
      do { _ = try Compiler(target: target).lower(graph) } catch {
        precondition(error.description.contains(graph.name), "'\(error)' names no kernel")
      }
    }
  }
}

private func readTensors(_ bytes: UnsafeBufferPointer<UInt8>) {
  let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
  precondition(file >= 0 && write(file, bytes.baseAddress, bytes.count) == bytes.count)
  close(file)
  do throws(TensorFileError) {
    for expected in [nil, .bf16, .i8, .u8] as [DType?] {
      for tensor in try tensors(as: expected) {
        // 84 bytes of a block are 256 Float32 values at most.
        let most = reader == "gguf" ? bytes.count * 1024 / 84 : bytes.count
        precondition(tensor.byteCount <= most, "more elements than the file has")
      }
    }
  } catch {
    if hasPlantedCrash, case .version = error { fatalError("planted") }
    precondition(error.description.contains("'\(path)'"), "'\(error)' names no file")
  }
}

private func tensors(as expected: DType?) throws(TensorFileError) -> [HostTensor] {
  var tensors: [HostTensor] = []
  switch reader {
  case "safetensors":
    let file = try SafetensorsFile(path)
    for entry in file.entries { tensors.append(try file.load(entry.name, as: expected)) }
  case "gguf":
    let file = try GGUFFile(path)
    for entry in file.entries { tensors.append(try file.load(entry.name, as: expected)) }
  default: tensors.append(try NpyFile(path).load(as: expected))
  }
  return tensors
}
