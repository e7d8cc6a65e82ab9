internal import Foundation
import NormGenIR

extension TensorFileError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .reference(let text, let expected): "\(quoted(text)): expected \(expected)"
    case .system(let operation, let file, let code):
      "\(quoted(file)): can't \(operation): \(systemMessage(code))" + hint(file, code)
    case .notRegular(let file, let found):
      "\(quoted(file)): expected a regular file, found \(found)"
    case .notDirectory(let file, let found):
      "\(quoted(file)): expected a directory, found \(found)"
    case .danglingLink(let file, let target):
      "\(quoted(file)): is a link to \(quoted(target)), which does not exist"
    case .readOnly(let file): "\(quoted(file)): is read-only"
    case .standardOutput(let file): "\(quoted(file)): is the file that standard output goes to"
    case .oneFile(let first, let second):
      "\(quoted(first)) and \(quoted(second)): expected two files to write, found one"
    case .replacesInput(let file, let input):
      file == input
        ? "\(quoted(file)): is an input, which the output would replace"
        : "\(quoted(file)): is the input \(quoted(input)), which the output would replace"
    case .changed(let file): "\(quoted(file)): was changed while it was read"
    case .beyondMemory(let file, let byteCount, let memory):
      "\(quoted(file)): the tensor has \(byteCount) bytes, but this machine has \(memory) bytes "
        + "of memory"
    case .noMemory(let file, let byteCount):
      "\(quoted(file)): the system has no memory for the \(byteCount) bytes of the tensor"
    case .truncated(let file, let expected, let found):
      "\(quoted(file)): truncated: expected \(expected) bytes, found \(found)"
    case .trailing(let file, let expected, let found):
      "\(quoted(file)): bytes after the last element: expected \(expected) bytes, found \(found)"
    case .magic(let file, let expected, let found):
      "\(quoted(file)): expected \(expected), found \(quoted(found))"
    case .version(let file, let expected, let found):
      "\(quoted(file)): expected \(expected), found \(found)"
    case .headerLength(let file, let limit, let found):
      "\(quoted(file)): expected a header of at most \(limit) bytes, found one of \(found)"
    case .count(let file, let things, let limit, let found):
      "\(quoted(file)): expected at most \(limit) \(things) in the rest of the file, found \(found)"
    case .syntax(let file, let place, let expected, let found):
      "\(quoted(file)), \(place): expected \(expected), found \(found)"
    case .missingKey(let file, let key): "\(quoted(file)): the header lacks '\(key)'"
    case .unknownKey(let file, let key, let known):
      "\(quoted(file)): the header has an unknown key \(quoted(key)); expected "
        + known.joined(separator: ", ")
    case .duplicateKey(let file, let key):
      "\(quoted(file)): the header has \(quoted(key)) twice"
    case .value(let file, let key, let expected, let found):
      "\(quoted(file)): '\(key)' in the header must be \(expected), found \(excerpt(found))"
    case .shape(let file, let tensor, let found):
      "\(place(file, tensor)): the shape \(excerpt(found)) has a negative extent or more bytes "
        + "than memory can hold"
    case .rank(let file, let tensor, let limit, let found):
      "\(place(file, tensor)): expected at most \(limit) axes, found \(found)"
    case .fortranOrder(let file):
      "\(quoted(file)): expected C order, found Fortran order; save "
        + "numpy.ascontiguousarray(array)"
    case .byteOrder(let file, let found):
      "\(quoted(file)): expected little-endian elements, found \(quoted(found)); save "
        + "array.astype(array.dtype.newbyteorder('<'))"
    case .bigEndian(let file):
      "\(quoted(file)): expected little-endian numbers, found big-endian ones; convert the file with "
        + "gguf-convert-endian of the Python package gguf"
    case .elementType(let file, let tensor, let expected, let found):
      "\(place(file, tensor)): expected \(expected.map(\.fileNames) ?? DType.allFileNames), found "
        + "\(quoted(found)); elements are never converted while they are read"
    case .blockType(let file, let tensor, let expected, let found):
      "\(place(file, tensor)): expected \(expected) blocks, found \(quoted(found)); blocks are never "
        + "converted while they are read"
    case .layer(let file, let tensor, let expected, let found):
      "\(place(file, tensor)): expected \(expected), found \(found)"
    case .config(let file, let found):
      "\(quoted(file)): expected what a producer says of its quantized checkpoint, found \(found)"
    case .ambiguousType(let file, let found):
      "\(quoted(file)): \(quoted(found)) elements are read only as bf16, and only where bf16 is "
        + "asked for"
    case .noElementType(let file, let storage):
      "\(quoted(file)): a .npy file can't hold \(storage.rawValue) elements, for NumPy has no 8-bit "
        + "floats; expected FILE.safetensors:NAME"
    case .tensorSize(let file, let tensor, let expected, let found):
      "\(place(file, tensor)): expected \(expected) bytes for its shape and type, found \(found)"
    case .offset(let file, let tensor, let expected, let found):
      "\(place(file, tensor)): expected it to begin at byte \(expected) of the elements, where "
        + "the tensor before it ends, found \(found)"
    case .placement(let file, let tensor, let expected, let found):
      "\(place(file, tensor)): expected its data \(expected), found it at byte \(found)"
    case .cutOff(let file, let tensor, let expected, let found):
      "\(place(file, tensor)): expected a file of \(expected) bytes, where its data ends, found "
        + "\(found)"
    case .rowLength(let file, let tensor, let multiple, let type, let found):
      "\(place(file, tensor)): expected rows of a multiple of \(multiple) elements, as a block of "
        + "\(type) has, found \(found)"
    case .offsets(let file, let tensor, let found):
      "\(place(file, tensor)): expected 'data_offsets' of a begin and an end, found "
        + excerpt("\(found.prefix(20))")
    case .noTensor(let file, let name, let names):
      "\(quoted(file)): there is no tensor \(quoted(name)); \(guess(name, names))\(list(names))"
    case .unnamed(let file, let names):
      "\(quoted(file)): expected FILE:NAME, because the file does not hold exactly one tensor; "
        + list(names)
    case .writtenTwice(let file, let tensor):
      "\(place(file, tensor)): expected one tensor to be written there, found two"
    case .reservedName(let file, let name):
      "\(quoted(file)): a tensor can't be named \(quoted(name))"
    case .nameLength(let file, let tensor, let limit, let found):
      "\(place(file, tensor)): expected a name of at most \(limit) bytes, as ggml reads, found \(found)"
    }
  }

  private func place(_ file: String, _ tensor: String?) -> String {
    tensor.map { "\(quoted(file)), tensor \(quoted($0))" } ?? quoted(file)
  }

  /// What a clumsy path may mean.
  private func hint(_ file: String, _ code: CInt) -> String {
    code == ENOENT && file.utf8.first == UInt8(ascii: "~")
      ? "; a shell puts a folder in the place of '~' only where a word begins with it" : ""
  }

  /// The name that may have been meant.
  private func guess(_ name: String, _ names: [String]) -> String {
    NearNames.question(NearNames.of(name, among: names).map(quoted))
  }

  private func list(_ names: [String]) -> String {
    if names.isEmpty { return "it holds no tensors" }
    let shown = names.prefix(20).map(quoted).joined(separator: ", ")
    return "it holds \(shown)" + (names.count > 20 ? " and \(names.count - 20) more" : "")
  }
}

extension DType {
  /// The type with its names in the formats.
  fileprivate var fileNames: String {
    switch self {
    case .f32: "f32 (.npy '<f4', .safetensors 'F32', .gguf 'f32' and blocks)"
    case .bf16: "bf16 (.npy '<u2' or 'V2', .safetensors 'BF16', .gguf 'bf16')"
    case .f16: "f16 (.npy '<f2', .safetensors 'F16', .gguf 'f16')"
    case .i8: "i8 (.npy '|i1', .safetensors 'I8', .gguf 'i8')"
    case .u8: "u8 (.npy '|u1', .safetensors 'U8')"
    case .f8E4M3: "f8_e4m3 (.safetensors 'F8_E4M3')"
    case .f8E5M2: "f8_e5m2 (.safetensors 'F8_E5M2')"
    }
  }

  fileprivate static var allFileNames: String {
    allCases.map(\.fileNames).joined(separator: ", ")
  }
}
