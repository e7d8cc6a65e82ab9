public enum NormGenCommand { public static func main() {} }
