import Glibc
import Service

/// The composition root: reads the command line, makes the parts, waits for the end.
let arguments = Array(CommandLine.arguments.dropFirst())

switch arguments.first {
case nil, "help", "--help", "-h":
    print(usage)
case "bench":
    switch arguments.dropFirst().first {
    case "source": runBenchSource(Array(arguments.dropFirst(2)))
    case "viewers": runBenchViewers(Array(arguments.dropFirst(2)))
    case "peer": runBenchPeer(Array(arguments.dropFirst(2)))
    case let other: fail("bench: expected `source`, `viewers` or `peer`, got `\(other ?? "nothing")`", usage: usage)
    }
case let command?:
    fail("unknown command `\(command)`", usage: usage)
}
