import NormGenEmulation
import Testing

let neonAvailable = Emulator.qemuAArch64.missingTool == nil

/// NEON kernels under QEMU, compared bit for bit with Swift.
@Suite(.enabled(if: neonAvailable, "\(Emulator.qemuAArch64.missingTool ?? "")"))
struct NEONTests {
  static let source = """
    #include <arm_neon.h>
    #include <stddef.h>

    void scale_entry(int64_t rows, void *const *buffers, const int64_t *strides) {
      const float *x = buffers[0], *w = buffers[1];
      float *y = buffers[2];
      for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < 8; i += 4) {
          float32x4_t a = vld1q_f32(x + r * strides[0] + i), b = vld1q_f32(w + i);
          vst1q_f32(y + r * strides[2] + i, vfmaq_f32(b, a, vdivq_f32(a, b)));
        }
    }
    """

  @Test func fusesAndDividesExactly() throws {
    let kernel = EmulatedKernel(name: "scale", source: .c(Self.source))
    let fixture = ScaleFixture(width: 8)
    let results = try Emulator.qemuAArch64.run(kernels: [kernel], calls: fixture.calls)
    fixture.expect(results)
  }

  @Test func trapsOnInstructionsBeyondTheTarget() throws {
    let source = """
      #include <stdint.h>
      void vary_entry(int64_t rows, void *const *buffers, const int64_t *strides) {
        (void)rows; (void)strides;
        uint64_t length;
        __asm__ volatile(".arch_extension sve\\n cntb %0" : "=r"(length));
        *(uint64_t *)buffers[0] = length;
      }
      """
    let kernel = EmulatedKernel(name: "vary", source: .c(source))
    let buffer = EmulatedBuffer(bytes: [UInt8](repeating: 0, count: 8), rowStride: 1)
    let call = EmulatedCall(kernel: 0, rows: 1, buffers: [buffer])
    let error = #expect(throws: EmulationError.self) {
      try Emulator.qemuAArch64.run(kernels: [kernel], calls: [call])
    }
    guard case .kernelFaulted("vary", 0, let fault) = error else {
      Issue.record("expected a fault, found \(String(describing: error))")
      return
    }
    #expect(fault.hasPrefix("illegal instruction"))
  }
}
