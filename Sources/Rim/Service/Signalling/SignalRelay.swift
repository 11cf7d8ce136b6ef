import HTTP
import Reactor
import Web
import Wire

/// The relay behind a web server: turns requests into members, and hands on what they say. Lives on the reactor.
final class SignalRelay: HTTPHandler {
    /// Who may join from now on; nil: everybody. Whoever has joined stays.
    var tokens: RelayTokens?

    private let options: SignalOptions
    private let reactor: Reactor
    private let registry = MetricsRegistry()
    private let log: Logger
    private let rarely: RareLogger
    private var relay: Relay
    private var members: [Relay.Member: SignalMember] = [:]
    private(set) lazy var serverMetrics = HTTPServerMetrics(registry)
    private lazy var figures = SignalFigures(
        registry, connections: { [unowned self] in relay.connectionCount }, rooms: { [unowned self] in relay.roomCount })
    /// What is said in a round of the reactor goes out at its end.
    private var isFlushing = false

    /// With more bytes gathered than this they go out at once: a receiver that is fast is not to look slow.
    private static let mostGathered = 256 << 10

    init(_ options: SignalOptions, _ reactor: Reactor) {
        (self.options, self.reactor, log, tokens) = (options, reactor, options.log, options.tokens)
        rarely = RareLogger(options.log)
        relay = Relay(options.limits)
        _ = figures
    }

    var connectionCount: Int { relay.connectionCount }

    // MARK: requests

    func admit(_ request: inout HTTPRequest) throws(HTTPProblem) -> Int? {
        if WebSocketHandshake.isUpgrade(request.head) {
            try checkToken(of: request)
        } else if page(request) == nil {
            throw HTTPProblem(
                .upgradeRequired, "websocket_expected",
                "this is a signalling server: connect by WebSocket, or GET /health or /metrics",
                fields: ["Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"])
        }
        return 0
    }

    func handle(_ request: HTTPRequest, _ responder: HTTPResponder) {
        if WebSocketHandshake.isUpgrade(request.head) { return join(request, responder) }
        guard let page = page(request) else { return }
        responder.respond(answer(page))
    }

    private enum Page { case health, metrics }

    private func page(_ request: HTTPRequest) -> Page? {
        guard request.method == .get || request.method == .head else { return nil }
        switch request.target.rawPath {
        case "/health": return .health
        case "/metrics": return .metrics
        default: return nil
        }
    }

    private func answer(_ page: Page) -> HTTPResponse {
        var response: HTTPResponse
        switch page {
        case .health:
            response = .json([
                "status": "ok", "connections": .integer(Int64(relay.connectionCount)),
                "timestamp": .integer(MonotonicClock.unixNanoseconds() / 1_000_000),
            ])
        case .metrics: response = .bytes(registry.text(), type: MetricsRegistry.textType)
        }
        response.fields.append("Cache-Control", "no-store")
        return response
    }

    // MARK: who may join

    private func room(of request: HTTPRequest) -> String {
        options.hasRooms ? "/" + request.target.segments.joined(separator: "/") : "/"
    }

    private func checkToken(of request: HTTPRequest) throws(HTTPProblem) {
        guard let tokens else { return }
        let shown = shownToken(of: request)
        switch tokens.judge(shown, room: room(of: request)) {
        case .admitted: return
        case .unknown:
            figures.count(.token)
            rarely.warning("refused for want of a token", ["client": .address(request.client.address), "shown": .bool(shown != nil)])
            throw HTTPProblem(
                .unauthorized, "unauthorized",
                shown == nil
                    ? "expected a token: put ?token=… behind the address, or send `Authorization: Bearer …`"
                    : "this token is not known here: ask whoever runs this server for one",
                fields: ["WWW-Authenticate": "Bearer"])
        case .otherRoom:
            figures.count(.room)
            rarely.warning("refused for another room", ["client": .address(request.client.address), "path": .text(request.target.rawPath)])
            throw HTTPProblem(.forbidden, "other_room", "this token opens another room than \(room(of: request))")
        }
    }

