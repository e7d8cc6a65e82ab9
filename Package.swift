// swift-tools-version: 6.1
// A stage imports what stands to its left in the pipeline, never to its right:
//
//   IR → DSL → Loops → Schedule → C → JIT → NormGen → CLI
//
// Reference and Tensors stand beside the pipeline and import only the IR, so the oracle shares no
// code with what it judges.
import Foundation
import PackageDescription

let llvm = LLVMInstallation.chosen()

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
  name: "NormGen",
  products: [
    .library(name: "NormGen", targets: ["NormGen"]),
    .library(name: "NormGenCLI", targets: ["NormGenCLI"]),
    .executable(name: "normgen", targets: ["normgen"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    .target(name: "NormGenIR", swiftSettings: settings),
    .target(name: "NormGenDSL", dependencies: ["NormGenIR"], swiftSettings: settings),
    .target(name: "NormGenTensors", dependencies: ["NormGenIR"], swiftSettings: settings),
    .target(
      name: "NormGenReference", dependencies: ["NormGenIR", "NormGenTensors"],
      swiftSettings: settings),
    .target(name: "NormGenLoops", dependencies: ["NormGenIR"], swiftSettings: settings),
    .target(
      name: "NormGenSchedule", dependencies: ["NormGenIR", "NormGenLoops"],
      swiftSettings: settings),
    .target(
      name: "NormGenTemplates", path: "Templates",
      resources: [.embedInCode("simd"), .embedInCode("math"), .embedInCode("emulation"), .embedInCode("files")],
      swiftSettings: settings),
    .target(
      name: "NormGenC",
      dependencies: ["NormGenIR", "NormGenLoops", "NormGenSchedule", "NormGenTemplates"],
      swiftSettings: settings),
    .target(
      name: "CNormGenClang",
      cSettings: llvm.cSettings, cxxSettings: llvm.cxxSettings,
      linkerSettings: llvm.linkerSettings),
    .target(name: "NormGenJIT", dependencies: ["CNormGenClang"], swiftSettings: settings),
    .target(
      name: "NormGenEmulation", dependencies: ["NormGenTemplates"], swiftSettings: settings),
    .testTarget(
      name: "NormGenEmulationTests", dependencies: ["NormGenEmulation"], swiftSettings: settings),
  ],
  cxxLanguageStandard: .cxx17
)

/// The LLVM that the in-process compiler is built against: `NORMGEN_LLVM` (a major version), or
/// the first installed of 19, 22 and 14. Without one the package builds, and the JIT says what to
/// install.
struct LLVMInstallation {
  let major: Int?

  static func chosen() -> LLVMInstallation {
    if let named = Context.environment["NORMGEN_LLVM"] {
      return LLVMInstallation(major: Int(named))
    }
    let installed = [19, 22, 14].first { major in
      FileManager.default.fileExists(
        atPath: "/usr/lib/llvm-\(major)/include/clang/Frontend/CompilerInstance.h")
    }
    return LLVMInstallation(major: installed)
  }

  var cSettings: [CSetting] { [] }
  var cxxSettings: [CXXSetting] { [] }
  var linkerSettings: [LinkerSetting] { [] }
}
