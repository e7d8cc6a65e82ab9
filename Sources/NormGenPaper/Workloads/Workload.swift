import NormGen

/// A model of the paper's experiments, at the batch and layer sizes that it was trained with.
struct Workload: Sendable {
  let title: String
  /// The rows of a step.
  let rows: Int
  /// The share of the row that the paper's partial RMSNorm sees.
  let fraction: Double
  /// The time that the paper's RMSNorm and partial RMSNorm saved against its LayerNorm.
  let paperSavings: (rmsNorm: String, partial: String)
  /// What a step runs, in order.
  let pieces: [WorkloadPiece]
  /// Whether the pieces are also cut into separate kernels.
  let separates: Bool

  private init(
    title: String, rows: Int, fraction: Double,
    paperSavings: (rmsNorm: String, partial: String), separates: Bool, pieces: [WorkloadPiece]
  ) {
    self.title = title
    self.rows = rows
    self.fraction = fraction
    self.paperSavings = paperSavings
    self.pieces = pieces
    self.separates = separates
  }

  /// A quick run has a part of the paper's sizes and of the pieces, and cuts only those of the
  /// Transformer.
  static func all(isQuick: Bool) -> [Workload] {
    let scale = isQuick ? 16 : 1
    return [
      Workload(
        title: "order-embedding GRU", rows: isQuick ? 5 : 128, fraction: 0.0625,
        paperSavings: ("40.8 %", "63.9 %"),
        separates: !isQuick,
        pieces: [gru("gru_step", inputs: isQuick ? 64 : 300, units: 1024 / scale)]),
      Workload(
        title: "RNNSearch decoder", rows: isQuick ? 5 : 80, fraction: 0.0625,
        paperSavings: ("11.0 to 34.0 %", "12.0 to 33.4 %"),
        separates: !isQuick,
        pieces: (isQuick
          ? []
          : [
            gru("decoder_gru", inputs: 512, units: 1024),
            gru("decoder_gru_of_source", inputs: 2048, units: 1024),
            readout(units: 1024, words: 512, annotations: 2048),
          ]) + [attention(units: isQuick ? 64 : 1024, annotations: isQuick ? 64 : 2048)]),
      Workload(
        title: "attentive reader LSTM", rows: isQuick ? 5 : 64, fraction: 0.0625,
        paperSavings: ("15.1 %", "15.8 %"),
        separates: !isQuick,
        pieces: [lstm(units: isQuick ? 32 : 240)]),
      Workload(
        title: "Transformer base", rows: isQuick ? 5 : 1024, fraction: 0.0625,
        paperSavings: ("6.9 %", "9.3 %"),
        separates: true,
        pieces: [attentionOutput(units: 512 / scale)]
          + (isQuick ? [] : [feedForward(units: 512, inner: 2048)])),
      Workload(
        title: "ConvPool-CNN-C", rows: isQuick ? 2 : 100, fraction: 0.125,
        paperSavings: ("20.5 %", "23.1 %"),
        separates: false,
        pieces: (isQuick ? [] : [channels(96, positions: 1024), channels(192, positions: 256)])
          + [channels(192 / scale, positions: 36)]),
    ]
  }
}

extension WorkloadNorm {
  fileprivate func rows(_ name: String, _ count: Int) -> Tensor {
    .input(name, [.rows, .fixed(count)], storage)
  }

  /// A product with weights; the sums have a name, so that they can be saved.
  fileprivate func product(_ x: Tensor, _ name: String, _ columns: Int) -> Tensor {
    x.matmul(.input("w_\(name)", [.fixed(x.shape.rowExtent), .fixed(columns)], storage))
      .named("sum_\(name)")
  }
}

// MARK: Layers

extension Workload {
  private static func sums(_ names: [String]) -> [String] { names.map { "sum_\($0)" } }

