internal import Foundation

/// What a quantized checkpoint says of its layers: the files `quantize_config.json` and `quant_config.json`, and
/// the key `quantization_config` of `config.json`, beside the tensors. What several say must agree.
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
  /// Whether the k of groups are those of one order of activation.
  let ordersByActivation: Bool?

  /// The programs that made the checkpoint, such as `gptqmodel:7.7.0`.
  let quantizers: [String]

  private struct Fields: Decodable {
    let quant_method: String?
    let bits: Int?
    let w_bit: Int?
    let group_size: Int?
    let q_group_size: Int?
    let checkpoint_format: String?
    let format: String?
    let is_marlin_format: Bool?
    let desc_act: Bool?
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
  /// The files that may hold it.
  static let names = ["quantize_config.json", "quant_config.json", "config.json"]

  /// What stands beside a file with tensors; nil if there is nothing.
  ///
  /// - Throws: ``TensorFileError`` for a file that can't be read or is no JSON of this kind.
  static func beside(_ file: String) throws(TensorFileError) -> QuantizationConfig? {
    let folder = file.lastIndex(of: "/").map { String(file[...$0]) } ?? ""
    var found: QuantizationConfig?
    for name in names {
      guard let config = try read(folder + name, ofModel: name == names.last) else { continue }
      found = try found?.joined(with: config) ?? config
    }
    return found
  }

  /// What an error adds of the integers that the file speaks of.
  var remark: String {
    let facts = [bits.map { "\($0) bits" }, groupSize.map { "groups of \($0)" }].compactMap { $0 }
    return facts.isEmpty ? "" : "; \(quoted(path)) says \(facts.joined(separator: ", "))"
  }

  /// What this and another file say.
  private func joined(
    with other: QuantizationConfig
  ) throws(TensorFileError) -> QuantizationConfig {
    func both<Fact: Equatable>(
      _ key: String, _ fact: (QuantizationConfig) -> Fact?
    ) throws(TensorFileError) -> Fact? {
      guard let own = fact(self), let others = fact(other) else {
        return fact(self) ?? fact(other)
      }
      guard own == others else {
        throw .config(
          file: path, found: "'\(key)' that is \(own), and \(others) in \(quoted(other.path))")
      }
      return own
    }
    return try QuantizationConfig(
      path: path, method: both("quant_method", \.method), bits: both("bits", \.bits),
      groupSize: both("group_size", \.groupSize),
      checkpointFormat: both("checkpoint_format", \.checkpointFormat),
      version: both("version", \.version),
      ordersByActivation: both("desc_act", \.ordersByActivation),
      quantizers: quantizers.isEmpty ? other.quantizers : quantizers)
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
    let fields: Fields?
    do {
      let decoder = JSONDecoder()
      fields =
        ofModel
        ? try decoder.decode(Model.self, from: data).quantization_config
        : try decoder.decode(Fields.self, from: data)
    } catch {
      throw .config(file: path, found: Self.description(of: error))
    }
    guard let fields else { return nil }
    return try QuantizationConfig(path: path, fields)
  }

  private init(path: String, _ fields: Fields) throws(TensorFileError) {
    /// The only value of some keys that mean the same.
    func one<Fact: Hashable>(_ facts: [(key: String, fact: Fact?)]) throws(TensorFileError) -> Fact?
    {
      let known = facts.filter { $0.fact != nil }
      guard let first = known.first else { return nil }
      if let other = known.first(where: { $0.fact != first.fact }) {
        throw .config(file: path, found: "'\(first.key)' and '\(other.key)' that differ")
      }
      return first.fact
    }
    self.init(
      path: path, method: fields.quant_method?.lowercased(),
      bits: try one([("bits", fields.bits), ("w_bit", fields.w_bit)]),
      groupSize: try one([
        ("group_size", fields.group_size), ("q_group_size", fields.q_group_size),
      ]),
      checkpointFormat: try one([
        ("checkpoint_format", fields.checkpoint_format?.lowercased()),
        ("format", fields.format?.lowercased()),
        ("is_marlin_format", fields.is_marlin_format == true ? "marlin" : nil),
      ]),
      version: fields.version?.lowercased(), ordersByActivation: fields.desc_act,
      quantizers: fields.meta?.quantizer?.all ?? [])
  }

  private init(
    path: String, method: String?, bits: Int?, groupSize: Int?, checkpointFormat: String?,
    version: String?, ordersByActivation: Bool?, quantizers: [String]
  ) {
    self.path = path
    self.method = method
    self.bits = bits
    self.groupSize = groupSize
    self.checkpointFormat = checkpointFormat
    self.version = version
    self.ordersByActivation = ordersByActivation
    self.quantizers = quantizers
  }

  /// What a decoder found, in words.
  private static func description(of error: any Error) -> String {
    let other = "text that is no JSON object, or has numbers that JSON lacks, such as NaN"
    guard let error = error as? DecodingError else { return other }
    let (kind, context): (String, DecodingError.Context)
    switch error {
    case .typeMismatch(let type, let found): (kind, context) = (name(of: type), found)
    case .dataCorrupted(let found): (kind, context) = ("of its kind", found)
    default: return other
    }
    guard !context.codingPath.isEmpty else { return other }
    return "'\(context.codingPath.map(\.stringValue).joined(separator: "."))' that is not \(kind)"
  }

  private static func name(of type: any Any.Type) -> String {
    switch type {
    case is Int.Type: "a whole number"
    case is String.Type: "text"
    case is Bool.Type: "true or false"
    default: "an object"
    }
  }
}
