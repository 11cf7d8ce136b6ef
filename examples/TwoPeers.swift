// Two peers in one process, joined by function calls: no socket, no thread, and a clock that we move by hand.
import NetSim
import RTC
import Service
import Wire

@main struct TwoPeers {
    static func main() throws {
        var pair = PeerPair(try EngineEnvironment(), try EngineEnvironment())
        let channel = try pair.offerer.openDataChannel(DataChannelOptions(label: "greetings"), at: pair.now)
        try pair.negotiate()
        pair.run(for: .seconds(1))
        try pair.offerer.send(.text("hello, answerer"), on: channel, at: pair.now)
        pair.run(for: .milliseconds(100))
        pair.offerer.close(at: pair.now)
        pair.run(for: .milliseconds(100))

        for event in pair.answererEvents {
            switch event {
            case .stateChanged(let state, _): print("the answerer is \(state)")
            case .dataChannel(.opened(_, let options)): print("the channel \(options.label) is open")
            case .dataChannel(.message(_, .text(let text))): print("the answerer reads: \(text)")
            default: break
            }
        }
    }
}
