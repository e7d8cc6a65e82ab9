import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// Batch normalization with the batch's own statistics: three kernels forward, two backward.
@Suite struct BatchNormTrainingTests {
  typealias Layer = BatchNormTraining.Layer

  static let layers = [
    Layer(channels: 5, epsilon: 0.8765), Layer(channels: 33, hasGain: false, epsilon: 0.8765),
    Layer(channels: 3, positions: 7, epsilon: 0.8765),
    Layer(channels: 2, positions: 36, storage: .bf16, hasShift: false, epsilon: 0.8765),
    Layer(channels: 6, positions: 1, storage: .f16, epsilon: 0.8765),
  ]

  /// A batch with its parameters and the gradient of its output.
  struct Batch {
    let layer: Layer
    let rows: Int
    let x, gain, shift, upstream: HostTensor

    init(_ layer: Layer, rows: Int, seed: UInt64) throws {
      var random = SeededGenerator(seed: seed)
      func tensor(_ shape: [Int], mean: Double, _ storage: DType) throws -> HostTensor {
        let count = try HostTensor.count(of: shape)
        return try HostTensor(
          (0..<count).map { _ in mean + random.normal() }, shape: shape, storage)
      }
      self.layer = layer
      self.rows = rows
      let row = [rows, layer.channels] + (layer.positions.map { [$0] } ?? [])
      let parameter = [layer.channels] + (layer.positions == nil ? [] : [1])
      x = try tensor(row, mean: 3, layer.storage)
      gain = try tensor(parameter, mean: 1, .f32)
      shift = try tensor(parameter, mean: 1, .f32)
      upstream = try tensor(row, mean: 0.5, layer.storage)
    }

    private var givenGain: HostTensor? { layer.hasGain ? gain : nil }

    func outputs(
      _ norm: BatchNormTraining, threads: Int = 1
    ) throws -> (forward: [String: HostTensor], backward: [String: HostTensor]) {
      let (y, statistics) = try norm.forward(
        x, gain: givenGain, shift: layer.hasShift ? shift : nil, threads: threads)
      let gradients = try norm.backward(
        x, statistics, gain: givenGain, upstream: upstream, threads: threads)
      return (
        ["y": y],
        ["d_x": gradients.value, "d_gain": gradients.gain, "d_shift": gradients.shift]
      )
    }

    /// The oracle's values of a graph.
    func oracle(_ graph: Graph) throws -> [String: [Bounded]] {
      let known = ["x": x, "gain": gain, "shift": shift, "d_y": upstream]
      let names = Set(graph.inputs.compactMap { graph[$0].inputName })
      let values = try GraphInterpreter.outputs(
        of: graph, rows: rows, inputs: known.filter { names.contains($0.key) })
      return Dictionary(uniqueKeysWithValues: zip(graph.outputs.map(\.name), values))
    }

    /// The elements of one channel, and where they lie.
    func channel(_ index: Int) -> [Int] {
      let positions = layer.positions ?? 1
      return (0..<rows).flatMap { row in
        (0..<positions).map { (row * layer.channels + index) * positions + $0 }
      }
    }
  }

