internal import ArgumentParser
internal import NormGen
internal import NormGenFiles

/// A parameter and the tensor in a file that it stands for: `x=a.npy`, `gain=w.safetensors:gain`.
struct TensorAssignment: Hashable {
  /// The parameter.
  let name: String
  /// The tensor.
  var reference: TensorReference

  /// Reads an option's value.
  init(_ text: String, option: String) throws {
    // By bytes: a character may be '=' with accents that begin the file's name.
    let bytes = Array(text.utf8)
    guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")), equals > 0,
      equals + 1 < bytes.count
    else {
      throw ValidationError("\(option): expected NAME=FILE, found '\(VisibleText.excerpt(text))'")
    }
    name = String(decoding: bytes[..<equals], as: UTF8.self)
    do {
      reference = try TensorReference(String(decoding: bytes[(equals + 1)...], as: UTF8.self))
    } catch {
      throw ValidationError("\(option): \(name)=\(error)")
    }
  }

  /// The assignment, with the parameter's name where a file of many tensors needs one and none is
  /// given.
  var namingTensor: TensorAssignment {
    var named = self
    if reference.format == .safetensors, reference.name == nil { named.reference.name = name }
    return named
  }

  /// Such as `y: f32[128, 384] in y.npy`, for a tensor that goes there.
  func line(_ tensor: HostTensor) -> String {
    let extents = tensor.shape.map(String.init).joined(separator: ", ")
    let line = "\(name): \(tensor.storage.rawValue)[\(extents)] in \(reference)"
    guard reference.format == .npy, tensor.storage == .bf16 else { return line }
    return line + ", its bits as uint16 because NumPy has no bf16"
  }

  /// Reads all values of an option, of which no two may assign the same parameter.
  static func all(_ texts: [String], option: String) throws -> [TensorAssignment] {
    var assignments: [TensorAssignment] = []
    for text in texts {
      let assignment = try TensorAssignment(text, option: option)
      if assignments.contains(where: { $0.name == assignment.name }) {
        throw ValidationError("\(option): '\(assignment.name)' is assigned twice")
      }
      assignments.append(assignment)
    }
    return assignments
  }
}
