public import NormGenIR

/// An element type of the `.safetensors` format.
public enum SafetensorsType: String, CaseIterable, Hashable, Sendable {
  case bool = "BOOL"
  case f4 = "F4"
  case f6E2M3 = "F6_E2M3"
  case f6E3M2 = "F6_E3M2"
  case u8 = "U8"
  case i8 = "I8"
  case f8E5M2 = "F8_E5M2"
  case f8E4M3 = "F8_E4M3"
  case f8E8M0 = "F8_E8M0"
  case i16 = "I16"
  case u16 = "U16"
  case f16 = "F16"
  case bf16 = "BF16"
  case i32 = "I32"
  case u32 = "U32"
  case f32 = "F32"
  case i64 = "I64"
  case u64 = "U64"
  case f64 = "F64"
  case c64 = "C64"

  /// The size of one element in bits.
  public var bitCount: Int {
    switch self {
    case .f4: 4
    case .f6E2M3, .f6E3M2: 6
    case .bool, .u8, .i8, .f8E5M2, .f8E4M3, .f8E8M0: 8
    case .i16, .u16, .f16, .bf16: 16
    case .i32, .u32, .f32: 32
    case .i64, .u64, .f64, .c64: 64
    }
  }

  /// The storage type with these elements; nil if kernels have none.
  public var storage: DType? { DType.allCases.first { SafetensorsType($0) == self } }

  /// The type of a storage type's elements.
  public init(_ storage: DType) {
    switch storage {
    case .f32: self = .f32
    case .bf16: self = .bf16
    case .f16: self = .f16
    case .i8: self = .i8
    case .u8: self = .u8
    case .f8E4M3: self = .f8E4M3
    case .f8E5M2: self = .f8E5M2
    }
  }
}
