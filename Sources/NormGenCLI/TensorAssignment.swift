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
    guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
      throw ValidationError("\(option): expected NAME=FILE, found '\(text)'")
    }
    name = String(text[..<equals])
    do {
      reference = try TensorReference(String(text[text.index(after: equals)...]))
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
