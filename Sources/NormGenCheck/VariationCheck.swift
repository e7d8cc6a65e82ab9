public import NormGen

/// Runs variations of a kernel's calls on one target and compares their bits with those of the plain
/// calls.
public struct VariationCheck {
  /// The results, one for each variation that was run.
  public private(set) var results: [VariationResult] = []
  /// Where bits differ.
  public private(set) var differences: [TargetComparison.Difference] = []
  private let compiler: Compiler
  private let lowering: Lowering
  private let machine: TargetMachine
  private let calls: [TargetComparison.Call]
  private let expected: [[String: HostTensor]]
  /// C to compile in place of the emitted text: how tests plant a defect.
  private let edited: (@Sendable (Lowering) -> String?)?

  /// Whether all executions have the same bits and wrote nothing else.
  public var passes: Bool { differences.isEmpty && results.allSatisfy(\.violations.isEmpty) }

  /// Prepares variations of calls.
  ///
  /// - Parameters:
  ///   - lowering: The kernel as the plain calls ran it.
  ///   - calls: The plain calls.
  ///   - expected: The outputs of each.
  ///   - compiler: Compiles for the lowering's target.
  public init(
    _ lowering: Lowering, calls: [TargetComparison.Call], expected: [[String: HostTensor]],
    compiler: Compiler
  ) throws {
    try self.init(lowering, calls: calls, expected: expected, compiler: compiler, edited: nil)
  }

  package init(
    _ lowering: Lowering, calls: [TargetComparison.Call], expected: [[String: HostTensor]],
    compiler: Compiler, edited: (@Sendable (Lowering) -> String?)?
  ) throws {
    self.edited = edited
    self.compiler = compiler
    self.lowering = VariationCheck.edited(lowering, edited)
    self.machine = try TargetMachine.of(lowering.target)
    self.calls = calls
    self.expected = expected
  }

  private static func edited(
    _ lowering: Lowering, _ edit: (@Sendable (Lowering) -> String?)?
  ) -> Lowering {
    edit?(lowering).map { lowering.replacingSource(with: $0) } ?? lowering
  }

  /// Runs a variation.
  public mutating func run(_ variation: Variation) throws {
    var result = VariationResult(variation: variation, target: lowering.target.name)
    switch variation {
    case .batch: try runBatch(&result)
    case .strides: try runLayouts([(1, 0), (13, 0), (64, 0)], &result)
    case .alignments: try runLayouts([(0, 1), (0, 3), (0, 7)], &result)
    case .schedules: try runSchedules(&result)
    }
    results.append(result)
  }

  private mutating func compare(
    _ rows: Int, _ first: [String: HostTensor], _ second: [String: HostTensor], _ how: String,
    _ result: inout VariationResult
  ) throws(CallError) {
    result.executions += 1
    let executions = ["\(lowering.target)", "\(lowering.target) \(how)"]
    differences += try TargetComparison.Difference.all(
      of: lowering.graph, rows: rows, executions: executions, first, second)
  }

  // MARK: Batch

  /// Rows of a call that become a call of their own.
  private struct Part {
    let call: Int
    let rows: [Int]
    let how: String
  }

  private mutating func runBatch(_ result: inout VariationResult) throws {
    let graph = lowering.graph
    if graph.values.contains(where: graph.isOverRows) {
      result.omission = .sumsOverRows
      return
    }
    let parts = calls.indices.flatMap { VariationCheck.parts(of: $0, rows: calls[$0].rows) }
    guard !parts.isEmpty else {
      result.omission = .fewRows
      return
    }
    let requests = try parts.map { part in
      var inputs = calls[part.call].inputs
      for id in graph.inputs where graph[id].shape.hasRows {
        guard let name = graph[id].inputName, let tensor = inputs[name] else { continue }
        inputs[name] = try tensor.gathering(rows: part.rows)
      }
      return KernelCall(lowering, rows: part.rows.count, inputs: inputs)
    }
    let outputs = try TargetMachine.outputs(
      of: requests, on: lowering.target, compiler: compiler)
    for (part, found) in zip(parts, outputs) {
      let plain = try expected[part.call].mapValues { try $0.gathering(rows: part.rows) }
      try compare(calls[part.call].rows, plain, found, part.how, &result)
    }
  }

  /// The first, a middle and the last row alone, two uneven pieces, and all rows at other places.
  private static func parts(of call: Int, rows: Int) -> [Part] {
    guard rows >= 2 else { return [] }
    let alone = Set([0, rows / 2, rows - 1]).sorted().map { row in
      Part(call: call, rows: [row], how: "with row \(row) alone")
    }
    let cut = (rows + 2) / 3
    let pieces = [0..<cut, cut..<rows].map { range in
      Part(
        call: call, rows: Array(range),
        how: "with rows \(range.lowerBound) to \(range.upperBound - 1)")
    }
    let turned = Part(
      call: call, rows: (0..<rows).map { ($0 + rows / 2) % rows },
      how: "with all rows moved by \(rows - rows / 2)")
    return alone + pieces + [turned]
  }

  // MARK: Memory

  private mutating func runLayouts(
    _ layouts: [(gap: Int, offset: Int)], _ result: inout VariationResult
  ) throws {
    var laidOut: [(call: LaidOutCall, index: Int)] = []
    for (index, call) in calls.enumerated() {
      for (gap, offset) in layouts {
        laidOut.append(
          (
            LaidOutCall(
              lowering: lowering, rows: call.rows, inputs: call.inputs, gap: gap, offset: offset),
            index
          ))
      }
    }
    let outputs = try outputs(of: laidOut.map(\.call))
    for ((call, index), found) in zip(laidOut, outputs) {
      let how =
        call.gap > 0
        ? "with gaps of \(call.gap) elements behind rows"
        : "with buffers \(call.offset) elements behind a page's beginning"
      switch found {
      case .success(let found): try compare(call.rows, expected[index], found, how, &result)
      case .failure(let violation):
        result.executions += 1
        result.violations.append("\(lowering.target) \(how), rows \(call.rows): \(violation)")
      }
    }
  }

  private func outputs(
    of calls: [LaidOutCall]
  ) throws -> [Result<[String: HostTensor], LayoutViolation>] {
    guard machine == .native else {
      return try LaidOutCall.emulated(calls, compiler: compiler)
    }
    let kernel = try compiler.compile(lowering)
    return try calls.map { call in
      do { return .success(try call.outputs(of: kernel)) } catch let error as LayoutViolation {
        return .failure(error)
      }
    }
  }

  // MARK: Schedules

  private mutating func runSchedules(_ result: inout VariationResult) throws {
    let lowerings = try ScheduleVariations.lowerings(of: lowering.graph, compiler: compiler)
    guard lowerings.count > 1 else {
      result.omission = .oneSchedule
      return
    }
    for plain in lowerings {
      let lowering = VariationCheck.edited(plain, edited)
      let requests = calls.map { KernelCall(lowering, rows: $0.rows, inputs: $0.inputs) }
      let outputs = try TargetMachine.outputs(
        of: requests, on: lowering.target, compiler: compiler)
      for (index, found) in outputs.enumerated() {
        try compare(
          calls[index].rows, expected[index], found, "by \(lowering.schedules)", &result)
      }
    }
  }
}
