internal import NormGen
internal import NormGenCLI
internal import NormGenFiles

/// The feed-forward part of all-MiniLM-L6-v2's first layer on real tensors: two kernels with
/// matmuls, judged by the oracle and by what PyTorch computed.
struct FeedForwardDemo {
  /// What the user sees.
  let text: String
  /// Whether every element lies inside its bounds.
  let passes: Bool

  /// The epsilon of the model and of the text file.
  private static let epsilon = 1e-12

  /// Runs the kernels of a text file on the tensors of a safetensors file.
  init(kernels path: String, tensors file: String, compiler: Compiler) throws {
    let graphs = try TextFile.graphs(at: path)
    let tensors = try SafetensorsFile(file)
    func tensor(_ name: String) throws -> HostTensor { try tensors.load(name, as: .f32) }
    func graph(_ name: String) throws -> Graph {
      guard let graph = graphs.first(where: { $0.name == name }) else {
        throw CommandError.unknownKernelOfFile(name, file: path, known: graphs.map(\.name))
      }
      return graph
    }

    let x = try tensor("x")
    let upWeights = try tensor("w_up")
    let upBias = try tensor("b_up")
    let hidden = try tensor("expected_up")
    let up = try Half(
      try graph("minilm_up"), ["x": x, "w_up": upWeights, "b_up": upBias], expected: hidden,
      compiler
    ) { PyTorchFeedForward.up(x: x, weights: upWeights, bias: upBias) }

    let downWeights = try tensor("w_down")
    let downBias = try tensor("b_down")
    let gain = try tensor("gain")
    let shift = try tensor("shift")
    let inputs = [
      "up": hidden, "w_down": downWeights, "b_down": downBias, "x": x, "gain": gain,
      "shift": shift,
    ]
    let down = try Half(
      try graph("minilm_down"), inputs, expected: try tensor("expected"), compiler
    ) {
      PyTorchFeedForward.down(
        x: hidden, weights: downWeights, bias: downBias, residual: x, gain: gain, shift: shift,
        epsilon: FeedForwardDemo.epsilon)
    }

    passes = up.passes && down.passes
    text = """
      The feed-forward part, from \(path) and \(file):

      \(TextTable(header: ["what", "result", "details"], up.lines + down.lines).text)
      """
  }

  /// One kernel and its judgements.
  private struct Half {
    let lines: [[String]]
    let passes: Bool

    init(
      _ graph: Graph, _ inputs: [String: HostTensor], expected: HostTensor, _ compiler: Compiler,
      evaluation: () -> [PyTorchValue]
    ) throws {
      // Checked by the call: what follows relies on the shapes.
      let outputs = try compiler.compile(graph)(inputs)
      guard let output = graph.outputs.first, let y = outputs[output.name] else {
        throw CallError.missing(parameter: graph.outputs.first?.name ?? "y")
      }
      let oracle = try GraphInterpreter.outputs(of: graph, rows: y.shape[0], inputs: inputs)
      let agreement = Agreement(kernel: y, oracle: oracle[0])
      let pyTorch = PyTorchComparison(
        kernel: y, expected: expected, oracle: oracle[0], evaluation: evaluation())
      lines = [
        agreement.line("\(graph.name) against the oracle"),
        pyTorch.line("\(graph.name) against PyTorch"),
      ]
      passes = agreement.passes && pyTorch.passes
    }
  }
}
