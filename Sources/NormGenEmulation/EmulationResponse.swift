/// Reads a response, as laid out in `emulation_protocol.h`.
package struct EmulationResponse {
  private enum Status: UInt64 {
    case ok, badRequest, badChecksum, outOfMemory, fault, processorTooOld, deviceError
  }

  static let magic: UInt64 = 0x5053_525f_554d_454e
  static let headBytes = 72
  static let failureBytes = 80

  private let bytes: [UInt8]
  private var at = 0

  /// The results of the calls, in order, or what the machine reported instead.
  package static func results(
    in bytes: [UInt8], of emulator: Emulator, kernels: [EmulatedKernel], calls: [EmulatedCall]
  ) throws(EmulationError) -> [EmulatedResult] {
    var response = EmulationResponse(bytes: bytes)
    try response.readHead(of: emulator, kernels: kernels, calls: calls)
    var results: [EmulatedResult] = []
    results.reserveCapacity(calls.count)
    for (index, call) in calls.enumerated() {
      results.append(try response.readResult(of: call, index: index))
    }
    guard response.at == response.end else {
      throw damaged("\(response.end - response.at) bytes follow the last call")
    }
    return results
  }

  /// Whether the bytes begin like a response.
  static func begins(_ bytes: [UInt8]) -> Bool {
    bytes.count >= failureBytes
      && EmulationResponse(bytes: bytes).word(at: 0) == magic
  }

  /// The first bytes, if they claim to be a whole response without calls.
  static func failureOnly(_ bytes: [UInt8]) -> [UInt8]? {
    guard begins(bytes),
      EmulationResponse(bytes: bytes).word(at: 16) == UInt64(failureBytes)
    else { return nil }
    return Array(bytes[..<failureBytes])
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  private var end: Int { bytes.count - 8 }

  private mutating func readHead(
    of emulator: Emulator, kernels: [EmulatedKernel], calls: [EmulatedCall]
  ) throws(EmulationError) {
    guard bytes.count >= Self.failureBytes, bytes.count % 8 == 0 else {
      throw Self.damaged("\(bytes.count) bytes are no whole response")
    }
    let (magic, version, total) = (try word(), try word(), try word())
    guard magic == Self.magic, version == EmulationRequest.version else {
      throw Self.damaged("wrong magic or version: the machine wrote none")
    }
    guard total == UInt64(bytes.count) else {
      throw Self.damaged("expected \(total) bytes, found \(bytes.count)")
    }
    let stated = word(at: end)
    guard emulationChecksum(bytes[..<end]) == stated else {
      throw Self.damaged("the checksum does not match")
    }
    let status = try word()
    let detail = [try word(), try word(), try word(), try word()]
    let count = try word()
    switch Status(rawValue: status) {
    case .ok: break
    case .fault:
      let call = Int(clamping: detail[3])
      let kernel = calls.indices.contains(call) ? kernels[calls[call].kernel].name : "?"
      throw .kernelFaulted(
        kernel: kernel, call: call, fault: emulator.describeFault(detail))
    case .outOfMemory:
      throw .requestTooLarge(bytes: Int(clamping: detail[0]), limit: Int(clamping: detail[1]))
    case .processorTooOld:
      throw .processorTooOld(emulator.describeProcessor(detail))
    case .badRequest: throw Self.damaged("the request is malformed at byte \(detail[0])")
    case .badChecksum: throw Self.damaged("the request was damaged on its way")
    case .deviceError:
      throw Self.damaged("disk status \(hex(detail[0])) at sector \(detail[1])")
    case nil: throw Self.damaged("unknown status \(status)")
    }
    guard count == UInt64(calls.count) else {
      throw Self.damaged("expected \(calls.count) calls, found \(count)")
    }
  }

  private mutating func readResult(
    of call: EmulatedCall, index: Int
  ) throws(EmulationError) -> EmulatedResult {
    let (kernel, count) = (try word(), try word())
    guard kernel == UInt64(call.kernel), count == UInt64(call.buffers.count) else {
      throw Self.damaged("call \(index) is not the one requested")
    }
    var result = EmulatedResult(buffers: [], outOfBounds: [])
    result.buffers.reserveCapacity(call.buffers.count)
    for (position, buffer) in call.buffers.enumerated() {
      let (size, before, after) = (try word(), try word(), try word())
      guard size == UInt64(buffer.bytes.count) else {
        throw Self.damaged("call \(index), buffer \(position) has the wrong size")
      }
      let length = buffer.bytes.count
      guard length <= end - at else { throw Self.damaged("it ends inside call \(index)") }
      result.buffers.append(Array(bytes[at..<(at + length)]))
      at += (length + 7) & ~7
      if before != 0 || after != 0 {
        result.outOfBounds.append(
          OutOfBoundsWrite(
            buffer: position, bytesBefore: Int(clamping: before),
            bytesAfter: Int(clamping: after)))
      }
    }
    return result
  }

  private mutating func word() throws(EmulationError) -> UInt64 {
    guard at + 8 <= end else { throw Self.damaged("it ends at byte \(at)") }
    defer { at += 8 }
    return word(at: at)
  }

  private func word(at offset: Int) -> UInt64 {
    bytes.withUnsafeBytes {
      UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
  }

  private static func damaged(_ reason: String) -> EmulationError {
    .badResponse(reason: reason, log: "")
  }
}

/// A number as the debuggers write addresses.
func hex(_ word: UInt64) -> String { "0x" + String(word, radix: 16) }
