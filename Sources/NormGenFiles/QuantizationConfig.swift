internal import Foundation

/// What a quantized checkpoint says of its layers: the file `quantize_config.json`, or the key
/// `quantization_config` of `config.json`, beside the tensors.
struct QuantizationConfig: Hashable {
  /// Where it was read.
  let path: String
  /// `gptq`, `awq` or another producer.
  let method: String?
  /// The bits of an integer.
  let bits: Int?
  /// Successive elements that share a scale; −1 for all of a column.
  let groupSize: Int?
  /// `gptq`, whose zero points lie one lower, `gptq_v2`, or the layout of a kernel.
  let checkpointFormat: String?
  /// AWQ's layout: `gemm` or `gemv`.
  let version: String?

  /// The programs that made the checkpoint, such as `gptqmodel:7.7.0`.
  let quantizers: [String]

  private struct Fields: Decodable {
    let quant_method: String?
    let bits: Int?
    let w_bit: Int?
    let group_size: Int?
    let q_group_size: Int?
    let checkpoint_format: String?
    let version: String?
    let meta: Meta?
  }

  private struct Meta: Decodable {
    let quantizer: Names?
  }

  /// One name or several.
  private struct Names: Decodable {
    let all: [String]

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      all = try (try? container.decode([String].self)) ?? [container.decode(String.self)]
    }
  }

  private struct Model: Decodable {
    let quantization_config: Fields?
  }

  /// The largest file that is read.
  private static let mostBytes = 1 << 24
  /// The files that may hold it, the first that does counts.
  static let names = ["quantize_config.json", "quant_config.json", "config.json"]

  /// What stands beside a file with tensors; nil if there is nothing.
  ///
  /// - Throws: ``TensorFileError`` for a file that can't be read or is no JSON of this kind.
  static func beside(_ file: String) throws(TensorFileError) -> QuantizationConfig? {
    let folder = file.lastIndex(of: "/").map { String(file[...$0]) } ?? ""
    for name in names {
      guard let config = try read(folder + name, ofModel: name == names.last) else { continue }
      return config
    }
    return nil
  }

  private static func read(
    _ path: String, ofModel: Bool
  ) throws(TensorFileError) -> QuantizationConfig? {
    let file: InputFile
    do throws(TensorFileError) { file = try InputFile(path) } catch {
      if case .system(_, _, ENOENT) = error { return nil }
      throw error
    }
    guard file.size <= mostBytes else {
      throw .count(
        file: path, of: "bytes of JSON", atMost: mostBytes, found: UInt64(file.size))
    }
    let data = Data(try file.bytes(at: 0, count: file.size))
    do {
      let decoder = JSONDecoder()
      let fields =
        ofModel
        ? try decoder.decode(Model.self, from: data).quantization_config
        : try decoder.decode(Fields.self, from: data)
      return fields.map { QuantizationConfig(path: path, $0) }
    } catch {
      throw .config(file: path, found: Self.description(of: error))
    }
  }

  private init(path: String, _ fields: Fields) {
    self.path = path
    method = fields.quant_method?.lowercased()
    bits = fields.bits ?? fields.w_bit
    groupSize = fields.group_size ?? fields.q_group_size
    checkpointFormat = fields.checkpoint_format?.lowercased()
    version = fields.version?.lowercased()
    quantizers = fields.meta?.quantizer?.all ?? []
  }

  /// What a decoder found, in words.
  private static func description(of error: any Error) -> String {
    switch error as? DecodingError {
    case .typeMismatch(let type, let context)? where !context.codingPath.isEmpty:
      let key = context.codingPath.map(\.stringValue).joined(separator: ".")
      return "'\(key)' that is no \(type)"
    default: return "text that is no JSON object"
    }
  }
}
