public import NormGenIR
public import NormGenTensors

extension SafetensorsFile {
  /// Loads the quantized weights of a layer of a GPTQ or AWQ checkpoint as blocks, or the u8 elements that are
  /// blocks' bytes.
  ///
  /// A layer `name` has the tensors `name.qweight`, `name.qzeros` and `name.scales`, and in GPTQ perhaps
  /// `name.g_idx`; what JSON beside the file says of the checkpoint must agree with them. The weights
  /// [in, out] become the blocks of [out, in], in which only the places of bits change:
  ///
  /// - GPTQ: words of 32 bits hold successive k, the first in the lowest bits. Zero points are stored one
  ///   lower, unless `checkpoint_format` is `gptq_v2`: AutoGPTQ adds 1 to each (15 is 16), GPTQModel to all of a
  ///   word at once, so that a carry goes on to the next.
  /// - AWQ, version `gemm`, 4 bits: words hold eight successive columns, in the order 0, 2, 4, 6, 1, 3, 5, 7
  ///   from the lowest bits on.
  ///
  /// - Parameters:
  ///   - name: The tensor or layer; nil for the only tensor of the file.
  ///   - format: What the blocks are; for a layer one of ``BlockFormat/grouped``, of its bits, group size, type
  ///     of scales and, if all zero points are 2ᵇ⁻¹, without zero points or with them.
  /// - Returns: A u8 tensor [out, bytes of a row].
  /// - Throws: ``TensorFileError`` naming the file, what was expected and what was found; also for layers
  ///   whose groups do not lie in the order of k (`desc_act`), and for layouts of single kernels.
  public func load(
    _ name: String? = nil, blocksOf format: BlockFormat
  ) throws(TensorFileError) -> HostTensor {
    guard let name, !entries.contains(where: { $0.name == name }),
      entries.contains(where: { $0.name == name + ".qweight" })
    else { return try load(name, as: .u8) }
    return try QuantizedLayer(self, name, format).blocks()
  }

  /// The entry of a tensor that there must be.
  fileprivate func entry(_ name: String) throws(TensorFileError) -> Entry {
    try file.entry(name, of: entries, named: \.name)
  }

  /// The little-endian words of a tensor.
  fileprivate func words<Word: FixedWidthInteger>(
    _ entry: Entry, as type: Word.Type
  ) throws(TensorFileError) -> [Word] {
    let bytes = try file.bytes(at: origin + entry.bytes.lowerBound, count: entry.bytes.count)
    return bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / MemoryLayout<Word>.size).map {
        bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Word>.size, as: Word.self)
      }
    }
  }
}

/// A layer of a quantized checkpoint whose tensors fit together.
private struct QuantizedLayer {
  private typealias Entry = SafetensorsFile.Entry

  /// Who made the layer, which says how its integers lie.
  private enum Producer: String {
    case gptq, awq
  }

  /// How stored zero points become those that are subtracted.
  private enum ZeroPointRule {
    /// They are.
    case plain
    /// 1 is added to each.
    case oneLower
    /// 1 is added to each in their word, carries included.
    case oneLowerInWords
  }

  private let file: SafetensorsFile
  private let name: String
  private let format: BlockFormat
  private let producer: Producer
  private let qweight: Entry
  private let qzeros: Entry?
  private let scales: Entry
  /// How zero points are stored.
  private let zeroPointRule: ZeroPointRule
  /// K / group and N.
  private let groups: Int
  private let columns: Int

  private var bits: Int { format.quants.width }
  /// Integers of a word.
  private var perWord: Int { 32 / bits }

  /// In AWQ, the place in a word of each of eight columns.
  private static let awqPlaces = [0, 4, 1, 5, 2, 6, 3, 7]

