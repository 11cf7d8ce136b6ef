import Glibc
import Service

/// The composition root: reads the command line, makes the parts, waits for the end.
let arguments = Array(CommandLine.arguments.dropFirst())

switch arguments.first {
case nil, "help", "--help", "-h":
    print(usage)
case "bench" where arguments.count > 1 && arguments[1] == "source":
    runBenchSource(Array(arguments.dropFirst(2)))
case "bench" where arguments.count > 1 && arguments[1] == "viewers":
    runBenchViewers(Array(arguments.dropFirst(2)))
case "bench":
    fail("bench: expected `source` or `viewers`, got `\(arguments.count > 1 ? arguments[1] : "nothing")`", usage: usage)
case let command?:
    fail("unknown command `\(command)`", usage: usage)
}
