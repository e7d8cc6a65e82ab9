import NormGenIR
import NormGenLoops

/// The memory of one parameter.
public struct KernelArgument {
  let bytes: UnsafeMutableRawBufferPointer
  let rowStride: Int?
  /// Whether the kernel may write the memory.
  let isWritable: Bool

  /// Memory that the kernel reads.
  ///
  /// - Parameters:
  ///   - bytes: The elements; the first one is row 0's first.
  ///   - rowStride: Elements from row to row; nil for rows without gaps.
  public init(_ bytes: UnsafeRawBufferPointer, rowStride: Int? = nil) {
    self.bytes = UnsafeMutableRawBufferPointer(mutating: bytes)
    self.rowStride = rowStride
    self.isWritable = false
  }

  /// Memory that the kernel reads or writes.
  public init(_ bytes: UnsafeMutableRawBufferPointer, rowStride: Int? = nil) {
    self.bytes = bytes
    self.rowStride = rowStride
    self.isWritable = true
  }
}

/// A kernel with its memory, checked once, for calls in a hot loop.
///
/// A call costs the C function and a few instructions. The memory must outlive the bound kernel;
/// its contents may change between calls.
public final class BoundKernel {
  private let kernel: CompiledKernel
  private let rows: Int64
  private let buffers: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  private let strides: UnsafeMutablePointer<Int64>
  private let entry: CompiledKernel.Entry

  init(kernel: CompiledKernel, rows: Int, arguments: [KernelArgument], strides: [Int]) {
    self.kernel = kernel
    self.rows = Int64(rows)
    self.entry = kernel.entry
    self.buffers = .allocate(capacity: arguments.count)
    self.strides = .allocate(capacity: arguments.count)
    for (index, argument) in arguments.enumerated() {
      buffers.advanced(by: index).initialize(to: argument.bytes.baseAddress)
      self.strides.advanced(by: index).initialize(to: Int64(strides[index]))
    }
  }

  deinit {
    buffers.deallocate()
    strides.deallocate()
  }

  /// Runs the kernel on the bound memory.
  public func callAsFunction() {
    entry(rows, buffers, strides)
  }
}

extension CompiledKernel {
  /// Checks memory for every parameter and binds it.
  ///
  /// - Parameters:
  ///   - rows: The number of rows; with 0 nothing is read or written.
  ///   - arguments: One for each of ``parameters``, in order.
  /// - Throws: ``CallError`` naming the parameter, what it needs and what was found.
  public func bound(
    rows: Int, _ arguments: [KernelArgument]
  ) throws(CallError) -> BoundKernel {
    let strides = try CallCheck.strides(of: self, rows: rows, arguments)
    return BoundKernel(kernel: self, rows: rows, arguments: arguments, strides: strides)
  }

  /// Checks memory for every parameter and runs the kernel on it once.
  ///
  /// - Throws: ``CallError``; nothing has been written then.
  public func callAsFunction(rows: Int, _ arguments: [KernelArgument]) throws(CallError) {
    let strides = try CallCheck.strides(of: self, rows: rows, arguments).map { Int64($0) }
    let buffers = arguments.map(\.bytes.baseAddress)
    entry(Int64(rows), buffers, strides)
  }
}

/// The checks before a call.
enum CallCheck {
  /// The row strides of a call whose arguments fit the kernel's parameters.
  static func strides(
    of kernel: CompiledKernel, rows: Int, _ arguments: [KernelArgument]
  ) throws(CallError) -> [Int] {
    let parameters = kernel.parameters
    guard arguments.count == parameters.count else {
      throw .argumentCount(
        kernel: kernel.name, expected: parameters.map(\.name), found: arguments.count)
    }
    guard rows >= 0, rows <= Int.max >> 8 else { throw .rows(rows) }
    var strides: [Int] = []
    for (parameter, argument) in zip(parameters, arguments) {
      strides.append(try check(argument, for: parameter, rows: rows))
    }
    for (index, parameter) in parameters.enumerated() where parameter.isOutput {
      for other in parameters.indices where other != index {
        if overlap(arguments[index].bytes, arguments[other].bytes) {
          throw .overlapping(output: parameter.name, other: parameters[other].name)
        }
      }
    }
    return strides
  }

  private static func check(
    _ argument: KernelArgument, for parameter: Buffer, rows: Int
  ) throws(CallError) -> Int {
    guard argument.isWritable || !parameter.isOutput else {
      throw .readOnly(output: parameter.name)
    }
    let size = parameter.storage.byteCount
    let rowElements = parameter.shape.elementsPerRow
    let stride = argument.rowStride ?? rowElements
    var elements = rowElements
    if parameter.shape.hasRows {
      let (span, spanOverflows) = stride.multipliedReportingOverflow(by: max(rows - 1, 0))
      guard stride >= rowElements, !spanOverflows, span <= Int.max >> 8 else {
        throw .rowStride(parameter: parameter.name, atLeast: rowElements, found: stride)
      }
      elements = rows == 0 ? 0 : span + rowElements
    }
    guard argument.bytes.count >= elements * size else {
      throw .tooShort(
        parameter: parameter.name, expectedBytes: elements * size,
        foundBytes: argument.bytes.count)
    }
    let address = UInt(bitPattern: argument.bytes.baseAddress)
    guard address % UInt(size) == 0 else {
      throw .misaligned(parameter: parameter.name, alignment: size, address: address)
    }
    return stride
  }

  private static func overlap(
    _ left: UnsafeMutableRawBufferPointer, _ right: UnsafeMutableRawBufferPointer
  ) -> Bool {
    guard let leftStart = left.baseAddress, let rightStart = right.baseAddress,
      !left.isEmpty, !right.isEmpty
    else { return false }
    return leftStart < rightStart + right.count && rightStart < leftStart + left.count
  }
}
