import Glibc
import Monitor
import Reactor
import Usage
import Wire

// The monitor's program: `waldo-monitor [OPTIONS]` watches, `waldo-monitor read` says what another one has found.

let arguments = Array(CommandLine.arguments.dropFirst())
signal(SIGPIPE, SIG_IGN)
if arguments.first == "read" { ReadCommand(Array(arguments.dropFirst())).run() }
EndSignals.block()
MonitorCommand(arguments).run()
