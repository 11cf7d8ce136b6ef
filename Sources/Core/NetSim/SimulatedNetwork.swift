import Wire

/// What is attached to a simulated network: it is told datagrams and the time, and sends by `SimulatedNetwork.send`.
public protocol SimulatedEndpoint: AnyObject {
    func receive(_ datagram: [UInt8], from source: SocketAddress, on local: SocketAddress, at now: Instant)
    func advance(to now: Instant)
    var deadline: Instant? { get }
    /// A stream that this endpoint connected, or that another connected to it, stands.
    func streamOpened(_ stream: SimulatedStreamID, local: SocketAddress, remote: SocketAddress, at now: Instant)
    /// Some bytes, cut anywhere.
    func receive(_ bytes: [UInt8], stream: SimulatedStreamID, at now: Instant)
    func streamClosed(_ stream: SimulatedStreamID, at now: Instant)
}

extension SimulatedEndpoint {
    public func streamOpened(_ stream: SimulatedStreamID, local: SocketAddress, remote: SocketAddress, at now: Instant) {}
    public func receive(_ bytes: [UInt8], stream: SimulatedStreamID, at now: Instant) {}
    public func streamClosed(_ stream: SimulatedStreamID, at now: Instant) {}
}

public struct SimulatedStreamID: Sendable, Hashable {
    public let rawValue: Int
}

public struct NATID: Sendable, Hashable {
    let index: Int
}

/// A virtual internet with a virtual clock. The same seed and the same calls give the same run.
///
/// Every address has an access link, up and down. An address may lie behind a NAT; addresses behind the same one reach each other directly.
public final class SimulatedNetwork {
    private struct Access {
        var up: Link
        var down: Link
        var nat: NATID?
    }

    private struct Binding {
        var endpoint: any SimulatedEndpoint
    }

    private struct Stream {
        /// 0: who connected; 1: who accepted.
        var ends: [any SimulatedEndpoint]
        var addresses: [SocketAddress]
        var lastArrival: [Instant]
        var isOpen = true
    }

    private enum Event {
        case deliver([UInt8], from: SocketAddress, to: SocketAddress)
        case open(SimulatedStreamID)
        case bytes([UInt8], SimulatedStreamID, end: Int)
        case close(SimulatedStreamID, end: Int)
        case act(() -> Void)
    }

    public private(set) var now = Instant.zero
    public var random: SeededRandom
    private var accesses: [IPAddress: Access] = [:]
    private var nats: [NAT] = []
    private var bindings: [SocketAddress: Binding] = [:]
    private var endpoints: [any SimulatedEndpoint] = []
    private var streams: [Stream] = []
    private var events = EventQueue<Event>()
    /// Sees every datagram that an endpoint sends, before any link: what a capture at the senders would show.
    public var tap: (([UInt8], SocketAddress, SocketAddress, Instant) -> Void)?

    public init(seed: UInt64) { random = SeededRandom(seed: seed) }

    // MARK: topology

    public func addNAT(_ nat: NAT) -> NATID {
        nats.append(nat)
        return NATID(index: nats.count - 1)
    }

    /// Changes a NAT while the simulation runs.
    public func updateNAT(_ id: NATID, _ change: (inout NAT) -> Void) { change(&nats[id.index]) }

    public func addAddress(
        _ ip: IPAddress, behind nat: NATID? = nil, up: LinkConditions = LinkConditions(), down: LinkConditions = LinkConditions()
    ) {
        accesses[ip] = Access(up: Link(up), down: Link(down), nat: nat)
    }

    /// The host leaves this address: nothing goes there or comes from there any more.
    public func removeAddress(_ ip: IPAddress) { accesses[ip] = nil }

    public func update(_ ip: IPAddress, _ change: (inout LinkConditions) -> Void) {
        guard accesses[ip] != nil else { return }
        change(&accesses[ip]!.up.conditions)
        change(&accesses[ip]!.down.conditions)
    }

