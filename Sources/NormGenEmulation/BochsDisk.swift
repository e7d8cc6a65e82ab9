internal import Foundation

/// The disk of the bare machine: header, payload, request, and room for the response.
struct BochsDisk {
  /// The firmware reads the payload slowly, so it must not be large.
  static let payloadLimit = 64 << 20
  private static let sectorBytes = 512
  // The sectors of a cylinder, in the geometry that all drives of this kind claim.
  private static let cylinderSectors = 16 * 63

  /// The memory that the machine needs, in whole 32 MiB.
  let memoryBytes: Int
  private let payload: [UInt8]
  private let request: EmulationRequest
  private let requestSector: Int
  private let responseSector: Int
  private let responseSectors: Int
  private let cylinders: Int

  init(payload: [UInt8], request: EmulationRequest) throws(EmulationError) {
    guard payload.count <= Self.payloadLimit else {
      throw .requestTooLarge(bytes: payload.count, limit: Self.payloadLimit)
    }
    self.payload = payload
    self.request = request
    requestSector = 1 + Self.sectors(payload.count)
    responseSector = requestSector + Self.sectors(request.bytes.count)
    responseSectors = Self.sectors(request.responseBytes)
    cylinders = (responseSector + responseSectors) / Self.cylinderSectors + 1
    // Low memory, uninitialized data of the kernels and rounding take less than 16 MiB.
    let bytes =
      payload.count + request.bytes.count + request.arenaBytes + request.responseBytes
      + (16 << 20)
    let unit = 32 << 20
    memoryBytes = (bytes + unit - 1) / unit * unit
  }

  /// The geometry in the emulator's words.
  var geometry: String { "cylinders=\(cylinders), heads=16, spt=63" }

  /// Writes the image; the response's sectors are zero.
  func create(
    _ name: String, in directory: borrowing TemporaryDirectory
  ) throws(EmulationError) {
    var header = WordWriter(capacity: 64)
    let words = [
      0x4b53_4944_4f42_474e, Self.sectors(payload.count), memoryBytes, requestSector,
      request.bytes.count, responseSector, responseSectors,
    ]
    for word in words { header.append(UInt64(word)) }
    try directory.write(Data(header.bytes), to: name)
    do {
      let file = try FileHandle(
        forWritingTo: directory.url.appendingPathComponent(name))
      defer { try? file.close() }
      try file.seek(toOffset: UInt64(Self.sectorBytes))
      try file.write(contentsOf: payload)
      try file.seek(toOffset: UInt64(requestSector * Self.sectorBytes))
      try file.write(contentsOf: request.bytes)
      try file.truncate(
        atOffset: UInt64(cylinders * Self.cylinderSectors * Self.sectorBytes))
    } catch {
      throw .fileFailed(action: "write \(name)", reason: "\(error)")
    }
  }

  /// The response's bytes as far as its head claims; zeros if the machine wrote none.
  func response(
    in name: String, of directory: borrowing TemporaryDirectory
  ) throws(EmulationError) -> [UInt8] {
    let offset = responseSector * Self.sectorBytes
    let all = try directory.read(name, from: offset, limit: request.responseBytes)
    return EmulationResponse.failureOnly(all) ?? all
  }

  private static func sectors(_ bytes: Int) -> Int {
    (bytes + sectorBytes - 1) / sectorBytes
  }
}
