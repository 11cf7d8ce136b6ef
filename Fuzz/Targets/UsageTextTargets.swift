import Usage
import Wire

/// Texts that a usage monitor is given: lines of plug-ins, messages of clients, what programs tell of their sessions.
extension FuzzTarget {
    /// Lines, each after a hello, 100 ms apart.
    static func pluginLine(_ bytes: Span<UInt8>) {
        var plugin = PluginConversation(name: nil, robotType: .xle, interval: .milliseconds(100)), now = Instant.zero
        plugin.started(at: now)
        plugin.received(Array(#"{"type":"hello","name":"p","detector":true,"alerts":true,"poll":true,"state":true}"#.utf8).span, at: now)
        var start = 0
        for index in 0...bytes.count where index == bytes.count || bytes[index] == 0x0A {
            plugin.received(bytes.extracting(start..<index), at: now)
            start = index + 1
            now += .milliseconds(100)
            plugin.advance(to: now)
            drain(&plugin)
        }
    }

    private static func drain(_ plugin: inout PluginConversation) {
        while let output = plugin.nextOutput() {
            if case .send(let line) = output { precondition(line.last == 0x0A && line.filter { $0 == 0x0A }.count == 1, "not one line") }
        }
        if let detection = plugin.detection {
            precondition((0...100).contains(detection.confidence), "confidence \(detection.confidence)")
            precondition(detection.operatorName?.count ?? 0 <= OperatorName.longest, "a long name")
        }
    }

    static func monitorClient(_ bytes: Span<UInt8>) {
        var client = ClientConversation()
        let clock = WallClock(microsecondsAtOrigin: 0), state = TeleoperationState()
        guard case .reply(let reply) = client.received(bytes, state, clock, at: .zero) else { return }
        precondition((try? JSON(parsing: reply.span)) != nil, "a reply that is no JSON")
    }

    static func sessionList(_ bytes: Span<UInt8>) {
        guard let list = try? SessionsLayout.sessions(of: bytes) else { return }
        var engine = UsageEngine(MonitorConfiguration(), captures: true, clock: WallClock(microsecondsAtOrigin: 0), at: .zero)
        engine.sessions([list], at: .zero)
        engine.advance(to: .zero + .milliseconds(100))
        precondition(engine.state.operators.count <= 64, "\(engine.state.operators.count) operators")
        precondition((try? SessionsLayout.sessions(of: SessionsLayout.body(list).span)) != nil, "what is read cannot be written")
    }
}
