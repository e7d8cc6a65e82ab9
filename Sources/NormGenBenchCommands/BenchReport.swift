internal import NormGenCLI
internal import NormGenMeasure

/// What `bench` prints.
struct BenchReport: Encodable {
  let limits: MachineLimits
  /// The most threads that share a kernel's call.
  let threads: Int
  let kernels: [KernelBenchmark]
  let calls: CallOverhead
  let compiling: CompileTime

  /// The groups that were timed, in order, each with its kernels.
  var groups: [(group: BenchmarkGroup, kernels: [KernelBenchmark])] {
    BenchmarkGroup.allCases.map { group in
      (group, kernels.filter { $0.group == group })
    }.filter { !$0.1.isEmpty }
  }

  static let limitsHeader = ["limit of one core", "rate", "quartiles"]

  /// The limits of the machine, line by line.
  var limitsRows: [[String]] {
    func row(_ name: String, _ rate: Spread, _ unit: String) -> [String] {
      [
        name, "\(Quantity.decimal(rate.median / 1e9, 1)) \(unit)",
        Quantity.decimal(rate.lowerQuartile / 1e9, 1) + "–"
          + Quantity.decimal(rate.upperQuartile / 1e9, 1),
      ]
    }
    let peaks = limits.arithmetic.map { row($0.peak.rawValue, $0.flopsPerSecond, "GFLOP/s") }
    let reads = limits.bandwidths.map { one in
      row("read, \(one.level.rawValue), \(Quantity.bytes(one.bytes))", one.read, "GB/s")
    }
    let copies = limits.bandwidths.map { one in
      row("memcpy, \(one.level.rawValue), \(Quantity.bytes(one.bytes))", one.copy, "GB/s")
    }
    let streamed = limits.bandwidths.filter { $0.level == .l3 || $0.level == .memory }.map { one in
      row(
        "copy past the caches, \(one.level.rawValue), \(Quantity.bytes(one.bytes))",
        one.streamedCopy, "GB/s")
    }
    return peaks + reads + copies + streamed
  }

  private static let header = [
    "kernel", "type", "rows", "level", "time", "GB/s", "GFLOP/s", "flop/B", "bound by", "of limit",
    "of memcpy speed",
  ]

  private static let alignments: [TextTable.Alignment] =
    [.left, .left, .right, .left, .right, .right, .right, .right, .left, .right, .right]

  private static func rows(_ kernels: [KernelBenchmark]) -> [[String]] {
    kernels.map { one in
      [
        one.kernel, one.storage, "\(one.rows)", one.level.rawValue,
        Quantity.times(one.seconds), Quantity.decimal(one.bytesPerSecond / 1e9, 1),
        Quantity.decimal(one.flopsPerSecond / 1e9, 1), Quantity.decimal(one.intensity, 2),
        one.limit.binding.rawValue, Quantity.spread(one.shareOfLimit, 2),
        Quantity.spread(one.speedOfCopy, 2),
      ]
    }
  }

  private var notes: [String] {
    [
      "target \(kernels.first?.target ?? ""), "
        + (threads == 1 ? "one thread" : "at most \(threads) threads a call, limits of one")
        + "; caches "
        + zip(["L1", "L2", "L3"], MemoryLevel.sizes)
        .map { "\($0) \(Quantity.bytes($1))" }.joined(separator: ", "),
      "median (lower–upper quartile); limit: the longer of the operations at the peak and of "
        + "moving as many bytes (reading them where they lie, or copying past the caches)",
      "a call without rows: \(Quantity.time(calls.boundSeconds)) bound, "
        + "\(Quantity.time(calls.checkedSeconds)) checked",
      "source to callable code: \(Quantity.time(compiling.firstSeconds)) at first, "
        + "\(Quantity.time(compiling.coldSeconds)) later, "
        + "\(Quantity.time(compiling.cachedSeconds)) from the disk cache",
    ]
  }

  var text: String {
    let limits = TextTable(
      header: BenchReport.limitsHeader, alignments: [.left, .right, .right], limitsRows)
    let tables = groups.map { group, kernels in
      let table = TextTable(
        header: BenchReport.header, alignments: BenchReport.alignments, BenchReport.rows(kernels))
      return "\(group.title)\n\(table.text)"
    }
    return ([limits.text] + tables + [notes.joined(separator: "\n") + "\n"])
      .joined(separator: "\n")
  }

  var markdown: String {
    let limits = BenchReport.markdownTable(
      BenchReport.limitsHeader, [.left, .right, .right], limitsRows)
    let tables = groups.map { group, kernels in
      "**\(group.title)**\n\n"
        + BenchReport.markdownTable(
          BenchReport.header, BenchReport.alignments, BenchReport.rows(kernels))
    }
    return ([limits] + tables + [notes.map { "- \($0)" }.joined(separator: "\n") + "\n"])
      .joined(separator: "\n")
  }

  private static func markdownTable(
    _ header: [String], _ alignments: [TextTable.Alignment], _ rows: [[String]]
  ) -> String {
    let rule = alignments.map { $0 == .left ? "---" : "--:" }
    return ([header, rule] + rows).map { "| \($0.joined(separator: " | ")) |\n" }.joined()
  }
}