  @Test(arguments: layers)
  func kernelsAgreeWithTheGraphAndTheTextbook(_ layer: Layer) throws {
    for (rows, target) in zip([2, 7, 257, 600], Targets.native + Targets.native) {
      let norm = try BatchNormTraining(layer, compiler: Compiler(target: target))
      let batch = try Batch(layer, rows: rows, seed: UInt64(rows))
      let (forward, backward) = try batch.outputs(norm)
      let bounds = try batch.oracle(BatchNormTraining.meaning(of: layer).graph())
        .merging(batch.oracle(BatchNormTraining.gradientMeaning(of: layer).graph())) { $1 }
      let found = forward.merging(backward) { $1 }
      for (name, bounded) in bounds {
        let agreement = Agreement(kernel: try #require(found[name]), oracle: bounded)
        #expect(agreement.passes, "\(name), \(rows) rows of \(layer): \(agreement)")
        #expect(agreement.count > 0 && agreement.vacuous == 0)
      }
      try compareWithTextbook(batch, found, bounds)
    }
  }

  private func compareWithTextbook(
    _ batch: Batch, _ found: [String: HostTensor], _ bounds: [String: [Bounded]]
  ) throws {
    func check(_ name: String, _ place: Int, _ expected: Double) {
      let value = found[name]?[place] ?? .nan
      // The naive sums in Float64 are off by less than a thousandth of a Float32's unit.
      let bound = (bounds[name]?[place].error ?? .nan) + abs(expected) * 0x1p-34 + 0x1p-34
      #expect(abs(value - expected) <= bound, "\(name)[\(place)] \(value), \(expected) ± \(bound)")
    }
    let epsilon = Double(batch.layer.epsilon)
    for channel in 0..<batch.layer.channels {
      let places = batch.channel(channel)
      let x = places.map { batch.x[$0] }
      let dy = places.map { batch.upstream[$0] }
      let gain = batch.layer.hasGain ? batch.gain[channel] : 1
      let shift = batch.layer.hasShift ? batch.shift[channel] : 0
      let y = Textbook.trainedBatchNorm(x, gain, shift, epsilon)
      let gradient = Textbook.trainedBatchNormGradient(x, dy, gain, epsilon)
      for (index, place) in places.enumerated() where batch.layer.storage == .f32 {
        check("y", place, y[index])
        check("d_x", place, gradient.x[index])
      }
      check("d_gain", channel, gradient.gain)
      check("d_shift", channel, gradient.shift)
    }
  }

  @Test(arguments: [layers[0], layers[2]])
  func gradientsAreThoseOfCentralDifferences(_ layer: Layer) throws {
    let forward = try BatchNormTraining.meaning(of: layer).graph()
    let backward = try BatchNormTraining.gradientMeaning(of: layer).graph()
    let differences = try CentralDifferences(forward, rows: 6, seed: 11)
    let tensors = differences.tensors
    let norm = try BatchNormTraining(layer, compiler: Compiler())
    let x = try #require(tensors["x"])
    let (_, statistics) = try norm.forward(x, gain: tensors["gain"], shift: tensors["shift"])
    let gradients = try norm.backward(
      x, statistics, gain: tensors["gain"], upstream: try #require(tensors["d_y"]))
    let written = [
      "d_x": gradients.value, "d_gain": gradients.gain, "d_shift": gradients.shift,
    ]
    let comparisons = try differences.comparisons(with: backward, outputs: written)
    #expect(comparisons.map(\.input) == ["x", "gain", "shift"])
    for comparison in comparisons {
      #expect(comparison.agrees, "\(comparison.mistake ?? "\(comparison)")")
    }
    // The statistics depend on x: the gradient of given ones is another.
    let wrong = try differences.comparisons(
      with: backward, outputs: ["d_x": try #require(tensors["d_y"])])
    #expect(wrong.map(\.agrees) == [false, true, true])
  }

  @Test(arguments: layers)
  func targetsAndThreadsGiveTheSameBits(_ layer: Layer) throws {
    let batch = try Batch(layer, rows: 300, seed: 4)
    var first: (forward: [String: HostTensor], backward: [String: HostTensor])?
    for target in Targets.native {
      let norm = try BatchNormTraining(layer, compiler: Compiler(target: target))
      for threads in [1, 3] {
        let found = try batch.outputs(norm, threads: threads)
        let expected = first ?? found
        #expect(firstDifference(expected.forward, found.forward) == nil)
        #expect(firstDifference(expected.backward, found.backward) == nil)
        first = expected
      }
    }
  }

  /// Each kernel by itself, emulated targets among them.
  @Test func kernelsGiveTheSameBitsOnEveryTarget() throws {
    let graphs = try Self.layers.flatMap { layer in
      try BatchNormTraining(layer, compiler: Compiler()).kernels.map(\.lowering.graph)
    }
    #expect(graphs.count == 5 * Self.layers.count)
    let calls = try graphs.flatMap { graph in
      try [1, 300].map { rows in
        Targets.Call(
          graph: graph, rows: rows,
          inputs: try RandomInputs.tensors(for: graph, rows: rows, seed: 8))
      }
    }
    try Targets.check(calls, bounded: true)
  }

  @Test func unfitCallsAreErrors() throws {
    let norm = try BatchNormTraining(Layer(channels: 4), compiler: Compiler())
    let x = try HostTensor(zeros: [3, 4], .f32)
    let gain = try HostTensor(zeros: [4], .f32)
    #expect(throws: CallError.missing(parameter: "gain")) { try norm.forward(x, shift: gain) }
    #expect(throws: CallError.self) {
      try norm.forward(HostTensor(zeros: [3, 5], .f32), gain: gain, shift: gain)
    }
    let (_, statistics) = try norm.forward(x, gain: gain, shift: gain)
    #expect(throws: CallError.rowsDiffer(parameter: "d_y", expected: 3, found: 2)) {
      try norm.backward(x, statistics, gain: gain, upstream: HostTensor(zeros: [2, 4], .f32))
    }
    #expect(throws: (any Error).self) {
      try BatchNormTraining(Layer(channels: 0), compiler: Compiler())
    }
  }
}
