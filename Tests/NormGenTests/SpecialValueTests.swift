import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// Rows that arithmetic treats specially: kernel against oracle, and equal bits everywhere.
@Suite struct SpecialValueTests {
  /// A row of each kind, by the greatest and the least positive value of a type.
  static func rows(_ extent: Int, _ type: DType) -> [(name: String, values: [Double])] {
    let greatest = type.greatestFiniteMagnitude
    let least = type.ulp(at: 0)
    func row(_ value: (Int) -> Double) -> [Double] { (0..<extent).map(value) }
    func lone(_ value: Double) -> [Double] {
      row { $0 == extent / 2 ? value : 0.5 + Double($0 % 3) }
    }
    return [
      ("zeros", row { _ in 0 }), ("negative zeros", row { _ in -0.0 }),
      ("mixed zeros", row { $0 % 2 == 0 ? 0 : -0.0 }),
      ("least", row { _ in least }), ("denormals", row { Double($0 % 5 - 2) * least }),
      ("greatest", row { _ in greatest }),
      ("signed greatest", row { $0 % 2 == 0 ? greatest : -greatest }),
      ("NaN", lone(.nan)), ("infinity", lone(.infinity)), ("negative infinity", lone(-.infinity)),
      ("both infinities", row { $0 == 0 ? .infinity : ($0 == extent - 1 ? -.infinity : 1) }),
      ("NaN first", row { $0 == 0 ? .nan : 1 }), ("NaN last", row { $0 == extent - 1 ? .nan : 1 }),
      ("constant", row { _ in 3 }), ("constant, not exact", row { _ in 0.1 }),
      ("mean over deviation", row { 1000 + Double($0 % 3) / 8 }),
      ("one huge", lone(greatest)), ("squares overflow", row { _ in greatest.squareRoot() }),
      ("squares underflow", row { $0 % 2 == 0 ? 1e-25 : -2e-25 }),
      ("cancelling", row { $0 % 2 == 0 ? 1e4 : -1e4 + Double($0) / 16 }),
      ("ones", row { _ in 1 }), ("normal", row { Double(($0 * 7919) % 23) / 8 - 1.3 }),
    ]
  }

  @Test(arguments: Specimen.all)
  func specialRowsAgreeWithTheOracleOnEveryTarget(specimen: Specimen) throws {
    var calls: [Targets.Call] = []
    for (index, types) in Specimen.Types.all.prefix(3).enumerated() {
      let extent = [37, 300, 37][(index + specimen.name.utf8.count) % 3]
      let graph = try specimen.kernel(extent, types, epsilon: 1e-6).graph()
      var inputs = try RandomInputs.tensors(for: graph, rows: 1, seed: 3)
      var rowCount = 0
      for id in graph.inputs {
        let node = graph[id]
        guard case .input(let name, let storage) = node.op, node.shape.hasRows else { continue }
        let rows = Self.rows(node.shape.elementsPerRow, storage)
        rowCount = rows.count
        // A second input has ordinary values beside the first one's special ones.
        let values =
          name == graph[graph.inputs[0]].inputName
          ? rows.flatMap(\.values) : rows.flatMap { _ in rows[rows.count - 1].values }
        inputs[name] = try HostTensor(
          values, shape: [rowCount] + node.shape.extents, storage)
      }
      calls.append(Targets.Call(graph: graph, rows: rowCount, inputs: inputs))
    }
    try Targets.check(calls, bounded: false)
  }

  /// Quantized rows by hand: q and the scale of each.
  @Test(arguments: Targets.native)
  func quantizedRowsGiveWhatTheContractSays(target: Target) throws {
    let x = Tensor.input("x", [.rows, 5], .f32)
    let quantized = x.quantizedRows()
    let kernel = Kernel("k", outputs: ["q": quantized.values, "scale": quantized.scale])
    let compiled = try Compiler(target: target).compile(kernel)
    let least = Double(Float.leastNonzeroMagnitude)
    let rows: [(x: [Double], q: [Double], scale: Double)] = [
      ([0, -0.0, 0, 0, 0], [0, 0, 0, 0, 0], 0),
      ([127, -127, 0.5, 1.5, -2.5], [127, -127, 0, 2, -2], 1),
      ([.nan, 1, 2, 3, 4], [0, 0, 0, 0, 0], .nan), ([1, 2, 3, 4, .nan], [0, 0, 0, 0, 0], .nan),
      ([.infinity, 1, 2, 3, -.infinity], [0, 0, 0, 0, 0], .infinity),
      // The scale is below the least number: what is not zero divides to infinity.
      ([least, -least, 0, least, -0.0], [127, -128, 0, 127, 0], 0),
      ([1e38, -1e38, 5e37, 0, 0], [127, -127, 64, 0, 0], Double(Float(1e38) / 127)),
    ]
    let outputs = try compiled([
      "x": HostTensor(rows.flatMap(\.x), shape: [rows.count, 5], .f32)
    ])
    let q = try #require(outputs["q"])
    let scale = try #require(outputs["scale"])
    for (index, row) in rows.enumerated() {
      #expect((0..<5).map { q[5 * index + $0] } == row.q, "\(row.x)")
      #expect(scale[index] == row.scale || scale[index].isNaN && row.scale.isNaN, "\(row.x)")
    }
  }

