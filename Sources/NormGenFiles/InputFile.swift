internal import Foundation
internal import NormGenIR
internal import NormGenTensors

#if !_endian(little)
  #error("tensor files hold little-endian elements and are read without swapping bytes")
#endif

/// An open file whose size is known, so that no header is believed beyond it.
final class InputFile: Sendable {
  /// The path as given.
  let path: String
  /// The size in bytes when it was opened.
  let size: Int
  private let descriptor: CInt

  /// Opens a regular file.
  init(_ path: String) throws(TensorFileError) {
    guard !path.isEmpty else { throw .reference(path, expected: "a file's name") }
    guard !path.utf8.contains(0) else {
      throw .system(operation: "open", file: path, code: ENOENT)
    }
    // Not to block on a pipe.
    let descriptor = path.withSystemText { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
    guard descriptor >= 0 else { throw .system(operation: "open", file: path, code: errno) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let code = errno
      close(descriptor)
      throw .system(operation: "read", file: path, code: code)
    }
    guard status.st_mode.isRegularFile else {
      close(descriptor)
      throw .notRegular(file: path, found: status.st_mode.fileKind)
    }
    self.path = path
    self.size = Int(status.st_size)
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// The bytes from `offset` on, which must lie within the file.
  func bytes(at offset: Int, count: Int) throws(TensorFileError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: try checked(offset, count))
    try bytes.withUnsafeMutableBufferPointer { buffer throws(TensorFileError) in
      try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
    }
    return bytes
  }

  /// The tensor whose elements begin at `offset`; they must lie within the file.
  func tensor(
    at offset: Int, shape: [Int], _ storage: DType
  ) throws(TensorFileError) -> HostTensor {
    _ = try checked(offset, try byteCount(of: shape, storage))
    var tensor = try zeros(shape, storage)
    try tensor.withUnsafeMutableBytes { buffer throws(TensorFileError) in
      try read(into: buffer, at: offset)
    }
    try checkUnchanged()
    return tensor
  }

  /// The tensor with a name among those that the file describes; without a name the only one.
  func entry<Entry>(
    _ name: String?, of entries: [Entry], named key: KeyPath<Entry, String>
  ) throws(TensorFileError) -> Entry {
    guard let name else {
      guard let only = entries.first, entries.count == 1 else {
        throw .unnamed(file: path, names: entries.map { $0[keyPath: key] })
      }
      return only
    }
    guard let entry = entries.first(where: { $0[keyPath: key] == name }) else {
      throw .noTensor(file: path, name: name, names: entries.map { $0[keyPath: key] })
    }
    return entry
  }

  /// A tensor for values from the file, if this machine has the memory.
  func zeros(_ shape: [Int], _ storage: DType) throws(TensorFileError) -> HostTensor {
    let byteCount = try byteCount(of: shape, storage)
    let memory = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    guard byteCount <= memory else {
      throw .beyondMemory(file: path, byteCount: byteCount, memory: memory)
    }
    do { return try HostTensor(zeros: shape, storage) } catch {
      guard case .memory = error else {
        throw .shape(file: path, tensor: nil, found: "\(shape)")
      }
      throw .noMemory(file: path, byteCount: byteCount)
    }
  }

  /// Checks that nobody has made the file longer or shorter since it was opened.
  func checkUnchanged() throws(TensorFileError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0, Int(status.st_size) == size else {
      throw .changed(file: path)
    }
  }

  private func byteCount(of shape: [Int], _ storage: DType) throws(TensorFileError) -> Int {
    do { return try HostTensor.count(of: shape) * storage.byteCount } catch {
      throw .shape(file: path, tensor: nil, found: "\(shape)")
    }
  }

  /// `count`, if that many bytes follow `offset`.
  private func checked(_ offset: Int, _ count: Int) throws(TensorFileError) -> Int {
    let (end, overflow) = offset.addingReportingOverflow(count)
    guard offset >= 0, count >= 0, !overflow, end <= size else {
      throw .truncated(file: path, expectedBytes: overflow ? .max : end, foundBytes: size)
    }
    return count
  }

  private func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(TensorFileError) {
    var done = 0
    while done < buffer.count, let start = buffer.baseAddress {
      let got = pread(descriptor, start + done, buffer.count - done, off_t(offset + done))
      if got > 0 {
        done += got
      } else if got == 0 {
        // Somebody cut the file while it was read.
        throw .truncated(
          file: path, expectedBytes: offset + buffer.count, foundBytes: offset + done)
      } else if errno != EINTR {
        throw .system(operation: "read", file: path, code: errno)
      }
    }
  }
}

/// The system's words for an error.
func systemMessage(_ code: CInt) -> String { String(cString: strerror(code)) }
