public import NormGen
import NormGenEmulation

/// A call of a kernel with the tensors it reads.
public struct KernelCall: Sendable {
  /// The kernel.
  public let lowering: Lowering
  /// A tensor for every input, by name.
  public let inputs: [String: HostTensor]
  /// The number of rows.
  public let rows: Int

  /// A call of `lowering` on `rows` rows.
  public init(_ lowering: Lowering, rows: Int, inputs: [String: HostTensor]) {
    self.lowering = lowering
    self.rows = rows
    self.inputs = inputs
  }
}

/// A processor that executes kernels of one target: this machine's, or an emulated one.
public enum TargetMachine: Hashable, Sendable {
  /// This machine's processor.
  case native
  /// QEMU's user-mode emulation of AArch64, or Bochs' emulation of AVX-512.
  case emulated(name: String)

  /// The machine that `target` runs on from here.
  ///
  /// - Throws: ``TargetMachineError`` when the target neither runs here nor can be emulated.
  public static func of(_ target: Target) throws(TargetMachineError) -> TargetMachine {
    if HostCPU.current.supports(target) { return .native }
    let emulator = try emulator(of: target)
    if let missing = emulator.missingTool { throw .emulatorMissing(target: target, missing) }
    return .emulated(name: "\(emulator)")
  }

  /// The targets that run here, and those that an emulator is known for, installed or not.
  public static var targets: [Target] {
    Target.all.filter { target in
      HostCPU.current.supports(target) || (try? emulator(of: target)) != nil
    }
  }

  static func emulator(of target: Target) throws(TargetMachineError) -> Emulator {
    switch target {
    case .neon, .neondot: return .qemuAArch64
    case .avx512, .avx512vnni: return .bochsX86_64
    default: throw .noMachine(target: target)
    }
  }

  /// The model that an emulator takes for a target, if not its own choice.
  static func processor(of target: Target) -> String? {
    switch target {
    case .neondot: "cortex-a76"
    case .avx512vnni: "corei7_icelake_u"
    default: nil
    }
  }

  /// Executes calls of kernels for `target` and returns each call's outputs, by name.
  ///
  /// All calls run in one emulated machine, so that many small ones cost little more than one.
  ///
  /// - Parameters:
  ///   - compiler: Compiles the kernels; its target is not used.
  ///   - threads: The most threads that share a call; emulated machines have one.
  public static func outputs(
    of calls: [KernelCall], on target: Target, compiler: Compiler, threads: Int = 1
  ) throws -> [[String: HostTensor]] {
    switch try of(target) {
    case .native:
      var compiled: [String: CompiledKernel] = [:]
      return try calls.map { call in
        let text = call.lowering.source.source
        let kernel = try compiled[text] ?? compiler.compile(call.lowering)
        compiled[text] = kernel
        return try kernel(call.inputs, threads: threads)
      }
    case .emulated:
      guard threads == 1 else { throw TargetMachineError.threads(target: target, threads) }
      let emulator = try emulator(of: target)
      return try runs(of: calls).flatMap {
        try emulated(Array($0), by: emulator, processor: processor(of: target), compiler)
      }
    }
  }

  /// The calls cut where a kernel has the name of another one: a program links a name once.
  private static func runs(of calls: [KernelCall]) -> [ArraySlice<KernelCall>] {
    var runs: [ArraySlice<KernelCall>] = []
    var texts: [String: String] = [:]
    var start = 0
    for (position, call) in calls.enumerated() {
      let source = call.lowering.source
      if let known = texts[source.name], known != source.source {
        runs.append(calls[start..<position])
        start = position
        texts = [:]
      }
      texts[source.name] = source.source
    }
    return runs + [calls[start...]]
  }

  private static func emulated(
    _ calls: [KernelCall], by emulator: Emulator, processor: String?, _ compiler: Compiler
  ) throws -> [[String: HostTensor]] {
    var kernels: [EmulatedLowering] = []
    var positions: [String: Int] = [:]
    var requests: [EmulatedCall] = []
    for call in calls {
      let name = call.lowering.source.name
      let position = positions[name] ?? kernels.count
      positions[name] = position
      if position == kernels.count {
        kernels.append(try EmulatedLowering(call.lowering, compiler: compiler))
      }
      let buffers = try call.lowering.parameters.map { buffer in
        try EmulatedBuffer(buffer, of: call)
      }
      requests.append(kernels[position].call(kernel: position, rows: call.rows, buffers: buffers))
    }
    let results = try emulator.run(
      kernels: kernels.map(\.kernel), calls: requests, processor: processor)
    return try zip(calls, results).map { call, result in
      if let write = result.outOfBounds.first {
        throw TargetMachineError.writtenOutside(
          kernel: call.lowering.source.name, write.description)
      }
      var outputs: [String: HostTensor] = [:]
      for (buffer, bytes) in zip(call.lowering.parameters, result.buffers)
      where buffer.isOutput {
        outputs[buffer.name] = try bytes.withUnsafeBytes { bytes in
          try HostTensor(
            bytes: bytes, shape: buffer.shape.extents(rows: call.rows), buffer.storage)
        }
      }
      return outputs
    }
  }
}

extension EmulatedBuffer {
  /// The memory of a parameter before the call: an input's elements, or an output's zeros.
  fileprivate init(_ buffer: Buffer, of call: KernelCall) throws {
    let stride = buffer.shape.elementsPerRow
    if buffer.isOutput {
      let rows = buffer.shape.hasRows ? call.rows : 1
      let count = rows * stride * buffer.storage.byteCount
      self.init(bytes: [UInt8](repeating: 0, count: count), rowStride: stride)
    } else {
      guard let tensor = call.inputs[buffer.name] else {
        throw CallError.missing(parameter: buffer.name)
      }
      self.init(bytes: tensor.withUnsafeBytes { Array($0) }, rowStride: stride)
    }
  }
}

/// Why a target's kernels could not be executed.
public enum TargetMachineError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The target does not run here, and nothing emulates it.
  case noMachine(target: Target)
  /// The emulator that would run the target is not installed.
  case emulatorMissing(target: Target, String)
  /// A kernel wrote outside its buffers.
  case writtenOutside(kernel: String, String)
  /// Threads for a target that is emulated.
  case threads(target: Target, Int)

  public var description: String {
    switch self {
    case .noMachine(let target):
      "kernels for '\(target)' do not run on this processor, and no emulator for it is known"
    case .emulatorMissing(let target, let install):
      "kernels for '\(target)' do not run on this processor, and its emulator is missing: \(install)"
    case .writtenOutside(let kernel, let what): "'\(kernel)' wrote outside its buffers: \(what)"
    case .threads(let target, let threads):
      "kernels for '\(target)' are emulated here, in one thread; found \(threads) threads"
    }
  }
}
