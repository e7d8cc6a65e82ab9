import Foundation
import NormGen
import NormGenCheck
import NormGenFiles
import Testing

/// Norms as frameworks computed them, recorded by `Tests/Conformance/run.sh --record`.
@Suite struct ConformanceTests {
  /// A file: tensors, and two kernels as text in its metadata.
  struct Recording: CustomTestStringConvertible {
    let url: URL
    var testDescription: String { url.deletingPathExtension().lastPathComponent }

    static let all: [Recording] = {
      let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Conformance/recorded")
      let files = try? FileManager.default.contentsOfDirectory(
        at: folder, includingPropertiesForKeys: nil)
      return (files ?? []).filter { $0.pathExtension == "safetensors" }
        .sorted { $0.path < $1.path }.map(Recording.init)
    }()

    /// A call of the kernel that the metadata holds under `key`, with the file's tensors.
    func call(_ key: String, _ file: SafetensorsFile, _ compiler: Compiler) throws -> KernelCall {
      let text = try #require(file.metadata[key])
      let graph = try #require(try GraphParser.graphs(in: text, file: url.path).first)
      var inputs: [String: HostTensor] = [:]
      var rows = 0
      for id in graph.inputs {
        guard case .input(let name, let storage) = graph[id].op else { continue }
        let tensor = try file.load(name, as: storage)
        inputs[name] = tensor
        if graph[id].shape.hasRows { rows = tensor.shape[0] }
      }
      return KernelCall(try compiler.lower(graph), rows: rows, inputs: inputs)
    }
  }

  @Test func recordingsOfEveryFrameworkAndTypeAreThere() throws {
    #expect(Recording.all.count >= 50)
    let frameworks = try Recording.all.map {
      try SafetensorsFile($0.url.path).metadata["framework"] ?? ""
    }
    for name in ["PyTorch", "Llama", "Gemma", "T5", "Idefics", "RMSNormalization"] {
      #expect(frameworks.contains { $0.contains(name) }, "\(name)")
    }
  }

  /// Given the framework's statistic, the formula gives the framework's bits on every target that
  /// runs here.
  @Test(arguments: Recording.all)
  func theFormulaHasTheBitsOfTheFramework(_ recording: Recording) throws {
    let file = try SafetensorsFile(recording.url.path)
    for target in Target.general where HostCPU.current.supports(target) {
      let compiler = Compiler(target: target)
      let call = try recording.call("given", file, compiler)
      let outputs = try TargetMachine.outputs(of: [call], on: target, compiler: compiler)
      let y = try #require(outputs[0]["y"])
      let expected = try file.load("expected", as: y.storage)
      #expect(y.shape == expected.shape)
      #expect(y.elementBytes == expected.elementBytes, "\(target)")
    }
  }

  /// The complete kernel lies within the oracle's bound, and no further from the framework than the
  /// framework's own order of summation explains: the given kernel's formula is the same.
  @Test(arguments: Recording.all)
  func theCompleteKernelStaysWithinItsBound(_ recording: Recording) throws {
    let file = try SafetensorsFile(recording.url.path)
    let target = HostCPU.current.bestTarget
    let compiler = Compiler(target: target)
    let call = try recording.call("kernel", file, compiler)
    let outputs = try TargetMachine.outputs(of: [call], on: target, compiler: compiler)
    let check = try KernelCheck(call, outputs: outputs[0])
    #expect(check.passes, "\(check.outputs.map(\.agreement))")
    #expect(check.outputs[0].agreement.vacuous == 0)
  }

  /// Rows whose bits show a rounding that is missing, or one too many, are among the recordings.
  @Test func aRoundingLeftOutIsSeen() throws {
    let recordings = Recording.all.filter { $0.testDescription.contains("LlamaRMSNorm_bf16_bf16") }
    let recording = try #require(recordings.first)
    let file = try SafetensorsFile(recording.url.path)
    let text = try #require(file.metadata["given"])
    // The rounding before the gain: bf16(bf16(x * inv_rms) * gain).
    let unrounded = text.replacingOccurrences(of: "bf16(x * inv_rms)", with: "(x * inv_rms)")
    #expect(unrounded != text)
    let graph = try #require(try GraphParser.graphs(in: unrounded, file: "k.ng").first)
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    let call = try recording.call("given", file, compiler)
    let mutant = KernelCall(
      try compiler.lower(graph), rows: call.rows, inputs: call.inputs)
    let outputs = try TargetMachine.outputs(
      of: [mutant], on: compiler.target, compiler: compiler)
    let y = try #require(outputs[0]["y"])
    let expected = try file.load("expected", as: .bf16)
    #expect(y.elementBytes != expected.elementBytes)
  }
}
