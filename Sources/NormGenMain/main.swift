import NormGen
import Foundation
let text = try String(contentsOfFile: CommandLine.arguments[1], encoding: .utf8)
for g in try GraphParser.graphs(in: text, file: CommandLine.arguments[1]) {
  let c = Compiler(target: Target.named(CommandLine.arguments[2])!, trace: .fromEnvironment())
  let again = try GraphParser.graphs(in: g.description)[0]
  print(g.description == again.description, g == again)
  let l = try c.lower(g)
  if CommandLine.arguments.count > 3 {
    print(LoopPrinter.text(of: l.loops)); print(l.source.header)
  }
  print(l.source.source)
  if HostCPU.current.supports(l.target) { let k = try c.compile(l); print(k.cacheStatus) }
}
