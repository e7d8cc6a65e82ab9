/// The bytes of a request, as laid out in `emulation_protocol.h`.
struct EmulationRequest {
  static let magic: UInt64 = 0x5145_525f_554d_454e
  static let version: UInt64 = 1
  static let bufferLimit = 256
  static let canaryBytes = 256
  static let pageBytes = 4096

  let bytes: [UInt8]
  /// The exact length of the response.
  let responseBytes: Int
  /// An upper bound of the memory for the buffers of one call.
  let arenaBytes: Int

  init(
    kernels: Int, calls: [EmulatedCall], limit: Int
  ) throws(EmulationError) {
    let (size, response, arena) = try Self.measure(kernels: kernels, calls: calls)
    guard size <= limit else { throw .requestTooLarge(bytes: size, limit: limit) }
    var writer = WordWriter(capacity: size)
    writer.append(Self.magic)
    writer.append(Self.version)
    writer.append(UInt64(size))
    writer.append(UInt64(calls.count))
    for call in calls {
      writer.append(UInt64(call.kernel))
      writer.append(UInt64(bitPattern: Int64(call.rows)))
      writer.append(UInt64(call.buffers.count))
      for buffer in call.buffers {
        writer.append(UInt64(bitPattern: Int64(buffer.rowStride)))
        writer.append(UInt64(buffer.bytes.count))
        writer.append(UInt64(buffer.addressOffset))
        writer.append(padding: buffer.bytes)
      }
    }
    writer.append(emulationChecksum(writer.bytes[...]))
    bytes = writer.bytes
    responseBytes = response
    arenaBytes = arena
  }

  private static func measure(
    kernels: Int, calls: [EmulatedCall]
  ) throws(EmulationError) -> (size: Int, response: Int, arena: Int) {
    var (size, response, largest) = (40, 80, 0)
    for (index, call) in calls.enumerated() {
      guard call.kernel >= 0, call.kernel < kernels else {
        throw .invalidCall(
          index: index, reason: "expected a kernel below \(kernels), found \(call.kernel)")
      }
      guard call.buffers.count <= bufferLimit else {
        throw .invalidCall(
          index: index,
          reason: "expected at most \(bufferLimit) buffers, found \(call.buffers.count)")
      }
      size += 24
      response += 16
      var arena = 0
      for (position, buffer) in call.buffers.enumerated() {
        guard buffer.addressOffset >= 0, buffer.addressOffset < pageBytes else {
          throw .invalidCall(
            index: index,
            reason: "buffer \(position): expected an address offset below \(pageBytes), "
              + "found \(buffer.addressOffset)")
        }
        let padded = (buffer.bytes.count + 7) & ~7
        size += 24 + padded
        response += 24 + padded
        arena += padded + 2 * pageBytes + 2 * canaryBytes
      }
      largest = max(largest, arena)
    }
    return (size, response, largest)
  }
}

/// Appends little-endian words and padded byte strings.
struct WordWriter {
  private(set) var bytes: [UInt8] = []

  init(capacity: Int) { bytes.reserveCapacity(capacity) }

  mutating func append(_ word: UInt64) {
    withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func append(padding data: [UInt8]) {
    bytes.append(contentsOf: data)
    bytes.append(contentsOf: repeatElement(0, count: (8 - data.count % 8) % 8))
  }
}

/// The checksum that ends requests and responses; the count of bytes is a multiple of 8.
package func emulationChecksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
  bytes.withUnsafeBytes { raw in
    var sum: UInt64 = 0xcbf2_9ce4_8422_2325
    for at in stride(from: 0, to: raw.count - 7, by: 8) {
      let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: at, as: UInt64.self))
      sum = (sum ^ word) &* 0x100_0000_01b3
    }
    return sum ^ (sum >> 32)
  }
}
