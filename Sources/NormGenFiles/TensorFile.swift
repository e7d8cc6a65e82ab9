public import NormGenIR
public import NormGenTensors

/// Tensors in files of any format.
public enum TensorFile {
  /// Loads a tensor.
  ///
  /// - Parameter expected: The storage type that the elements must have; nil for any. Raw 16-bit
  ///   elements of a `.npy` file are read only as `.bf16`, blocks of a `.gguf` file as `.f32`.
  /// - Throws: ``TensorFileError`` naming the file, what was expected and what was found.
  public static func load(
    _ reference: TensorReference, as expected: DType? = nil
  ) throws(TensorFileError) -> HostTensor {
    switch reference.format {
    case .npy: try NpyFile(reference.path).load(as: expected)
    case .safetensors:
      try SafetensorsFile(reference.path).load(reference.name, as: expected)
    case .gguf: try GGUFFile(reference.path).load(reference.name, as: expected)
    }
  }

  /// Loads blocks: those of a `.gguf` file as they are, those of a layer of a quantized `.safetensors`
  /// checkpoint, and from any file but `.gguf` the u8 elements that are their bytes.
  ///
  /// - Throws: ``TensorFileError`` naming the file, what was expected and what was found.
  public static func load(
    _ reference: TensorReference, blocksOf format: BlockFormat
  ) throws(TensorFileError) -> HostTensor {
    switch reference.format {
    case .npy: try load(reference, as: .u8)
    case .safetensors:
      try SafetensorsFile(reference.path).load(reference.name, blocksOf: format)
    case .gguf: try GGUFFile(reference.path).load(reference.name, blocksOf: format)
    }
  }

  /// The name of the tensor that a reference stands for: the one that it gives, or else that of the only
  /// tensor in the file; nil where tensors have no names.
  ///
  /// - Throws: ``TensorFileError`` for a file that can't be read or that does not hold exactly one tensor.
  package static func name(of reference: TensorReference) throws(TensorFileError) -> String? {
    if let name = reference.name { return name }
    let names: [String]
    switch reference.format {
    case .npy: return nil
    case .safetensors: names = try SafetensorsFile(reference.path).entries.map(\.name)
    case .gguf: names = try GGUFFile(reference.path).entries.map(\.name)
    }
    guard names.count == 1 else { throw .unnamed(file: reference.path, names: names) }
    return names[0]
  }

  /// Writes tensors: each to its own `.npy` file, those of one `.safetensors` file together.
  ///
  /// A `.safetensors` file then holds these tensors only. All files are complete under temporary
  /// names before the first one takes its place.
  ///
  /// - Throws: ``TensorFileError`` for two tensors of one place, a tensor without a name in a
  ///   `.safetensors` file, a `.gguf` file, and what the system refuses; existing files are then as they
  ///   were, unless the system refuses a rename after others have succeeded.
  public static func write(
    _ tensors: [(reference: TensorReference, tensor: HostTensor)]
  ) throws(TensorFileError) {
    try write(tensors.map { ($0.reference, .tensor($0.tensor)) }, notReplacing: [])
  }

  /// What is written in a place.
  package enum Contents {
    case tensor(HostTensor)
    /// Float64 values, row-major; for `.npy` files.
    case doubles([Double], shape: [Int])
  }

  /// Checks that each reference may be written, before there is anything to write.
  ///
  /// - Parameter inputs: Files that are read, of which none may be replaced.
  package static func check(
    _ references: [TensorReference], notReplacing inputs: [String]
  ) throws(TensorFileError) {
    _ = try groups(references, notReplacing: inputs)
  }

  /// Checks that the format of a reference has elements of a type.
  package static func check(
    _ reference: TensorReference, holds storage: DType
  ) throws(TensorFileError) {
    guard reference.format == .npy, storage.npyDescription == nil else { return }
    throw .noElementType(file: reference.path, storage)
  }

  /// Writes tensors and Float64 values, all or none.
  ///
  /// - Parameter inputs: Files that are read, of which none may be replaced.
  package static func write(
    _ contents: [(reference: TensorReference, contents: Contents)], notReplacing inputs: [String]
  ) throws(TensorFileError) {
    var files: [PendingFile] = []
    for group in try groups(contents.map(\.reference), notReplacing: inputs) {
      let file = try PendingFile(group.destination)
      var named: [(name: String, tensor: HostTensor)] = []
      for member in group.members {
        let (reference, contents) = contents[member]
        switch (reference.format, contents) {
        case (.npy, .tensor(let tensor)): try NpyFile.write(tensor, to: file)
        case (.npy, .doubles(let values, let shape)):
          try NpyFile.write(values, shape: shape, to: file)
        case (.safetensors, .tensor(let tensor)): named.append((reference.name ?? "", tensor))
        case (.safetensors, .doubles):
          throw .reference(reference.description, expected: "FILE.npy for Float64 values")
        case (.gguf, .tensor), (.gguf, .doubles): throw notWritten(reference)
        }
      }
      if !named.isEmpty { try SafetensorsFile.write(named, to: file) }
      files.append(file)
    }
    for file in files { try file.commit() }
  }

  private static func notWritten(_ reference: TensorReference) -> TensorFileError {
    .reference(
      reference.description,
      expected:
        "FILE.npy or FILE.safetensors:NAME to write; only blocks are written to .gguf files")
  }

  /// The files of some references, and which references belong to each.
  private static func groups(
    _ references: [TensorReference], notReplacing inputs: [String]
  ) throws(TensorFileError) -> [(destination: Destination, members: [Int])] {
    var groups: [(destination: Destination, members: [Int])] = []
    for (index, reference) in references.enumerated() {
      switch reference.format {
      case .npy: break
      case .safetensors:
        guard let name = reference.name else {
          throw .reference(reference.description, expected: "FILE.safetensors:NAME")
        }
        try SafetensorsFile.check(name: name, file: reference.path)
      case .gguf: throw notWritten(reference)
      }
      let destination = try Destination(reference.path)
      let known = groups.firstIndex { $0.destination.isSameFile(as: destination) }
      guard let known else {
        groups.append((destination, [index]))
        continue
      }
      let first = references[groups[known].members[0]]
      let isTaken = groups[known].members.contains { references[$0].name == reference.name }
      // Several names may share a file of names, but not one of another format by a link.
      guard first.format == .safetensors, reference.format == .safetensors, !isTaken else {
        throw first.path == reference.path
          ? .writtenTwice(file: reference.path, tensor: reference.name)
          : .oneFile(first.description, reference.description)
      }
      groups[known].members.append(index)
    }
    try Destination.check(groups.map(\.destination), notReplacing: inputs)
    return groups
  }
}
