@_exported public import NormGenC
@_exported public import NormGenDSL
@_exported public import NormGenIR
@_exported public import NormGenLoops
@_exported public import NormGenReference
@_exported public import NormGenSchedule
@_exported public import NormGenTensors
