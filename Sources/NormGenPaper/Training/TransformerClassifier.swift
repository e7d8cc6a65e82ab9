import NormGen

/// A Transformer whose tokens are an image's rows; the tokens of its last block are scored together.
///
/// Two blocks of attention and a feed-forward part, each added to its input and normalized after
/// that. A token is a row's pixels and its place as one of eight.
final class TransformerClassifier: Classifier {
  static let title = "transformer"
  static let rate = 0.02
  static let width = 64
  static let heads = 2
  static let hidden = 128
  static let blocks = 2
  private static let tokens = Digits.side
  private static let part = width / heads

  let state: ParameterState
  private let embedding: TrainedLayer
  private let projections: TrainedLayer
  private let attention: TrainedLayer
  private let mixing: TrainedLayer
  private let feedForward: TrainedLayer
  private let scores: ScoreLayer
  private let tokens = Area(Batch.capacity * Digits.side * 2 * Digits.side)
  private let embedded = TransformerClassifier.wide()
  private let blocks = (0..<TransformerClassifier.blocks).map { _ in Block() }
  private let gradient = Block()
  /// The gradient by a block's output, and by its input on the way through the projections.
  private let upstream = TransformerClassifier.wide()
  private let projected = TransformerClassifier.wide()

  /// The values, or the gradients, within a block.
  private struct Block {
    /// Queries, keys, values and their mixture, for each head.
    let parts = Dictionary(
      uniqueKeysWithValues: ["q", "k", "v", "m"].flatMap { name in
        (0..<TransformerClassifier.heads).map {
          ("\(name)\($0)", Area(Batch.capacity * tokens * TransformerClassifier.part))
        }
      })
    /// The normalized sum of attention and input.
    let mixed = TransformerClassifier.wide()
    /// The block's output.
    let output = TransformerClassifier.wide()
  }

  private static func wide() -> Area { Area(Batch.capacity * tokens * width) }

  init(
    _ norm: RecurrentNorm, seed: UInt64, _ compiler: Compiler, _ rewrite: TrainedLayer.Rewrite
  ) throws {
    func layer(_ name: String, _ outputs: [Kernel.Output], _ inputs: [String]) throws
      -> TrainedLayer
    {
      try TrainedLayer(
        Kernel("train_\(name)", outputs: outputs), gradientsOf: inputs, compiler, rewrite)
    }
    func vectors(_ name: String) -> [String] {
      norm == .none ? ["shift_\(name)"] : ["gain_\(name)", "shift_\(name)"]
    }
    let heads = 0..<Self.heads
    let (width, part, hidden) = (Self.width, Self.part, Self.hidden)
    let x = Self.rows("x", width)
    embedding = try layer(
      "embedding",
      [
        Kernel.Output(
          "y", Self.rows("t", 2 * Digits.side).matmul(Self.matrix("w_embed", 16, width)))
      ],
      ["w_embed"])
    let products = ["q", "k", "v"].flatMap { name in heads.map { "\(name)\($0)" } }
    projections = try layer(
      "projections",
      products.map { Kernel.Output($0, x.matmul(Self.matrix("w_\($0)", width, part))) },
      ["x"] + products.map { "w_\($0)" })
    // Each image's keys and values are the weights of two matmuls.
    let queries = Self.rows("q", part)
    let agreement =
      queries.matmul(Self.matrix("k", Self.tokens, part), layout: .outIn)
      * Float(1 / Double(part).squareRoot())
    let shares = (agreement - agreement.rowMaximum()).exp()
    attention = try layer(
      "attention",
      [
        Kernel.Output(
          "m", (shares / shares.sum()).matmul(Self.matrix("v", Self.tokens, part)))
      ], ["q", "k", "v"])
    let mixture = heads.reduce(x) { sum, head in
      sum + Self.rows("m\(head)", part).matmul(Self.matrix("w_o\(head)", part, width))
    }
    mixing = try layer(
      "mixing_\(norm.rawValue)",
      [Kernel.Output("y", norm.trained(mixture, gain: "gain_a", shift: "shift_a"))],
      ["x"] + heads.flatMap { ["m\($0)", "w_o\($0)"] } + vectors("a"))
    let inner =
      (x.matmul(Self.matrix("w_up", width, hidden)) + .input("b_up", [.fixed(hidden)], .f32))
      .relu()
    let sum = x + inner.matmul(Self.matrix("w_down", hidden, width))
    feedForward = try layer(
      "feed_forward_\(norm.rawValue)",
      [Kernel.Output("y", norm.trained(sum, gain: "gain_f", shift: "shift_f"))],
      ["x", "w_up", "b_up", "w_down"] + vectors("f"))
    scores = try ScoreLayer(Self.tokens * width, compiler, rewrite)
    state = ParameterState(Self.parameters, seed: seed)
  }

  private static func rows(_ name: String, _ extent: Int) -> Tensor {
    .input(name, [.rows, .fixed(extent)], .f32)
  }

  private static func matrix(_ name: String, _ rows: Int, _ columns: Int) -> Tensor {
    .input(name, [.fixed(rows), .fixed(columns)], .f32)
  }

