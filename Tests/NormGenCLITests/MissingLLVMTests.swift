import Foundation
import Testing

/// What a build without LLVM says: the shim's stand-in is compiled by itself.
@Suite struct MissingLLVMTests {
  private static let program = """
    #include "CNormGenClang.h"
    #include <cstdio>

    int main() {
      ngclang_result *result = ngclang_version();
      std::printf("%d\\n%s\\n", ngclang_result_status(result), ngclang_result_message(result).start);
      ngclang_result_dispose(result);
    }

    """

  private func message(_ flags: [String] = []) throws -> [String] {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let shim = root.appendingPathComponent("Sources/CNormGenClang").path
    let directory = try TestDirectory()
    try directory.write(Self.program, to: "main.cpp")
    let compiled = try CommandLineFixture.run(
      "clang++",
      flags + [
        "-std=c++17", "-w", "-I\(shim)/include", "main.cpp", "\(shim)/Result.cpp",
        "\(shim)/Unavailable.cpp", "-o", "program",
      ], in: directory)
    #expect(compiled.status == 0, "\(compiled.errors)")
    return try CommandLineFixture.run(directory.path("program"), [], in: directory).output
      .split(separator: "\n").map(String.init)
  }

  @Test func theMessageNamesThePackagesToInstall() throws {
    let lines = try message()
    #expect(lines.first == "1")
    #expect(lines.last?.hasPrefix("built without LLVM; install llvm-19-dev, ") == true)
    #expect(lines.last?.contains("NORMGEN_LLVM=19") == true)
  }

  @Test func anUnsupportedVersionIsNamed() throws {
    let lines = try message([#"-DNORMGEN_LLVM_UNUSABLE="13""#])
    #expect(lines.first == "2")
    #expect(lines.last?.contains("NORMGEN_LLVM=13, which is not 19, 22 or 14") == true)
  }
}
