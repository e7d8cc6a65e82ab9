import NormGen
import NormGenCheck
import Testing

/// Conversions between Float32 and stored types through kernels, on every target: all patterns of a
/// type, and every rounding there is between neighbours.
@Suite struct ConversionTests {
  /// A binary format as IEEE 754 builds it, in integers: sign, exponent, fraction.
  struct Format: Sendable {
    let type: DType
    let exponentBits: Int
    let fractionBits: Int
    var hasInfinity = true

    static let bf16 = Format(type: .bf16, exponentBits: 8, fractionBits: 7)
    static let f16 = Format(type: .f16, exponentBits: 5, fractionBits: 10)
    static let e4m3 = Format(
      type: .f8E4M3, exponentBits: 4, fractionBits: 3, hasInfinity: false)
    static let e5m2 = Format(type: .f8E5M2, exponentBits: 5, fractionBits: 2)

    var bias: Int { 1 << (exponentBits - 1) - 1 }
    var sign: UInt16 { 1 << UInt16(exponentBits + fractionBits) }
    var patterns: ClosedRange<UInt16> { 0...sign - 1 + sign }
    /// The pattern after that of the greatest finite value: infinity, or NaN where there is none.
    var beyond: UInt16 {
      hasInfinity ? UInt16((1 << exponentBits - 1) << fractionBits) : sign - 1
    }

    /// The magnitude of a pattern; that beyond the range is what the next number would be.
    func magnitude(_ pattern: UInt16) -> Double {
      let exponent = Int(pattern >> UInt16(fractionBits))
      let fraction = Int(pattern) & (1 << fractionBits - 1)
      let significand = exponent == 0 ? fraction : fraction + 1 << fractionBits
      let power = max(exponent, 1) - bias - fractionBits
      return Double(sign: .plus, exponent: power, significand: Double(significand))
    }

    /// Whether a Float32 is what the pattern stands for.
    func holds(_ value: Float, _ pattern: UInt16) -> Bool {
      let rest = pattern & ~sign
      let right = rest == beyond ? .infinity : magnitude(rest)
      return Double(value.magnitude) == right && (value.sign == .minus) == (pattern & sign != 0)
    }

    func isNaN(_ pattern: UInt16) -> Bool {
      pattern & ~sign > beyond || !hasInfinity && pattern & ~sign == beyond
    }
  }

  static let formats = [Format.bf16, .f16, .e4m3, .e5m2]

  /// What a Float32 must be stored as; nil for a NaN of any payload.
  struct Case {
    let value: Float
    let pattern: UInt16?
  }

  /// Every pattern itself, every midpoint of neighbours, and the Float32 on both sides of each, of
  /// both signs: the right results follow from the neighbours, without a rounding function.
  static func cases(_ format: Format) -> [Case] {
    var cases: [Case] = []
    func add(_ value: Float, _ pattern: UInt16) {
      let right = format.isNaN(pattern) ? nil : pattern
      cases.append(Case(value: value, pattern: right))
      cases.append(Case(value: -value, pattern: right.map { $0 | format.sign }))
    }
    for pattern in 0..<format.beyond {
      let low = Float(format.magnitude(pattern))
      // Float32 holds every midpoint; the last one lies before the power of two beyond the range.
      let tie = Float((format.magnitude(pattern) + format.magnitude(pattern + 1)) / 2)
      let high = Float(format.magnitude(pattern + 1))
      add(low, pattern)
      add(low.nextUp, pattern)
      add(tie.nextDown, pattern)
      add(tie, pattern % 2 == 0 ? pattern : pattern + 1)
      add(tie.nextUp, pattern + 1)
      add(high.nextDown, pattern + 1)
    }
    add(.infinity, format.beyond)
    add(.greatestFiniteMagnitude, format.beyond)
    add(.leastNonzeroMagnitude, 0)
    let quiet = Float.nan.bitPattern
    for payload: UInt32 in [0, 1, 0x1fff, 0x2000, 0xffff, 0x10000, 0x3f_ffff] {
      for sign: UInt32 in [0, 0x8000_0000] {
        cases.append(Case(value: Float(bitPattern: quiet | payload | sign), pattern: nil))
        // Signalling, unless the payload is empty: that is infinity.
        guard payload > 0 else { continue }
        let signalling = Float(bitPattern: 0x7f80_0000 | payload | sign)
        cases.append(Case(value: signalling, pattern: nil))
      }
    }
    return cases
  }

