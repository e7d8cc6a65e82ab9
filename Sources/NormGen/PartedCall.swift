import NormGenIR
import NormGenJIT
import NormGenLoops
import NormGenSchedule
import NormGenTensors

/// A kernel's functions with the memory of a call, cut into parts that threads share.
final class PartedCall: @unchecked Sendable {
  // The memory is written here and read by all; scratch memory belongs to the kernel's own parts.
  /// Parts of a phase.
  let parts: Int
  /// Phases of a call.
  let phases: Int
  private let code: KernelCode
  private let rows: Int64
  private let buffers: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  private let strides: UnsafeMutablePointer<Int64>
  private let scratch: AlignedMemory?

  /// Cuts a call that ``CallCheck`` has found right.
  ///
  /// - Parameter threads: The most parts, at least 1.
  /// - Throws: ``CallError/memory(of:byteCount:)`` for the scratch memory.
  init(
    _ kernel: CompiledKernel, rows: Int, arguments: [KernelArgument], strides rowStrides: [Int],
    threads: Int
  ) throws(CallError) {
    code = kernel.code
    self.rows = Int64(rows)
    parts = max(1, min(threads, kernel.lowering.mostParts(rows: rows), WorkerPool.mostThreads))
    phases = Int(code.phases(Int64(rows), Int64(parts)))
    let scratchBytes = Int(code.scratchBytes(Int64(rows), Int64(parts)))
    do {
      scratch = scratchBytes == 0 ? nil : try AlignedMemory(byteCount: scratchBytes)
    } catch { throw .memory(of: "the values between the kernel's steps", byteCount: scratchBytes) }
    buffers = .allocate(capacity: max(arguments.count, 1))
    strides = .allocate(capacity: max(arguments.count, 1))
    for (index, argument) in arguments.enumerated() {
      (buffers + index).initialize(to: argument.bytes.baseAddress)
      (strides + index).initialize(to: Int64(rowStrides[index]))
    }
  }

  deinit {
    buffers.deallocate()
    strides.deallocate()
  }

  /// Does one part of a phase.
  func callAsFunction(phase: Int, part: Int) {
    code.entry(
      rows, buffers, strides, scratch?.bytes.baseAddress, Int64(phase), Int64(part), Int64(parts))
  }
}

extension Lowering {
  /// The parts of a call that still have something to do.
  fileprivate func mostParts(rows: Int) -> Int {
    func pieces(of height: Int) -> Int { rows / height + (rows % height == 0 ? 0 : 1) }
    let slivers =
      program.products.map { $0.columns / $0.tile.columns(lanes: target.lanes) }.max() ?? 0
    switch program.division {
    case .rows: return pieces(of: program.tileRows)
    case .blocks: return pieces(of: program.chunkRows)
    case .steps where rows > program.chunkRows: return pieces(of: program.tileRows)
    case .steps:
      // Few rows: the products are cut into slivers of columns.
      return rows == 0 ? 1 : max(rows, slivers + 1)
    case .stepsOfChunks:
      let totals = program.totals.map(\.count).max() ?? 0
      return max(min(rows, program.chunkRows), slivers, totals / target.lanes, 1)
    }
  }
}
