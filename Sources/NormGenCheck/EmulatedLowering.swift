package import NormGen
package import NormGenEmulation

/// A lowered kernel as an emulated machine calls it.
///
/// It comes with a C function that packs its weights and runs all its phases. The memory for that follows
/// the kernel's own buffers, so that it is watched as they are.
package struct EmulatedLowering: Sendable {
  /// What the machine links.
  package let kernel: EmulatedKernel
  private let lowering: Lowering
  private let parts: Int
  /// The parameters with weights to pack, and the bytes that they take packed.
  private let packed: [Weights]

  private struct Weights {
    let parameter: String
    let symbol: String
    /// The tensors that packing takes, by their places among the kernel's.
    let sources: [Int]
    let bytes: Int
  }

  /// The object code of a lowered kernel, and what calls it with `parts` parts.
  package init(_ lowering: Lowering, parts: Int = 1, compiler: Compiler) throws(CompilerError) {
    self.init(
      lowering, parts: parts, source: try EmulatedLowering.source(lowering, compiler: compiler))
  }

  /// The same for code that something else has made of the kernel's C, or makes of it.
  package init(_ lowering: Lowering, parts: Int = 1, source: EmulatedSource) {
    self.lowering = lowering
    self.parts = parts
    let interface = lowering.module.interface
    let tensors = lowering.parameters
    self.packed = interface.parameters.compactMap { parameter in
      guard let packing = parameter.packing else { return nil }
      let buffer = parameter.buffer
      return Weights(
        parameter: buffer.name, symbol: packing.symbol,
        sources: packing.sources.compactMap { source in
          tensors.firstIndex { $0.name == source.name }
        }, bytes: packing.elements * buffer.storage.byteCount)
    }
    self.kernel = EmulatedKernel(
      name: "\(lowering.source.name)_whole",
      source: source,
      adapter: EmulatedLowering.adapter(lowering, parts: parts, packed: packed))
  }

  private static func source(
    _ lowering: Lowering, compiler: Compiler
  ) throws(CompilerError) -> EmulatedSource {
    guard lowering.target.templates.first == "avx512" else {
      return .object(try compiler.object(of: lowering))
    }
    return .assembly(try compiler.assembly(of: roundingBefore(lowering)))
  }

  /// The kernel, with nothing left to round where the emulator of AVX-512 rounds wrongly.
  ///
  /// Bochs 2.7 rounds ties of `vcvtps2ph` away from zero, the instruction that makes halves of
  /// Float32. Handed a value that binary16 holds it is right, so on this machine the value is rounded
  /// before, by integers, and by a sum that ends where denormal halves do.
  private static func roundingBefore(_ lowering: Lowering) -> Lowering {
    let conversion = "static inline hvec narrow_f16(vec v) {\n"
    let exact = """
        typedef uint32_t lanes __attribute__((vector_size(64)));
        const lanes bits = (lanes)v;
        const lanes size = bits & 0x7fffffffu;
        const lanes nearest = (bits + 0xfffu + (bits >> 13u & 1u)) & 0xffffe000u;
        const lanes denormal = (lanes)((vec)size + 0.75f - 0.75f) | (bits & 0x80000000u);
        const lanes is_denormal = (lanes)(size < 0x38800000u);
        const lanes is_finite = (lanes)(size < 0x7f800000u);
        v = (vec)((denormal & is_denormal) | (nearest & ~is_denormal & is_finite)
            | (bits & ~is_finite));

      """
    return lowering.replacingSource(
      with: lowering.source.source.replacing(conversion, with: conversion + exact))
  }

  /// A call of the machine's kernel at an index, on memory for each of the lowered parameters.
  package func call(kernel: Int, rows: Int, buffers: [EmulatedBuffer]) -> EmulatedCall {
    var buffers = buffers
    // Nothing may depend on what the memory holds: Float32 of these bits are NaN.
    func memory(_ bytes: Int) -> EmulatedBuffer {
      EmulatedBuffer(bytes: [UInt8](repeating: 0xff, count: bytes), rowStride: bytes)
    }
    buffers += packed.map { memory($0.bytes) }
    // The machine compares the size with what the kernel asks for.
    buffers.append(memory((try? lowering.module.scratchBytes(rows: rows, parts: parts)) ?? 0))
    return EmulatedCall(kernel: kernel, rows: rows, buffers: buffers)
  }

  private static func adapter(
    _ lowering: Lowering, parts: Int, packed: [Weights]
  ) -> String {
    let division = lowering.module.interface.parts
    let name = lowering.source.name
    let tensors = lowering.parameters
    let scratch = tensors.count + packed.count
    let packs = packed.enumerated().map { index, weights in
      let sources = weights.sources.map { "buffers[\($0)]" }.joined(separator: ", ")
      return "  \(weights.symbol)(\(sources), buffers[\(tensors.count + index)]);"
    }
    // Where each argument of the kernel lies among the buffers.
    let places = lowering.module.interface.parameters.map { parameter in
      if let index = packed.firstIndex(where: { $0.parameter == parameter.buffer.name }) {
        return tensors.count + index
      }
      return tensors.firstIndex { $0.name == parameter.buffer.name } ?? 0
    }
    return """
      \(lowering.source.header)
      void \(name)_whole_entry(int64_t rows, void *const *buffers, const int64_t *strides) {
        void *const all[] = {\(places.map { "buffers[\($0)]" }.joined(separator: ", "))};
        const int64_t all_strides[] = {\(places.map { "strides[\($0)]" }.joined(separator: ", "))};
      \(packs.joined(separator: "\n"))
        // The stride of the scratch memory is its size.
        if (\(division.scratchBytes)(rows, \(parts)) > strides[\(scratch)]) __builtin_trap();
        const int64_t phases = \(division.phases)(rows, \(parts));
        for (int64_t phase = 0; phase < phases; ++phase) {
          for (int64_t part = 0; part < \(parts); ++part) {
            \(lowering.module.interface.entry)(rows, all, all_strides, buffers[\(scratch)], phase, part, \(parts));
          }
        }
      }

      """
  }
}