  init(
    _ file: SafetensorsFile, _ name: String, _ format: BlockFormat
  ) throws(TensorFileError) {
    func failure(_ tensor: String, _ expected: String, _ found: String) -> TensorFileError {
      .layer(file: file.path, tensor: "\(name).\(tensor)", expected: expected, found: found)
    }
    func matrix(
      _ tensor: String, _ types: [SafetensorsType]
    ) throws(TensorFileError) -> Entry {
      let entry = try file.entry("\(name).\(tensor)")
      guard types.contains(entry.type), entry.shape.count == 2 else {
        let names = types.map(\.rawValue).joined(separator: " or ")
        throw failure(
          tensor, "\(names) elements with two axes", "\(entry.type.rawValue) \(entry.shape)")
      }
      return entry
    }
    let config = try QuantizationConfig.beside(file.path)
    let stated = config?.remark ?? ""
    guard BlockFormat.grouped.contains(format) else {
      throw failure(
        "qweight", "an input in groups, such as u4_g128, for a GPTQ or AWQ layer",
        "one in \(format.name)\(stated)")
    }
    let scaleTypes: [SafetensorsType] = [.f16, .bf16, .f32]
    scales = try matrix("scales", scaleTypes)
    qweight = try matrix("qweight", [.i32])
    qzeros =
      file.entries.contains { $0.name == "\(name).qzeros" } ? try matrix("qzeros", [.i32]) : nil
    guard scales.type == SafetensorsType(format.scale.type) else {
      throw failure(
        "scales", "\(format.scale.type.rawValue) as in \(format.name)",
        "\(scales.type.rawValue.lowercased()); see the names of formats")
    }
    (groups, columns) = (scales.shape[0], scales.shape[1])
    let width = format.quants.width
    let (terms, overflow) = groups.multipliedReportingOverflow(by: format.elementCount)
    guard !overflow, groups > 0, columns > 0 else {
      throw failure("scales", "groups and columns", "\(scales.shape)")
    }
    let gptq = [terms * width / 32, columns]
    let awq = [terms, columns * width / 32]
    guard qweight.shape == gptq || qweight.shape == awq && columns % (32 / width) == 0 else {
      throw failure(
        "qweight",
        "\(gptq) (GPTQ) or \(awq) (AWQ) for \(format.name) and scales of \(scales.shape)",
        "\(qweight.shape)\(stated)")
    }
    producer = qweight.shape == gptq ? .gptq : .awq
    self.file = file
    self.name = name
    self.format = format
    zeroPointRule = try Self.zeroPointRule(
      of: producer, config, hasZeroPoints: qzeros != nil, failure)
    if let config, let bits = config.bits, bits != width {
      throw failure("qweight", "\(bits) bits, as \(quoted(config.path)) says", format.name)
    }
    // −1 stands for one group.
    if let config, let group = config.groupSize,
      group == -1 ? groups != 1 : group != format.elementCount
    {
      throw failure(
        "scales", "groups of \(group), as \(quoted(config.path)) says",
        "\(groups) in \(format.name)")
    }
    if let config, config.ordersByActivation == true,
      !file.entries.contains(where: { $0.name == "\(name).g_idx" })
    {
      throw failure(
        "g_idx", "the groups' order, since \(quoted(config.path)) says 'desc_act'", "none")
    }
    if producer == .awq, width != 4 {
      throw failure("qweight", "4 bits in AWQ's order of columns", "\(width) bits")
    }
    if let qzeros {
      let shape = [groups, columns * width / 32]
      guard qzeros.shape == shape, columns % (32 / width) == 0 else {
        throw failure("qzeros", "\(shape)", "\(qzeros.shape)")
      }
    } else if format.zeroPoints != nil {
      throw failure("qzeros", "zero points, as \(format.name) has", "none")
    }
  }

  /// How zero points are stored, as the checkpoint's JSON says.
  private static func zeroPointRule(
    of producer: Producer, _ config: QuantizationConfig?, hasZeroPoints: Bool,
    _ failure: (String, String, String) -> TensorFileError
  ) throws(TensorFileError) -> ZeroPointRule {
    if let config, let method = config.method, method != producer.rawValue {
      throw failure(
        "qweight", "the layout of '\(method)', as \(quoted(config.path)) says",
        "that of \(producer.rawValue)")
    }
    switch producer {
    case .awq:
      if let config, let version = config.version, version != "gemm" {
        throw failure(
          "qweight", "the layout 'gemm'", "'\(version)', as \(quoted(config.path)) says")
      }
      return .plain
    case .gptq:
      guard hasZeroPoints else { return .plain }
      guard let config else {
        throw failure(
          "qzeros",
          "one of \(QuantizationConfig.names.joined(separator: ", ")) beside the file, which "
            + "tells whether zero points lie one lower", "none")
      }
      switch config.checkpointFormat ?? "gptq" {
      case "gptq":
        return config.quantizers.contains { $0.lowercased().hasPrefix("gptqmodel") }
          ? .oneLowerInWords : .oneLower
      case "gptq_v2": return .plain
      case let other:
        throw failure(
          "qweight", "the layout 'gptq' or 'gptq_v2'",
          "'\(other)', as \(quoted(config.path)) says")
      }
    }
  }

