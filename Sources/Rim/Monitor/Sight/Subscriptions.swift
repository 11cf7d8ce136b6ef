import Reactor
import Usage
import Wire

/// The TCP connections of the ZeroMQ subscriber (spec section 9): what the core wants done with them. Lives on the reactor.
final class Subscriptions {
    struct Handlers {
        /// Nobody listens there yet; `connected` follows when somebody does.
        var awaited: (ZMQDetector.FlowName) -> Void
        var connected: (ZMQDetector.FlowName) -> Void
        var received: (ZMQDetector.FlowName, Span<UInt8>) -> Void
        var disconnected: (ZMQDetector.FlowName) -> Void
        /// Somebody is known to teleoperate: to read each message as it comes would tell nothing sooner.
        var mayRest: () -> Bool
        /// A connection of our own begins or ends.
        var own: (_ local: SocketAddress, _ remote: SocketAddress, _ isOpen: Bool) -> Void
    }

    private var links: [ZMQDetector.FlowName: Link] = [:]
    private var resolver: NameResolver?
    private let reactor: Reactor
    private let tables: SocketTables?
    private let handlers: Handlers

    private final class Link {
        var connector: TCPConnector?
        var connection: TCPConnection?
        var local: SocketAddress?
        var timer: ReactorTimer?
    }

    /// Publishers of this machine that are not there yet.
    private var awaited: [Awaited] = []
    private var look: ReactorTimer?
    private var looks = 0

    private struct Awaited {
        let flow: ZMQDetector.FlowName
        let place: SocketAddress
    }

    private static let patience = Duration.seconds(2)
    /// Control flows are looked for in each pulse: who publishes 50 times a second from its start is to be known 100 ms later, which is two periods
    /// of three messages, up to one until the first that is heard, and the pulse. Others, and control flows while one of them is there, in each of
    /// so many pulses.
    private static let looksOfOthers = 20

    /// `tables`: to find out whether anybody listens before it is tried.
    init(reactor: Reactor, tables: SocketTables?, _ handlers: Handlers) {
        (self.reactor, self.tables, self.handlers) = (reactor, tables, handlers)
        look = reactor.makeTimer { [unowned self] now in lookForAwaited(at: now) }
    }

    func perform(_ action: ZMQDetector.Action, log: Logger) {
        switch action {
        case .connect(let flow, let endpoint): connect(flow, endpoint)
        case .send(let flow, let bytes): links[flow]?.connection?.send(bytes)
        case .close(let flow): close(flow)
        case .log(let flow, let text): log.info("a ZeroMQ publisher", ["flow": .text(flow.rawValue), "what": .text(text)])
        }
    }

    /// What the kernel knows of each connection's round trip.
    func roundTrips() -> [(ZMQDetector.FlowName, Duration)] {
        links.compactMap { flow, link in link.connection?.roundTrip.map { (flow, $0) } }
    }

    func closeAll() { for flow in Array(links.keys) { close(flow) } }

    private func connect(_ flow: ZMQDetector.FlowName, _ endpoint: MonitorConfiguration.ZMQEndpoint) {
        close(flow)
        if let address = Self.address(endpoint.host) {
            let place = SocketAddress(address, endpoint.port)
            guard let tables, address.isLoopback, !tables.isListening(at: place) else { return dial(flow, place) }
            awaited.append(Awaited(flow: flow, place: place))
            if look?.deadline == nil { look?.deadline = Pulse.next(after: reactor.now) }
            return handlers.awaited(flow)
        }
        let link = Link()
        links[flow] = link
        guard let resolver = resolver ?? (try? NameResolver(reactor: reactor)) else { return lost(flow, link) }
        self.resolver = resolver
        resolver.resolve(endpoint.host) { [weak self, weak link] addresses in
            guard let self, let link, links[flow] === link else { return }
            if let address = addresses.first { dial(flow, SocketAddress(address, endpoint.port)) } else { lost(flow, link) }
        }
    }

    /// For ever where nobody publishes: two questions to the kernel of some microseconds, and nobody else is bothered.
    private func lookForAwaited(at now: Instant) {
        looks += 1
        let isTimeOfAll = looks % Self.looksOfOthers == 0
        let hasControl = links.contains { $0.key.isControl && $0.value.connection != nil }
        for entry in awaited where isTimeOfAll || entry.flow.isControl && !hasControl {
            guard tables?.isListening(at: entry.place) ?? true else { continue }
            awaited.removeAll { $0.flow == entry.flow }
            dial(entry.flow, entry.place)
        }
        if !awaited.isEmpty { look?.deadline = Pulse.next(after: now) }
    }

    /// Without asking anybody.
    private static func address(_ host: String) -> IPAddress? {
        host == "127.0.0.1" || host == "localhost" ? IPAddress(127, 0, 0, 1) : IPAddress(host)
    }

    private func dial(_ flow: ZMQDetector.FlowName, _ address: SocketAddress) {
        let link = Link()
        links[flow] = link
        link.connector = TCPConnector(to: address, reactor: reactor, timeout: Self.patience) { [weak self, weak link] outcome in
            guard let self, let link, links[flow] === link else { return }
            link.connector = nil
            switch outcome {
            case .success(let connection): opened(flow, link, connection)
            case .failure: lost(flow, link)
            }
        }
    }

    private func opened(_ flow: ZMQDetector.FlowName, _ link: Link, _ connection: TCPConnection) {
        link.connection = connection
        link.local = connection.local
        if let local = link.local { handlers.own(local, connection.remote, true) }
        connection.onBytes = { [weak self, weak link] bytes in
            guard let self, let link else { return }
            handlers.received(flow, bytes.span)
            if handlers.mayRest() { rest(link) }
        }
        connection.onClose = { [weak self, weak link] in
            guard let self, let link else { return }
            ended(link, connection.remote)
            lost(flow, link)
        }
        handlers.connected(flow)
    }

    /// What comes until the next pulse is read then.
    private func rest(_ link: Link) {
        guard let connection = link.connection, !connection.isClosed else { return }
        if link.timer == nil { link.timer = reactor.makeTimer { [unowned connection] _ in connection.isPaused = false } }
        connection.isPaused = true
        link.timer?.deadline = Pulse.next(after: reactor.now)
    }

    private func ended(_ link: Link, _ remote: SocketAddress) {
        guard let local = link.local else { return }
        link.local = nil
        handlers.own(local, remote, false)
    }

    private func lost(_ flow: ZMQDetector.FlowName, _ link: Link) {
        guard links[flow] === link else { return }
        links[flow] = nil
        handlers.disconnected(flow)
    }

    /// At our own wish: the core is not told.
    private func close(_ flow: ZMQDetector.FlowName) {
        awaited.removeAll { $0.flow == flow }
        guard let link = links.removeValue(forKey: flow) else { return }
        link.connector?.cancel()
        guard let connection = link.connection else { return }
        connection.onClose = nil
        ended(link, connection.remote)
        connection.close()
    }
}