  /// The output's bytes of one kernel of one input, whose C may be edited.
  private func bytes(
    of y: (Tensor) -> Tensor, _ input: HostTensor, as type: DType, on target: Target,
    edited: (String) -> String = { $0 }
  ) throws -> [UInt8] {
    let x = Tensor.input("x", [.rows, .fixed(input.shape[1])], input.storage)
    let compiler = Compiler(target: target)
    var lowering = try compiler.lower(
      Kernel("k", outputs: [Kernel.Output("y", y(x), as: type)]))
    lowering = lowering.replacingSource(with: edited(lowering.source.source))
    let call = KernelCall(lowering, rows: input.shape[0], inputs: ["x": input])
    let output = try TargetMachine.outputs(of: [call], on: target, compiler: compiler)[0]["y"]
    return try #require(output).withUnsafeBytes { Array($0) }
  }

  private func elements<Element: FixedWidthInteger>(
    _ bytes: [UInt8], as: Element.Type = Element.self
  ) -> [Element] {
    bytes.withUnsafeBytes { bytes in
      stride(from: 0, to: bytes.count, by: MemoryLayout<Element>.size).map {
        bytes.loadUnaligned(fromByteOffset: $0, as: Element.self)
      }
    }
  }

  /// The patterns of elements of a format.
  private func patterns(_ bytes: [UInt8], _ format: Format) -> [UInt16] {
    format.type.byteCount == 1 ? bytes.map { UInt16($0) } : elements(bytes)
  }

  /// A tensor of patterns.
  private func tensor(
    _ patterns: [UInt16], extent: Int, _ format: Format
  ) throws -> HostTensor {
    guard format.type.byteCount == 1 else {
      return try tensor(patterns, extent: extent, format.type)
    }
    return try tensor(patterns.map { UInt8($0) }, extent: extent, format.type)
  }

  private func tensor<Element: FixedWidthInteger>(
    _ patterns: [Element], extent: Int, _ type: DType
  ) throws -> HostTensor {
    let rows = (patterns.count + extent - 1) / extent
    let padded = patterns + [Element](repeating: 0, count: rows * extent - patterns.count)
    return try padded.withUnsafeBytes { try HostTensor(bytes: $0, shape: [rows, extent], type) }
  }

  /// A whole number of vectors, and rows that end in a part of one.
  static let extents = [4096, 61]

  @Test(arguments: formats.indices, Targets.usable)
  func everyPatternIsWidenedExactlyAndStoredBack(format: Int, target: Target) throws {
    let format = Self.formats[format]
    let patterns = Array(format.patterns)
    for extent in Self.extents {
      let x = try tensor(patterns, extent: extent, format)
      let widened: [UInt32] = elements(try bytes(of: { $0 }, x, as: .f32, on: target))
      let stored = self.patterns(
        try bytes(of: { $0 * 1 }, x, as: format.type, on: target), format)
      for pattern in patterns {
        let wide = Float(bitPattern: widened[Int(pattern)])
        let back = stored[Int(pattern)]
        let isRight =
          format.isNaN(pattern)
          ? wide.isNaN && format.isNaN(back) : format.holds(wide, pattern) && back == pattern
        guard isRight else {
          Issue.record("\(format.type) \(pattern) on \(target): \(wide), \(back)")
          return
        }
      }
    }
  }

  @Test(arguments: formats.indices, Targets.usable)
  func everyNeighbourhoodIsRoundedToNearestEven(format: Int, target: Target) throws {
    let format = Self.formats[format]
    let cases = Self.cases(format)
    for extent in Self.extents {
      let x = try tensor(cases.map(\.value.bitPattern), extent: extent, .f32)
      let stored = patterns(try bytes(of: { $0 }, x, as: format.type, on: target), format)
      // An explicit rounding point that stays in Float32.
      let rounded: [UInt32] = elements(
        try bytes(of: { $0.rounded(to: format.type) }, x, as: .f32, on: target))
      for (index, item) in cases.enumerated() {
        let wide = Float(bitPattern: rounded[index])
        let isRight: Bool
        if let pattern = item.pattern {
          isRight = stored[index] == pattern && format.holds(wide, pattern)
        } else {
          isRight = format.isNaN(stored[index]) && wide.isNaN
        }
        guard isRight else {
          Issue.record(
            "\(format.type) of \(item.value) on \(target): \(stored[index]), \(wide)")
          return
        }
      }
    }
  }

