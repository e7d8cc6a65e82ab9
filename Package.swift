// swift-tools-version: 6.2
// A stage imports what stands to its left in the pipeline, never to its right:
//
//   IR → DSL → Loops → Schedule → Lowering → C → JIT → NormGen → Check → CLI → normgen
//
// Behind it stand Fuzz, Measure, Paper and Plots with their commands: a package that depends on NormGen
// and NormGenCLI builds none of them. Reference, Tensors and Files stand beside the pipeline and
// import only the IR and one another, so the oracle shares no code with what it judges.
import Foundation
import PackageDescription

let llvm = LLVMInstallation.chosen()

/// Whether warnings are errors: `NORMGEN_STRICT=1`, in CI.
let isStrict = Context.environment["NORMGEN_STRICT"] == "1"

let settings: [SwiftSetting] =
  [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
  ] + (isStrict ? [.treatAllWarnings(as: .error)] : [])

/// The facade with all that it exports: named one by one, for a target is compiled again only when
/// a module that it names has changed.
let facade: [Target.Dependency] = [
  "NormGen", "NormGenIR", "NormGenDSL", "NormGenTensors", "NormGenReference", "NormGenLoops",
  "NormGenSchedule", "NormGenLowering", "NormGenC",
]

let package = Package(
  name: "NormGen",
  products: [
    .library(name: "NormGen", targets: ["NormGen"]),
    .library(name: "NormGenCLI", targets: ["NormGenCLI"]),
    .library(name: "NormGenBenchCommands", targets: ["NormGenBenchCommands"]),
    .library(name: "NormGenFuzzCommand", targets: ["NormGenFuzzCommand"]),
    .library(name: "NormGenPaperCommand", targets: ["NormGenPaperCommand"]),
    .library(name: "NormGenKernels", targets: ["NormGenKernels"]),
    .library(name: "NormGenFiles", targets: ["NormGenFiles"]),
    .executable(name: "normgen", targets: ["NormGenMain"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    .target(name: "NormGenIR", swiftSettings: settings),
    .target(name: "NormGenDSL", dependencies: ["NormGenIR"], swiftSettings: settings),
    .target(name: "NormGenTensors", dependencies: ["NormGenIR"], swiftSettings: settings),
    .target(
      name: "NormGenFiles", dependencies: ["NormGenIR", "NormGenTensors"],
      swiftSettings: settings),
    .testTarget(
      name: "NormGenFilesTests", dependencies: ["NormGenFiles", "NormGenIR", "NormGenTensors"],
      exclude: ["BlockVectors", "CheckpointVectors"], swiftSettings: settings),
    .target(
      name: "NormGenReference", dependencies: ["NormGenIR", "NormGenTensors"],
      swiftSettings: settings),
    .target(name: "NormGenLoops", dependencies: ["NormGenIR"], swiftSettings: settings),
    .target(
      name: "NormGenSchedule", dependencies: ["NormGenIR", "NormGenLoops"],
      swiftSettings: settings),
    .target(
      name: "NormGenLowering", dependencies: ["NormGenIR", "NormGenLoops", "NormGenSchedule"],
      swiftSettings: settings),
    .target(
      name: "NormGenLoopInterpreter",
      dependencies: ["NormGenIR", "NormGenTensors", "NormGenReference", "NormGenLoops"],
      swiftSettings: settings),
    .target(
      name: "CNormGenTemplates", cSettings: isStrict ? [.treatAllWarnings(as: .error)] : []),
    .target(
      name: "NormGenTemplates", dependencies: ["CNormGenTemplates"], path: "Templates",
      exclude: ["simd", "math", "emulation", "files", "measure"], swiftSettings: settings),
    .target(
      name: "NormGenC",
      dependencies: [
        "NormGenIR", "NormGenLoops", "NormGenSchedule", "NormGenLowering", "NormGenTemplates",
      ],
      swiftSettings: settings),
    .target(
      name: "CNormGenClang",
      cxxSettings: llvm.cxxSettings + (isStrict ? [.treatAllWarnings(as: .error)] : []),
      linkerSettings: llvm.linkerSettings),
    .target(name: "NormGenJIT", dependencies: ["CNormGenClang"], swiftSettings: settings),
    .testTarget(name: "NormGenJITTests", dependencies: ["NormGenJIT"], swiftSettings: settings),
    .target(
      name: "NormGenEmulation", dependencies: ["NormGenTemplates"], swiftSettings: settings),
    .target(
      name: "NormGen",
      dependencies: [
        "NormGenIR", "NormGenDSL", "NormGenTensors", "NormGenReference", "NormGenLoops",
        "NormGenSchedule", "NormGenLowering", "NormGenC", "NormGenJIT",
      ],
      swiftSettings: settings),
    .target(
      name: "NormGenCheck", dependencies: facade + ["NormGenEmulation", "NormGenLoopInterpreter"],
      swiftSettings: settings),
    .target(
      name: "NormGenMeasure", dependencies: facade + ["NormGenTemplates"],
      swiftSettings: settings),
    .target(
      name: "NormGenFuzz", dependencies: facade + ["NormGenCheck"], swiftSettings: settings),
    .target(
      name: "NormGenPaper", dependencies: facade + ["NormGenCheck", "NormGenMeasure"],
      resources: [.embedInCode("Resources")], swiftSettings: settings),
    .target(
      name: "NormGenCLI",
      dependencies: facade + [
        "NormGenCheck", "NormGenFiles",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),
    .target(name: "NormGenPlots", swiftSettings: settings),
    .target(
      name: "NormGenBenchCommands",
      dependencies: facade + [
        "NormGenCLI", "NormGenFiles", "NormGenMeasure", "NormGenPlots",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),
    .target(
      name: "NormGenFuzzCommand",
      dependencies: facade + [
        "NormGenCheck", "NormGenCLI", "NormGenFiles", "NormGenFuzz",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),
    .target(
      name: "NormGenPaperCommand",
      dependencies: facade + [
        "NormGenCLI", "NormGenFiles", "NormGenPaper", "NormGenPlots",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),
    .target(
      name: "NormGenTool",
      dependencies: [
        "NormGenBenchCommands", "NormGenCLI", "NormGenFuzzCommand", "NormGenPaperCommand",
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "NormGenMain", dependencies: ["NormGenCLI", "NormGenTool"], swiftSettings: settings),
    // The committed kernels: plain C that depends on nothing here.
    .target(
      name: "NormGenKernels", path: "Generated", exclude: ["CATALOG.txt"],
      cSettings: isStrict ? [.treatAllWarnings(as: .error)] : []),
    .testTarget(
      name: "NormGenPlanTests", dependencies: facade,
      swiftSettings: settings),
    .testTarget(
      name: "NormGenCLITests",
      dependencies: facade + [
        "NormGenBenchCommands", "NormGenCheck", "NormGenCLI", "NormGenFiles", "NormGenFuzz",
        "NormGenKernels", "NormGenMeasure", "NormGenPaper", "NormGenPaperCommand", "NormGenPlots",
        "NormGenTool", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "NormGenEmulationTests", dependencies: ["NormGenEmulation"], swiftSettings: settings),
    .target(
      name: "NormGenTestSupport",
      dependencies: facade + ["NormGenCheck", "NormGenEmulation", "NormGenFuzz"],
      path: "Tests/NormGenTestSupport", swiftSettings: settings),
    .testTarget(
      name: "NormGenDSLTests", dependencies: facade + ["NormGenTestSupport"], exclude: ["Goldens"],
      swiftSettings: settings),
    .testTarget(
      name: "NormGenCTests",
      dependencies: facade + ["NormGenLoopInterpreter", "NormGenTestSupport"],
      exclude: ["Goldens"],
      swiftSettings: settings),
    .testTarget(
      name: "NormGenTests",
      dependencies: facade + [
        "NormGenFiles", "NormGenJIT", "NormGenLoopInterpreter", "NormGenTestSupport",
      ],
      exclude: ["Goldens", "LlamaVectors"], swiftSettings: settings),
    .testTarget(name: "ExtensionTests", dependencies: facade, swiftSettings: settings),
    // What the articles show is compiled, parsed and run.
    .testTarget(
      name: "DocumentationTests",
      dependencies: facade + [
        "NormGenBenchCommands", "NormGenCLI", "NormGenFiles", "NormGenFuzzCommand",
        "NormGenKernels", "NormGenTool",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),
  ],
  cxxLanguageStandard: .cxx17
)

/// The LLVM that the in-process compiler is built against.
///
/// `NORMGEN_LLVM` names it: a supported major version, or `none`. Without that variable it is the
/// first one installed. Without any the package still builds, and the JIT says what to install.
enum LLVMInstallation {
  case installed(major: Int)
  case missing
  /// What `NORMGEN_LLVM` asks for cannot be had; the shim says so when it is used.
  case unusable(request: String)

  /// The supported major versions, the preferred one first.
  static let supported = [19, 22, 14]

  static func chosen() -> LLVMInstallation {
    switch Context.environment["NORMGEN_LLVM"] {
    case nil, "":
      return supported.first(where: hasHeaders).map { .installed(major: $0) } ?? .missing
    case "none":
      return .missing
    case let request?:
      guard let major = Int(request), supported.contains(major), hasHeaders(major) else {
        return .unusable(request: request)
      }
      return .installed(major: major)
    }
  }

  static func hasHeaders(_ major: Int) -> Bool {
    FileManager.default.fileExists(
      atPath: "/usr/lib/llvm-\(major)/include/clang/Frontend/CompilerInstance.h")
  }

  var cxxSettings: [CXXSetting] {
    switch self {
    case .installed(let major):
      // A symbolic link inside the package: SwiftPM refuses search paths that lead out of it, and
      // refuses unsafe flags in a package that others depend on.
      [
        .headerSearchPath("../../Support/llvm-\(major)"),
        .define("NORMGEN_LLVM", to: String(major)),
      ]
    case .missing:
      []
    case .unusable(let request):
      [.define("NORMGEN_LLVM_UNUSABLE", to: "\"\(request.filter(\.isWordCharacter).prefix(32))\"")]
    }
  }

  var linkerSettings: [LinkerSetting] {
    guard case .installed(let major) = self else { return [] }
    return [.linkedLibrary("clang-cpp\(major)"), .linkedLibrary("LLVM-\(major)")]
  }
}

extension Character {
  /// Whether the character needs no quoting in a C string or a command line.
  var isWordCharacter: Bool { isASCII && (isLetter || isNumber || self == ".") }
}
