internal import ArgumentParser
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
