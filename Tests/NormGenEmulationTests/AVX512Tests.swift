import NormGenEmulation
import Testing

/// AVX-512 kernels under Bochs, compared bit for bit with Swift.
@Suite(
  .enabled(
    if: Emulator.bochsX86_64.missingTool == nil, "\(Emulator.bochsX86_64.missingTool ?? "")"))
struct AVX512Tests {
  static let source = """
    #include <stdint.h>
    typedef float v16 __attribute__((vector_size(64), aligned(4)));

    void scale_entry(int64_t rows, void *const *buffers, const int64_t *strides) {
      const float *x = buffers[0], *w = buffers[1];
      float *y = buffers[2];
      for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < 48; i += 16) {
          v16 a = *(const v16 *)(x + r * strides[0] + i), b = *(const v16 *)(w + i);
          *(v16 *)(y + r * strides[2] + i) =
              __builtin_ia32_vfmaddps512_mask(a, a / b, b, (unsigned short)0xffff, 4);
        }
    }
    """

  @Test func fusesAndDividesExactly() throws {
    let kernel = EmulatedKernel(name: "scale", source: .c(Self.source))
    let fixture = ScaleFixture(width: 48)
    let results = try Emulator.bochsX86_64.run(kernels: [kernel], calls: fixture.calls)
    fixture.expect(results)
  }

  @Test func executesWholeVectorsOfTheUpperBank() throws {
    let source = """
      #include <stdint.h>
      void upper_entry(int64_t rows, void *const *buffers, const int64_t *strides) {
        (void)rows; (void)strides;
        __asm__ volatile(
            "vmovups (%0), %%zmm30\\n"
            "vpternlogd $0x55, %%zmm30, %%zmm30, %%zmm31\\n"
            "vmovdqu32 %%zmm31, (%1)\\n"
            : : "r"(buffers[0]), "r"(buffers[1]) : "xmm30", "xmm31", "memory");
      }
      """
    let input = (0..<64).map { UInt8($0 * 3) }
    let call = EmulatedCall(
      kernel: 0, rows: 1,
      buffers: [input, [UInt8](repeating: 0, count: 64)].map {
        EmulatedBuffer(bytes: $0, rowStride: 64, addressOffset: 1)
      })
    let results = try Emulator.bochsX86_64.run(
      kernels: [EmulatedKernel(name: "upper", source: .c(source))], calls: [call])
    #expect(results[0].buffers[1] == input.map { ~$0 })
    #expect(results[0].outOfBounds.isEmpty)
  }

  /// Bochs itself stores to half the displacement.
  @Test func storesOneWordWhereTheAssemblySays() throws {
    let source = """
      \t.text
      \t.globl\tword_entry
      word_entry:
      \tmovq\t(%rsi), %rax
      \tmovq\t8(%rsi), %rcx
      \tvmovdqu64\t(%rax), %xmm17
      \tvpextrw\t$3, %xmm17, 34(%rcx)
      \tretq
      \t.addrsig

      """
    let input = (1...16).map(UInt8.init)
    let buffers = [input, [UInt8](repeating: 0, count: 64)].map {
      EmulatedBuffer(bytes: $0, rowStride: 64)
    }
    let results = try Emulator.bochsX86_64.run(
      kernels: [EmulatedKernel(name: "word", source: .assembly(source))],
      calls: [EmulatedCall(kernel: 0, rows: 1, buffers: buffers)])
    var expected = buffers[1].bytes
    expected.replaceSubrange(34..<36, with: [7, 8])
    #expect(results[0].buffers[1] == expected)
  }

  @Test func refusesProcessorsWithoutAVX512() {
    let kernel = EmulatedKernel(name: "scale", source: .c(Self.source))
    let error = #expect(throws: EmulationError.self) {
      try Emulator.bochsX86_64.run(
        kernels: [kernel], calls: [], processor: "corei7_haswell_4770")
    }
    guard case .processorTooOld(let found) = error else {
      Issue.record("expected a refusal, found \(String(describing: error))")
      return
    }
    #expect(found.hasPrefix("expected AVX-512 F, BW, DQ, VL and FMA"))
  }

  @Test func showsTheLogOfAnUnknownProcessor() {
    let error = #expect(throws: EmulationError.self) {
      try Emulator.bochsX86_64.run(kernels: [], calls: [], processor: "abacus")
    }
    let text = error?.description ?? ""
    #expect(text.contains("wrong value for parameter 'model'"), "\(text)")
    #expect(!text.contains("loaded plugin"), "\(text)")
  }
}
