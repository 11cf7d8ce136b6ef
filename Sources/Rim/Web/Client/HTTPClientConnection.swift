import HTTP
import Reactor
import Wire

/// One connection of a client: one request and its response at a time. Held by the exchange that it serves, or by the client while idle.
final class HTTPClientConnection {
    let socket: TCPConnection
    let route: ServerRoute
    /// While nobody uses it: until when it is kept.
    private(set) var idleUntil = Instant.zero
    private weak var client: HTTPClient?
    private let options: HTTPClientOptions
    private weak var exchange: HTTPExchange?
    private var parser = HTTPResponseParser()
    private var head: HTTPResponseHead?
    /// Requests so far, the one at hand included.
    private var served = 0
    /// Whether a byte came since the request at hand began.
    private var hasAnswered = false
    /// What the kernel had taken before the request at hand.
    private var takenBefore = 0

    private var body: [UInt8] = []
    private var bodySent = 0
    private var sending = Sending.done
    private var patience: ReactorTimer?

    private enum Sending {
        /// For 100 (RFC 9110 clause 10.1.1), or for a while.
        case waitsForContinue
        case body
        /// The response is here, and the rest of the body is not for anybody.
        case stopped
        case done
    }

    private static let piece = 64 << 10

    init(_ socket: TCPConnection, route: ServerRoute, client: HTTPClient) {
        (self.socket, self.route, self.client, options) = (socket, route, client, client.options)
        socket.onBytes = { [weak self] bytes in self?.received(bytes.span) }
        socket.onDrained = { [weak self] in self?.drained() }
        socket.onEnd = { [weak self] in self?.peerEnded() }
        socket.onClose = { [weak self] in self?.closed() }
    }

    /// Closes without telling anybody.
    func abandon() {
        exchange = nil
        patience = nil
        socket.close()
    }

    /// What is waited for.
    var stage: HTTPClientError.Stage {
        if head != nil { return .body }
        return sending == .body || socket.backlog > 0 ? .request : .response
    }

    // MARK: the request

    func begin(_ exchange: HTTPExchange) {
        let request = exchange.request
        self.exchange = exchange
        served += 1
        (hasAnswered, head, takenBefore) = (false, nil, socket.taken)
        var limits = options.limits
        limits.body = request.bodyLimit ?? limits.body
        parser = HTTPResponseParser(limits: limits)
        parser.expect(request.method)
        (body, bodySent) = (request.body, 0)
        let expects = body.count > options.continueAbove && !exchange.leavesOutExpect
        let proxy = route.isSecure ? nil : route.proxy
        var bytes: [UInt8] = []
        request.head(userAgent: options.userAgent, through: proxy, expectsContinue: expects).write(to: &bytes)
        sending = body.isEmpty ? .done : expects ? .waitsForContinue : .body
        if sending == .body {
            bodySent = min(body.count, Self.piece)
            bytes.append(contentsOf: body[..<bodySent])
        }
        socket.send(bytes)
        if expects { waitForContinue() }
        feed()
    }

    private func waitForContinue() {
        guard let client else { return }
        patience = client.reactor.makeTimer { [weak self] _ in self?.goOn() }
        patience?.deadline = MonotonicClock.now() + options.continueTimeout
    }

    private func goOn() {
        patience = nil
        guard sending == .waitsForContinue else { return }
        sending = .body
        feed()
    }

    /// Hands on the body as long as the kernel takes it.
    private func feed() {
        while sending == .body, socket.backlog == 0, !socket.isClosed {
            guard bodySent < body.count else {
                sending = .done
                body = []
                return
            }
            let end = min(bodySent + Self.piece, body.count)
            let piece = bodySent..<end
            bodySent = end
            socket.send(body.span.extracting(piece))
        }
    }

    private func drained() {
        exchange?.moved()
        feed()
    }

    // MARK: the response

    private func received(_ bytes: Span<UInt8>) {
        // A word that nobody asked for, as 408 before the server closes.
        guard let exchange else { return drop() }
        hasAnswered = true
        exchange.moved()
        var offset = 0
        do throws(HTTPError) {
            while let event = try parser.next(bytes, &offset) {
                switch event {
                case .informational(let head): if head.status == .continue { goOn() }
                case .head(let head): try take(head, for: exchange)
                case .body(let range): exchange.received(bytes.extracting(range))
                case .end: return finish(hasRest: offset < bytes.count)
                }
                // Whoever was told of it may have given up.
                guard self.exchange === exchange else { return }
            }
        } catch {
            lost(
                error.code == .bodyTooLong ? .bodyTooLong(host: route.name, limit: parser.limits.body) : .malformed(host: route.name, error)
            )
        }
    }

    private func take(_ head: HTTPResponseHead, for exchange: HTTPExchange) throws(HTTPError) {
        guard head.status != .switchingProtocols else {
            throw HTTPError(.statusLine, "expected a response, got 101 although no other protocol was asked for")
        }
        self.head = head
        // A server that refuses does not want the rest; one that does not may be answering while it reads (RFC 9110 clause 9.3).
        if sending == .waitsForContinue || sending == .body && head.status.rawValue >= 300 { sending = .stopped }
        exchange.received(head)
    }

    private func finish(hasRest: Bool, isOver: Bool = false) {
        guard let exchange, let head else { return }
        let isReusable = !isOver && !hasRest && sending == .done && socket.backlog == 0 && head.keepsAlive
        self.exchange = nil
        self.head = nil
        patience = nil
        body = []
        if isReusable {
            socket.isPaused = false
            idleUntil = MonotonicClock.now() + min(options.idleTimeout, Self.keepAlive(head) ?? options.idleTimeout)
        } else {
            socket.close()
        }
        exchange.finished(self, isReusable: isReusable)
    }

    /// `Keep-Alive: timeout=5`: a second less than that, as the server's clock began before ours.
    private static func keepAlive(_ head: HTTPResponseHead) -> Duration? {
        for member in head.fields.list("keep-alive") where member.lowercased().hasPrefix("timeout=") {
            guard let seconds = Int(member.dropFirst(8)), (0...86_400).contains(seconds) else { return nil }
            return .seconds(max(seconds - 1, 0))
        }
        return nil
    }

    // MARK: the end

    private func peerEnded() {
        guard exchange != nil else { return drop() }
        do throws(HTTPError) {
            guard try parser.connectionEnded() else { return lost(.closed(host: route.name)) }
            guard !socket.isCutOff else { return lost(.truncated(host: route.name)) }
            finish(hasRest: false, isOver: true)
        } catch { lost(.truncated(host: route.name)) }
    }

    private func closed() {
        guard exchange != nil else { return drop() }
        if case .failed(let reason)? = socket.security?.state { return lost(.tls(host: route.name, reason: reason)) }
        lost(hasAnswered ? .truncated(host: route.name) : .closed(host: route.name))
    }

    /// While nobody uses it.
    private func drop() { client?.forget(self) }

    private func lost(_ error: HTTPClientError) {
        guard let exchange else { return }
        let isNobodys = served > 1 && !hasAnswered
        let isUntaken = socket.taken == takenBefore
        abandon()
        exchange.lost(self, error, couldBeSentAgain: isNobodys && (exchange.request.method.isIdempotent || isUntaken))
    }
}
