import Wire

/// Connections of others on the ZeroMQ ports, by captured packets or by the kernel's socket tables (sections 8.2 and 18).
extension ZMQDetector {
    /// A captured TCP packet that is not the monitor's own. `payload` is what was captured of its payload.
    public mutating func observe(_ packet: Packet, payload: Span<UInt8>, at now: Instant) {
        guard packet.transport == .tcp, let (key, flow, side) = ends(of: packet) else { return }
        advanceFlows(to: now)
        if !packet.tcpFlags.isDisjoint(with: [.fin, .rst]) {
            if let place = places[key] {
                take(packet, payload, place, side, at: now)
                remove(place)
            }
            return
        }
        guard packet.payloadLength > 0 || packet.tcpFlags.contains(.syn) else { return }
        let isLocal = packet.isLoopback || (key.service == packet.source) == packet.isOutgoing
        let place = place(of: key, flow, isServiceLocal: isLocal, at: now)
        if packet.tcpFlags.contains(.syn) {
            connections[place][side].begin(at: packet.tcpSequence &+ 1)
        } else {
            take(packet, payload, place, side, at: now)
        }
    }

    private mutating func take(_ packet: Packet, _ payload: Span<UInt8>, _ place: Int, _ side: ZMQConnection.Side, at now: Instant) {
        connections[place].lastSeen = now
        let captured = payload.extracting(0..<min(payload.count, max(packet.payloadLength, 0)))
        guard packet.payloadLength > 0,
            let progress = connections[place][side].take(captured, length: packet.payloadLength, sequence: packet.tcpSequence)
        else { return }
        let counts = connections[place].counts(side, at: now)
        connections[place][side].count(progress.messages, bytes: progress.bytes, at: now)
        guard counts, progress.messages > 0 || progress.hasBegin else { return }
        let key = publisher(of: connections[place], side)
        let isKnown = flows.contains { $0.key == key }
        guard progress.messages > 0 || isKnown else { return }
        var finding: MessageInspector.Finding?
        if progress.hasBegin, connections[place].flow.isControl || !isKnown { finding = passiveInspector.inspect(captured) }
        heard(key, from: .connection(place, side), finding, until: now + ZMQFlow.activity, at: now)
    }

    // MARK: socket tables

    /// The kernel's sockets, each second; the monitor's own are not among them. While packets are captured only round trips are taken.
    public mutating func observe(sockets: [SocketSample], at now: Instant) {
        advanceFlows(to: now)
        for sample in sockets where sample.transport == .tcp && !sample.isListening {
            guard let remote = sample.remote, let (key, flow, side) = ends(from: sample.local, to: remote) else { continue }
            if captures {
                if let place = places[key] { connections[place].roundTrip = sample.roundTrip ?? connections[place].roundTrip }
                continue
            }
            let place = place(of: key, flow, isServiceLocal: side == .service || remote.ip == sample.local.ip, at: now)
            // Of a connection within this host both ends are told; they say the same.
            if connections[place].sampledAt != now { take(sample, place, side, at: now) }
        }
        guard !captures else { return }
        var place = 0
        while place < connections.count {
            if connections[place].sampledAt == now { place += 1 } else { remove(place) }
        }
    }

    private mutating func take(_ sample: SocketSample, _ place: Int, _ side: ZMQConnection.Side, at now: Instant) {
        let time = connections[place].sampledAt.map { now - $0 }
        (connections[place].sampledAt, connections[place].lastSeen) = (now, now)
        connections[place].roundTrip = sample.roundTrip
        // Until the next look, and a little longer, as looks do not come on the dot.
        let until = now + Self.sampleValidity
        let other = side == .service ? ZMQConnection.Side.client : .service
        let hasSent = connections[place][side].sample(
            bytes: sample.bytesSent, segments: sample.segmentsSent, after: time, until: until)
        let hasReceived = connections[place][other].sample(
            bytes: sample.bytesReceived, segments: sample.segmentsReceived, after: time, until: until)
        for (side, hasMoved) in [(side, hasSent), (other, hasReceived)] where hasMoved && connections[place].counts(side, at: now) {
            heard(publisher(of: connections[place], side), from: .connection(place, side), nil, until: until, at: now)
        }
    }

    private static let sampleValidity = Duration.milliseconds(1200)

    // MARK: the table

    /// Which publisher sends on this side. A service that is subscribed to, too, is the same publisher.
    private func publisher(of connection: ZMQConnection, _ side: ZMQConnection.Side) -> ZMQFlow.Key {
        guard side == .service else { return .client(connection.flow, connection.key) }
        if let index = index(of: connection.flow) {
            let subscription = subscriptions[index]
            // A host that is only known by its name may be any.
            if subscription.address == nil || subscription.address == connection.key.service.ip { return subscription.publisher }
        }
        return .service(connection.flow, connection.isServiceLocal ? nil : connection.key.service.ip)
    }

    /// The service's end is the one with a ZeroMQ port; of two such the one that is connected to, as far as that can be seen.
    private func ends(of packet: Packet) -> (ZMQConnection.Key, FlowName, ZMQConnection.Side)? {
        ends(from: packet.source, to: packet.destination)
    }

    /// The connection between two ends, and on which side the first one is.
    private func ends(from a: SocketAddress, to b: SocketAddress) -> (ZMQConnection.Key, FlowName, ZMQConnection.Side)? {
        let ofA = flow(of: a.port), ofB = flow(of: b.port)
        // Two such ports: the same choice for both directions.
        let isFirst = ofB == nil || a.port < b.port || a.port == b.port && a.ip.low < b.ip.low
        if let ofA, isFirst { return (ZMQConnection.Key(service: a, client: b), ofA, .service) }
        if let ofB { return (ZMQConnection.Key(service: b, client: a), ofB, .client) }
        return nil
    }

    private func flow(of port: UInt16) -> FlowName? {
        for entry in ports where entry.port == port { return entry.name }
        return nil
    }

    private mutating func place(of key: ZMQConnection.Key, _ flow: FlowName, isServiceLocal: Bool, at now: Instant) -> Int {
        if lastPlace < connections.count, connections[lastPlace].key == key { return lastPlace }
        if let place = places[key] {
            lastPlace = place
            return place
        }
        if connections.count == Self.connectionLimit, let oldest = connections.indices.min(by: isIdler) {
            displaced += 1
            remove(oldest)
        }
        connections.append(ZMQConnection(key: key, flow: flow, isServiceLocal: isServiceLocal, at: now))
        lastPlace = connections.count - 1
        places[key] = lastPlace
        return lastPlace
    }

    private func isIdler(_ a: Int, _ b: Int) -> Bool { connections[a].lastSeen < connections[b].lastSeen }

    /// The last connection of the table takes the place.
    private mutating func remove(_ place: Int) {
        let last = connections.count - 1
        places[connections[place].key] = nil
        connections.swapAt(place, last)
        connections.removeLast()
        if place < last { places[connections[place].key] = place }
        for index in flows.indices {
            guard case .connection(let of, let side) = flows[index].source else { continue }
            if of == place { flows[index].source = fallback(flows[index].key) }
            if of == last, place != last { flows[index].source = .connection(place, side) }
        }
    }

    /// Where a flow is heard when the connection that it was heard on is gone.
    private func fallback(_ key: ZMQFlow.Key) -> ZMQFlow.Source {
        subscriptions.first { $0.publisher == key }.map { .subscription($0.name) } ?? .ended
    }
}
