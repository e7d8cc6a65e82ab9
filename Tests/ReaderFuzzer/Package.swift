// swift-tools-version: 6.2
// The readers under libFuzzer; run.sh builds it. It is a package of its own because every module is
// compiled with coverage counters, and because the fuzzer brings the program's entry point.
import PackageDescription

let package = Package(
  name: "ReaderFuzzer",
  dependencies: [.package(name: "NormGen", path: "../..")],
  targets: [
    .executableTarget(
      name: "ReaderFuzzer",
      dependencies: [
        .product(name: "NormGen", package: "NormGen"),
        .product(name: "NormGenFiles", package: "NormGen"),
      ],
      linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])])
  ]
)
