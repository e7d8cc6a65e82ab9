import NormGenIR
import NormGenLoops

/// The checks before a call.
enum CallCheck {
  /// More rows, bytes or elements are no memory's.
  static let most = Int.max >> 8

  /// The row strides of a call whose arguments fit the kernel's parameters.
  static func strides(
    of kernel: CompiledKernel, rows: Int, _ arguments: [KernelArgument]
  ) throws(CallError) -> [Int] {
    let parameters = kernel.parameters
    guard arguments.count == parameters.count else {
      throw .argumentCount(
        kernel: kernel.name, expected: parameters.map(\.name), found: arguments.count)
    }
    try check(rows: rows)
    var strides: [Int] = []
    for (parameter, argument) in zip(parameters, arguments) {
      if let packed = argument.packed {
        // The emitted function reads the elements themselves if it takes them, too.
        let interface = kernel.lowering.module.interface
        guard kernel.isPacked(parameter.name),
          interface.parameter(parameter.name).map({ $0.packing != nil }) ?? true
        else { throw .notPacked(parameter: parameter.name) }
        guard kernel.packedParameter(of: parameter.name, taking: packed) != nil else {
          throw .packedOtherwise(parameter: parameter.name)
        }
        strides.append(parameter.shape.elementsPerRow)
        continue
      }
      strides.append(try check(argument, for: parameter, rows: rows))
    }
    let touched = parameters.indices.map {
      touchedBytes(arguments[$0], parameters[$0], rows: rows, stride: strides[$0])
    }
    for (index, parameter) in parameters.enumerated() where parameter.isOutput {
      for other in parameters.indices where other != index {
        if touched[index].overlaps(touched[other]) {
          throw .overlapping(output: parameter.name, other: parameters[other].name)
        }
      }
    }
    return strides
  }

  static func check(rows: Int) throws(CallError) {
    guard rows >= 0, rows <= most else { throw .rows(rows) }
  }

  /// The row stride of an argument that fits a parameter.
  ///
  /// One row or none is reached without it: what the caller says then does not matter.
  static func check(
    _ argument: KernelArgument, for parameter: Buffer, rows: Int
  ) throws(CallError) -> Int {
    guard argument.isWritable || !parameter.isOutput else {
      throw .readOnly(output: parameter.name)
    }
    let size = parameter.storage.byteCount
    let rowElements = parameter.shape.elementsPerRow
    var stride = rowElements
    if let given = argument.rowStride {
      guard parameter.shape.hasRows else {
        throw .needlessRowStride(parameter: parameter.name, found: given)
      }
      if rows > 1 { stride = given }
    }
    var elements = rowElements
    if parameter.shape.hasRows {
      let (span, overflows) = stride.multipliedReportingOverflow(by: max(rows - 1, 0))
      guard stride >= rowElements, !overflows, span <= most - rowElements else {
        guard argument.rowStride != nil else { throw .rows(rows) }
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
    // What is empty may lie anywhere.
    guard elements == 0 || address % UInt(size) == 0 else {
      throw .misaligned(parameter: parameter.name, alignment: size, address: address)
    }
    return stride
  }

  /// The number of elements of a parameter in a call.
  static func elements(of parameter: Buffer, rows: Int) throws(CallError) -> Int {
    try check(rows: rows)
    let (count, overflows) = parameter.shape.elementsPerRow.multipliedReportingOverflow(
      by: parameter.shape.hasRows ? rows : 1)
    guard !overflows, count <= most else { throw .rows(rows) }
    return count
  }

  private static func touchedBytes(
    _ argument: KernelArgument, _ parameter: Buffer, rows: Int, stride: Int
  ) -> TouchedBytes {
    let start = Int(bitPattern: argument.bytes.baseAddress)
    let size = parameter.storage.byteCount
    guard argument.packed == nil else {
      return TouchedBytes(start: start, width: argument.bytes.count, stride: 0, pieces: 1)
    }
    let width = parameter.shape.elementsPerRow * size
    guard parameter.shape.hasRows else {
      return TouchedBytes(start: start, width: width, stride: 0, pieces: 1)
    }
    // Rows without gaps are one piece.
    guard stride > parameter.shape.elementsPerRow else {
      return TouchedBytes(start: start, width: rows * width, stride: 0, pieces: 1)
    }
    return TouchedBytes(start: start, width: width, stride: stride * size, pieces: rows)
  }
}

extension Buffer {
  /// The bytes that the parameter's elements take in a call, without gaps between rows.
  ///
  /// - Throws: ``CallError/rows(_:)``.
  package func byteCount(rows: Int) throws(CallError) -> Int {
    try CallCheck.elements(of: self, rows: rows) * storage.byteCount
  }
}
