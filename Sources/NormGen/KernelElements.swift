public import NormGenIR
public import NormGenTensors

/// A Swift type whose arrays hold the elements of a storage type.
public protocol KernelElement: BitwiseCopyable {
  /// The storage type.
  static var storage: DType { get }
}

extension Float: KernelElement {
  public static var storage: DType { .f32 }
}

extension Float16: KernelElement {
  public static var storage: DType { .f16 }
}

extension Int8: KernelElement {
  public static var storage: DType { .i8 }
}

extension UInt8: KernelElement {
  public static var storage: DType { .u8 }
}

extension BFloat16: KernelElement {
  public static var storage: DType { .bf16 }
}

extension Float8E4M3: KernelElement {
  public static var storage: DType { .f8E4M3 }
}

extension Float8E5M2: KernelElement {
  public static var storage: DType { .f8E5M2 }
}

/// Elements that a kernel may read: an array, a slice or a tensor.
public protocol KernelReadable {
  /// The type of the elements.
  var storage: DType { get }
  /// Calls `body` with the elements' bytes.
  func withKernelBytes(
    _ body: (UnsafeRawBufferPointer) throws(CallError) -> Void
  ) throws(CallError)
}

/// Elements that a kernel may write.
public protocol KernelWritable: KernelReadable {
  /// Calls `body` with the elements' bytes, for writing.
  mutating func withMutableKernelBytes(
    _ body: (UnsafeMutableRawBufferPointer) throws(CallError) -> Void
  ) throws(CallError)
}

extension KernelReadable where Self: Collection, Element: KernelElement {
  public var storage: DType { Element.storage }
}

extension Array: KernelReadable, KernelWritable where Element: KernelElement {
  public func withKernelBytes(
    _ body: (UnsafeRawBufferPointer) throws(CallError) -> Void
  ) throws(CallError) {
    try withUnsafeBufferPointer { elements throws(CallError) in
      try body(UnsafeRawBufferPointer(elements))
    }
  }

  public mutating func withMutableKernelBytes(
    _ body: (UnsafeMutableRawBufferPointer) throws(CallError) -> Void
  ) throws(CallError) {
    try withUnsafeMutableBufferPointer { elements throws(CallError) in
      try body(UnsafeMutableRawBufferPointer(elements))
    }
  }
}

extension ArraySlice: KernelReadable, KernelWritable where Element: KernelElement {
  public func withKernelBytes(
    _ body: (UnsafeRawBufferPointer) throws(CallError) -> Void
  ) throws(CallError) {
    try withUnsafeBufferPointer { elements throws(CallError) in
      try body(UnsafeRawBufferPointer(elements))
    }
  }

  public mutating func withMutableKernelBytes(
    _ body: (UnsafeMutableRawBufferPointer) throws(CallError) -> Void
  ) throws(CallError) {
    try withUnsafeMutableBufferPointer { elements throws(CallError) in
      try body(UnsafeMutableRawBufferPointer(elements))
    }
  }
}

extension HostTensor: KernelReadable, KernelWritable {
  public func withKernelBytes(
    _ body: (UnsafeRawBufferPointer) throws(CallError) -> Void
  ) throws(CallError) {
    try withUnsafeBytes(body)
  }

  public mutating func withMutableKernelBytes(
    _ body: (UnsafeMutableRawBufferPointer) throws(CallError) -> Void
  ) throws(CallError) {
    do { try makeUnique() } catch {
      throw .memory(of: "a copy of the output's tensor", byteCount: byteCount)
    }
    try withUnsafeMutableBytes(body)
  }
}
