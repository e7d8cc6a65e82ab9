import Foundation
import NormGenEmulation
import Testing

/// What both machines owe whatever the kernel: protection, limits and honest reports.
@Suite struct MachineTests {
  static let usable = Emulator.allCases.filter { $0.missingTool == nil }

  @Test(arguments: usable)
  func findsWritesOutsideBuffers(emulator: Emulator) throws {
    let source = """
      #include <stdint.h>
      void stray_entry(int64_t rows, void *const *buffers, const int64_t *strides) {
        (void)strides;
        volatile unsigned char *bytes = buffers[1];
        bytes[rows] = 1;
      }
      """
    let kernel = EmulatedKernel(name: "stray", source: .c(source))
    let calls = [0, 12, 13, 268, -1, -256].map { place in
      EmulatedCall(
        kernel: 0, rows: place,
        buffers: [8, 13, 8].map { count in
          EmulatedBuffer(
            bytes: [UInt8](repeating: 0, count: count), rowStride: 1, addressOffset: 4091)
        })
    }
    let results = try emulator.run(kernels: [kernel], calls: calls)
    let found = results.map { $0.outOfBounds.map { [$0.buffer, $0.bytesBefore, $0.bytesAfter] } }
    #expect(found == [[], [], [[1, 0, 1]], [[1, 0, 256]], [[1, 1, 0]], [[1, 256, 0]]])
    #expect(results[1].buffers[1][12] == 1)
    #expect(
      results[3].outOfBounds.first?.description
        == "buffer 1: written up to 256 bytes after it")
  }

  @Test(arguments: usable)
  func placesBuffersAsAsked(emulator: Emulator) throws {
    let source = """
      #include <stdint.h>
      void place_entry(int64_t rows, void *const *buffers, const int64_t *strides) {
        int64_t *out = buffers[0];
        out[0] = rows;
        for (int i = 0; i < 3; i++) {
          out[1 + i] = (int64_t)((uintptr_t)buffers[i] % 4096);
          out[4 + i] = strides[i];
        }
      }
      """
    let kernel = EmulatedKernel(name: "place", source: .c(source))
    let zeros = [UInt8](repeating: 0, count: 56)
    let call = EmulatedCall(
      kernel: 0, rows: -5,
      buffers: [
        EmulatedBuffer(bytes: zeros, rowStride: 9, addressOffset: 4032),
        EmulatedBuffer(bytes: [], rowStride: -3, addressOffset: 1),
        EmulatedBuffer(bytes: zeros, rowStride: .max, addressOffset: 4095),
      ])
    let results = try emulator.run(kernels: [kernel], calls: [call])
    let words = results[0].buffers[0].withUnsafeBytes { Array($0.bindMemory(to: Int.self)) }
    #expect(words == [-5, 4032, 1, 4095, 9, -3, .max])
    #expect(results[0].buffers[1] == [])
  }

  @Test(arguments: usable)
  func killsWhatNeverEnds(emulator: Emulator) throws {
    let source = """
      #include <stdint.h>
      void spin_entry(int64_t rows, void *const *buffers, const int64_t *strides) {
        (void)buffers; (void)strides;
        volatile int64_t left = rows;
        while (left != 0) {}
      }
      """
    let kernel = EmulatedKernel(name: "spin", source: .c(source))
    let calls = [0, 0, 1, 0].map { EmulatedCall(kernel: 0, rows: $0, buffers: []) }
    let error = #expect(throws: EmulationError.self) {
      try emulator.run(kernels: [kernel], calls: calls, timeLimit: 3)
    }
    guard case .timeLimit(_, 3, 2, _) = error else {
      Issue.record("expected a time limit in call 2, found \(String(describing: error))")
      return
    }
  }

  @Test(arguments: usable)
  func reportsFaults(emulator: Emulator) throws {
    let source = """
      #include <stdint.h>
      void wild_entry(int64_t rows, void *const *buffers, const int64_t *strides) {
        (void)buffers; (void)strides;
        if (rows == 1) *(volatile char *)(uintptr_t)0x10 = 1;
        if (rows == 2) *(volatile char *)(uintptr_t)0x7ff0000000 = 1;
        if (rows == 3) __builtin_trap();
      }
      static volatile int64_t sink;
      void deep_entry(int64_t rows, void *const *buffers, const int64_t *strides) {
        volatile char room[4096];
        room[0] = 1;
        deep_entry(rows + 1, buffers, strides);
        sink = room[0];
      }
      """
    let kernels = ["wild", "deep"].map { EmulatedKernel(name: $0, source: .c(source)) }
    let faults = [
      (0, 1, "address 0x10"), (0, 2, "address 0x7ff0000000"),
      (0, 3, emulator == .qemuAArch64 ? "trap" : "illegal instruction"), (1, 0, "unmapped"),
    ]
    for (kernel, rows, text) in faults {
      let calls = [(0, 0), (kernel, rows)].map {
        EmulatedCall(kernel: $0.0, rows: $0.1, buffers: [])
      }
      let error = #expect(throws: EmulationError.self) {
        try emulator.run(kernels: kernels, calls: calls)
      }
      guard case .kernelFaulted(let name, 1, let fault) = error else {
        Issue.record("expected a fault in call 1, found \(String(describing: error))")
        continue
      }
      #expect(name == kernels[kernel].name)
      #expect(fault.contains(text), "\(fault)")
    }
  }

  @Test(arguments: usable)
  func namesWhatDoesNotBuild(emulator: Emulator) {
    let broken = EmulatedKernel(name: "broken", source: .c("int broken_entry = ;"))
    let absent = EmulatedKernel(name: "absent", source: .c("int other;"))
    let notObject = EmulatedKernel(name: "bytes", source: .object([1, 2, 3]))
    let notAssembly = EmulatedKernel(name: "text", source: .assembly("no instruction"))
    for (kernel, text) in [
      (broken, "error"), (absent, "absent_entry"), (notObject, "kernel0.o"),
      (notAssembly, "kernel0.s"),
    ] {
      let error = #expect(throws: EmulationError.self) {
        try emulator.run(kernels: [kernel], calls: [])
      }
      guard case .toolFailed(_, "exit status 1", let log) = error else {
        Issue.record("expected a failed tool, found \(String(describing: error))")
        continue
      }
      #expect(log.contains(text), "\(log)")
    }
  }

  @Test(arguments: Emulator.allCases)
  func refusesMalformedRequests(emulator: Emulator) {
    let source = EmulatedSource.c("")
    func refusal(_ names: [String], _ calls: [EmulatedCall]) -> String {
      do throws(EmulationError) {
        _ = try emulator.run(
          kernels: names.map { EmulatedKernel(name: $0, source: source) }, calls: calls)
        return "none"
      } catch {
        return error.description
      }
    }
    let buffer = EmulatedBuffer(bytes: [], rowStride: 0, addressOffset: 4096)
    #expect(
      refusal(["a"], [EmulatedCall(kernel: 1, rows: 0, buffers: [])])
        == "emulated call 0: expected a kernel below 1, found 1")
    #expect(
      refusal(["a"], [EmulatedCall(kernel: 0, rows: 0, buffers: [buffer])])
        == "emulated call 0: buffer 0: expected an address offset below 4096, found 4096")
    guard emulator.missingTool == nil else { return }
    #expect(refusal(["a;"], []) == "emulated kernel 'a;': the name is not a C identifier")
    #expect(refusal(["a", "a"], []) == "emulated kernel 'a': the name is used twice")
  }

  @Test(arguments: zip(Emulator.allCases, ["qemu-user-static", "bochs bochs-term"]))
  func namesMissingPackages(emulator: Emulator, package: String) {
    let text = emulator.missingTool(searching: "/nonexistent")
    #expect(text?.hasSuffix("install it with: apt-get install \(package)") == true)
  }

  @Test(arguments: usable)
  func runsHundredsOfCallsAtOnce(emulator: Emulator) throws {
    let source = """
      #include <stdint.h>
      void add_entry(int64_t rows, void *const *buffers, const int64_t *strides) {
        uint32_t *x = buffers[0];
        for (int64_t i = 0; i < rows * strides[0]; i++) x[i] = x[i] * 3 + (uint32_t)rows;
      }
      """
    let kernel = EmulatedKernel(name: "add", source: .c(source))
    var generator = SplitMix64(state: 7)
    var expected: [[UInt32]] = []
    let calls = (0..<400).map { index in
      let (rows, width) = (index % 8, [1, 3, 64, 300, 1024][index % 5])
      let words = (0..<(rows * width)).map { _ in UInt32.random(in: 0 ... .max, using: &generator) }
      expected.append(words.map { $0 &* 3 &+ UInt32(rows) })
      return EmulatedCall(
        kernel: 0, rows: rows,
        buffers: [
          EmulatedBuffer(
            bytes: words.withUnsafeBytes { [UInt8]($0) }, rowStride: width,
            addressOffset: 4 * (index % 1024))
        ])
    }
    let results = try emulator.run(kernels: [kernel], calls: calls)
    for (index, result) in results.enumerated() {
      let words = result.buffers[0].withUnsafeBytes { Array($0.bindMemory(to: UInt32.self)) }
      #expect(words == expected[index], "call \(index)")
      #expect(result.outOfBounds.isEmpty)
    }
  }

  @Test(arguments: usable)
  func linksCompiledObjects(emulator: Emulator) throws {
    // Position-independent, as compilers make objects by default: the address comes from the GOT.
    let source = """
      float factor[64] = {3};
      void times_entry(long rows, void *const *buffers, const long *strides) {
        (void)strides;
        float *x = buffers[0];
        for (long i = 0; i < rows; i++) x[i] *= factor[0];
      }
      """
    let directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("normgen-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let (input, output) = (directory.path + "/k.c", directory.path + "/k.o")
    try Data(source.utf8).write(to: URL(fileURLWithPath: input))
    let (tool, architecture) =
      switch emulator {
      case .qemuAArch64: ("aarch64-linux-gnu-gcc", "-march=armv8-a")
      case .bochsX86_64: ("x86_64-linux-gnu-gcc", "-march=x86-64-v4")
      }
    let compiler = try Process.run(
      URL(fileURLWithPath: "/usr/bin/env"),
      arguments: [tool, "-O3", "-fPIC", architecture, "-c", input, "-o", output])
    compiler.waitUntilExit()
    try #require(compiler.terminationStatus == 0)

    let object = EmulatedSource.object([UInt8](try Data(contentsOf: URL(fileURLWithPath: output))))
    let x = (0..<39).map { Float($0) / 7 }
    let results = try emulator.run(
      kernels: [EmulatedKernel(name: "times", source: object)],
      calls: [
        EmulatedCall(
          kernel: 0, rows: 38, buffers: [EmulatedBuffer(bytes: x.bytes, rowStride: 1)])
      ])
    #expect(results[0].buffers[0] == (x.dropLast().map { $0 * 3 } + x.suffix(1)).bytes)
  }
}
