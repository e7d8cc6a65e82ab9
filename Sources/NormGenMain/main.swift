import NormGenCLI
import NormGenTool

NormGenCommandLine.main(commands: Registry.normgen.commands)
