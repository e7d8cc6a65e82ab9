import NormGenCLI

NormGenCommandLine.main()