    private func shownToken(of request: HTTPRequest) -> String? {
        guard let field = request.fields["authorization"] else { return request.target["token"] }
        return field.lowercased().hasPrefix("bearer ") ? String(field.dropFirst(7)) : nil
    }

    private func join(_ request: HTTPRequest, _ responder: HTTPResponder) {
        guard let id = relay.join(room(of: request)) else {
            figures.count(.full)
            rarely.warning(
                "refused: full", ["client": .address(request.client.address), "connections": .integer(Int64(options.limits.connections))])
            return responder.respond(
                HTTPProblem(
                    .serviceUnavailable, "full",
                    "all \(options.limits.connections) connections of this server are taken: try again later", fields: ["Retry-After": "5"])
            )
        }
        var webSocket = WebSocketOptions()
        // Browsers fail a connection whose sub-protocols were all passed over.
        webSocket.protocols = Array(request.fields.list("sec-websocket-protocol").prefix(1))
        webSocket.connection = options.webSocket
        guard let session = responder.upgrade(webSocket) else { return relay.leave(id) }
        members[id] = SignalMember(session, at: reactor.now)
        session.onMessage = { [unowned self] kind, message in received(kind, message, from: id) }
        session.onClose = { [unowned self] code, reason in closed(id, code, reason) }
        log.info(
            "joined",
            [
                "client": .address(request.client.address), "room": options.hasRooms ? .text(room(of: request)) : nil,
                "connections": .integer(Int64(relay.connectionCount)),
            ])
    }

    // MARK: messages

    private func received(_ kind: WebSocketMessageKind, _ message: Span<UInt8>, from id: Relay.Member) {
        let verdict = relay.received(kind, message, from: id, at: reactor.now)
        figures.count(verdict.outcome, bytes: message.count)
        if let then = verdict.pausedUntil, let member = members[id] {
            figures.waits.add()
            member.pause(until: then, reactor)
        }
        if relay.waitingBytes > Self.mostGathered { return flush() }
        guard relay.waitingBytes > 0, !isFlushing else { return }
        isFlushing = true
        reactor.atEndOfRound { [weak self] in
            self?.isFlushing = false
            self?.flush()
        }
    }

    /// Hands on what has gathered.
    func flush() {
        for round in relay.takeRounds() {
            for id in round.members {
                guard let member = members[id], let share = round.share(of: id) else { continue }
                deliver(share.frames, share.messages, to: id, member.session)
            }
        }
    }

    private func deliver(_ frames: WebSocketBroadcast, _ messages: Int, to id: Relay.Member, _ session: WebSocketSession) {
        let wasOpen = session.isOpen
        guard session.send(frames, overflow: .close) else {
            figures.lost.add(messages)
            if wasOpen { tooFarBehind(id, session) }
            return
        }
        figures.delivered.add(messages)
        figures.deliveredBytes.add(frames.bytes.count)
    }

    // MARK: ends

    /// Its close frame is on its way; its place is free at once.
    private func tooFarBehind(_ id: Relay.Member, _ session: WebSocketSession) {
        figures.behind.add()
        rarely.warning(
            "closed a receiver that was too far behind",
            ["client": .address(session.request.client.address), "unsent_bytes_allowed": .integer(Int64(options.unsentLimit))])
        session.onMessage = nil
        session.onClose = nil
        leave(id, .tryAgainLater, "too far behind")
    }

    private func closed(_ id: Relay.Member, _ code: WebSocketCloseCode, _ reason: String) { leave(id, code, reason) }

    private func leave(_ id: Relay.Member, _ code: WebSocketCloseCode, _ reason: String) {
        guard let member = members.removeValue(forKey: id) else { return }
        relay.leave(id)
        log.info(
            "left",
            [
                "client": .address(member.session.request.client.address), "code": .integer(Int64(code.rawValue)), "reason": .text(reason),
                "seconds": .integer((reactor.now - member.joined).nanoseconds / 1_000_000_000),
                "connections": .integer(Int64(relay.connectionCount)),
            ])
    }
}
