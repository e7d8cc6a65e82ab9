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
}
