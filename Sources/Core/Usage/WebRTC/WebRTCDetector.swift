import Wire

/// Sees WebRTC connections in captured packets, or as far as possible in the kernel's tables of sockets (sections 8.1 and 18).
public struct WebRTCDetector: Sendable {
    /// Of the signal (section 7).
    public static let score = 90.0
    private static let largestOperatorCount = 64

    /// Evidence may differ from what was last given; `evidence(at:)` clears it.
    public private(set) var hasNews = false
    /// Idle flows that gave way to new ones since the start, as 512 are tracked.
    public var displaced: Int { table.displaced + watch.displaced }

    private let examined: PortSet
    private let relays: PortSet
    private let excluded: PortSet
    private var listening = PortSet()
    private var names: [SocketAddress: String] = [:]
    private var table = FlowTable<WebRTCFlow>()
    private var watch: SocketWatch
    private var changes = Ring<ConnectionChange>(limit: 1024)
    private var questions = Ring<FlowKey>(limit: 512)
    /// Not later than the next time-out of a flow.
    private var nextTimeout: Instant?

    /// - Parameter zmqPorts: flows with one of them at either end are not examined (section 8).
    public init(ports: MonitorConfiguration.WebRTCPorts, excluding zmqPorts: Set<UInt16>) {
        relays = PortSet(ports.stun + ports.turn)
        var examined = relays
        examined.insert(ports.media)
        (self.examined, excluded) = (examined, PortSet(zmqPorts))
        watch = SocketWatch(examined: examined, media: ports.media, excluded: excluded)
    }

    /// A captured packet. Flows that turn active, and connections that end, show in `hasNews` at once.
    /// - Parameter payload: what was captured of the packet's payload, 0…`payloadLength` bytes.
    public mutating func observe(_ packet: Packet, payload: Span<UInt8>, at now: Instant) {
        let ports = (packet.source.port, packet.destination.port)
        guard examined.contains(ports.0) || examined.contains(ports.1) else { return }
        guard !excluded.contains(ports.0), !excluded.contains(ports.1) else { return }
        advance(to: now)
        switch packet.transport {
        case .udp: observe(datagram: packet, payload, at: now)
        case .tcp: observe(segment: packet, payload, at: now)
        }
    }

    /// In place of packets, each second: the sockets of other processes, and what all sockets of this host have received and sent by UDP.
    public mutating func observe(sockets: [SocketSample], datagramsReceived: UInt64, datagramsSent: UInt64, at now: Instant) {
        advance(to: now)
        watch.names = names
        if watch.observe(sockets, datagramsReceived: datagramsReceived, datagramsSent: datagramsSent, at: now) { hasNews = true }
    }

    /// The ports on which this host listens by TCP: the service side of connections whose beginning was not seen.
    public mutating func listening(on ports: Set<UInt16>) { listening = PortSet(ports) }

    // MARK: Time

    /// When `advance` has something to look at next; nil: never.
    public var deadline: Instant? { earlier(nextTimeout, watch.deadline) }

    /// Lets time-outs happen.
    public mutating func advance(to now: Instant) {
        if let due = watch.deadline, now >= due, watch.advance(to: now) { hasNews = true }
        guard let due = nextTimeout, now >= due else { return }
        var next: Instant?
        for place in stride(from: table.count - 1, through: 0, by: -1) {
            table[place].advance(to: now)
            settle(place, at: now)
            if table[place].isForgotten(at: now) {
                table.remove(at: place)
            } else {
                next = earlier(next, table[place].deadline)
            }
        }
        nextTimeout = next
    }

    // MARK: What it says

