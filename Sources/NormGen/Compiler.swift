private import Foundation
public import NormGenC
public import NormGenDSL
public import NormGenIR
import NormGenJIT
public import NormGenLoops
import NormGenLowering
public import NormGenSchedule

/// The way from a kernel to its C: every stage's result.
public struct Lowering: Sendable {
  /// The meaning.
  public let graph: Graph
  /// The fused parts that become the function, and the products between them.
  public let plan: KernelPlan
  /// The instruction set.
  public let target: Target
  /// The chosen strategy and its knobs, for each of the plan's regions.
  public let schedules: [Schedule]
  /// The loops.
  public let program: LoopProgram
  /// The tensors of a call: the graph's inputs, then its outputs. The emitted function takes others where
  /// weights are computed, see ``NormGenLoops/KernelInterface``.
  public var parameters: [Buffer] { graph.buffers }
  /// The functions that they become, and how the kernel is called.
  public let module: LoopModule
  /// The C.
  public let source: CSource

  /// The same with other C, such as an edited copy of what was emitted.
  public func replacingSource(with text: String) -> Lowering {
    Lowering(
      graph: graph, plan: plan, target: target, schedules: schedules, program: program,
      module: module, source: source.replacingText(with: text))
  }
}

/// Compiles kernels: the list of passes from a graph to C and to callable code.
///
/// Safe to use from several threads at once.
public struct Compiler: Sendable {
  /// The instruction set that is emitted.
  public var target: Target
  /// The strategies to choose from, the preferred first.
  public var strategies: [any Strategy]
  /// The schedules to force; the compiler chooses what is left out.
  public var schedule = KernelSchedule()
  /// The command that emitted files name for emitting them again; nil names the kernel.
  public var command: String?
  /// Where compiled objects are kept between processes.
  public var cache: ObjectCache = .standard
  /// How much LLVM does.
  package var optimization = Optimization.full
  /// Debugging switches.
  public var trace: CompilerTrace

  /// A compiler for this machine with the switches of the environment.
  ///
  /// - Throws: ``CompilerError`` when an environment variable means nothing.
  public init() throws(CompilerError) {
    try self.init(trace: try CompilerTrace.fromEnvironment())
  }

  /// A compiler for the target that `trace` names, or for this machine.
  ///
  /// - Throws: ``CompilerError`` when `trace` names an unknown target.
  public init(trace: CompilerTrace) throws(CompilerError) {
    self.init(target: try Compiler.target(named: trace.target ?? "host"), trace: trace)
  }

  /// The target called `name`; `host` is the most capable that runs here.
  ///
  /// - Throws: ``CompilerError/unknownTarget(_:)``.
  public static func target(named name: String) throws(CompilerError) -> Target {
    if name == "host" { return HostCPU.current.bestTarget }
    guard let target = Target.named(name) else { throw .unknownTarget(name) }
    return target
  }

  /// A compiler for a target.
  public init(target: Target, trace: CompilerTrace = CompilerTrace()) {
    self.target = target
    self.strategies = Strategies.all
    self.trace = trace
  }

  /// Lowers a kernel to C.
  public func lower(_ kernel: Kernel) throws(CompilerError) -> Lowering {
    let graph: Graph
    do { graph = try kernel.graph() } catch { throw .graph(error) }
    return try lower(graph)
  }

