import NormGen

/// A GRU over the rows of an image, from the top; its last state is scored.
///
/// With r, u = σ(norm(xW) + norm(hU)) and c = tanh(norm(hU) · r + norm(xW)), h′ = u · h + (1 − u) · c;
/// norms of xW have a shift, all norms a gain.
final class GRUClassifier: Classifier {
  static let title = "gru"
  static let rate = 0.1
  static let units = 64
  private static let gates = ["r", "u", "c"]

  let state: ParameterState
  private let step: TrainedLayer
  private let scores: ScoreLayer
  /// The images' rows at each step, and the state before each step and at the end.
  private let rows = (0..<Digits.side).map { _ in Area(Batch.capacity * Digits.side) }
  private let states = (0...Digits.side).map { _ in Area(Batch.capacity * GRUClassifier.units) }
  /// The gradients by the states after and before a step.
  private var upstream = Area(Batch.capacity * GRUClassifier.units)
  private var downstream = Area(Batch.capacity * GRUClassifier.units)

  init(
    _ norm: RecurrentNorm, seed: UInt64, _ compiler: Compiler, _ rewrite: TrainedLayer.Rewrite
  ) throws {
    let (inputs, units) = (Digits.side, Self.units)
    let x = Tensor.input("x", [.rows, .fixed(inputs)], .f32)
    let h = Tensor.input("h", [.rows, .fixed(units)], .f32)
    func gate(_ name: String) -> Tensor {
      let sum = x.matmul(.input("w_\(name)", [.fixed(inputs), .fixed(units)], .f32))
      return norm.trained(sum, gain: "gain_w_\(name)", shift: "shift_\(name)")
    }
    func mapping(_ name: String) -> Tensor {
      let sum = h.matmul(.input("u_\(name)", [.fixed(units), .fixed(units)], .f32))
      return norm.trained(sum, gain: "gain_u_\(name)", shift: nil)
    }
    let reset = (gate("r") + mapping("r")).sigmoid()
    let update = (gate("u") + mapping("u")).sigmoid()
    let candidate = (mapping("c") * reset + gate("c")).tanh()
    let next = update * h + (1 - update) * candidate
    let vectors = Self.gates.flatMap { name in
      norm == .none
        ? ["shift_\(name)"] : ["gain_w_\(name)", "gain_u_\(name)", "shift_\(name)"]
    }
    step = try TrainedLayer(
      Kernel("train_gru_\(norm.rawValue)", next),
      gradientsOf: ["h"] + Self.gates.flatMap { ["w_\($0)", "u_\($0)"] } + vectors, compiler,
      rewrite)
    scores = try ScoreLayer(units, compiler, rewrite)
    state = ParameterState(
      Self.gates.flatMap { name -> [TrainedParameter] in
        [
          .matrix("w_\(name)", inputs, units), .matrix("u_\(name)", units, units),
          .vector("gain_w_\(name)", units, 1), .vector("gain_u_\(name)", units, 1),
          .vector("shift_\(name)", units, 0),
        ]
      } + ScoreLayer.parameters(units), seed: seed)
  }

  func loss(_ batch: Batch) throws -> Double {
    let count = batch.count * Self.units
    for (place, image) in batch.pixels.enumerated() {
      for (pixel, value) in image.enumerated() {
        rows[pixel / Digits.side].numbers[place * Digits.side + pixel % Digits.side] = value
      }
    }
    for index in rows.indices {
      try step.runForward(
        rows: batch.count,
        [
          "x": rows[index].argument(count: batch.count * Digits.side),
          "h": states[index].argument(count: count),
          "y": states[index + 1].argument(count: count),
        ], state)
    }
    return try scores.loss(states[Digits.side].argument(count: count), batch, state)
  }

  func addGradients(_ batch: Batch) throws {
    let count = batch.count * Self.units
    try scores.addGradients(
      states[Digits.side].argument(count: count), into: upstream.argument(count: count), batch,
      state)
    for index in rows.indices.reversed() {
      try step.runBackward(
        rows: batch.count,
        [
          "x": rows[index].argument(count: batch.count * Digits.side),
          "h": states[index].argument(count: count),
          "d_y": upstream.argument(count: count), "d_h": downstream.argument(count: count),
        ], state)
      swap(&upstream, &downstream)
    }
  }
}

extension RecurrentNorm {
  static let trainedEpsilon: Float = 1e-5

  /// Summed inputs with the norm, its gain and a shift; without norm there is no gain.
  func trained(_ summed: Tensor, gain: String, shift: String?) -> Tensor {
    let extent = Extent.fixed(summed.shape.rowExtent)
    let normed = self(summed, epsilon: Self.trainedEpsilon)
    let scaled = self == .none ? normed : normed * .input(gain, [extent], .f32)
    return shift.map { scaled + .input($0, [extent], .f32) } ?? scaled
  }
}
