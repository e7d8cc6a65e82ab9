import Testing

@testable import NormGenJIT

/// Whether this build has a compiler; the other suites need one.
let hasCompiler = (try? ClangSession.shared()) != nil

@Suite(.enabled(if: hasCompiler))
struct ClangSessionTests {
  let session: ClangSession

  init() throws { session = try ClangSession.shared() }

  private func failure(_ source: String) -> JITError? {
    do throws(JITError) {
      _ = try session.object(source: source, fileName: "kernel.c", options: .host)
      return nil
    } catch {
      return error
    }
  }

  @Test func versionAndProcessorAreNamed() {
    let major = session.version.split(separator: ".").first.flatMap { Int($0) }
    #expect([14, 19, 22].contains(major))
    #expect(!session.hostCPU.isEmpty)
  }

  @Test func syntaxErrorNamesFileAndLine() {
    guard case .compilation(let file, let diagnostics)? = failure("int f(void) {\n  return }\n")
    else {
      Issue.record("expected a compilation error")
      return
    }
    #expect(file == "kernel.c")
    #expect(diagnostics.contains("kernel.c:2:10: error: expected expression"))
  }

  @Test func warningsOfASuccessAreReturned() throws {
    let made = try session.compile(
      .object, source: "int f(void) { int x; return x; }\n", fileName: "kernel.c",
      options: CompileOptions(arguments: ["-Wall"]))
    #expect(made.diagnostics.contains("kernel.c:1:29: warning"))
  }

  @Test func emptySourceCompiles() throws {
    #expect(try !session.object(source: "", fileName: "empty.c", options: .host).isEmpty)
  }

  @Test func assemblyHasTheInstructionsOfTheTarget() throws {
    let fused = "void f(float *x, float *y) { *y = __builtin_fmaf(*x, *x, *y); }"
    let x86 = try session.assembly(source: fused, fileName: "f.c", options: Sample.baseline)
    #expect(x86.contains("vfmadd"))
    let arm = try session.assembly(source: fused, fileName: "f.c", options: Sample.arm)
    #expect(arm.contains("fmadd"))
  }

  @Test func optimizerVectorizes() throws {
    let text = try session.assembly(
      source: Sample.norm, fileName: "norm.c", options: Sample.baseline)
    #expect(text.contains("vmulps") && text.contains("%ymm"))
  }

  @Test func contractionStaysOff() throws {
    let text = try session.assembly(
      source: "float f(float a, float b, float c) { return a * b + c; }", fileName: "f.c",
      options: Sample.baseline)
    #expect(text.contains("vmulss") && !text.contains("vfmadd"))
  }

  @Test func irIsOptimizedAndReadable() throws {
    let text = try session.llvmIR(source: Sample.norm, fileName: "norm.c", options: Sample.baseline)
    #expect(text.contains("define") && text.contains("@rms_norm"))
    #expect(text.contains("<8 x float>") && text.contains("%epsilon"))
  }

  @Test func crossObjectIsOfItsTarget() throws {
    let object = try session.object(source: Sample.norm, fileName: "norm.c", options: Sample.arm)
    #expect(object.prefix(4).elementsEqual([0x7f, 0x45, 0x4c, 0x46]))
    // e_machine: EM_AARCH64.
    #expect(object[18] == 183 && object[19] == 0)
  }

  @Test func objectsDependOnNothingButTheirInput() throws {
    let first = try session.object(source: Sample.norm, fileName: "n.c", options: .host)
    let second = try session.object(source: Sample.norm, fileName: "n.c", options: .host)
    #expect(first == second)
    let arguments = try session.cc1Arguments(for: .host)
    #expect(!arguments.contains("-disable-free"))
    #expect(arguments.contains("-target-cpu"))
  }

  @Test(arguments: [
    "-v", "--version", "-mllvm", "-mllvm=-debug", "-fplugin=x.so", "-save-temps", "other.c", "-D",
    "-ftime-report", "-o", "", "-DA\0B", "-Wl,-z", "-###",
  ])
  func argumentsThatDoMoreThanCompileAreRefused(_ argument: String) {
    #expect {
      try session.object(
        source: Sample.add, fileName: "add.c", options: CompileOptions(arguments: [argument]))
    } throws: { error in
      guard case .unsupportedArgument(argument, _)? = error as? JITError else { return false }
      return true
    }
  }

  @Test(arguments: [
    CompileOptions(arguments: ["-fno-such-flag"]), CompileOptions(arguments: ["-march=z80x"]),
    CompileOptions(triple: "no-such-target", arguments: []),
  ])
  func argumentsThatClangDoesNotKnowAreReported(_ options: CompileOptions) {
    #expect(throws: JITError.self) {
      try session.object(source: Sample.add, fileName: "add.c", options: options)
    }
  }

  @Test(arguments: ["llvm_fatal_error", "parser_crash"])
  func fatalErrorsOfLLVMAreThrown(_ kind: String) throws {
    for _ in 0..<3 {
      guard case .internalFailure(let operation, _)? = failure("#pragma clang __debug \(kind)\n")
      else {
        Issue.record("expected an internal failure")
        return
      }
      #expect(operation == "compilation of kernel.c")
      let object = try session.object(source: Sample.add, fileName: "add.c", options: .host)
      #expect(try callAdd(object, 20, 22) == 42)
    }
  }

  @Test func manyTasksCompileAtOnce() async throws {
    let session = session
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<32 as Range<Int32> {
        group.addTask {
          let source = "int add(int a, int b) { return a + b + \(task); }\n"
          // Several options, so that the driver runs concurrently too.
          let options = CompileOptions(arguments: ["-O\(task % 4)", "-DTASK=\(task % 8)"])
          let object = try session.object(source: source, fileName: "add.c", options: options)
          #expect(try callAdd(object, 1, 2) == 3 + task)
          if task % 4 == 0 {
            let broken = CompileOptions(arguments: ["-O1"])
            #expect(throws: JITError.self) {
              try session.object(source: "int f(", fileName: "f\(task).c", options: broken)
            }
          }
        }
      }
      try await group.waitForAll()
    }
  }
}

@Suite(.enabled(if: !hasCompiler))
struct MissingCompilerTests {
  @Test func theErrorSaysWhatToInstall() {
    #expect {
      _ = try ClangSession.shared()
    } throws: { error in
      "\(error)".contains("llvm-19-dev") && "\(error)".contains("libclang-cpp19-dev")
    }
    #expect(throws: JITError.self) { try LoadedObject(object: [1, 2, 3], name: "x") }
  }
}