  /// Lowers a graph to C.
  public func lower(_ graph: Graph) throws(CompilerError) -> Lowering {
    do {
      if trace.verifies { try GraphVerifier.verify(graph) }
    } catch { throw .graph(error) }
    let plan = try plan(graph)
    do { try schedule.verify(for: plan) } catch { throw .schedule(error) }
    // Panels and weights are read again soon.
    var schedules: [Schedule] = []
    var rowPrograms: [[RowProgram]] = []
    var weights: [RowProgram] = []
    func lowered(
      _ region: Region, isOfWeights: Bool = false
    ) throws(PlanError) -> RowProgram {
      let forced = schedule.regions[region.graph.name] ?? schedule.region
      let strategy = try chosenStrategy(for: region, forced?.strategy)
      var schedule = forced ?? strategy.schedule(for: region, target: target)
      schedule.strategy = strategy.name
      if plan.hasSteps { schedule.streamingBytes = nil }
      if isOfWeights {
        // So few rows are computed at a time that compilers know their number; packing has no scratch memory.
        schedule.rowTile = 1
        schedule.keeping.scratchElements = min(
          schedule.keeping.scratchElements, FunctionLowering.stackElements)
      }
      schedules.append(schedule)
      return try strategy.lowered(region, schedule: schedule, target: target)
    }
    do throws(PlanError) {
      for stage in plan.stages {
        var rows: [RowProgram] = []
        for region in stage.regions { rows.append(try lowered(region)) }
        rowPrograms.append(rows)
      }
      for planned in plan.computedWeights {
        let rowProgram = try lowered(planned.region, isOfWeights: true)
        guard FunctionLowering.lentBytes(of: rowProgram) == 0 else {
          throw PlanError(
            kernel: graph.name,
            message:
              "the weights '\(planned.name)' have more statistics than the stack has room for; "
              + "make them an input of this kernel")
        }
        weights.append(rowProgram)
      }
    } catch { throw .plan(error.of(kernel: graph.name)) }
    let products = schedule.matmul ?? MatmulSchedule()
    let program = ProgramBuilder.program(
      of: plan, rowPrograms: rowPrograms, weights: weights, schedule: products, target: target)
    guard program.statementCount <= LoopProgram.mostStatements else {
      throw .plan(.tooManyStatements(program.statementCount, kernel: graph.name))
    }
    do {
      if trace.verifies { try LoopProgramVerifier.verify(program) }
    } catch { throw .loops(error) }
    let module = FunctionLowering.module(
      of: program, target: target, schedules: schedules, matmulSchedule: products)
    do {
      let source = try CEmitter.source(
        of: module, program: program, graph: graph, target: target, schedules: schedules,
        command: command ?? "normgen emit \(graph.name) --target \(target.name)")
      return Lowering(
        graph: graph, plan: plan, target: target, schedules: schedules, program: program,
        module: module, source: source)
    } catch { throw .template(error) }
  }

  /// The regions and products that become the kernel's function.
  private func plan(_ graph: Graph) throws(CompilerError) -> KernelPlan {
    let plan: KernelPlan
    do { plan = try FusionPlanner.plan(of: graph) } catch { throw .plan(error) }
    do {
      if trace.verifies { for region in plan.regions { try RegionVerifier.verify(region) } }
    } catch { throw .region(error) }
    return plan
  }

  private func chosenStrategy(
    for region: Region, _ forced: String?
  ) throws(PlanError) -> any Strategy {
    guard let name = forced ?? trace.strategy else {
      if let strategy = strategies.first(where: { $0.applies(to: region, target: target) }) {
        return strategy
      }
      throw PlanError(kernel: region.graph.name, message: "no strategy applies to it")
    }
    guard let strategy = strategies.first(where: { $0.name == name }) else {
      let known = strategies.map(\.name).joined(separator: ", ")
      throw PlanError(
        kernel: region.graph.name, message: "no strategy is named '\(name)'; known: \(known)")
    }
    guard strategy.applies(to: region, target: target) else {
      throw PlanError(
        kernel: region.graph.name, message: "the strategy '\(name)' does not apply to it")
    }
    return strategy
  }

  /// Compiles a kernel to code that can be called.
  public func compile(_ kernel: Kernel) throws(CompilerError) -> CompiledKernel {
    try compile(lower(kernel))
  }

  /// Compiles a graph to code that can be called.
  public func compile(_ graph: Graph) throws(CompilerError) -> CompiledKernel {
    try compile(lower(graph))
  }

