public import NormGenLoops
public import NormGenSchedule

/// Lowers a program's steps to functions: row programs as they are, products, sums over rows, and the
/// driver that divides the work.
public enum FunctionLowering {
  /// Elements of scratch rows that the stack has room for beside some dozen statistics.
  public static let stackElements = 4096

  /// The bytes of scratch memory that a row program needs because the stack has no room for them.
  public static func lentBytes(of kernel: LoopKernel) -> Int { RowMemory(of: kernel).bytes }

  /// The functions of a kernel.
  ///
  /// - Parameters:
  ///   - program: The loops.
  ///   - target: The instruction set, with as many lanes as the loops.
  ///   - schedules: The schedule that was applied to each of the program's row programs.
  ///   - matmulSchedule: How the program's products are done.
  public static func module(
    of program: LoopProgram, target: Target, schedules: [Schedule],
    matmulSchedule: MatmulSchedule = MatmulSchedule()
  ) -> LoopModule {
    module(
      of: program, symbol: "\(program.name)_\(target.name)", target: target,
      schedules: schedules, matmulSchedule: matmulSchedule)
  }

  private static func module(
    of program: LoopProgram, symbol: String, target: Target, schedules: [Schedule],
    matmulSchedule: MatmulSchedule
  ) -> LoopModule {
    if let kernel = program.onlyKernel {
      let rows = RowFunctions(
        kernel, name: symbol, schedule: schedules.first ?? Schedule(), target: target)
      if rows.lentBytes == 0 { return module(of: kernel, rows, symbol: symbol) }
    }
    var driver = DriverFunctions(
      program, symbol: symbol, target: target, schedule: matmulSchedule)
    var functions: [LoopFunction] = []
    var written: Set<String> = []
    var packed: Set<String> = []
    var remaining = schedules.dropLast(program.weights.count)
    let computed = Dictionary(
      zip(program.weights, schedules.suffix(program.weights.count)).map { ($0.name, ($0, $1)) },
      uniquingKeysWith: { $1 })
    func append(_ all: [LoopFunction]) {
      functions += all.filter { written.insert($0.name).inserted }
    }
    for (number, step) in program.steps.enumerated() {
      switch step {
      case .rows(let kernels):
        for (place, kernel) in kernels.enumerated() {
          let suffix = kernels.count > 1 ? "_\(place + 1)" : ""
          let rows = RowFunctions(
            kernel, name: "step\(number + 1)\(suffix)",
            schedule: remaining.popFirst() ?? Schedule(), target: target,
            isBlock: !program.totals.isEmpty)
          driver.rowFunctions[kernel.name] = rows
          append(
            rows.functions(
              comment: "Step \(number + 1): \(kernel.summary.joined(separator: "; ")).",
              linkage: .local))
        }
      case .multiply:
        for product in driver.products(ofStep: number) {
          // Weights of several products are packed once.
          let packs =
            product.product.isPacked && packed.insert(product.packName).inserted
          if packs, let (weights, schedule) = computed[product.product.weights] {
            let rows = RowFunctions(
              weights.kernel, name: product.rowsName, schedule: schedule, target: target)
            append(
              rows.functions(
                comment: "Rows of the weights \(weights.name): "
                  + "\(weights.kernel.summary.joined(separator: "; ")).", linkage: .local))
          }
          append(product.functions(packs: packs))
        }
      case .accumulate(let accumulations):
        for accumulation in accumulations { append(driver.sums.functions(of: accumulation)) }
      }
    }
    append(driver.functions())
    return LoopModule(interface: driver.interface, lanes: program.lanes, functions: functions)
  }

  /// The functions of a kernel that is one row program.
  public static func module(
    of kernel: LoopKernel, symbol: String, target: Target, schedule: Schedule? = nil
  ) -> LoopModule {
    module(
      of: LoopProgram(kernel), symbol: symbol, target: target,
      schedules: schedule.map { [$0] } ?? [], matmulSchedule: MatmulSchedule())
  }

  /// The functions of a row program whose arrays have room on the stack.
  private static func module(
    of kernel: LoopKernel, _ rows: RowFunctions, symbol: String
  ) -> LoopModule {
    LoopModule(
      interface: KernelInterface(
        symbol: symbol, entry: "\(symbol)_entry",
        parameters: kernel.buffers.map { .init(buffer: $0, packing: nil) }, parts: nil),
      lanes: kernel.lanes, functions: rows.functions(comment: "", linkage: .exported))
  }
}
