struct BochsMachine {
  static let bareFlags: [String] = []
  init(_ tools: EmulationTools) throws(EmulationError) {
    throw EmulationTools.missing(.bochsX86_64, "none", package: "bochs")
  }
  func respond(
    to request: EmulationRequest, kernels: [EmulatedKernel], timeLimit: Double
  ) throws(EmulationError) -> [UInt8] { [] }
  static func describeFault(_ detail: [UInt64]) -> String { "" }
}