  /// Compiles lowered C to code that can be called.
  ///
  /// - Parameters:
  ///   - lowering: The stages' results; its target must run here.
  ///   - edited: C to compile in place of the emitted text, such as an edited copy of it.
  public func compile(
    _ lowering: Lowering, source edited: String? = nil
  ) throws(CompilerError) -> CompiledKernel {
    guard HostCPU.current.supports(lowering.target) else {
      throw .targetNotRunnable(lowering.target, HostCPU.current)
    }
    let text = edited ?? lowering.source.source
    let fileName = "\(lowering.graph.name).c"
    do {
      let session = try ClangSession.shared()
      let kernel = try session.loaded(
        source: text, fileName: fileName,
        options: Compiler.options(for: lowering.target, optimization), cache: cache.kernelCache
      ) { (cached) throws(JITError) in
        if let directory = trace.keepDirectory {
          let keep = KeepDirectory(path: directory)
          try keep.write(text.utf8, name: "\(lowering.graph.name).\(lowering.target.name).c")
          try keep.write(cached.bytes, name: "\(lowering.graph.name).\(lowering.target.name).o")
        }
        let object = try LoadedObject(object: cached.bytes, name: lowering.graph.name)
        return try CompiledKernel(
          lowering: lowering, object: object,
          cacheStatus: CompiledKernel.CacheStatus(cached))
      }
      trace.report(kernel.cacheStatus, of: lowering.graph.name)
      return kernel
    } catch { throw .jit(error) }
  }

  /// The code of a lowered kernel in a shared library, such as another compiler made of the emitted C.
  ///
  /// The library must define the functions that the emitted header declares; nothing can check that
  /// they have the declared parameters.
  ///
  /// - Parameters:
  ///   - lowering: The stages' results; its target must run here.
  ///   - library: The path of the library, which is loaded as long as the kernel lives.
  public func load(
    _ lowering: Lowering, library: String
  ) throws(CompilerError) -> CompiledKernel {
    guard HostCPU.current.supports(lowering.target) else {
      throw .targetNotRunnable(lowering.target, HostCPU.current)
    }
    do {
      return try CompiledKernel(
        lowering: lowering, object: try SharedLibrary(path: library), cacheStatus: .loaded)
    } catch { throw .jit(error) }
  }

  /// The object code of lowered C, for any target.
  public func object(of lowering: Lowering) throws(CompilerError) -> [UInt8] {
    try compiled(lowering) { (session, source, name, options) throws(JITError) in
      try session.object(source: source, fileName: name, options: options)
    }
  }

  /// The assembly of lowered C, for any target.
  public func assembly(of lowering: Lowering) throws(CompilerError) -> String {
    try compiled(lowering) { (session, source, name, options) throws(JITError) in
      try session.assembly(source: source, fileName: name, options: options)
    }
  }

  /// LLVM's form of lowered C after optimization, for any target.
  public func llvmIR(of lowering: Lowering) throws(CompilerError) -> String {
    try compiled(lowering) { (session, source, name, options) throws(JITError) in
      try session.llvmIR(source: source, fileName: name, options: options)
    }
  }

  private func compiled<Form>(
    _ lowering: Lowering,
    _ make: (ClangSession, String, String, CompileOptions) throws(JITError) -> Form
  ) throws(CompilerError) -> Form {
    do {
      return try make(
        try ClangSession.shared(), lowering.source.source, "\(lowering.graph.name).c",
        Compiler.options(for: lowering.target, optimization))
    } catch { throw .jit(error) }
  }

  /// How kernels are compiled; none of the options may change a bit of a result.
  static func options(
    for target: Target, _ optimization: Optimization = .full
  ) -> CompileOptions {
    let isForeign = target.architecture.map { $0 != HostCPU.current.architecture } ?? false
    return CompileOptions(
      triple: isForeign ? target.architecture.map { "\($0)-linux-gnu" } : nil,
      arguments: ["-std=c11"] + optimization.arguments + target.compilerArguments
        + CompileOptions.numericArguments)
  }
}
