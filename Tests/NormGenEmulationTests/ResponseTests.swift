import NormGenEmulation
import Testing

/// Damaged answers must never pass for results.
@Suite struct ResponseTests {
  let kernels = [EmulatedKernel(name: "k", source: .c(""))]
  let calls = [
    EmulatedCall(
      kernel: 0, rows: 1,
      buffers: [
        EmulatedBuffer(bytes: [1, 2, 3], rowStride: 3), EmulatedBuffer(bytes: [], rowStride: 0),
      ])
  ]

  func response(status: UInt64 = 0, detail: [UInt64] = [0, 0, 0, 0]) -> [UInt8] {
    let results: [UInt64] = [1, 0, 2, 3, 0, 5, 0x06_0504, 0, 0, 0]
    let body = status == 0 ? results : [0]
    let head: [UInt64] = [0x5053_525f_554d_454e, 1, UInt64(8 * (9 + body.count)), status]
    let bytes = (head + detail + body).flatMap { word in
      withUnsafeBytes(of: word.littleEndian) { [UInt8]($0) }
    }
    return bytes + withUnsafeBytes(of: emulationChecksum(bytes[...]).littleEndian) { [UInt8]($0) }
  }

  func read(_ bytes: [UInt8]) throws(EmulationError) -> [EmulatedResult] {
    try EmulationResponse.results(
      in: bytes, of: .bochsX86_64, kernels: kernels, calls: calls)
  }

  @Test func readsResults() throws {
    let results = try read(response())
    #expect(results.map(\.buffers) == [[[4, 5, 6], []]])
    #expect(
      results[0].outOfBounds.map(\.description) == ["buffer 0: written up to 5 bytes after it"])
  }

  @Test func refusesEveryTruncation() {
    let whole = response()
    for count in 0..<whole.count {
      #expect(throws: EmulationError.self) { try read(Array(whole[..<count])) }
    }
    #expect(throws: EmulationError.self) { try read(whole + [UInt8](repeating: 0, count: 8)) }
  }

  @Test func refusesEveryFlippedBit() {
    let whole = response()
    for bit in 0..<(8 * whole.count) {
      var damaged = whole
      damaged[bit / 8] ^= 1 << (bit % 8)
      #expect(throws: EmulationError.self, "bit \(bit)") { try read(damaged) }
    }
  }

  @Test func namesFailures() {
    func failure(_ status: UInt64, _ detail: [UInt64]) -> String {
      do throws(EmulationError) {
        _ = try read(response(status: status, detail: detail))
        return "none"
      } catch {
        return error.description
      }
    }
    #expect(
      failure(4, [14, 0x10, 0x10_0000, 0])
        == "emulated kernel 'k', call 0: access to unmapped memory at address 0x10 "
        + "at instruction 0x100000")
    #expect(
      failure(3, [100, 50, 0, 0])
        == "the emulated calls take 100 bytes; the machine holds at most 50")
    #expect(
      failure(6, [0x41, 9, 0, 0]) == "emulator response: disk status 0x41 at sector 9")
    #expect(failure(99, [0, 0, 0, 0]) == "emulator response: unknown status 99")
  }
}