    public func updateUp(_ ip: IPAddress, _ change: (inout LinkConditions) -> Void) {
        guard accesses[ip] != nil else { return }
        change(&accesses[ip]!.up.conditions)
    }

    public func updateDown(_ ip: IPAddress, _ change: (inout LinkConditions) -> Void) {
        guard accesses[ip] != nil else { return }
        change(&accesses[ip]!.down.conditions)
    }

    public func statistics(_ ip: IPAddress) -> (up: LinkStatistics, down: LinkStatistics)? {
        accesses[ip].map { ($0.up.statistics, $0.down.statistics) }
    }

    /// How long a datagram sent now would wait in the address's own queue.
    public func queueDelay(up ip: IPAddress) -> Duration { accesses[ip]?.up.queueDelay(at: now) ?? .zero }

    /// Datagrams and connections to the address go to the endpoint.
    public func bind(_ endpoint: any SimulatedEndpoint, to address: SocketAddress) {
        bindings[address] = Binding(endpoint: endpoint)
        attach(endpoint)
    }

    public func unbind(_ address: SocketAddress) { bindings[address] = nil }

    /// Gives the endpoint the time without an address.
    public func attach(_ endpoint: any SimulatedEndpoint) {
        if !endpoints.contains(where: { $0 === endpoint }) { endpoints.append(endpoint) }
    }

    // MARK: datagrams

    public func send(_ datagram: [UInt8], from source: SocketAddress, to destination: SocketAddress) {
        tap?(datagram, source, destination, now)
        guard accesses[source.ip] != nil else { return }
        for arrival in accesses[source.ip]!.up.arrivals(of: datagram.count, at: now, &random) {
            // The NAT stands behind the uplink; its state is taken at sending, a few milliseconds early at most.
            route(datagram, from: source, to: destination, at: arrival)
        }
    }

    private func route(_ datagram: [UInt8], from source: SocketAddress, to destination: SocketAddress, at arrival: Instant) {
        guard let access = accesses[source.ip] else { return }
        var outerSource = source
        if let nat = access.nat, accesses[destination.ip]?.nat != nat {
            guard destination.ip != nats[nat.index].outer else { return }
            outerSource = nats[nat.index].translateOut(from: source, to: destination, at: now)
        }
        var innerDestination = destination
        if let nat = nats.firstIndex(where: { $0.outer == destination.ip }) {
            events.insert(
                .act { [unowned self] in
                    guard let inner = nats[nat].translateIn(from: outerSource, toPort: destination.port, at: now) else { return }
                    comeDown(datagram, from: outerSource, to: inner)
                }, at: arrival)
            return
        }
        // A private address is reached from its own side of the NAT only.
        if let target = accesses[destination.ip], let nat = target.nat, nat != access.nat { return }
        innerDestination = destination
        events.insert(.act { [unowned self] in comeDown(datagram, from: outerSource, to: innerDestination) }, at: arrival)
    }

    private func comeDown(_ datagram: [UInt8], from source: SocketAddress, to destination: SocketAddress) {
        guard accesses[destination.ip] != nil else { return }
        for arrival in accesses[destination.ip]!.down.arrivals(of: datagram.count, at: now, &random) {
            events.insert(.deliver(datagram, from: source, to: destination), at: arrival)
        }
    }

    // MARK: streams

    /// Connects; both ends hear `streamOpened`, or the one that connected `streamClosed`. Streams are reliable and keep their order;
    /// of the links they feel the delay only.
    public func connect(_ endpoint: any SimulatedEndpoint, from source: SocketAddress, to destination: SocketAddress) -> SimulatedStreamID {
        attach(endpoint)
        let id = SimulatedStreamID(rawValue: streams.count)
        var outer = source
        if let nat = accesses[source.ip]?.nat { outer = nats[nat.index].translateOut(from: source, to: destination, at: now) }
        guard let binding = bindings[destination] else {
            streams.append(Stream(ends: [endpoint, endpoint], addresses: [outer, destination], lastArrival: [now, now], isOpen: false))
            events.insert(.close(id, end: 0), at: now + .milliseconds(1))
            return id
        }
        streams.append(Stream(ends: [endpoint, binding.endpoint], addresses: [outer, destination], lastArrival: [now, now]))
        events.insert(.open(id), at: now + streamDelay(source.ip, destination.ip) * 2)
        return id
    }

