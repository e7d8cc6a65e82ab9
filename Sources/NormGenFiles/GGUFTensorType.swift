public import NormGenIR

/// The type of a tensor in a `.gguf` file: single elements, or blocks of several.
public struct GGUFTensorType: Hashable, Sendable {
  /// ggml's name of the type, such as `f32` or `q4_K`.
  public let name: String
  /// Its number in files.
  public let number: UInt32
  /// Successive elements of a row that a block holds; 1 for single elements.
  public let elementCount: Int
  /// The size of a block in bytes.
  public let byteCount: Int
  /// The storage type that a tensor of the type is loaded in; nil if kernels have none.
  public let storage: DType?
  /// How blocks are made into Float32 values; nil for single elements, and for blocks that are not known.
  public let format: BlockFormat?

  /// All types that a file may name; of those without a ``storage`` only the size is known.
  ///
  /// ggml's q8_1 and q8_K are types of activations, which no file holds.
  public static let all: [GGUFTensorType] =
    [
      GGUFTensorType("f32", 0, 1, 4, .f32), GGUFTensorType("f16", 1, 1, 2, .f16),
      GGUFTensorType("bf16", 30, 1, 2, .bf16), GGUFTensorType("i8", 24, 1, 1, .i8),
      GGUFTensorType("i16", 25, 1, 2), GGUFTensorType("i32", 26, 1, 4),
      GGUFTensorType("i64", 27, 1, 8), GGUFTensorType("f64", 28, 1, 8),
    ] + BlockFormat.ggml.compactMap(GGUFTensorType.init)
    + [
      GGUFTensorType("iq2_xxs", 16, 256, 66), GGUFTensorType("iq2_xs", 17, 256, 74),
      GGUFTensorType("iq3_xxs", 18, 256, 98), GGUFTensorType("iq1_s", 19, 256, 50),
      GGUFTensorType("iq4_nl", 20, 32, 18), GGUFTensorType("iq3_s", 21, 256, 110),
      GGUFTensorType("iq2_s", 22, 256, 82), GGUFTensorType("iq4_xs", 23, 256, 136),
      GGUFTensorType("iq1_m", 29, 256, 56), GGUFTensorType("tq1_0", 34, 256, 54),
      GGUFTensorType("tq2_0", 35, 256, 66), GGUFTensorType("mxfp4", 39, 32, 17),
      GGUFTensorType("nvfp4", 40, 64, 36), GGUFTensorType("q1_0", 41, 128, 18),
    ]

  /// The type with a number; nil if the format has none.
  public init?(number: UInt32) {
    guard let type = GGUFTensorType.all.first(where: { $0.number == number }) else { return nil }
    self = type
  }

  /// The type whose blocks a format describes, which are loaded as Float32; nil if ggml lacks it.
  init?(_ format: BlockFormat) {
    guard let number = format.number else { return nil }
    name = format.name
    self.number = number
    elementCount = format.elementCount
    byteCount = format.byteCount
    storage = .f32
    self.format = format
  }

  private init(
    _ name: String, _ number: UInt32, _ elementCount: Int, _ byteCount: Int,
    _ storage: DType? = nil
  ) {
    self.name = name
    self.number = number
    self.elementCount = elementCount
    self.byteCount = byteCount
    self.storage = storage
    format = nil
  }
}
