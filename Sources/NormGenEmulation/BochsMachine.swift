internal import Foundation
internal import NormGenTemplates

/// An x86-64 computer without an operating system under Bochs.
///
/// The firmware is our own, so neither BIOS nor boot loader is involved; payload, request and
/// response lie on one disk image.
struct BochsMachine: EmulatedMachine {
  /// What C needs where no operating system prepares the ground.
  static let bareFlags = [
    "-ffreestanding", "-fno-pic", "-fno-pie", "-mno-red-zone", "-mcmodel=small",
    "-fno-stack-protector", "-fcf-protection=none", "-fno-asynchronous-unwind-tables",
  ]
  private static let linkFlags = [
    "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none",
  ]

  private let emulator: String
  private let compiler: String
  private let copier: String
  private let processor: String
  private let hasDebugger: Bool

  init(_ tools: EmulationTools, processor: String?) throws(EmulationError) {
    self.processor = processor ?? "corei7_skylake_x"
    emulator = try tools.find(
      ["bochs-bin", "bochs"], for: .bochsX86_64, package: "bochs bochs-term")
    #if arch(x86_64)
      let (prefixes, package) = (["x86_64-linux-gnu-", ""], "gcc")
    #else
      let (prefixes, package) = (["x86_64-linux-gnu-"], "gcc-x86-64-linux-gnu")
    #endif
    compiler = try tools.find(
      prefixes.map { $0 + "gcc" }, for: .bochsX86_64, package: package)
    copier = try tools.find(
      prefixes.map { $0 + "objcopy" }, for: .bochsX86_64, package: package)
    if Self.lacksTerminalPlugin() {
      throw EmulationTools.missing(
        .bochsX86_64, "the terminal plugin of Bochs not found", package: "bochs-term")
    }
    // A build with the debugger waits for a command before it starts; one without does not know
    // the option that gives it one.
    let directory = try TemporaryDirectory()
    let help = try Subprocess(emulator, ["--help"], in: directory, log: "help.log")
    try help.finish(by: Deadline(after: EmulationBuild.timeLimit), accepting: [0, 1])
    hasDebugger = help.logTail().contains("-rc ")
  }

  func respond(
    to request: EmulationRequest, kernels: [EmulatedKernel], timeLimit: Double
  ) throws(EmulationError) -> [UInt8] {
    var build = try EmulationBuild(compiler: compiler)
    try build.addMachine(
      [EmulationTemplates.bare, EmulationTemplates.program], kernels: kernels,
      flags: ["-O2", "-mgeneral-regs-only"] + Self.bareFlags)
    try build.addKernels(
      kernels.map(BochsDefects.evading), flags: Emulator.bochsX86_64.compilerFlags)
    let layout = EmulationTemplates.bareLayout
    try build.directory.write(layout.text, to: layout.name)
    try build.link(Self.linkFlags + ["-Wl,-T,\(layout.name)"], into: "payload.elf")
    let firmware = EmulationTemplates.firmwareLayout
    try build.directory.write(firmware.text, to: firmware.name)
    try build.compileApart(
      EmulationTemplates.firmware, flags: Self.linkFlags + ["-Wl,-T,\(firmware.name)"],
      into: "firmware.elf")
    // The linker could write the images itself, but then leaves the global offset table empty.
    for image in ["payload", "firmware"] {
      try build.execute(
        copier, ["-O", "binary", "\(image).elf", image], log: "\(image).log")
    }

    let payload = try build.directory.read("payload", limit: BochsDisk.payloadLimit + 1)
    let disk = try BochsDisk(payload: payload, request: request)
    try disk.create("disk", in: build.directory)
    try build.directory.write(configuration(for: disk), to: "configuration")
    try build.directory.write("continue\n", to: "commands")
    let machine = try Subprocess(
      emulator,
      ["-q", "-f", "configuration"] + (hasDebugger ? ["-rc", "commands"] : []),
      // The display needs a terminal description, but no terminal.
      in: build.directory, log: "machine.log", environment: ["TERM": "vt100"])
    // Shutting down is a fatal error to Bochs: its status is 1.
    try machine.finish(by: Deadline(after: timeLimit), accepting: [0, 1])
    let response = try disk.response(in: "disk", of: build.directory)
    guard EmulationResponse.begins(response) else {
      throw .badResponse(reason: "the machine wrote none", log: machine.logTail())
    }
    return response
  }

  private func configuration(for disk: BochsDisk) -> String {
    let megabytes = disk.memoryBytes >> 20
    // Few instructions per emulated second make the emulated disk fast.
    return """
      display_library: term
      cpu: model=\(processor), count=1, ips=1000000, reset_on_triple_fault=0
      memory: guest=\(megabytes), host=\(megabytes)
      romimage: file=firmware, address=0xffff0000
      vga: extension=none, update_freq=1
      ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
      ata1: enabled=0
      ata0-master: type=disk, path=disk, mode=flat, \(disk.geometry)
      boot: disk
      log: /dev/stdout
      panic: action=fatal
      error: action=report
      info: action=ignore
      debug: action=ignore
      clock: sync=none, time0=1
      port_e9_hack: enabled=1
      speaker: enabled=0
      sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy

      """
  }

  // Only a plugin directory that was found can tell.
  private static func lacksTerminalPlugin() -> Bool {
    let roots = ["/usr/lib", "/usr/lib64", "/usr/local/lib"]
    let machines = ["", "/x86_64-linux-gnu", "/aarch64-linux-gnu"]
    let directories = roots.flatMap { root in machines.map { root + $0 + "/bochs/plugins" } }
      .filter { FileManager.default.fileExists(atPath: $0) }
    return !directories.isEmpty
      && !directories.contains {
        FileManager.default.fileExists(atPath: $0 + "/libbx_term_gui.so")
      }
  }

  static func describeFault(_ detail: [UInt64]) -> String {
    let place = "at instruction \(hex(detail[2]))"
    switch detail[0] {
    case 0: return "division by zero \(place)"
    case 6: return "illegal instruction \(place)"
    case 13: return "general protection fault (such as misaligned access) \(place)"
    case 14: return "access to unmapped memory at address \(hex(detail[1])) \(place)"
    default: return "exception \(detail[0]) \(place)"
    }
  }
}
