public import ArgumentParser
internal import Foundation
internal import NormGen
internal import NormGenCLI
internal import NormGenFiles
internal import NormGenMeasure

/// The command `demo`, which shows the whole way of one kernel on real tensors.
public struct DemoCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "demo",
    abstract: "Show a kernel from its text to checked results on real tensors.",
    discussion: """
      Loads the LayerNorm of all-MiniLM-L6-v2 from its text file, prints its plan and its C, \
      compiles it in process, compares its output with the oracle and with what PyTorch computed, \
      and times it beside memcpy of the same bytes.

      With --feed-forward also the two matmul kernels of the model's first feed-forward part, on \
      tensors of a safetensors file with x, w_up, b_up, w_down, b_down, gain, shift and PyTorch's \
      results expected_up and expected; weights are stored [in, out].
      """)

  @Option(
    help: ArgumentHelp("The folder with the kernel and the tensors.", valueName: "directory"))
  var examples = "Examples"

  @Option(
    help: ArgumentHelp(
      "Also run the feed-forward part, on this file's tensors.", valueName: "safetensors"))
  var feedForward: String?

  public init() {}

  /// The epsilon of the model and of the text file.
  private static let epsilon: Float = 1e-12

  public func run() throws {
    let path = examples + "/minilm_layer_norm.ng"
    let kernels = try TextFile.graphs(at: path)
    guard let graph = kernels.first, kernels.count == 1 else {
      throw CommandError.severalKernels(file: path, names: kernels.map(\.name))
    }
    let file = try SafetensorsFile(examples + "/Data/minilm_embedding_norm.safetensors")
    var inputs: [String: HostTensor] = [:]
    for name in ["x", "gain", "shift"] { inputs[name] = try file.load(name, as: .f32) }
    let expected = try file.load("expected", as: .f32)

    let compiler = try Compiler(trace: .ofCommands())
    let lowering = try compiler.lower(graph)
    try Terminal.print(
      """
      The kernel, from \(path):

      \(DemoCommand.indented(graph.description))
      The plan for \(lowering.target):

      \(DemoCommand.indented(lowering.program.summary.joined(separator: "\n") + "\n"))
      Its C, without the head and the SIMD functions:

      \(DemoCommand.indented(DemoCommand.functionText(of: lowering)))
      """)

    let clock = ContinuousClock()
    let start = clock.now
    let kernel = try compiler.compile(lowering)
    let compileSeconds = start.duration(to: clock.now) / .seconds(1)
    let outputs = try kernel(inputs)
    guard let y = outputs["y"] else { throw CallError.missing(parameter: "y") }
    let oracle = try GraphInterpreter.outputs(of: graph, rows: expected.shape[0], inputs: inputs)
    let agreement = Agreement(kernel: y, oracle: oracle[0])
    let pyTorch = PyTorchComparison(
      kernel: y, expected: expected, oracle: oracle[0],
      evaluation: PyTorchLayerNorm.elements(
        x: inputs["x"] ?? y, gain: inputs["gain"] ?? y, shift: inputs["shift"] ?? y,
        epsilon: Double(DemoCommand.epsilon)))
    let speed = try KernelBenchmark(
      kernel, rows: expected.shape[0], loops: try LimitLoops(trace: compiler.trace))

    let table = TextTable(
      header: ["what", "result", "details"],
      [
        [
          "compiled in process", Quantity.time(compileSeconds),
          kernel.cacheStatus == .hit ? "found in the disk cache" : "by Clang and LLVM",
        ],
        agreement.line("against the oracle"), pyTorch.line("against PyTorch"),
        [
          "beside memcpy", "\(Quantity.decimal(speed.speedOfCopy.median, 2)) of its speed",
          "\(Quantity.time(speed.seconds.median)) for \(speed.rows) rows, "
            + "\(Quantity.decimal(speed.bytesPerSecond / 1e9, 0)) GB/s; memcpy of the same bytes "
            + "\(Quantity.time(speed.copySeconds.median))",
        ],
      ])
    try Terminal.print(table.text)
    var passes = agreement.passes && pyTorch.passes
    if let feedForward {
      let demo = try FeedForwardDemo(
        kernels: examples + "/minilm_feed_forward.ng", tensors: feedForward, compiler: compiler)
      try Terminal.print("\n" + demo.text)
      passes = passes && demo.passes
    }
    guard passes else { throw ExitCode.failure }
  }

  private static func indented(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false)
      .map { $0.isEmpty ? "" : "  " + $0 }.joined(separator: "\n")
  }

  /// The kernel's own functions, up to the entry for arrays of parameters.
  private static func functionText(of lowering: Lowering) -> String {
    let name = lowering.source.name
    let lines = lowering.source.source.split(separator: "\n", omittingEmptySubsequences: false)
    let first = lines.firstIndex { $0.contains("\(name)_") && $0.contains("(int64_t rows") }
    let end = lines.firstIndex { $0.hasPrefix("void \(lowering.module.interface.entry)(") }
    return lines[(first ?? 0)..<(end ?? lines.endIndex)].joined(separator: "\n")
  }
}
