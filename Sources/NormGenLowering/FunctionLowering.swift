public import NormGenLoops
public import NormGenSchedule

/// Lowers a program's steps to functions: row programs as they are, products, sums over rows, and the
/// driver that divides the work.
public enum FunctionLowering {
  /// The functions of a kernel.
  ///
  /// - Parameters:
  ///   - program: The loops.
  ///   - target: The instruction set, with as many lanes as the loops.
  ///   - schedules: The schedule that was applied to each of the program's row programs.
  public static func module(
    of program: LoopProgram, target: Target, schedules: [Schedule]
  ) -> LoopModule {
    let symbol = "\(program.name)_\(target.name)"
    if let kernel = program.onlyKernel { return LoopModule(kernel, symbol: symbol) }
    var driver = DriverFunctions(program, symbol: symbol, target: target)
    var members: [LoopModule.Member] = []
    var written: Set<String> = []
    var packed: Set<String> = []
    var remaining = schedules[...]
    func append(_ functions: [LoopFunction]) {
      members += functions.filter { written.insert($0.name).inserted }.map { .function($0) }
    }
    for (number, step) in program.steps.enumerated() {
      switch step {
      case .rows(let kernels):
        for (place, kernel) in kernels.enumerated() {
          let suffix = kernels.count > 1 ? "_\(place + 1)" : ""
          let schedule = remaining.popFirst() ?? Schedule()
          // A call handles one block; only the rows of the whole call say how much is written.
          let takesAllRows =
            !program.totals.isEmpty
            && !StreamedOutput.all(of: kernel, schedule: schedule, target: target).isEmpty
          let rows = RowProgram(
            name: "step\(number + 1)\(suffix)",
            comment: "Step \(number + 1): \(kernel.summary.joined(separator: "; ")).",
            kernel: kernel, takesAllRows: takesAllRows)
          driver.rowPrograms[kernel.name] = rows
          members.append(.rows(rows))
        }
      case .multiply(let products):
        for product in driver.products(ofStep: number).prefix(products.count) {
          // Weights of several products are packed once.
          let packs =
            product.product.isPacked && packed.insert(product.packName).inserted
          append(product.functions(packs: packs))
        }
      case .accumulate(let accumulations):
        for accumulation in accumulations { append(driver.sums.functions(of: accumulation)) }
      }
    }
    append(driver.functions())
    return LoopModule(interface: driver.interface, lanes: program.lanes, members: members)
  }
}