    public func send(_ bytes: [UInt8], stream id: SimulatedStreamID, from endpoint: any SimulatedEndpoint) {
        guard streams[id.rawValue].isOpen else { return }
        let end = streams[id.rawValue].ends[0] === endpoint ? 1 : 0
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(1 + Int(random.next() % UInt64(max(rest.count, 1))))
            rest = rest.dropFirst(piece.count)
            let stream = streams[id.rawValue]
            let at = max(now + streamDelay(stream.addresses[0].ip, stream.addresses[1].ip), stream.lastArrival[end])
            streams[id.rawValue].lastArrival[end] = at
            events.insert(.bytes(Array(piece), id, end: end), at: at)
        }
    }

    public func close(stream id: SimulatedStreamID, from endpoint: any SimulatedEndpoint) {
        guard streams[id.rawValue].isOpen else { return }
        let end = streams[id.rawValue].ends[0] === endpoint ? 1 : 0
        streams[id.rawValue].isOpen = false
        events.insert(.close(id, end: end), at: max(now, streams[id.rawValue].lastArrival[end]))
    }

    private func streamDelay(_ a: IPAddress, _ b: IPAddress) -> Duration {
        (accesses[a]?.up.conditions.delay ?? .zero) + (accesses[b]?.down.conditions.delay ?? .zero) + .microseconds(50)
    }

    // MARK: time

    public func schedule(at instant: Instant, _ action: @escaping () -> Void) { events.insert(.act(action), at: max(instant, now)) }
    public func schedule(after delay: Duration, _ action: @escaping () -> Void) { schedule(at: now + delay, action) }

    /// Lets everything happen up to and including `end`, or until `condition` holds; answers whether it held.
    @discardableResult
    public func run(until end: Instant, orUntil condition: () -> Bool = { false }) -> Bool {
        // A cause that brings itself about at the same instant for ever is a fault of an endpoint: better a stop than a hang.
        var stepsAtNow = 0
        while !condition() {
            var next = events.nextAt
            for endpoint in endpoints { next = earlier(next, endpoint.deadline) }
            guard let next, next <= end else {
                now = max(now, end)
                return false
            }
            stepsAtNow = next > now ? 0 : stepsAtNow + 1
            precondition(stepsAtNow < 200_000, "the simulation does not get on: an endpoint's deadline stays in the past")
            now = max(now, next)
            if let at = events.nextAt, at <= now, let event = events.popFirst() { perform(event) }
            for endpoint in endpoints {
                if let deadline = endpoint.deadline, deadline <= now { endpoint.advance(to: now) }
            }
        }
        return true
    }

    @discardableResult
    public func run(for length: Duration, orUntil condition: () -> Bool = { false }) -> Bool {
        run(until: now + length, orUntil: condition)
    }

    /// Lets go of everything that is attached or about to happen: endpoints hold their network, and it holds them.
    public func end() {
        events = EventQueue()
        endpoints = []
        bindings = [:]
        streams = []
    }

    private func perform(_ event: Event) {
        switch event {
        case .deliver(let datagram, let source, let destination):
            bindings[destination]?.endpoint.receive(datagram, from: source, on: destination, at: now)
        case .open(let id):
            let stream = streams[id.rawValue]
            stream.ends[1].streamOpened(id, local: stream.addresses[1], remote: stream.addresses[0], at: now)
            stream.ends[0].streamOpened(id, local: stream.addresses[0], remote: stream.addresses[1], at: now)
        case .bytes(let bytes, let id, let end): streams[id.rawValue].ends[end].receive(bytes, stream: id, at: now)
        case .close(let id, let end): streams[id.rawValue].ends[end].streamClosed(id, at: now)
        case .act(let action): action()
        }
    }
}
