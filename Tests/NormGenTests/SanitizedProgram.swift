import Foundation
import NormGen
import NormGenTestSupport
import Testing

/// A C program around emitted C, on blocks of the heap that are no longer than they must be: under
/// the sanitizers it ends at the first access outside of them or undefined operation, and without them
/// in a thread of its own at the first access beyond the thread's stack.
struct SanitizedProgram {
  let lowering: Lowering
  let rows: Int
  /// C in place of what was emitted.
  var source: String?
  /// The bytes of the stack of a thread that does all; nil for the first thread and the sanitizers.
  var stackBytes: Int?
  private var name: String { lowering.source.name }
  private var buffers: [Buffer] { lowering.parameters }

  private func byteCount(_ buffer: Buffer) -> Int {
    (buffer.shape.hasRows ? rows : 1) * buffer.shape.elementsPerRow * buffer.storage.byteCount
  }

  /// What each run of the program writes, for numbers of parts; a kernel of rows has one part.
  func outputs(
    _ inputs: [String: HostTensor], parts: [Int], _ compiler: CCompiler
  ) throws -> [[String: HostTensor]] {
    try withTemporaryDirectory { directory in
      func write(_ text: String, _ file: String) throws {
        try Data(text.utf8).write(to: directory.appendingPathComponent(file))
      }
      try write(source ?? lowering.source.source, "\(name).c")
      try write(lowering.source.header, "\(name).h")
      try write(text, "main.c")
      var bytes: [UInt8] = []
      for buffer in buffers where !buffer.isOutput {
        try #require(inputs[buffer.name]).withUnsafeBytes { bytes += $0 }
      }
      try Data(bytes).write(to: directory.appendingPathComponent("inputs"))
      try compiler.run(
        flags + ["main.c", "\(name).c", "-o", "program"], in: directory)
      return try parts.map { parts in
        try Command.output(
          "/bin/sh", ["-c", "./program \(parts) < inputs > outputs"], in: directory)
        return try tensors(Data(contentsOf: directory.appendingPathComponent("outputs")))
      }
    }
  }

  private var flags: [String] {
    stackBytes == nil
      ? ["-std=c11", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
      : ["-std=gnu11", "-O2", "-pthread"]
  }

  private func tensors(_ data: Data) throws -> [String: HostTensor] {
    var outputs: [String: HostTensor] = [:]
    var rest = data[...]
    for buffer in buffers where buffer.isOutput {
      let part = rest.prefix(byteCount(buffer))
      rest = rest.dropFirst(byteCount(buffer))
      outputs[buffer.name] = try part.withUnsafeBytes {
        try HostTensor(bytes: $0, shape: buffer.shape.extents(rows: rows), buffer.storage)
      }
    }
    #expect(rest.isEmpty)
    return outputs
  }

  private var text: String {
    var lines = ["#include <stdio.h>", "#include <stdlib.h>", "#include \"\(name).h\"", ""]
    let function = stackBytes == nil ? "int main" : "static int run"
    lines += ["\(function)(int count, char **arguments) {", "  if (count != 2) return 2;"]
    lines += ["  const int64_t parts = atoi(arguments[1]);", "  (void)parts;"]
    lines.append("  void *buffers[\(buffers.count)];")
    for (index, buffer) in buffers.enumerated() {
      let bytes = byteCount(buffer)
      lines.append("  buffers[\(index)] = malloc(\(bytes));")
      if !buffer.isOutput {
        lines.append("  if (fread(buffers[\(index)], 1, \(bytes), stdin) != \(bytes)) return 2;")
      }
    }
    lines += arguments
    lines += call
    for index in lowering.module.interface.parameters.indices {
      lines.append("  if (owned[\(index)]) free(all[\(index)]);")
    }
    for (index, buffer) in buffers.enumerated() {
      if buffer.isOutput {
        lines.append("  fwrite(buffers[\(index)], 1, \(byteCount(buffer)), stdout);")
      }
      lines.append("  free(buffers[\(index)]);")
    }
    return (lines + ["  return 0;", "}", ""] + thread).joined(separator: "\n")
  }

  /// What runs it all in a thread.
  private var thread: [String] {
    guard let stackBytes else { return [] }
    return [
      "#include <pthread.h>", "struct call { int count; char **arguments; int status; };",
      "static void *begin(void *of) {", "  struct call *call = of;",
      "  call->status = run(call->count, call->arguments);", "  return NULL;", "}",
      "int main(int count, char **arguments) {", "  struct call call = {count, arguments, 4};",
      "  pthread_attr_t attributes;", "  pthread_t thread;", "  pthread_attr_init(&attributes);",
      "  if (pthread_attr_setstacksize(&attributes, \(stackBytes)) != 0) return 5;",
      "  if (pthread_create(&thread, &attributes, begin, &call) != 0) return 6;",
      "  pthread_join(thread, NULL);", "  return call.status;", "}", "",
    ]
  }

  /// What the kernel takes: tensors as they are, and packed weights.
  private var arguments: [String] {
    let parameters = lowering.module.interface.parameters
    func place(_ name: String) -> String {
      "buffers[\(buffers.firstIndex { $0.name == name } ?? 0)]"
    }
    var lines = [
      "  void *all[\(parameters.count)];", "  int owned[\(parameters.count)] = {0};",
      "  int64_t all_strides[\(parameters.count)];",
    ]
    for (index, parameter) in parameters.enumerated() {
      let buffer = parameter.buffer
      lines.append("  all_strides[\(index)] = \(buffer.shape.elementsPerRow);")
      guard let packing = parameter.packing else {
        lines.append("  all[\(index)] = \(place(buffer.name));")
        continue
      }
      let sources = packing.sources.map { place($0.name) }.joined(separator: ", ")
      lines += [
        "  all[\(index)] = malloc(\(packing.elements * buffer.storage.byteCount));",
        "  owned[\(index)] = 1;",
        "  if (\(packing.elementsSymbol)() != \(packing.elements)) return 3;",
        "  \(packing.symbol)(\(sources), all[\(index)]);",
      ]
    }
    return lines
  }

  private var call: [String] {
    [
      "  void *scratch = malloc((size_t)\(name)_scratch_bytes(\(rows), parts));",
      "  for (int64_t phase = 0; phase < \(name)_phases(\(rows), parts); ++phase) {",
      "    for (int64_t part = 0; part < parts; ++part) {",
      "      \(name)_entry(\(rows), all, all_strides, scratch, phase, part, parts);", "    }",
      "  }", "  free(scratch);",
    ]
  }
}