  /// A GRU step with the paper's four norms; those of the gates see both gates of a row.
  private static func gru(_ name: String, inputs: Int, units: Int) -> WorkloadPiece {
    WorkloadPiece(name, saved: sums(["xr", "xu", "xc", "hr", "hu", "hc"])) { norm in
      let x = norm.rows("x", inputs)
      let h = norm.rows("h", units)
      func gates(_ value: Tensor, _ r: String, _ u: String) -> [Tensor] {
        norm.joint(
          [norm.product(value, r, units), norm.product(value, u, units)], [r, u])
      }
      let ofInput = gates(x, "xr", "xu")
      let ofState = gates(h, "hr", "hu")
      let reset = (ofInput[0] + ofState[0]).sigmoid()
      let update = (ofInput[1] + ofState[1]).sigmoid()
      let candidate =
        (norm(norm.product(h, "hc", units), "hc") * reset
        + norm(norm.product(x, "xc", units), "xc")).tanh()
      return [("next", update * h + (1 - update) * candidate)]
    }
  }

  /// The decoder's attention to one source position, weighted by a sigmoid of its score.
  private static func attention(units: Int, annotations: Int) -> WorkloadPiece {
    WorkloadPiece("decoder_attention", saved: sums(["query", "key"])) { norm in
      let annotation = norm.rows("annotation", annotations)
      let query = norm(norm.product(norm.rows("h", units), "query", annotations), "query")
      let key = norm(norm.product(annotation, "key", annotations), "key")
      let v = Tensor.input("v", [.fixed(annotations)], norm.storage)
      let score = ((query + key).tanh() * v).sum()
      return [("source", score.sigmoid() * annotation)]
    }
  }

  /// The decoder's feed-forward layer before the words: three norms, summed, tanh.
  private static func readout(units: Int, words: Int, annotations: Int) -> WorkloadPiece {
    WorkloadPiece("decoder_readout", saved: sums(["state", "word", "source"])) { norm in
      func part(_ name: String, _ count: Int) -> Tensor {
        norm(norm.product(norm.rows(name, count), name, words), name)
      }
      let sum = part("state", units) + part("word", words) + part("source", annotations)
      return [("logit", sum.tanh())]
    }
  }

  /// An LSTM step: norms over the four gates of input and state, and of the cell before its tanh.
  private static func lstm(units: Int) -> WorkloadPiece {
    let names = ["i", "f", "o", "g"]
    let saved = sums(names.map { "x" + $0 } + names.map { "h" + $0 })
    return WorkloadPiece("lstm_step", saved: saved) { norm in
      func gates(_ value: Tensor, _ prefix: String) -> [Tensor] {
        let own = names.map { prefix + $0 }
        return norm.joint(own.map { norm.product(value, $0, units) }, own)
      }
      let sums = zip(gates(norm.rows("x", units), "x"), gates(norm.rows("h", units), "h"))
        .map { $0 + $1 }
      let cell = sums[1].sigmoid() * norm.rows("c", units) + sums[0].sigmoid() * sums[3].tanh()
      return [
        ("next_c", cell), ("next_h", sums[2].sigmoid() * norm(cell, "c").tanh()),
      ]
    }
  }

  /// The projection after attention, the residual and the norm behind it.
  private static func attentionOutput(units: Int) -> WorkloadPiece {
    WorkloadPiece("attention_output", saved: sums(["o"])) { norm in
      let sum = norm.rows("residual", units) + norm.product(norm.rows("x", units), "o", units)
      return [("y", norm(sum, "o"))]
    }
  }

  /// The feed-forward layer, the residual and the norm behind it.
  private static func feedForward(units: Int, inner: Int) -> WorkloadPiece {
    WorkloadPiece("feed_forward", saved: sums(["up", "down"])) { norm in
      let x = norm.rows("x", units)
      let bias = Tensor.input("bias", [.fixed(inner)], norm.storage)
      let hidden = (norm.product(x, "up", inner) + bias).relu()
      return [("y", norm(x + norm.product(hidden, "down", units), "y"))]
    }
  }

  /// The norm of each channel over its positions behind a convolution, and the leaky ReLU.
  private static func channels(_ count: Int, positions: Int) -> WorkloadPiece {
    WorkloadPiece("channels_\(count)_\(positions)", repeats: 3) { norm in
      let x = Tensor.input("x", [.rows, .fixed(count), .fixed(positions)], norm.storage)
      let shift = Tensor.input("shift", [.fixed(count), 1], norm.storage)
      guard norm.variant != .none else { return [("y", (x + shift).leakyReLU(slope: 0.1))] }
      let gain = Tensor.input("gain", [.fixed(count), 1], norm.storage)
      return [("y", (norm.normed([x])[0] * gain + shift).leakyReLU(slope: 0.1))]
    }
  }
}
