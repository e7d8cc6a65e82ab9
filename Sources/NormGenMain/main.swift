import NormGen
import Foundation
nonisolated(unsafe) var fails = 0
func go(_ g: Graph, _ rows: [Int], _ targets: [Target]) throws {
  for t in targets {
    let k = try Compiler(target: t).compile(g)
    for r in rows {
      let ins = try RandomInputs.tensors(for: g, rows: r, seed: 1)
      let outs = try k(ins)
      let o = try GraphInterpreter.outputs(of: g, rows: r, inputs: ins)
      for (i, out) in g.outputs.enumerated() {
        let a = Agreement(kernel: outs[out.name]!, oracle: o[i])
        if !a.passes { fails += 1 }
        print(
          g.name, t, r, out.name, a.passes, "ratio", a.worst?.ratio ?? 0, "median", a.medianRatio,
          "exact", a.exact, "/", a.count, a.passes ? "" : a.description)
      }
    }
  }
}
if CommandLine.arguments.count > 1 {
  for g in try GraphParser.graphs(
    in: String(contentsOfFile: CommandLine.arguments[1], encoding: .utf8))
  { try go(g, [0, 1, 3], [.avx2, .portable]) }
} else {
  for e in Catalog.standard.entries { try go(try e.kernel.graph(), [3], [.avx2]) }
}
print("fails", fails)
