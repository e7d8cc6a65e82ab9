/// A processor that this machine may lack, emulated to execute kernels emitted for it.
///
/// Emulation is for comparing bits, not for timing. Kernels are compiled by a cross compiler, or
/// arrive as objects, and are linked with a program that executes a list of calls.
package enum Emulator: CaseIterable, Sendable {
  /// A 64-bit Arm processor with NEON: a static Linux program under QEMU's user-mode emulation.
  case qemuAArch64
  /// An x86-64 processor with AVX-512 F, BW, DQ and VL: a bare machine under Bochs.
  case bochsX86_64

  /// What keeps the emulator from being used and how to install it; nil when it can be used.
  package var missingTool: String? { missingTool(searching: EmulationTools.searchPath) }

  /// The same when programs are looked for in the directories of `path`, separated by colons.
  package func missingTool(searching path: String) -> String? {
    do {
      _ = try machine(EmulationTools(searching: path), processor: nil)
      return nil
    } catch .toolMissing(_, let install) {
      return install
    } catch {
      return "\(error)"
    }
  }

  /// The flags that every C source is compiled with.
  ///
  /// Contraction is off: a kernel fuses only where it says so.
  package var compilerFlags: [String] {
    let common = ["-O2", "-ffp-contract=off", "-fno-math-errno"]
    switch self {
    case .qemuAArch64: return common + ["-march=armv8-a"]
    case .bochsX86_64:
      return common + ["-march=x86-64-v4", "-mprefer-vector-width=512"] + BochsMachine.bareFlags
    }
  }

  /// The largest request, in bytes: the contents of all buffers of all calls.
  package var requestLimit: Int {
    switch self {
    case .qemuAArch64: 1 << 30
    case .bochsX86_64: 256 << 20
    }
  }

  /// Executes the calls in order and returns what each left in its buffers.
  ///
  /// All calls run in one emulated process, so a few hundred small ones cost little more than
  /// one. Calls share nothing but the code. `timeLimit` bounds the emulated execution, in seconds;
  /// compiling has a limit of its own. `processor` is a model by the emulator's name for it; the
  /// default is one that has the instruction sets named above and no later ones.
  package func run(
    kernels: [EmulatedKernel], calls: [EmulatedCall], timeLimit: Double = 300,
    processor: String? = nil
  ) throws(EmulationError) -> [EmulatedResult] {
    let request = try EmulationRequest(
      kernels: kernels.count, calls: calls, limit: requestLimit)
    let machine = try machine(
      EmulationTools(searching: EmulationTools.searchPath), processor: processor)
    let response = try machine.respond(to: request, kernels: kernels, timeLimit: timeLimit)
    return try EmulationResponse.results(in: response, of: self, kernels: kernels, calls: calls)
  }
}

extension Emulator {
  private func machine(
    _ tools: EmulationTools, processor: String?
  ) throws(EmulationError) -> any EmulatedMachine {
    switch self {
    case .qemuAArch64: try QEMUMachine(tools, processor: processor)
    case .bochsX86_64: try BochsMachine(tools, processor: processor)
    }
  }

  /// The words of a fault: signal or vector, address, program counter or error code, call.
  func describeFault(_ detail: [UInt64]) -> String {
    switch self {
    case .qemuAArch64: QEMUMachine.describeFault(detail)
    case .bochsX86_64: BochsMachine.describeFault(detail)
    }
  }

  /// What the processor reported about itself when it refused to run.
  func describeProcessor(_ detail: [UInt64]) -> String {
    "expected AVX-512 F, BW, DQ, VL and FMA, found CPUID.7.EBX = \(hex(detail[0])), "
      + "CPUID.1.ECX = \(hex(detail[1])), CPUID.13.EAX = \(hex(detail[2]))"
  }
}

/// A way to execute requests.
protocol EmulatedMachine {
  /// Builds the machine's program with the kernels, runs it on the request and returns its
  /// response, whole or damaged.
  func respond(
    to request: EmulationRequest, kernels: [EmulatedKernel], timeLimit: Double
  ) throws(EmulationError) -> [UInt8]
}
