internal import NormGenCLI
internal import NormGenPaper
internal import NormGenPlots

/// The document that `paper` prints or writes.
struct PaperDocument {
  /// The command that makes it again.
  let command: String
  let target: String
  let reports: [PaperReport]

  /// The document and its drawings.
  var files: [EmittedFile] {
    [EmittedFile(path: "paper.md", text: text(showsPlots: true))]
      + reports.flatMap(\.plots).map { plot in
        EmittedFile(path: path(plot), text: LinePlot(plot).document.text)
      }
  }

  /// The document without drawings.
  var markdown: String { text(showsPlots: false) }

  /// A line for each claim.
  var verdicts: String {
    TextTable(
      header: ["part", "claim", "verdict", "measured"],
      reports.flatMap { report in
        report.verdicts.map { [report.part, $0.claim, word($0), $0.measured] }
      }
    ).text
  }

  private func path(_ plot: PaperPlot) -> String { "paper/\(plot.name).svg" }

  private func text(showsPlots: Bool) -> String {
    var paragraphs = [
      "# The paper, on generated kernels",
      """
      Claims of Biao Zhang and Rico Sennrich, "Root Mean Square Layer Normalization" (NeurIPS \
      2019, arXiv 1910.07467), shown on kernels that NormGen generates and compiles, for the \
      target \(target). This file is written by

      ```
      \(command)
      ```
      """,
    ]
    for report in reports {
      paragraphs.append("## \(report.title)")
      paragraphs += report.prose
      for table in report.tables {
        paragraphs.append("**\(table.title)**")
        paragraphs.append(markdown([table.columns] + table.rows))
      }
      if showsPlots { paragraphs += report.plots.map { "![\($0.title)](\(path($0)))" } }
      paragraphs.append(
        markdown(
          [["claim", "verdict", "measured"]]
            + report.verdicts.map { [$0.claim, "**\(word($0))**", $0.measured] }))
    }
    return paragraphs.joined(separator: "\n\n") + "\n"
  }

  private func word(_ verdict: PaperReport.Verdict) -> String {
    verdict.holds ? "holds" : verdict.isTiming ? "does not hold in this run" : "does not hold"
  }

  private func markdown(_ lines: [[String]]) -> String {
    let count = lines.first?.count ?? 0
    let marks = ["---"] + [String](repeating: "--:", count: max(count - 1, 0))
    let cells = lines.map { line in line.map { $0.replacing("|", with: "\\|") } }
    return (cells.prefix(1) + [marks] + cells.dropFirst())
      .map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n")
  }
}
