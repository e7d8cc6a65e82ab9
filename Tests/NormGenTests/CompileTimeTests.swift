import Foundation
import Testing

@testable import NormGen

/// The way from the text form to C takes time near-linear in the kernel, or refuses it at once.
@Suite(.serialized) struct CompileTimeTests {
  /// Kernels by what there are many of.
  enum Family: String, CaseIterable {
    case concatenations, columns, products, rowSums, statistics, outputs, inputs, compositions,
      names
    case productSums, windows

    func text(_ count: Int) -> String {
      let all = 0..<count
      func lines(_ line: (Int) -> String) -> String { all.map(line).joined(separator: "\n") }
      func names(_ name: String) -> String { all.map { "\(name)\($0)" }.joined(separator: ", ") }
      let x = "x: f32[rows, \(2 * count)]"
      switch self {
      case .concatenations:
        return "kernel k(x: f32[rows, 16]) {\n\(lines { "y\($0) = concatenate(x * \($0).5, x)" })\n"
          + "} -> \(names("y"))\n"
      case .columns:
        return "kernel k(\(x)) {\n"
          + lines { "c\($0) = columns(x, from: \(2 * (count - $0) - 1), count: 1)" }
          + "\ny = concatenate(\(names("c")))\n} -> y\n"
      case .products:
        return
          "kernel k(x: f32[rows, 8], \(all.map { "w\($0): f32[8, 8]" }.joined(separator: ", "))) {\n"
          + lines { "p\($0) = matmul(x, w\($0))" } + "\n} -> \(names("p"))\n"
      case .rowSums:
        return "kernel k(x: f32[rows, 8]) {\n\(lines { "s\($0) = sum_rows(x * \($0).5)" })\n"
          + "} -> \(names("s"))\n"
      case .productSums:
        return "kernel k(x: f32[rows, 8], w: f32[8, 8]) {\nh = matmul(x, w)\n"
          + lines { "s\($0) = sum_rows(h * \($0).5)" } + "\n} -> \(names("s"))\n"
      case .statistics:
        return "kernel k(x: f32[rows, 64]) {\n\(lines { "s\($0) = sum(x * \($0).5)" })\n"
          + "} -> \(names("s"))\n"
      case .windows:
        return "kernel k(\(x)) {\n\(lines { "s\($0) = sum(x, leading: \($0 + 1))" })\n"
          + "} -> \(names("s"))\n"
      case .outputs:
        return "kernel k(x: f32[rows, 8]) {\n\(lines { "s\($0) = x * \($0).5" })\n"
          + "} -> \(names("s"))\n"
      case .names:
        return "kernel k(x: f32[rows, 64]) {\n\(lines { "y\($0) = rms_norm(x + \($0).5)" })\n"
          + "} -> \(names("y"))\n"
      case .compositions:
        return "kernel k(x: f32[rows, 8]) {\n"
          + lines { "b\($0) {\ns\($0) = x * \($0).5\nt\($0) = s\($0) + x\n}" }
          + "\n} -> \(names("t"))\n"
      case .inputs:
        var layer = all.map { "x\($0)" }
        while layer.count > 1 {
          let pairs = stride(from: 0, to: layer.count - 1, by: 2)
          let sums = pairs.map { "(\(layer[$0]) + \(layer[$0 + 1]))" }
          layer = sums + (layer.count % 2 == 1 ? [layer[layer.count - 1]] : [])
        }
        return "kernel k(\(all.map { "x\($0): f32[rows, 8]" }.joined(separator: ", "))) {\n"
          + "y = \(layer[0])\n} -> y\n"
      }
    }

    /// What takes a time that other work shows in.
    var size: Int { self == .columns || self == .inputs ? 800 : 500 }
  }

  /// Linear work takes four times as long, quadratic sixteen times. Times are those of the thread,
  /// yet a processor that others share makes one side slow: a round without that decides.
  @Test(arguments: Family.allCases)
  func fourTimesTheKernelTakesAtMostEightTimesTheTime(_ family: Family) {
    let (small, large) = (family.text(family.size / 4), family.text(family.size))
    var rounds: [(small: Double, large: Double)] = []
    repeat {
      rounds.append((small: seconds(small), large: seconds(large)))
      if let last = rounds.last, last.large < 8 * last.small { return }
    } while rounds.count < 5
    Issue.record("\(family): \(rounds)")
  }

  @Test(arguments: [Family.products, .rowSums, .statistics, .columns])
  func tooLargeKernelsAreRefused(_ family: Family) throws {
    let graph = try GraphParser.graphs(in: family.text(2000))[0]
    let error = #expect(throws: CompilerError.self) {
      try Compiler(target: .portable).lower(graph)
    }
    #expect(error?.description.contains("a kernel has at most 8192") == true)
  }

  /// Seconds of processor time from the text to C, or to a refusal.
  private func seconds(_ text: String) -> Double {
    func now() -> Double {
      var time = timespec()
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
      return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
    let start = now()
    if let graph = try? GraphParser.graphs(in: text)[0] {
      _ = try? Compiler(target: .portable).lower(graph)
    }
    return now() - start
  }
}