  /// The blocks of all columns, one after the other.
  func blocks() throws(TensorFileError) -> HostTensor {
    try checkOrder()
    let rowBytes = groups * format.byteCount
    var blocks = try file.file.zeros([columns, rowBytes], .u8)
    let zeroPoints = try zeroPoints()
    let scales = try checkedScales()
    let words = try file.words(qweight, as: UInt32.self)
    let scaleBytes = format.scale.type.byteCount
    let first = format.byteCount - format.elementCount * bits / 8
    blocks.withUnsafeMutableBytes { bytes in
      for group in 0..<groups {
        for column in 0..<columns {
          let place = column * rowBytes + group * format.byteCount
          var scale = scales[group * columns + column]
          for byte in 0..<scaleBytes {
            bytes[place + byte] = UInt8(truncatingIfNeeded: scale)
            scale >>= 8
          }
          if let zeroPoints, format.zeroPoints != nil {
            bytes[place + scaleBytes] = zeroPoints[group * columns + column]
          }
        }
      }
      switch producer {
      case .gptq:
        // A word's bits lie as the block's do.
        let perGroup = format.elementCount / perWord
        for row in 0..<words.count / columns {
          let place = row / perGroup * format.byteCount + first + row % perGroup * 4
          for column in 0..<columns {
            bytes.storeBytes(
              of: words[row * columns + column], toByteOffset: column * rowBytes + place,
              as: UInt32.self)
          }
        }
      case .awq:
        for k in 0..<groups * format.elementCount {
          let element = k % format.elementCount
          let place = k / format.elementCount * format.byteCount + first + element / 2
          for column in 0..<columns {
            let word = words[k * (columns / 8) + column / 8]
            let quant = UInt8(truncatingIfNeeded: word >> (4 * Self.awqPlaces[column % 8])) & 15
            bytes[column * rowBytes + place] |= quant << (element % 2 * 4)
          }
        }
      }
    }
    try file.file.checkUnchanged()
    return blocks
  }

  /// Refuses groups of k that are not successive.
  private func checkOrder() throws(TensorFileError) {
    let tensor = "\(name).g_idx"
    guard let entry = file.entries.first(where: { $0.name == tensor }) else { return }
    let terms = groups * format.elementCount
    guard entry.type == .i32, entry.shape == [terms] else {
      throw failure("g_idx", "I32 [\(terms)]", "\(entry.type.rawValue) \(entry.shape)")
    }
    let indices = try file.words(entry, as: Int32.self)
    for (k, index) in indices.enumerated() where Int(index) != k / format.elementCount {
      throw failure(
        "g_idx",
        "groups of successive k (group \(k / format.elementCount) for k = \(k)); permute the "
          + "rows of a checkpoint made with 'desc_act', and the layer's input with them",
        "group \(index)")
    }
  }

  /// The effective zero points, group by group; nil if there are none.
  private func zeroPoints() throws(TensorFileError) -> [UInt8]? {
    guard let qzeros else { return nil }
    var words = try file.words(qzeros, as: UInt32.self)
    let mask = UInt32(1 << bits - 1)
    if zeroPointRule == .oneLowerInWords {
      let ones = UInt32.max / mask
      for place in words.indices { words[place] &+= ones }
    }
    var zeroPoints = [UInt8](repeating: 0, count: groups * columns)
    for place in zeroPoints.indices {
      let (group, column) = (place / columns, place % columns)
      let turn = producer == .awq ? Self.awqPlaces[column % perWord] : column % perWord
      let word = words[group * (columns / perWord) + column / perWord]
      let stored = UInt8(word >> (bits * turn) & mask)
      let (zeroPoint, overflow) = stored.addingReportingOverflow(
        zeroPointRule == .oneLower ? 1 : 0)
      guard !overflow else {
        throw failure(
          "qzeros", "zero points up to 255", "256 (group \(group), column \(column))")
      }
      zeroPoints[place] = zeroPoint
      guard format.zeroPoints != nil || Int(zeroPoint) == format.quants.zeroPoint else {
        throw failure(
          "qzeros", "\(format.quants.zeroPoint) everywhere, as in \(format.name)",
          "\(zeroPoint) (group \(group), column \(column)); "
            + "u\(format.name.dropFirst()) has zero points of its own")
      }
    }
    return zeroPoints
  }

  /// The bits of the scales, which must be finite.
  private func checkedScales() throws(TensorFileError) -> [UInt32] {
    let type = format.scale.type
    let bits =
      type.byteCount == 2
      ? try file.words(scales, as: UInt16.self).map(UInt32.init)
      : try file.words(scales, as: UInt32.self)
    for (place, bits) in bits.enumerated() {
      let value = type.value(ofBits: bits)
      guard value.isFinite else {
        throw failure(
          "scales", "finite scales",
          "\(value) (group \(place / columns), column \(place % columns))")
      }
    }
    return bits
  }

  private func failure(_ tensor: String, _ expected: String, _ found: String) -> TensorFileError {
    .layer(file: file.path, tensor: "\(name).\(tensor)", expected: expected, found: found)
  }
}
