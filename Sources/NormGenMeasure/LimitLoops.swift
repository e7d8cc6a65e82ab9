public import NormGen
private import NormGenC
private import NormGenTemplates

/// A rate of arithmetic that no kernel on one core exceeds.
public enum Peak: String, CaseIterable, Hashable, Sendable, Codable {
  /// Float32 fused multiply-adds; a product and a sum where the processor has none.
  case multiplyAdd = "f32 multiply-add"
  /// Dot products of bf16 pairs with Float32 sums, where the processor has them.
  case bf16Dot = "bf16 dot product"
  /// Products of bytes, added to integers of 16 or 32 bits.
  case integerDot = "int8 dot product"
}

/// Compiled loops whose speed is a limit of this machine, on its most capable target.
public final class LimitLoops: Sendable {
  private typealias Arithmetic = @convention(c) (UnsafePointer<Float>?, Int64) -> Float
  private typealias Read = @convention(c) (UnsafeRawPointer?, UnsafeRawPointer?, Int64) -> UInt32
  private typealias Copy =
    @convention(c) (UnsafeMutableRawPointer?, UnsafeRawPointer?, Int64) -> Void

  /// The peaks that this processor has.
  let peaks: [Peak]
  private let source: CompiledSource
  private let arithmetic: [Peak: Arithmetic]
  private let reading: Read
  private let copying: Copy
  /// Operands, and a start for each chain.
  private let values: [Float]
  private let operationsPerStep: Int

  /// Compiles the loops; objects are kept in `cache`, and `trace` receives notices of it.
  ///
  /// - Throws: ``CompilerError``.
  public init(
    cache: ObjectCache = .standard, trace: CompilerTrace = CompilerTrace()
  ) throws(CompilerError) {
    let target = HostCPU.current.bestTarget
    // As many chains as registers hold beside two operands, and more than latency · units.
    let chains = [.avx512, .avx512vnni, .avx512bf16, .neon, .neondot].contains(target) ? 24 : 12
    peaks = Peak.allCases.filter { $0 != .bf16Dot || target == .avx512bf16 }
    source = try CompiledSource(
      try LimitLoops.text(target: target, chains: chains), name: "limits",
      functions: peaks.map(LimitLoops.function(of:)) + ["limit_read", "limit_streamed_copy"],
      target: target, cache: cache, trace: trace)
    var arithmetic: [Peak: Arithmetic] = [:]
    for peak in peaks {
      // The functions' C types are those of the template.
      arithmetic[peak] = unsafeBitCast(
        try source.address(of: LimitLoops.function(of: peak)), to: Arithmetic.self)
    }
    self.arithmetic = arithmetic
    reading = unsafeBitCast(try source.address(of: "limit_read"), to: Read.self)
    copying = unsafeBitCast(try source.address(of: "limit_streamed_copy"), to: Copy.self)
    // The products are small and the starts differ: no chain overflows or equals another.
    values = (0..<(target.lanes * (chains + 2))).map { 0x1p-12 * Float($0 + 1) }
    operationsPerStep = 2 * target.lanes * chains
  }

  private static func function(of peak: Peak) -> String {
    switch peak {
    case .multiplyAdd: "limit_multiply_add"
    case .bf16Dot: "limit_bf16_dot"
    case .integerDot: "limit_integer_dot"
    }
  }

  /// The loops in C.
  static func text(target: Target, chains: Int) throws(CompilerError) -> String {
    let multiplyAdd =
      target == .portable ? "x * y + sum[k]" : "multiply_add(x, y, sum[k])"
    do {
      let library = try SupportLibrary.of(target: target)
      return try TemplateRenderer.rendered(
        .limits,
        [
          "support": library.definitions(
            reachedFrom: "vec load_f32 add_quads float_from_pair_sums \(multiplyAdd)"),
          "vector_bytes": "\(target.lanes * 4)", "lanes": "\(target.lanes)",
          "chains": "\(chains)", "multiply_add": multiplyAdd,
        ])
    } catch { throw .template(error) }
  }

  /// The peak that bounds a kernel with these operations: that of most of them, if the processor
  /// has it.
  func peak(bounding operations: KernelCost.Operations) -> Peak {
    func isMost(_ count: Int) -> Bool { 2 * count > operations.flops / 2 }
    if isMost(operations.integer) { return .integerDot }
    return isMost(operations.dotted) && peaks.contains(.bf16Dot) ? .bf16Dot : .multiplyAdd
  }

  /// Operations of one ``run(_:)``.
  func operations(of peak: Peak) -> Double {
    let operations = Double(operationsPerStep * LimitLoops.steps)
    return switch peak {
    case .multiplyAdd: operations
    case .bf16Dot: 2 * operations
    case .integerDot: 4 * operations
    }
  }

  /// Some ten microseconds.
  private static let steps = 2048

  /// Runs ``operations(of:)`` operations at the rate of `peak`; one that this processor lacks
  /// takes no time.
  func run(_ peak: Peak) {
    _ = arithmetic[peak]?(values, Int64(LimitLoops.steps))
  }

  /// Reads two areas of `lines` 64-byte lines each.
  func read(_ first: UnsafeRawPointer?, _ second: UnsafeRawPointer?, lines: Int) {
    _ = reading(first, second, Int64(lines))
  }

  /// Copies an even number of 64-byte lines past the caches.
  func streamedCopy(
    to: UnsafeMutableRawPointer?, from: UnsafeRawPointer?, lines: Int
  ) {
    copying(to, from, Int64(lines))
  }
}
