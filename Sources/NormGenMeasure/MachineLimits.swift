private import Foundation
import NormGen

/// What one core of this machine can do at most, measured in turns in one run.
public struct MachineLimits: Sendable, Codable {
  /// A rate of arithmetic.
  public struct Arithmetic: Sendable, Codable {
    /// What is computed.
    public let peak: Peak
    /// Floating-point operations per second; a fused multiply-add is two.
    public let flopsPerSecond: Spread
  }

  /// The bandwidth of a cache or of main memory.
  public struct Bandwidth: Sendable, Codable {
    /// Where the bytes lie.
    public let level: MemoryLevel
    /// How many bytes were read, and moved by the copy: half of them read, half written.
    public let bytes: Int
    /// Bytes per second of reading.
    public let read: Spread
    /// Bytes per second of `memcpy`, those read and those written.
    public let copy: Spread
    /// Bytes per second of a copy past the caches, likewise.
    public let streamedCopy: Spread

    /// The greatest of the medians.
    public var fastest: Double { max(read.median, copy.median, streamedCopy.median) }
  }

  /// The peaks that this processor has.
  public let arithmetic: [Arithmetic]
  /// The levels whose size is known, the nearest first.
  public let bandwidths: [Bandwidth]

  /// Measures the limits in this thread.
  public init(_ loops: LimitLoops, rounds: Int = 15, roundSeconds: Double = 0.004) {
    let areas = MachineLimits.workingSets.map { level, bytes in
      (level, LimitMemory(bytes: bytes))
    }
    var actions: [() -> Void] = loops.peaks.map { peak in { loops.run(peak) } }
    for (_, memory) in areas {
      actions.append { memory.read(loops) }
      actions.append { memory.copy() }
      actions.append { memory.streamedCopy(loops) }
    }
    let timing = InterleavedTiming(rounds: rounds, roundSeconds: roundSeconds, actions)
    arithmetic = loops.peaks.enumerated().map { index, peak in
      Arithmetic(
        peak: peak, flopsPerSecond: timing.rate(of: loops.operations(of: peak), by: index))
    }
    bandwidths = areas.enumerated().map { index, area in
      let (level, memory) = area
      let first = loops.peaks.count + 3 * index
      let bytes = Double(memory.bytes)
      return Bandwidth(
        level: level, bytes: memory.bytes, read: timing.rate(of: bytes, by: first),
        copy: timing.rate(of: bytes, by: first + 1),
        streamedCopy: timing.rate(of: bytes, by: first + 2))
    }
  }

  /// The rate of a peak, nil if the processor lacks it.
  public func rate(of peak: Peak) -> Spread? {
    arithmetic.first { $0.peak == peak }?.flopsPerSecond
  }

  /// How many bytes are taken for a level: well inside it and well outside the one before it.
  static var workingSets: [(level: MemoryLevel, bytes: Int)] {
    var sets: [(level: MemoryLevel, bytes: Int)] = []
    var previous = 0
    for (level, size) in zip([MemoryLevel.l1, .l2, .l3], MemoryLevel.sizes) where size > 0 {
      // The last level may be shared with others.
      let bytes = level == .l3 ? size / 4 : size / 2
      if bytes > previous { sets.append((level, bytes)) }
      previous = max(previous, size)
    }
    let memory = min(max(previous * 4, 64 << 20), Int(ProcessInfo.processInfo.physicalMemory / 16))
    if memory > previous { sets.append((.memory, memory)) }
    return sets
  }
}

/// Two areas of memory of one size, to be read side by side or copied one to the other.
private final class LimitMemory {
  let bytes: Int
  private let source: UnsafeMutableRawBufferPointer
  private let destination: UnsafeMutableRawBufferPointer

  /// About `bytes` bytes in all.
  init(bytes: Int) {
    let half = max(bytes / 256, 1) * 128
    self.bytes = 2 * half
    source = .allocate(byteCount: half, alignment: 4096)
    destination = .allocate(byteCount: half, alignment: 4096)
    source.initializeMemory(as: UInt8.self, repeating: 1)
    destination.initializeMemory(as: UInt8.self, repeating: 2)
  }

  deinit {
    source.deallocate()
    destination.deallocate()
  }

  func read(_ loops: LimitLoops) {
    loops.read(source.baseAddress, destination.baseAddress, lines: source.count / 64)
  }

  func streamedCopy(_ loops: LimitLoops) {
    loops.streamedCopy(
      to: destination.baseAddress, from: source.baseAddress, lines: source.count / 64)
  }

  func copy() {
    if let to = destination.baseAddress, let from = source.baseAddress {
      memcpy(to, from, source.count)
    }
  }
}