    /// Score 90 while a connection is active.
    public mutating func evidence(at now: Instant) -> Evidence {
        advance(to: now)
        hasNews = false
        var names: Set<String> = [], count = 0
        for flow in table.flows where flow.isActive {
            count += 1
            if !flow.identity.isPending(at: now) { names.insert(flow.identity.name) }
        }
        for connection in watch.active {
            count += 1
            names.insert(connection.name)
        }
        guard count > 0 else { return .none }
        return Evidence(
            score: Self.score, reason: "WebRTC: \(count) connections", operators: Array(names.sorted().prefix(Self.largestOperatorCount)),
            connections: count)
    }

    /// Connections that have become active or ended, oldest first. At most 1024 wait; more are not kept.
    public mutating func nextChange() -> ConnectionChange? { watch.changes.popFirst() ?? changes.popFirst() }

    /// What the active connections carry; from packets, so without capture it has no loss and no frames (section 18).
    public func figures(at now: Instant) -> Figures {
        var figures = Figures(), video: RTPStream.Rates?
        var sums = SIMD4<Double>.zero, roundTrips = watch.active.compactMap(\.roundTrip).map(\.milliseconds)
        for flow in table.flows where flow.isActive {
            sums += SIMD4<Double>(flow.sums(at: now))
            if let roundTrip = flow.roundTrip { roundTrips.append(roundTrip.milliseconds) }
            if let rates = flow.largestVideo(at: now), rates.bytes > video?.bytes ?? 0 { video = rates }
        }
        if !roundTrips.isEmpty { figures.roundTripMs = roundTrips.reduce(0, +) / Double(roundTrips.count) }
        if sums[1] > 0 { figures.lossPct = min(100, 100 * sums[2] / sums[1]) }
        figures.megabitsPerSecond = sums[0] * 8 / 1e6 + watch.megabitsPerSecond
        figures.framesPerSecond = video.map { Double($0.frames) }
        return figures
    }

    // MARK: Names

    /// A flow that was just validated and whose owners are wanted, oldest first.
    public mutating func nextQuestion() -> FlowKey? { questions.popFirst() }

    /// - Parameters:
    ///   - local: who owns the flow's local end, as far as known.
    ///   - far: on loopback, who owns the other one.
    public mutating func answer(_ flow: FlowKey, local: FlowOwner?, far: FlowOwner?) {
        guard let place = table.place(of: EndPair(flow)), table[place].key == flow, let asked = table[place].identity.asked else { return }
        table[place].identity.answer(local: local, far: far)
        settleName(of: place)
        settle(place, at: asked)
    }

    /// Names that are known for certain, by the remote end; they come before all others.
    public mutating func setNames(_ names: [SocketAddress: String]) {
        guard names != self.names else { return }
        self.names = names
        for place in 0..<table.count { settleName(of: place) }
        hasNews = true
    }

    private mutating func settleName(of place: Int) {
        let key = table[place].key, before = table[place].identity.name
        let isLoopback = table[place].isLoopback
        table[place].identity.settleName(key, isLoopback: isLoopback, exact: names[key.remote] ?? (isLoopback ? names[key.local] : nil))
        if table[place].isActive, table[place].identity.name != before { hasNews = true }
    }

    // MARK: Packets

    private mutating func observe(datagram packet: Packet, _ payload: Span<UInt8>, at now: Instant) {
        guard let datagram = Datagram(payload, length: packet.payloadLength) else { return }
        let pair = EndPair(packet)
        guard let place = table.place(of: pair) ?? (datagram.opensFlow ? open(packet, local: localEnd(of: packet), at: now) : nil),
            table[place].takes(packet, at: now)
        else { return }
        let before = (table[place].isValidated, table[place].isActive)
        table[place].received(datagram, of: packet, at: now)
        packetTaken(place, before, at: now)
    }

    private mutating func observe(segment packet: Packet, _ payload: Span<UInt8>, at now: Instant) {
        let known = packet.tcpFlags.contains(.syn) && !packet.tcpFlags.contains(.ack) ? nil : table.place(of: EndPair(packet))
        guard let place = known ?? serviceEnd(of: packet).flatMap({ open(packet, service: $0, at: now) }),
            table[place].takes(packet, at: now)
        else { return }
        let before = (table[place].isValidated, table[place].isActive)
        table[place].received(segment: payload, of: packet, at: now)
        packetTaken(place, before, at: now)
    }

