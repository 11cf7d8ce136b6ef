import HTTP
import Reactor
import Usage
import Web
import Wire

/// Events to WebSocket clients (spec section 5): each is encoded once, and a slow client costs the others nothing. Lives on the reactor.
final class EventStreamer {
    private(set) var figures = StreamFigures()
    private var clients: [ObjectIdentifier: Client] = [:]
    private let limit: Int
    private let log: Logger
    private let reactor: Reactor
    private var watch: ReactorTimer?
    private var droppedByGone = 0
    private unowned let service: MonitorService

    private final class Client {
        let session: WebSocketSession
        var conversation = ClientConversation()
        var taken = 0
        var progress: Instant

        init(_ session: WebSocketSession, at now: Instant) { (self.session, progress) = (session, now) }
    }

    /// Events that wait for one client at most, and bytes.
    private static let mostWaiting = 1000
    private static let patience = Duration.seconds(10)
    private static let between = Duration.seconds(1)

    init(limit: Int, reactor: Reactor, log: Logger, service: MonitorService) {
        (self.limit, self.reactor, self.log, self.service) = (limit, reactor, log, service)
        watch = reactor.makeTimer { [unowned self] now in look(at: now) }
        watch?.deadline = MonotonicClock.now() + Self.between
    }

    static var webSocket: WebSocketOptions {
        var options = WebSocketOptions()
        options.connection.messageLimit = ClientConversation.longestMessage
        options.connection.queueLimit = 1 << 20
        options.connection.queuedMessages = mostWaiting
        options.connection.pingAfter = .seconds(30)
        options.connection.goneAfter = .seconds(60)
        options.connection.countsOnlyPongs = true
        return options
    }

    // MARK: clients

    func join(_ responder: HTTPResponder) {
        guard clients.count < limit else {
            return responder.respond(.json(["error": "Too many clients", "max_clients": .integer(Int64(limit))], .serviceUnavailable))
        }
        guard let session = responder.upgrade(Self.webSocket) else { return }
        let client = Client(session, at: reactor.now), key = ObjectIdentifier(session)
        clients[key] = client
        figures.connectedClients = clients.count
        session.onMessage = { [unowned self, unowned client] _, message in received(message, client) }
        session.onClose = { [unowned self] code, reason in left(key, code, reason) }
        let greeting = ClientConversation.greeting(service.engine.state, service.engine.clock.text(at: reactor.now))
        session.send(.text, greeting.span, overflow: .dropOldest)
        count(greeting.count)
    }

    private func received(_ message: Span<UInt8>, _ client: Client) {
        switch client.conversation.received(message, service.engine.state, service.engine.clock, at: reactor.now) {
        case .none: break
        case .reply(let reply): client.session.send(.text, reply.span, overflow: .dropOldest)
        case .tooMany:
            client.session.close(.policyViolation, "more than \(ClientConversation.mostASecond) messages in a second")
        }
    }

    private func left(_ key: ObjectIdentifier, _ code: WebSocketCloseCode, _ reason: String) {
        guard let client = clients.removeValue(forKey: key) else { return }
        droppedByGone += client.session.dropped
        figures.connectedClients = clients.count
        log.debug("a client left", ["code": LogValue(code.rawValue), "reason": .text(reason)])
    }

    // MARK: events

    func send(_ event: UsageEvent) {
        let began = MonotonicClock.now(), encoded = event.encoded(), frame = WebSocketBroadcast(.text, encoded.span)
        for client in clients.values where client.conversation.filter.takes(event.kind) {
            client.session.send(frame, overflow: .dropOldest)
            count(encoded.count)
        }
        if !clients.isEmpty { figures.broadcast(took: MonotonicClock.now() - began) }
    }

    private func count(_ bytes: Int) {
        figures.messagesSent += 1
        figures.bytesSent += bytes
    }

    /// The figures, with what is counted where it is.
    var report: StreamFigures {
        var report = figures
        report.queueSize = clients.values.map(\.session.waiting).max() ?? 0
        report.droppedEvents = clients.values.reduce(droppedByGone) { $0 + $1.session.dropped }
        return report
    }

    /// Closes who has taken nothing for ten seconds though there was something.
    private func look(at now: Instant) {
        watch?.deadline = Pulse.next(after: now + Self.between)
        for client in Array(clients.values) {
            let taken = client.session.taken
            if client.session.backlog == 0 || taken != client.taken { (client.taken, client.progress) = (taken, now) }
            guard now - client.progress > Self.patience, client.session.isOpen else { continue }
            log.info("a client took nothing for 10 s and is closed", ["backlog": LogValue(client.session.backlog)])
            client.session.close(.tryAgainLater, "nothing was taken for 10 s")
        }
    }
}
