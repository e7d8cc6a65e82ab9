public import NormGenIR
public import NormGenTensors

/// Tensors in files of either format.
public enum TensorFile {
  /// Loads a tensor.
  ///
  /// - Parameter expected: The storage type that the elements must have; nil for any. Raw 16-bit
  ///   elements of a `.npy` file are read only as `.bf16`.
  /// - Throws: ``TensorFileError`` naming the file, what was expected and what was found.
  public static func load(
    _ reference: TensorReference, as expected: DType? = nil
  ) throws(TensorFileError) -> HostTensor {
    switch reference.format {
    case .npy: try NpyFile(reference.path).load(as: expected)
    case .safetensors:
      try SafetensorsFile(reference.path).load(reference.name, as: expected)
    }
  }

  /// Writes tensors: each to its own `.npy` file, those of one `.safetensors` file together.
  ///
  /// A `.safetensors` file then holds these tensors only. All files are complete under temporary
  /// names before the first one takes its place.
  ///
  /// - Throws: ``TensorFileError`` for two tensors of one place, a tensor without a name in a
  ///   `.safetensors` file, and what the system refuses; existing files are then as they were,
  ///   unless the system refuses a rename after others have succeeded.
  public static func write(
    _ tensors: [(reference: TensorReference, tensor: HostTensor)]
  ) throws(TensorFileError) {
    var groups: [(destination: String, members: [(TensorReference, HostTensor)])] = []
    for (reference, tensor) in tensors {
      let destination = try PendingFile.destination(of: reference.path)
      if let index = groups.firstIndex(where: { $0.destination == destination }) {
        groups[index].members.append((reference, tensor))
      } else {
        groups.append((destination, [(reference, tensor)]))
      }
    }
    var files: [PendingFile] = []
    for group in groups {
      guard let (first, tensor) = group.members.first else { continue }
      let file = try PendingFile(replacing: first.path)
      switch first.format {
      case .npy:
        guard group.members.count == 1 else {
          throw .writtenTwice(file: first.path, tensor: nil)
        }
        try NpyFile.write(tensor, to: file)
      case .safetensors:
        var named: [(name: String, tensor: HostTensor)] = []
        for (reference, tensor) in group.members {
          guard let name = reference.name else {
            throw .reference(reference.description, expected: "FILE.safetensors:NAME")
          }
          named.append((name, tensor))
        }
        try SafetensorsFile.write(named, to: file)
      }
      files.append(file)
    }
    for file in files { try file.commit() }
  }
}
