private import Foundation
import NormGen
private import NormGenTensors

/// The tensors of one call, inputs and outputs each in one piece of page-aligned memory, so that a
/// plain copy of the same bytes touches the same pages.
final class BenchmarkMemory {
  let arguments: [KernelArgument]
  private let source: AlignedMemory
  private let destination: AlignedMemory
  /// Half of the bytes that a call must move at least: each input read once, each output written.
  let copiedBytes: Int
  private let inputBytes: Int
  private let outputBytes: Int

  /// Memory for `kernel` on `rows` rows, filled with seeded values.
  init(for kernel: CompiledKernel, rows: Int, seed: UInt64) throws {
    var inputBytes = 0
    var outputBytes = 0
    var offsets: [Int] = []
    for parameter in kernel.parameters {
      let size = try parameter.byteCount(rows: rows)
      // Each tensor starts at a cache line of its own.
      let padded = (size + 63) & ~63
      if parameter.isOutput {
        offsets.append(outputBytes)
        outputBytes += padded
      } else {
        offsets.append(inputBytes)
        inputBytes += padded
      }
    }
    self.inputBytes = inputBytes
    self.outputBytes = outputBytes
    copiedBytes = (inputBytes + outputBytes) / 2
    // Whole lines, so that what is read in lines lies inside.
    let capacity = (max(inputBytes, outputBytes) + 63) & ~63
    source = try AlignedMemory(byteCount: max(capacity, 64), alignment: 4096)
    destination = try AlignedMemory(byteCount: max(capacity, 64), alignment: 4096)
    // Every page is written, so that a measurement meets none for the first time.
    source.bytes.initializeMemory(as: UInt8.self, repeating: 0)
    destination.bytes.initializeMemory(as: UInt8.self, repeating: 0)
    var arguments: [KernelArgument] = []
    for (parameter, offset) in zip(kernel.parameters, offsets) {
      let size = try parameter.byteCount(rows: rows)
      let area = (parameter.isOutput ? destination : source).bytes
      let bytes = UnsafeMutableRawBufferPointer(rebasing: area[offset..<(offset + size)])
      if !parameter.isOutput { BenchmarkMemory.fill(bytes, parameter.storage, seed: seed) }
      arguments.append(KernelArgument(bytes))
    }
    self.arguments = arguments
  }

  /// Copies as many bytes as a call moves.
  func copy() {
    if let to = destination.bytes.baseAddress, let from = source.bytes.baseAddress {
      memcpy(to, from, copiedBytes)
    }
  }

  /// Reads as many bytes as a call moves.
  func read(_ loops: LimitLoops) {
    loops.read(
      source.bytes.baseAddress, destination.bytes.baseAddress, lines: (copiedBytes + 63) / 64)
  }

  /// Moves as many bytes as a call, as many of them read and written, the written ones past the
  /// caches: a copy for each output, and a read of what the inputs have more.
  func stream(_ loops: LimitLoops) {
    let copied = min(inputBytes, outputBytes) / 128 * 2
    loops.streamedCopy(
      to: destination.bytes.baseAddress, from: source.bytes.baseAddress, lines: copied)
    let rest = (inputBytes / 64 - copied) / 2
    guard rest > 0 else { return }
    let first = source.bytes.baseAddress?.advanced(by: 64 * copied)
    loops.read(first, first?.advanced(by: 64 * rest), lines: rest)
  }

  /// Values around ±1, integers around ±32, from a table: drawing each anew would take longer than
  /// the measurement.
  private static func fill(
    _ bytes: UnsafeMutableRawBufferPointer, _ storage: DType, seed: UInt64
  ) {
    var generator = SeededGenerator(seed: seed)
    // Integers are spread over their range.
    let unit = storage.holdsFractions ? 1 : 32.0
    let table = (0..<1021).map { _ in storage.bits(nearest: generator.normal() * unit) }
    for index in 0..<(bytes.count / storage.byteCount) {
      storage.store(table[index % table.count], at: index, in: bytes)
    }
  }
}
