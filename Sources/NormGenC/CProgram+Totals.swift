import NormGenIR
import NormGenLoops
import NormGenSchedule

/// The driver of a kernel with totals. Where parts share the steps of a block, the blocks follow each
/// other; otherwise every block of rows is one part's, with totals of its own. The last phase
/// stores the totals.
extension CProgram {
  private var block: Int { program.blockRows }
  private var steps: Int { program.steps.count }

  func totalPhases() -> [String] {
    let head = "int64_t \(symbol)_phases(int64_t rows, int64_t parts) {"
    guard program.sharesBlocks else {
      return [
        "// The phases of a call that `parts` threads share: all blocks of rows, then the totals.",
        head, "  (void)rows;", "  (void)parts;", "  return 2;", "}",
      ]
    }
    return [
      "// The phases of a call that `parts` threads share: every step of every block of rows, then",
      "// the totals.", head,
      "  const int64_t blocks = (rows + \(block - 1)) / \(block);",
      "  return parts > 1 ? \(steps) * blocks + 1 : 2;", "}",
    ]
  }

  func totalScratchBytes() -> [String] {
    let lines = [
      "// The bytes of scratch memory of such a call.",
      "int64_t \(symbol)_scratch_bytes(int64_t rows, int64_t parts) {",
    ]
    guard program.sharesBlocks else {
      return lines + [
        "  (void)parts;",
        "  return (rows + \(block - 1)) / \(block) * \(program.totalStride * 4) + 64;", "}",
      ]
    }
    let gathered = gatheredBytes > 0 ? " + parts * \(gatheredBytes)" : ""
    return lines + (gatheredBytes > 0 ? [] : ["  (void)parts;"]) + [
      "  const int64_t block = rows < \(block) ? rows : \(block);",
      "  return block * \(bytesPerRow)\(gathered) + \(program.totalStride * 4 + 64);", "}",
    ]
  }

  /// The call of an accumulation in `run_steps`.
  mutating func call(_ accumulation: Accumulation) -> String {
    var arguments = ["rows"]
    var needsGathered = false
    switch accumulation.terms {
    case .columns(let x, let y, _): arguments += [names(x)] + (y.map { [names($0)] } ?? [])
    case .outer(let x, let y, _, _):
      arguments += [names(x), names(y)]
      needsGathered = true
    }
    arguments += [place(ofTotal: accumulation.total), "is_first"]
    if needsGathered { arguments.append("gathered") }
    let bounds = CProgram.bounds(of: .number(totals.units(of: accumulation)))
    arguments += [bounds.first.text, bounds.end.text]
    return "\(totals.name(of: accumulation))(\(arguments.joined(separator: ", ")));"
  }

  /// Where the sums of a total lie.
  mutating func place(ofTotal name: String) -> String {
    if let output = totals.directOutput(of: name) { return names(output) }
    let offset = totals.offset(of: name)
    let sums = CTerm.name("sums")
    return (offset > 0 ? sums.displaced(by: .number(offset)) : sums).text
  }

  mutating func totalPart() -> [String] {
    program.sharesBlocks ? sharedPart() : blockPart()
  }

  /// Every block of rows is one part's.
  private mutating func blockPart() -> [String] {
    let stride = program.totalStride
    let bounds = CProgram.bounds(of: .name("blocks"))
    var lines = [
      "// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next",
      "// phase begins when they have ended.",
      partPrototype(end: " {"),
      "  float *sums = (float *)(((uintptr_t)scratch + 63) / 64 * 64);",
      "  const int64_t blocks = (rows + \(block - 1)) / \(block);",
      "  if (phase == 0) {",
      "    const int64_t end = \(bounds.end.text);",
      "    for (int64_t block = \(bounds.first.text); block < end; ++block) {",
      "      const int64_t row = \(block) * block;",
      "      const int64_t count = rows - row < \(block) ? rows - row : \(block);",
      "      float *block_sums = sums + \(stride) * block;",
      "      for (int64_t i = 0; i < \(stride); ++i) block_sums[i] = 0;",
    ]
    for kernel in program.kernels { lines += CLayout.wrapped(call(kernel), depth: 3) }
    return lines + ["    }", "    return;", "  }"] + storeTotals(blocks: "blocks") + ["}"]
  }

  /// Parts share the steps of a block.
  private mutating func sharedPart() -> [String] {
    var lines = [
      "// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next",
      "// phase begins when they have ended.",
      partPrototype(end: " {"),
      "  char *panels = (char *)(((uintptr_t)scratch + 63) / 64 * 64);",
    ]
    if program.totalStride > 0 {
      lines += [
        "  float *sums = (float *)panels;", "  panels += \(program.totalStride * 4);",
      ]
    }
    var last = ["panels"]
    if gathers {
      lines += [
        "  void *gathered = panels + part * \(gatheredBytes);",
        "  panels += parts * \(gatheredBytes);",
      ]
      last.append("gathered")
    }
    if program.totalStride > 0 { last.append("sums") }
    lines += [
      "  if (phase == \(symbol)_phases(rows, parts) - 1) {"
    ]
    lines += storeTotals(blocks: "rows > 0").map { "  " + $0 } + ["    return;", "  }"]
    lines += [
      "  // One part does all steps of all blocks in one phase.",
      "  const int64_t first = parts > 1 ? phase / \(steps) * \(block) : 0;",
      "  const int64_t end = parts > 1 && rows - first > \(block) ? first + \(block) : rows;",
      "  for (int64_t row = first; row < end; row += \(block)) {",
      "    const int64_t count = end - row < \(block) ? end - row : \(block);",
      "    const int64_t first_step = parts > 1 ? phase % \(steps) : 0;",
      "    const int64_t end_step = parts > 1 ? first_step + 1 : \(steps);",
    ]
    lines += CLayout.wrapped(
      call(
        CReserved.runSteps, last + ["row == 0", "first_step", "end_step", "part", "parts"],
        rows: "count", offset: "row"),
      depth: 2)
    return lines + ["  }", "}"]
  }

  private mutating func storeTotals(blocks: String) -> [String] {
    program.totals.flatMap { total -> [String] in
      if total.isDirect {
        return ["  if (part == 0) \(totals.name(of: total))(rows, \(place(ofTotal: total.name)));"]
      }
      var arguments = ["rows", blocks, place(ofTotal: total.name)]
      arguments += total.outputs.map { names($0) }
      let bounds = CProgram.bounds(of: .number(total.count))
      arguments += [bounds.first.text, bounds.end.text]
      return CLayout.wrapped(
        "\(totals.name(of: total))(\(arguments.joined(separator: ", ")));", depth: 1)
    }
  }
}
