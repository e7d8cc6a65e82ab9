import NormGenIR
import NormGenJIT
import NormGenLoops
import NormGenSchedule
import NormGenTensors

/// A kernel's functions with the memory of a call, cut into parts that threads share.
///
/// A kernel with scratch memory divides its work itself. One without gets rows from a part's first one
/// on, in whole tiles; the bits of a row do not depend on the rows around it.
final class PartedCall: @unchecked Sendable {
  // The memory is written here and read by all; scratch memory belongs to the kernel's own parts.
  /// Parts of a phase.
  let parts: Int
  /// Phases of a call.
  let phases: Int
  private let code: KernelCode
  private let rows: Int64
  private let parameters: Int
  private let buffers: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  private let strides: UnsafeMutablePointer<Int64>
  /// Rows of each part of a kernel without scratch memory.
  private let partRows: UnsafeMutablePointer<Int64>
  private let scratch: AlignedMemory?

  /// Cuts a call that ``CallCheck`` has found right.
  ///
  /// - Parameter threads: The most parts, at least 1.
  /// - Throws: ``CallError/memory(of:byteCount:)`` for the scratch memory.
  init(
    _ kernel: CompiledKernel, rows: Int, arguments: [KernelArgument], strides rowStrides: [Int],
    threads: Int
  ) throws(CallError) {
    let program = kernel.lowering.program
    let cuts = WorkCuts(kernel.lowering, rows: rows)
    code = kernel.code
    parts = max(1, min(threads, cuts.mostParts, WorkerPool.mostThreads))
    phases = code.phases(rows: Int64(rows), parts: Int64(parts))
    let scratchBytes = code.scratchBytes(rows: Int64(rows), parts: Int64(parts))
    do {
      scratch = scratchBytes == 0 ? nil : try AlignedMemory(byteCount: scratchBytes)
    } catch { throw .memory(of: "the values between the kernel's steps", byteCount: scratchBytes) }
    self.rows = Int64(rows)
    parameters = arguments.count
    strides = .allocate(capacity: max(parameters, 1))
    for (index, stride) in rowStrides.enumerated() {
      (strides + index).initialize(to: Int64(stride))
    }
    buffers = .allocate(capacity: max(parts * parameters, 1))
    partRows = .allocate(capacity: parts)
    for part in 0..<parts {
      let range = cuts.rows(of: part, parts: parts)
      (partRows + part).initialize(to: Int64(range.count))
      for (index, argument) in arguments.enumerated() {
        let parameter = program.buffers[index]
        let bytes = rowStrides[index] * parameter.storage.byteCount
        let offset = parameter.shape.hasRows ? range.lowerBound * bytes : 0
        (buffers + part * parameters + index).initialize(
          to: argument.bytes.baseAddress.map { $0 + offset })
      }
    }
  }

  deinit {
    buffers.deallocate()
    strides.deallocate()
    partRows.deallocate()
  }

  /// Does one part of a phase.
  func callAsFunction(phase: Int, part: Int) {
    switch code.entry {
    case .rows(let function):
      function(partRows[part], buffers + part * parameters, strides)
    case .parts(let function, _, _):
      function(
        rows, buffers, strides, scratch?.bytes.baseAddress, Int64(phase), Int64(part),
        Int64(parts))
    }
  }
}

/// Where the work of a call can be cut.
private struct WorkCuts {
  /// The parts that still have something to do.
  let mostParts: Int
  private let rows: Int
  /// Rows that stay together; nil where the kernel divides its work itself.
  private let tile: Int?

  init(_ lowering: Lowering, rows: Int) {
    let (program, target) = (lowering.program, lowering.target)
    self.rows = rows
    func tiles(of height: Int) -> Int { rows / height + (rows % height == 0 ? 0 : 1) }
    guard program.onlyKernel == nil else {
      let tile = max(program.blockRows, 1)
      self.tile = lowering.module.interface.parts == nil ? tile : nil
      mostParts = tiles(of: tile)
      return
    }
    tile = nil
    let panels =
      program.multiplications.map { $0.columns / $0.tile.columns(lanes: target.lanes) }.max() ?? 0
    guard program.totals.isEmpty else {
      // Blocks of rows, each with totals of its own, or columns that parts share block by block.
      let totals = program.totals.map(\.count).max() ?? 0
      mostParts =
        program.sharesBlocks
        ? max(min(rows, program.blockRows), panels, totals / target.lanes, 1)
        : tiles(of: program.blockRows)
      return
    }
    if rows > program.blockRows {
      mostParts = tiles(of: program.tileRows)
    } else {
      // Few rows: the products are cut into panels of columns.
      mostParts = rows == 0 ? 1 : max(rows, panels + 1)
    }
  }

  /// The rows that a part's pointers begin with.
  func rows(of part: Int, parts: Int) -> Range<Int> {
    guard let tile else { return 0..<rows }
    // Whole tiles, shared out evenly without a product that might overflow.
    func first(_ part: Int) -> Int {
      min(rows, (mostParts / parts * part + mostParts % parts * part / parts) * tile)
    }
    return first(part)..<first(part + 1)
  }
}