  /// The greatest finite value takes the place of what lies beyond the range; NaN stays.
  @Test(arguments: formats.indices, Targets.usable)
  func saturatedValuesEndAtTheGreatest(format: Int, target: Target) throws {
    let format = Self.formats[format]
    let cases = Self.cases(format)
    let x = try tensor(cases.map(\.value.bitPattern), extent: 61, .f32)
    let stored = patterns(
      try bytes(
        of: { $0.rounded(to: format.type, overflow: .saturated) }, x, as: format.type, on: target),
      format)
    for (index, item) in cases.enumerated() {
      let sign = item.value.sign == .minus ? format.sign : 0
      let isBeyond = item.pattern.map { $0 & ~format.sign >= format.beyond } ?? true
      let isRight =
        item.value.isNaN
        ? format.isNaN(stored[index])
        : stored[index] == (isBeyond ? sign | (format.beyond - 1) : item.pattern)
      guard isRight else {
        Issue.record("\(format.type) of \(item.value) on \(target): \(stored[index])")
        return
      }
    }
  }

  /// Ties away from zero, truncation, and a half that is lost: each is seen by the neighbourhoods.
  @Test(arguments: ["0x8000u", "0u", "0x7fffu"])
  func otherRoundingsAreSeen(addend: String) throws {
    let cases = Self.cases(.bf16)
    let x = try tensor(cases.map(\.value.bitPattern), extent: 64, .f32)
    let nearestEven = "0x7fffu + (bits >> 16u & 1u)"
    let stored: [UInt16] = elements(
      try bytes(of: { $0 }, x, as: .bf16, on: .portable) { source in
        #expect(source.contains(nearestEven))
        return source.replacing(nearestEven, with: addend)
      })
    let wrong = zip(cases, stored).filter { item, pattern in
      item.pattern.map { $0 != pattern } ?? false
    }
    #expect(!wrong.isEmpty)
  }

  @Test(arguments: Targets.usable)
  func everyIntegerAndEveryTieOfI8(target: Target) throws {
    try checkIntegers(Int8.self, .i8, on: target)
  }

  @Test(arguments: Targets.usable)
  func everyIntegerAndEveryTieOfU8(target: Target) throws {
    try checkIntegers(UInt8.self, .u8, on: target)
  }

  private func checkIntegers<Element: FixedWidthInteger>(
    _: Element.Type, _ type: DType, on target: Target
  ) throws {
    let integers = (Element.min...Element.max).map { $0 }
    let (least, greatest) = (Element.min, Element.max)
    var cases: [(value: Float, right: Element)] = [
      (.nan, 0), (-.nan, 0), (-0.0, 0), (.infinity, greatest), (-.infinity, least),
      (.greatestFiniteMagnitude, greatest), (-.greatestFiniteMagnitude, least),
      (0x1p31, greatest), (-0x1p31, least), (0x1p32, greatest), (-0x1p32, least),
      (.leastNonzeroMagnitude, 0), (-.leastNonzeroMagnitude, 0),
    ]
    for whole in -300...300 {
      let saturated = Element(clamping: whole)
      let (tie, even) = (Float(whole) + 0.5, whole % 2 == 0 ? whole : whole + 1)
      cases += [
        (Float(whole), saturated), (tie, Element(clamping: even)), (tie.nextDown, saturated),
        (tie.nextUp, Element(clamping: whole + 1)),
      ]
    }
    for extent in Self.extents {
      let x = try tensor(integers, extent: extent, type)
      let widened: [UInt32] = elements(try bytes(of: { $0 }, x, as: .f32, on: target))
      let stored: [Element] = elements(try bytes(of: { $0 * 1 }, x, as: type, on: target))
      #expect(widened.prefix(256).map { Float(bitPattern: $0) } == integers.map { Float($0) })
      #expect(Array(stored.prefix(256)) == integers)
      let values = try tensor(cases.map(\.value.bitPattern), extent: extent, .f32)
      let narrowed: [Element] = elements(try bytes(of: { $0 }, values, as: type, on: target))
      let rounded: [UInt32] = elements(
        try bytes(of: { $0.rounded(to: type) }, values, as: .f32, on: target))
      for (index, item) in cases.enumerated() {
        // The Float32 of 0 is +0.
        #expect(
          narrowed[index] == item.right && rounded[index] == Float(item.right).bitPattern,
          "\(item.value) as \(type) on \(target)")
      }
    }
  }
}