  /// What the contract says, by hand; the oracle might share a mistake with the kernel. Eight bits hold
  /// too few of these rows.
  @Test(arguments: [DType.f32, .bf16, .f16])
  func specialRowsGiveWhatTheContractSays(type: DType) throws {
    let extent = 37
    let x = Tensor.input("x", [.rows, .fixed(extent)], type)
    let shift = Tensor.input("shift", [.fixed(extent)], type)
    let norms: [String: Tensor] = [
      "rms": x.rmsNorm(epsilon: 1e-6), "layer": x.layerNorm(shift: shift, epsilon: 1e-6),
      "bare": x.rmsNorm(semantics: RMSNormSemantics(epsilonPlacement: .none)),
    ]
    let rows = Self.rows(extent, type)
    let shifts = (0..<extent).map { Double($0 % 4) - 1.5 }
    for (name, norm) in norms {
      let compiled = try Compiler(target: HostCPU.current.bestTarget).compile(Kernel("k", norm))
      var inputs = [
        "x": try HostTensor(rows.flatMap(\.values), shape: [rows.count, extent], type)
      ]
      if name == "layer" { inputs["shift"] = try HostTensor(shifts, shape: [extent], type) }
      let y = try #require(try compiled(inputs)["y"])
      func output(_ row: String) throws -> [Double] {
        let index = try #require(rows.firstIndex { $0.name == row })
        return (0..<extent).map { y[index * extent + $0] }
      }
      for row in ["NaN", "NaN first", "NaN last"] {
        #expect(try output(row).allSatisfy(\.isNaN), "\(name) of \(row)")
      }
      switch name {
      case "rms":
        #expect(try output("zeros").allSatisfy { $0 == 0 && $0.sign == .plus })
        #expect(try output("negative zeros").allSatisfy { $0 == 0 && $0.sign == .minus })
        // 1/√(1 + ε) is 1 − ε/2, after four roundings.
        #expect(try output("ones").allSatisfy { abs($0 - 1) <= 1e-6 / 2 + 4 * 0x1p-24 })
        // Finite elements beside an infinite one vanish, the infinite one has no value.
        let infinite = try output("infinity")
        #expect(infinite[extent / 2].isNaN)
        #expect(infinite.enumerated().allSatisfy { $0 == extent / 2 || $1 == 0 })
        if type == .f32 || type == .bf16 {
          // The sum of squares overflows Float32 to infinity, and 1/∞ is 0.
          #expect(try output("greatest").allSatisfy { $0 == 0 })
        }
      case "layer":
        // A constant row is centred to zeros exactly, if its mean is exact.
        #expect(try output("constant") == shifts)
        #expect(try output("zeros") == shifts)
        #expect(try output("infinity").allSatisfy(\.isNaN))
        #expect(try output("both infinities").allSatisfy(\.isNaN))
      default:
        #expect(try output("zeros").allSatisfy(\.isNaN))
      }
    }
  }

  // MARK: Planted defects

  /// A mistake that ordinary rows do not show.
  struct Mistake: CustomTestStringConvertible {
    let testDescription: String
    let right: @Sendable (Tensor) -> Tensor
    let wrong: @Sendable (Tensor) -> Tensor

    private static let rms: @Sendable (Tensor) -> Tensor = { $0.rmsNorm(epsilon: 1e-6) }
    private static let bare: @Sendable (Tensor) -> Tensor = {
      $0.rmsNorm(semantics: RMSNormSemantics(epsilonPlacement: .none))
    }
    private static let leastNormal = Tensor.constant(.leastNormalMagnitude)
    private static let greatest = Tensor.constant(.greatestFiniteMagnitude)

    static let all = [
      Mistake(testDescription: "rows of zeros stay zeros", right: bare) {
        $0 / ($0 * $0).mean().maximum(leastNormal).squareRoot()
      },
      Mistake(testDescription: "NaN is taken for zero", right: rms) {
        rms($0.absolute().select(ifGreaterThan: .constant(-1), $0, else: .constant(0)))
      },
      Mistake(testDescription: "infinity is taken for the greatest number", right: rms) {
        rms($0.minimum(greatest).maximum(-1 * greatest))
      },
      Mistake(testDescription: "denormals are taken for zero", right: bare) {
        bare($0.absolute().select(ifGreaterThan: leastNormal, $0, else: .constant(0)))
      },
      Mistake(testDescription: "zero loses its sign", right: rms) {
        rms($0.absolute().select(ifGreaterThan: .constant(0), $0, else: .constant(0)))
      },
      Mistake(testDescription: "sums of squares do not overflow", right: rms) {
        $0.rmsNorm(epsilon: 1e-6, range: .scaled)
      },
    ]
  }

  @Test(arguments: Mistake.all)
  func mistakesAreSeenOnSpecialRowsOnly(mistake: Mistake) throws {
    let extent = 37
    let x = Tensor.input("x", [.rows, .fixed(extent)], .f32)
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    let right = try compiler.lower(Kernel("k", mistake.right(x)))
    let wrong = try compiler.compile(Kernel("k", mistake.wrong(x)))
    func check(_ rows: Int, _ inputs: [String: HostTensor]) throws -> KernelCheck {
      try KernelCheck(KernelCall(right, rows: rows, inputs: inputs), outputs: try wrong(inputs))
    }
    let ordinary = try RandomInputs.tensors(for: right.graph, rows: 20, seed: 3)
    let ordinaryCheck = try check(20, ordinary)
    #expect(ordinaryCheck.liesWithinBounds, "\(ordinaryCheck.outputs)")
    let rows = Self.rows(extent, .f32)
    let special = try HostTensor(rows.flatMap(\.values), shape: [rows.count, extent], .f32)
    #expect(try !check(rows.count, ["x": special]).liesWithinBounds)
  }
}
