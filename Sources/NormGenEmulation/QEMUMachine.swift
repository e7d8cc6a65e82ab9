internal import Foundation
internal import NormGenTemplates

/// A 64-bit Arm Linux program under QEMU's user-mode emulation.
struct QEMUMachine: EmulatedMachine {
  private let emulator: String
  private let compiler: String
  private let processor: String

  init(_ tools: EmulationTools, processor: String?) throws(EmulationError) {
    // Armv8.0 without extensions: an instruction beyond the declared target must trap.
    self.processor = processor ?? "cortex-a57"
    emulator = try tools.find(
      ["qemu-aarch64-static", "qemu-aarch64"], for: .qemuAArch64, package: "qemu-user-static")
    compiler = try tools.find(
      ["aarch64-linux-gnu-gcc"], for: .qemuAArch64, package: "gcc-aarch64-linux-gnu")
    // The C library is only recommended by the compiler's package, so it may be absent.
    let directory = try TemporaryDirectory()
    let query = try Subprocess(
      compiler, ["-print-file-name=libc.a"], in: directory, log: "query.log")
    try query.finish(by: Deadline(after: EmulationBuild.timeLimit))
    guard query.logTail().hasPrefix("/") else {
      throw EmulationTools.missing(
        .qemuAArch64, "the static C library of \(compiler) not found",
        package: "libc6-dev-arm64-cross")
    }
  }

  func respond(
    to request: EmulationRequest, kernels: [EmulatedKernel], timeLimit: Double
  ) throws(EmulationError) -> [UInt8] {
    var build = try EmulationBuild(compiler: compiler)
    try build.addMachine(
      [EmulationTemplates.program, EmulationTemplates.linux], kernels: kernels, flags: ["-O2"])
    try build.addKernels(kernels, flags: Emulator.qemuAArch64.compilerFlags)
    try build.link(["-static"], into: "program")
    try build.directory.write(Data(request.bytes), to: "request")

    let machine = try Subprocess(
      emulator, ["-cpu", processor, build.directory.path("program"), "request", "response"],
      in: build.directory, log: "machine.log")
    try machine.finish(by: Deadline(after: timeLimit))
    // One byte more than a whole response, so that a longer one is noticed.
    return try build.directory.read("response", limit: request.responseBytes + 1)
  }

  static func describeFault(_ detail: [UInt64]) -> String {
    let names: [UInt64: String] = [
      4: "illegal instruction", 5: "trap", 6: "abort", 7: "bus error",
      8: "arithmetic exception", 11: "access to unmapped memory",
    ]
    let name = names[detail[0]] ?? "signal \(detail[0])"
    return "\(name) at address \(hex(detail[1]))"
  }
}
