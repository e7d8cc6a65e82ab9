import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// The kernels on which one mutant was caught.
///
/// A mutant that shows on one kernel only may show by luck, so ``require(_:)`` asks for two.
/// `NORMGEN_MUTANTS=1` prints by how much each mutant exceeds the bound.
struct MutantCatches {
  /// What a mutant is judged by.
  enum Judge {
    /// The oracle's derived bound.
    case bound
    /// The contract's order and roundings: the bits. What these mutants do lies within the bound.
    case bits
  }

  private let name: String
  let judge: Judge
  /// The least that the mutant exceeds the bound by, or 1 for other bits, by kernel.
  private var excess: [String: Double] = [:]

  init(_ name: String, by judge: Judge = .bound) {
    self.name = name
    self.judge = judge
  }

  /// Judges one run of the mutant by the right kernel's graph, inputs and outputs.
  mutating func add(
    kernel: String, _ call: KernelCall, right: [String: HostTensor], wrong: [String: HostTensor],
    _ detail: String
  ) throws {
    let accepted = try KernelCheck(call, outputs: right)
    #expect(accepted.passes, "\(kernel), \(detail): the right kernel")
    #expect(accepted.outputs.allSatisfy { $0.agreement.vacuous == 0 })
    let check = try KernelCheck(call, outputs: wrong)
    let isExact = check.outputs.allSatisfy(\.judgement.exact.passes)
    #expect(!isExact, "'\(name)' has the exact bits on \(kernel), \(detail)")
    switch judge {
    case .bound:
      #expect(!check.liesWithinBounds, "'\(name)' survives on \(kernel), \(detail)")
      guard !check.liesWithinBounds else { return }
      let ratio = check.outputs.compactMap(\.agreement.worst?.ratio).max() ?? 0
      excess[kernel] = min(excess[kernel] ?? .infinity, ratio)
    case .bits:
      if !isExact { excess[kernel] = 1 }
    }
  }

  /// Demands that the mutant was caught on two kernels.
  func require(_ number: Int = 2) {
    #expect(excess.count >= number, "'\(name)' is caught on \(excess.keys.sorted()) only")
    guard testEnvironment["NORMGEN_MUTANTS"] == "1" else { return }
    for (kernel, ratio) in excess.sorted(by: { $0.key < $1.key }) {
      let found = judge == .bits ? "other bits" : "\(ratio) times the bound"
      print("mutant '\(name)' on \(kernel): \(found)")
    }
  }
}
