internal import CNormGenClang

/// An object linked into this process.
///
/// The code lives as long as this value: an address must not be called after the last reference
/// is gone. The object is linked at the first ``address(of:)``.
package final class LoadedObject: Sendable {
  /// What errors call the object.
  package let name: String
  // Every function that takes the image may be called from any thread.
  nonisolated(unsafe) private let image: OpaquePointer

  /// Takes a relocatable ELF object for this machine into the process.
  package init(object: [UInt8], name: String) throws(JITError) {
    var image: OpaquePointer?
    let result = object.withUnsafeBytes { bytes in
      withCStrings([name]) { names, _ in
        bytes.baseAddress.map {
          ShimResult(consuming: ngclang_image_create($0, bytes.count, names[0], &image))
        }
      }
    }
    guard let result else { throw .link(object: name, reason: "the object is empty") }
    try result.check(operation: "linking", subject: name)
    guard let image else {
      throw .internalFailure(operation: "linking", reason: "no image was made of \(name)")
    }
    self.name = name
    self.image = image
  }

  deinit {
    ngclang_image_dispose(image)
  }

  /// The address of a function or variable that the object defines.
  package func address(of symbol: String) throws(JITError) -> UnsafeRawPointer {
    var address: UnsafeRawPointer?
    let result = ShimResult(consuming: ngclang_image_lookup(image, symbol, &address))
    try result.check(operation: "linking", subject: name)
    guard let address else { throw .missingSymbol(names: [symbol], object: name) }
    return address
  }
}