    private mutating func packetTaken(_ place: Int, _ before: (isValidated: Bool, isActive: Bool), at now: Instant) {
        nextTimeout = earlier(nextTimeout, table[place].deadline)
        guard (table[place].isValidated, table[place].isActive) != before else { return }
        if table[place].isValidated, !before.isValidated { ask(place, at: now) }
        settle(place, at: now)
        nextTimeout = earlier(nextTimeout, table[place].deadline)
    }

    private mutating func ask(_ place: Int, at now: Instant) {
        if questions.append(table[place].key) { table[place].identity.ask(at: now) }
        settleName(of: place)
    }

    /// Announces what has changed, unless the name is still to come.
    private mutating func settle(_ place: Int, at now: Instant) {
        let isActive = table[place].isActive, announced = table[place].identity.announced
        if isActive != table[place].isReported {
            table[place].isReported = isActive
            hasNews = true
            if !isActive, announced == nil { announce(place, isEstablished: true) }
            if !isActive { announce(place, isEstablished: false) }
        }
        guard isActive, announced == nil, !table[place].identity.isPending(at: now) else { return }
        announce(place, isEstablished: true)
        hasNews = true
    }

    private mutating func announce(_ place: Int, isEstablished: Bool) {
        let key = table[place].key
        let name = isEstablished ? table[place].identity.name : table[place].identity.announced ?? table[place].identity.name
        table[place].identity.announced = isEstablished ? name : nil
        _ = changes.append(
            ConnectionChange(
                kind: .webrtc, isEstablished: isEstablished, local: "\(key.local)", remote: "\(key.remote)", operatorName: name))
    }

    // MARK: Which end is whose

    /// On loopback both ends are this host's: the service's, or the receiver of the first packet.
    private func localEnd(of packet: Packet) -> SocketAddress {
        guard packet.isLoopback else { return packet.isOutgoing ? packet.source : packet.destination }
        return relays.contains(packet.source.port) && !relays.contains(packet.destination.port) ? packet.source : packet.destination
    }

    /// Which end of a TCP connection serves, if it does so on a port that is examined; nil too where that cannot be told: a client's
    /// ephemeral port may lie among them.
    private func serviceEnd(of packet: Packet) -> SocketAddress? {
        if packet.tcpFlags.contains(.syn) {
            let service = packet.tcpFlags.contains(.ack) ? packet.source : packet.destination
            return examined.contains(service.port) ? service : nil
        }
        guard packet.payloadLength > 0 else { return nil }
        let (source, destination) = (packet.source, packet.destination)
        if packet.isOutgoing || packet.isLoopback, examined.contains(source.port), listening.contains(source.port) { return source }
        if !packet.isOutgoing, examined.contains(destination.port), listening.contains(destination.port) { return destination }
        return relays.contains(source.port) ? source : relays.contains(destination.port) ? destination : nil
    }

    private mutating func open(_ packet: Packet, service: SocketAddress, at now: Instant) -> Int? {
        open(packet, local: packet.isLoopback ? service : packet.isOutgoing ? packet.source : packet.destination, at: now)
    }

    private mutating func open(_ packet: Packet, local: SocketAddress, at now: Instant) -> Int? {
        let key = FlowKey(packet.transport, local: local, remote: local == packet.source ? packet.destination : packet.source)
        if let place = table.place(of: EndPair(key)), table[place].isActive { announceEnd(place, at: now) }
        return table.insert(WebRTCFlow(key, isLoopback: packet.isLoopback, interface: packet.interface, at: now))
    }

    /// A TCP connection has begun anew on the same ports.
    private mutating func announceEnd(_ place: Int, at now: Instant) {
        table[place].restart()
        settle(place, at: now)
    }
}