  private static var parameters: [TrainedParameter] {
    var list = [TrainedParameter.matrix("w_embed", 16, width, fanIn: 8)]
    for block in 0..<blocks {
      for name in ["q", "k", "v"] {
        list += (0..<heads).map { .matrix("w_\(name)\($0)_\(block)", width, part) }
      }
      list += (0..<heads).map { .matrix("w_o\($0)_\(block)", part, width, fanIn: width) }
      list += [
        .vector("gain_a_\(block)", width, 1), .vector("shift_a_\(block)", width, 0),
        .matrix("w_up_\(block)", width, hidden), .vector("b_up_\(block)", hidden, 0),
        .matrix("w_down_\(block)", hidden, width), .vector("gain_f_\(block)", width, 1),
        .vector("shift_f_\(block)", width, 0),
      ]
    }
    return list + ScoreLayer.parameters(tokens * width)
  }

  // MARK: Forward

  func loss(_ batch: Batch) throws -> Double {
    let rows = batch.count * Self.tokens
    tokens.clear()
    for (place, image) in batch.pixels.enumerated() {
      for (pixel, value) in image.enumerated() {
        let token = place * Self.tokens + pixel / Digits.side
        tokens.numbers[token * 16 + pixel % Digits.side] = value
        tokens.numbers[token * 16 + Digits.side + pixel / Digits.side] = 1
      }
    }
    try embedding.runForward(
      rows: rows, ["t": tokenArgument(rows), "y": wide(embedded, rows)], state)
    var input = embedded
    for (index, block) in blocks.enumerated() {
      let suffix = "_\(index)"
      let parts = self.parts(block, rows)
      try projections.runForward(
        rows: rows, parts.merging(["x": wide(input, rows)]) { $1 }, state, suffix: suffix)
      for image in 0..<batch.count {
        for head in 0..<Self.heads {
          try attention.runForward(
            rows: Self.tokens, Self.attended(block, image, head, prefix: ""), state)
        }
      }
      try mixing.runForward(
        rows: rows,
        parts.merging(["x": wide(input, rows), "y": wide(block.mixed, rows)]) { $1 }, state,
        suffix: suffix)
      try feedForward.runForward(
        rows: rows, ["x": wide(block.mixed, rows), "y": wide(block.output, rows)], state,
        suffix: suffix)
      input = block.output
    }
    return try scores.loss(wide(input, rows), batch, state)
  }

  private func tokenArgument(_ rows: Int) -> KernelArgument { tokens.argument(count: rows * 16) }

  private func wide(_ area: Area, _ rows: Int) -> KernelArgument {
    area.argument(count: rows * Self.width)
  }

  private func parts(
    _ block: Block, _ rows: Int, prefix: String = ""
  ) -> [String: KernelArgument] {
    var arguments: [String: KernelArgument] = [:]
    for (name, area) in block.parts {
      arguments[prefix + name] = area.argument(count: rows * Self.part)
    }
    return arguments
  }

  /// One image's part of a head's queries, keys, values and mixture.
  private static func attended(
    _ block: Block, _ image: Int, _ head: Int, prefix: String
  ) -> [String: KernelArgument] {
    var arguments: [String: KernelArgument] = [:]
    for name in ["q", "k", "v", "m"] {
      arguments[prefix + name] = block.parts["\(name)\(head)"]?.argument(
        from: image * tokens * part, count: tokens * part)
    }
    return arguments
  }

  // MARK: Backward

  func addGradients(_ batch: Batch) throws {
    let rows = batch.count * Self.tokens
    let gradients = parts(gradient, rows, prefix: "d_")
    let last = blocks.last?.output ?? embedded
    try scores.addGradients(wide(last, rows), into: wide(upstream, rows), batch, state)
    for (index, block) in blocks.enumerated().reversed() {
      let suffix = "_\(index)"
      let input = index > 0 ? blocks[index - 1].output : embedded
      let parts = self.parts(block, rows)
      try feedForward.runBackward(
        rows: rows,
        [
          "x": wide(block.mixed, rows), "d_y": wide(upstream, rows),
          "d_x": wide(gradient.mixed, rows),
        ], state, suffix: suffix)
      try mixing.runBackward(
        rows: rows,
        parts.merging(gradients) { $1 }.merging([
          "x": wide(input, rows), "d_y": wide(gradient.mixed, rows), "d_x": wide(upstream, rows),
        ]) { $1 }, state, suffix: suffix)
      for image in 0..<batch.count {
        for head in 0..<Self.heads {
          try attention.runBackward(
            rows: Self.tokens,
            Self.attended(block, image, head, prefix: "")
              .merging(Self.attended(gradient, image, head, prefix: "d_")) { $1 }, state)
        }
      }
      try projections.runBackward(
        rows: rows,
        gradients.merging(["x": wide(input, rows), "d_x": wide(projected, rows)]) { $1 }, state,
        suffix: suffix)
      // The block's input is used twice.
      upstream.add(projected, count: rows * Self.width)
    }
    try embedding.runBackward(
      rows: rows, ["t": tokenArgument(rows), "d_y": wide(upstream, rows)], state)
  }
}
