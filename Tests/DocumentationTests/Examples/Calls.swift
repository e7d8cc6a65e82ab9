import NormGen
import NormGenBenchCommands
import NormGenCLI
import NormGenFiles
import NormGenFuzzCommand

func quickStart(rows: [Float], gains: [Float]) throws -> HostTensor? {
  // example: quick-start
  let x = Tensor.input("x", [.rows, 768], .f32)
  let gain = Tensor.input("gain", [768], .f32)
  let rmsNorm = try Compiler().compile(Kernel("rms_norm", x.rmsNorm(gain: gain, epsilon: 1e-6)))

  let outputs = try rmsNorm([
    "x": try HostTensor(rows, shape: [2, 768]),
    "gain": try HostTensor(gains, shape: [768]),
  ])
  // end
  return outputs["y"]
}

func calledOnArrays(_ kernel: CompiledKernel, x: [Float], gain: [Float]) throws -> [Float] {
  // example: call-arrays
  var y = [Float](repeating: 0, count: x.count)
  try kernel(rows: 2, ["x": x, "gain": gain], into: &y)
  // end
  return y
}

func judged(_ rows: Int) throws -> Agreement {
  // example: judge
  let x = Tensor.input("x", [.rows, 768], .bf16)
  let graph = try Kernel("rms_norm", x.rmsNorm()).graph()
  let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 1)
  let outputs = try Compiler().compile(graph)(inputs)
  let oracle = try GraphInterpreter.outputs(of: graph, rows: rows, inputs: inputs)
  let agreement = try Agreement(
    kernel: outputs["y"] ?? HostTensor(zeros: [0], .bf16), oracle: oracle[0])
  // agreement.passes: every element lies inside its derived bound.
  // end
  return agreement
}

// example: call-pointers
/// Normalizes rows that lie 800 elements apart, in place of the first 768 columns of `y`.
func normalize(
  _ x: UnsafeRawBufferPointer, gain: UnsafeRawBufferPointer,
  into y: UnsafeMutableRawBufferPointer, rows: Int, by kernel: CompiledKernel
) throws(CallError) {
  try kernel(
    rows: rows,
    [KernelArgument(x, rowStride: 800), KernelArgument(gain), KernelArgument(y, rowStride: 800)])
}
// end

func boundCalls(
  _ kernel: CompiledKernel, _ x: UnsafeRawBufferPointer, _ gain: UnsafeRawBufferPointer,
  _ y: UnsafeMutableRawBufferPointer, rows: Int, steps: Int
) throws {
  // example: call-bound
  let step = try kernel.bound(
    rows: rows, [KernelArgument(x), KernelArgument(gain), KernelArgument(y)])
  for _ in 0..<steps {
    // The memory is the same, its contents may change.
    step()
  }
  // end
}

func sharedCall(
  _ kernel: CompiledKernel, _ x: UnsafeRawBufferPointer, _ gain: UnsafeRawBufferPointer,
  _ y: UnsafeMutableRawBufferPointer, rows: Int
) throws {
  // example: call-shared
  let step = try kernel.bound(
    rows: rows, [KernelArgument(x), KernelArgument(gain), KernelArgument(y)],
    threads: HostCPU.threads)
  step()
  // end
}

func messageOfACall(_ kernel: CompiledKernel, _ x: HostTensor) -> String {
  var message = ""
  // example: call-error
  do {
    _ = try kernel(["x": x])
  } catch .missing(let parameter) {
    message = "give a tensor for '\(parameter)'"
  } catch {
    message = "\(error)"
  }
  // end
  return message
}

func concurrentCalls(
  _ kernel: CompiledKernel, batches: [HostTensor], gain: HostTensor
) async throws -> [HostTensor?] {
  // example: call-threads
  let normed = try await withThrowingTaskGroup(of: (Int, HostTensor?).self) { group in
    for (index, batch) in batches.enumerated() {
      group.addTask { (index, try kernel(["x": batch, "gain": gain])["y"]) }
    }
    var results = [HostTensor?](repeating: nil, count: batches.count)
    for try await (index, y) in group { results[index] = y }
    return results
  }
  // end
  return normed
}

func stagesOfACompilation(_ kernel: Kernel) throws -> (Lowering, CompiledKernel) {
  // example: compile-options
  var compiler = Compiler(target: try Compiler.target(named: "host"))
  compiler.cache = .directory("/var/tmp/my-kernels")
  let lowering = try compiler.lower(kernel)
  // lowering.graph, .plan, .schedules, .program and .source are the results of the stages.
  let compiled = try compiler.compile(lowering)
  // end
  return (lowering, compiled)
}

func edited(_ compiler: Compiler, _ lowering: Lowering) throws -> CompiledKernel {
  // example: compile-edited
  let text = lowering.source.source.replacing("1.0f /", with: "2.0f /")
  let kernel = try compiler.compile(lowering, source: text)
  // end
  return kernel
}

func tensorFiles(_ kernel: CompiledKernel) throws -> [String: HostTensor] {
  // example: tensor-files
  let weights = try SafetensorsFile("w.safetensors")
  let y = try kernel([
    "x": try NpyFile("x.npy").load(as: .f32),
    "gain": try weights.load("gain", as: .f32),
  ])
  // end
  return y
}

func quantizedWeights() throws -> (HostTensor, HostTensor, Int?) {
  // example: gguf-files
  let model = try GGUFFile("model.gguf")
  let heads = model.metadata["llama.attention.head_count"]?.integer
  // A tensor in blocks, as Float32 values.
  let weights = try model.load("blk.0.attn_q.weight", as: .f32)
  // The same for a parameter that is declared as `q4_0`.
  let blocks = try model.load("blk.0.attn_q.weight", blocksOf: .q4_0)
  // end
  return (weights, blocks, heads)
}

func checkpointWeights() throws -> HostTensor {
  // example: checkpoint-files
  // A layer of a GPTQ or AWQ checkpoint, for a parameter of this format.
  let format = BlockFormat.grouped(bits: 4, group: 128, hasZeroPoints: true)
  let blocks = try SafetensorsFile("model.safetensors").load(
    "model.layers.0.self_attn.W_pack", blocksOf: format)
  // end
  return blocks
}

func quantized(_ weights: HostTensor) throws -> HostTensor {
  // example: quantized-tensors
  let blocks = try BlockQuantizer(.q4_0).quantize(weights)
  try GGUFFile.write([("blk.0.attn_q.weight", blocks)], to: "q.gguf")
  // What has become of the values.
  let values = try blocks.decoded()
  // end
  return values
}

func ownCommandLine(_ kernel: Kernel) -> Never {
  // example: own-command-line
  NormGenCommandLine.main(
    commandName: "my-kernels", catalog: Catalog([.init(kernel, "what it is for")]),
    functions: [ExampleFunctions.absMaxNorm], strategies: [WideTiles()] + Strategies.all,
    commands: NormGenCommandLine.commands + [BenchCommand.self, FuzzCommand.self])
  // end
}

func readText(_ text: String) throws -> [Graph] {
  // example: parse-text
  let graphs = try GraphParser.graphs(in: text, file: "norm.ng")
  for graph in graphs { print(graph) }  // the text form again
  // end
  return graphs
}
