import NormGenCLI

NormGenCommand.main()
