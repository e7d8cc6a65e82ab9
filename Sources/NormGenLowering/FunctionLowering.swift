public import NormGenLoops
public import NormGenSchedule

/// Lowers a program's steps to functions: row programs as they are, products, sums over rows, and the
/// driver that divides the work.
public enum FunctionLowering {
  /// Elements of scratch rows that the stack has room for beside some dozen statistics.
  public static let stackElements = 4096

  /// The bytes of scratch memory that a row program needs because the stack has no room for them.
  public static func lentBytes(of rowProgram: RowProgram) -> Int { RowMemory(of: rowProgram).bytes }

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
    let symbol = "\(program.name)_\(target.name)"
    let rowFunctions = RowFunctions.all(
      of: program, symbol: symbol, schedules: schedules, target: target)
    let driver = DriverFunctions(
      program, symbol: symbol, target: target, schedule: matmulSchedule,
      rowFunctions: rowFunctions)
    var functions: [LoopFunction] = []
    var written: Set<String> = []
    var packed: Set<String> = []
    let computed = Dictionary(
      zip(program.weights, schedules.suffix(program.weights.count)).map { ($0.name, ($0, $1)) },
      uniquingKeysWith: { $1 })
    func append(_ all: [LoopFunction]) {
      functions += all.filter { written.insert($0.name).inserted }
    }
    for (number, step) in program.steps.enumerated() {
      switch step {
      case .rows(let rowPrograms):
        for rowProgram in rowPrograms { append(rowFunctions[rowProgram.name]?.functions() ?? []) }
      case .multiply:
        for product in driver.products(ofStep: number) {
          // Weights of several products are packed once.
          let packs =
            product.product.isPacked && packed.insert(product.packName).inserted
          if packs, let (weights, schedule) = computed[product.product.weights] {
            let rows = RowFunctions(
              weights.rowProgram, name: product.rowsName,
              comment: "Rows of the weights \(weights.name): "
                + "\(weights.rowProgram.summary.joined(separator: "; ")).", schedule: schedule,
              target: target)
            append(rows.functions())
          }
          append(product.functions(packs: packs))
        }
      case .sumRows(let summations):
        for summation in summations { append(driver.sums.functions(of: summation)) }
      }
    }
    append(driver.functions())
    return LoopModule(interface: driver.interface, lanes: program.lanes, functions: functions)
  }
}
