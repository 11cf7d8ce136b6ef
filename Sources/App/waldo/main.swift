import Glibc
import Service
import Wire

/// The composition root: reads the command line, makes the parts, waits for the end.
let arguments = Array(CommandLine.arguments.dropFirst())

// The customary soft limit of 1024 descriptors is for programs that call select; here every ICE-TCP connection takes one.
var descriptors = rlimit()
if unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors) == 0 {
    descriptors.rlim_cur = descriptors.rlim_max
    unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors)
}

switch arguments.first {
case nil, "help", "--help", "-h":
    print(usage)
case "version", "--version": print("waldo \(waldoVersion)")
case "up": runUp(Array(arguments.dropFirst()))
case "config": runConfig(Array(arguments.dropFirst()))
case "bench":
    switch arguments.dropFirst().first {
    case "source": runBenchSource(Array(arguments.dropFirst(2)))
    case "viewers": runBenchViewers(Array(arguments.dropFirst(2)))
    case "operator": runBenchOperator(Array(arguments.dropFirst(2)))
    case "peer": runBenchPeer(Array(arguments.dropFirst(2)))
    case "web": runBenchWeb(Array(arguments.dropFirst(2)))
    case "web-load": runBenchWebLoad(Array(arguments.dropFirst(2)))
    case "signal-load": runBenchSignalLoad(Array(arguments.dropFirst(2)))
    case "get": runBenchGet(Array(arguments.dropFirst(2)))
    case "record": runBenchRecord(Array(arguments.dropFirst(2)))
    case "ws": runBenchWebSocket(Array(arguments.dropFirst(2)))
    case "window": runBenchWindow(Array(arguments.dropFirst(2)))
    case "help", "--help", "-h": print(usage)
    case let other:
        fail(
            "bench: expected `source`, `viewers`, `operator`, `peer`, `web`, `web-load`, `signal-load`, `get`, `record`, `ws` or `window`, got `\(other ?? "nothing")`",
            usage: usage)
    }
case "client": runClient(Array(arguments.dropFirst()))
case "operator": runClient(arguments.dropFirst() + ["--role", "operator"])
case "signal": runSignal(Array(arguments.dropFirst()))
case "monitor": runMonitor(Array(arguments.dropFirst()))
case "replay": runReplay(Array(arguments.dropFirst()))
case let command?:
    fail("unknown command `\(command)`", usage: usage)
}
