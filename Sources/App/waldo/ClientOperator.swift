import Contracts
import Glibc
import Reactor
import Service
import Wire

func runOperatorClient(_ settings: Settings, _ end: EndSignals) -> Never {
    let printer = makePrinter(settings)
    var options = OperatorClient.Options(signaling: ClientSettings.signaling(settings), id: ClientSettings.id(settings))
    options.serverTrust = ClientSettings.trust(settings)
    options.turnTrust = options.serverTrust
    options.iceServers = ClientSettings.iceServers(settings)
    options.bind = settings.addresses("bind")
    options.relayOnly = settings.isOn("relay-only")
    options.wanted = settings.text("peer")
    options.format = settings.choice("command-format", ["string", "number"]) == "number" ? .number : .string
    options.log = LogOptions(settings).logger("operator")
    let seat: OperatorSeat
    do { seat = try OperatorSeat(options, settings, printer) } catch { failToStart(error) }
    seat.start()
    waitForEnd(end, printer) { await seat.stop() }
}
