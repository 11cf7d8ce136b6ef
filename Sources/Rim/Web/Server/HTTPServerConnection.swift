import HTTP
import Reactor
import Wire

/// One connection of a server: requests in their order, one at a time; what comes meanwhile waits, bounded.
final class HTTPServerConnection {
    let socket: TCPConnection
    private unowned let server: HTTPServer
    private var state = State.idle
    /// While something is under way.
    private var exchange: HTTPServerExchange?
    private var webSocket: WebSocketSession?
    private var isInRound = false
    /// Since when the connection is in its state; the sweep looks at it.
    private var since: Instant
    private var lastTaken = 0
    private var lastProgress: Instant
    private(set) var peer: IPAddress
    /// For the log.
    private let number: UInt64
    /// What the server's metrics have of this connection already.
    private var tallied = (sent: 0, dropped: 0)
    /// For TLS: until its first byte is here.
    private var security: HTTPServer.Security?

    private enum State {
        /// Before the first byte of a request.
        case idle
        case proxyHeader
        /// Before the first byte of TLS, and while hands are shaken.
        case securing
        case head, body
        /// The handler has the request.
        case handling
        case streaming(ResponseStream, isChunked: Bool)
        case file(LongBody, next: Int)
        case upgraded
        /// All is sent, or will be; what still comes is thrown away, so that the answer is not lost to a reset (RFC 9112 clause 9.6).
        case lingering
        case closed
    }

    /// What is kept of requests behind the one at hand.
    private static let longestWait = 64 << 10
    private static let filePiece = 64 << 10
    /// What one connection does before others have their turn: pieces of a file, and requests.
    private static let (piecesOfTurn, requestsOfTurn) = (8, 64)
    /// With more bytes of answers than this on their way, the next request is not begun.
    private static let mostAhead = 256 << 10

    init(_ socket: TCPConnection, security: HTTPServer.Security?, server: HTTPServer, number: UInt64, at now: Instant) {
        (self.socket, self.security, self.server, since, lastProgress) = (socket, security, server, now, now)
        self.number = number
        peer = socket.remote.ip
        if server.options.expectsProxyHeader, server.options.trusts(peer) {
            state = .proxyHeader
        } else if security != nil {
            state = .securing
        }
        // Strong, which costs no memory: the socket lets go of them when it is closed, and the server closes all.
        socket.onBytes = { bytes in self.received(&bytes) }
        socket.onDrained = { self.drained() }
        socket.onEnd = { self.peerEnded() }
        socket.onClose = { self.closed() }
    }

    var isClosed: Bool { if case .closed = state { true } else { socket.isClosed } }
    var backlog: Int { socket.backlog + (exchange?.output.count ?? 0) }
    /// Nothing is under way: it may be closed without loss.
    var isIdle: Bool {
        switch state {
        case .idle: exchange?.waiting.isEmpty ?? true
        case .proxyHeader, .securing: true
        default: false
        }
    }

    /// The exchange at hand, or one that is begun.
    private var current: HTTPServerExchange {
        if let exchange { return exchange }
        let taken = server.takeExchange()
        exchange = taken
        return taken
    }

    // MARK: bytes in

    private func received(_ bytes: inout MutableSpan<UInt8>) {
        isInRound = true
        server.metrics?.received.add(bytes.count)
        switch state {
        case .upgraded:
            if let webSocket { webSocket.received(&bytes) }
            lingerAfterWebSocket()
        case .lingering, .closed: break
        case .handling, .streaming, .file: wait(bytes.span)
        case .proxyHeader: receivedProxyHeader(bytes.span)
        case .securing: secure(bytes.span)
        case .idle, .head, .body: if hasWaiting { wait(bytes.span) } else { parse(bytes.span) }
        }
        endRound()
    }

    private func endRound() {
        isInRound = false
        flush()
        sendFile()
        goOn()
        exchange?.requestsInTurn = 0
        guard let exchange, exchange.isSpent else { return }
        switch state {
        case .idle, .upgraded:
            server.giveBack(exchange)
            self.exchange = nil
        default: break
        }
    }

    /// Between requests: the next one, if it is here.
    private func goOn() {
        guard case .idle = state else { return }
        guard !hasWaiting else { return socket.askForTurn() }
        socket.isPaused = false
        if socket.isAtEnd { linger() }
    }

    private func flush() { if !isInRound { flushNow() } }

    private func flushNow() {
        guard let exchange, !exchange.output.isEmpty else { return }
        var output: [UInt8] = []
        swap(&output, &exchange.output)
        socket.send(output.span)
        guard output.capacity <= 4096 else { return }
        output.removeAll(keepingCapacity: true)
        swap(&output, &exchange.output)
    }

    /// Behind an answer that is not out yet the client has to wait: what it sends stays in the kernel.
    private func wait(_ bytes: Span<UInt8>) {
        let exchange = current
        exchange.waiting.append(span: bytes)
        if exchange.waiting.count >= Self.longestWait { socket.isPaused = true }
    }

    private var hasWaiting: Bool { exchange.map { !$0.waiting.isEmpty } ?? false }

    private func resumeWaiting() {
        while isReading, let exchange, !exchange.waiting.isEmpty {
            var bytes: [UInt8] = []
            swap(&bytes, &exchange.waiting)
            parse(bytes.span)
        }
        if isReading, socket.isPaused { socket.isPaused = false }
    }

    private var isReading: Bool {
        switch state {
        case .idle: backlog < Self.mostAhead && (exchange?.requestsInTurn ?? 0) < Self.requestsOfTurn
        case .head, .body: true
        default: false
        }
    }

    private func receivedProxyHeader(_ bytes: Span<UInt8>) {
        let exchange = current
        exchange.waiting.append(span: bytes)
        do throws(HTTPError) {
            guard case .header(let source, let length) = try ProxyProtocol.parse(exchange.waiting.span) else { return }
            if let source { peer = source.ip }
            exchange.waiting.removeFirst(length)
            guard security != nil else {
                become(.idle)
                return resumeWaiting()
            }
            become(.securing)
            var rest: [UInt8] = []
            swap(&rest, &exchange.waiting)
            if !rest.isEmpty { secure(rest.span) }
        } catch { refuse(HTTPProblem(error)) }
    }

    /// Nothing is spent on TLS before its first byte is here, which is that of a handshake record (RFC 8446 clause 5.1).
    private func secure(_ bytes: Span<UInt8>) {
        guard let begin = security else { return }
        security = nil
        guard bytes[0] == 22 else {
            return refuse(HTTPProblem(.badRequest, "tls_expected", "this port speaks TLS: use https:// (or wss://)"))
        }
        do {
            let stream = try begin(server.now)
            socket.onSecured = { [unowned self] in become(.idle) }
            socket.secure(stream, received: bytes)
        } catch {
            server.failed(peer, "cannot begin TLS: \(error)")
            socket.close()
        }
    }

    private func parse(_ bytes: Span<UInt8>) {
        let exchange = current
        var offset = 0
        do throws(HTTPError) {
            while isReading {
                if case .idle = state, offset < bytes.count { become(.head) }
                guard let event = try exchange.parser.next(bytes, &offset) else { return }
                switch event {
                case .head(let head, let expectsContinue): begin(head, expectsContinue, exchange)
                case .body(let range):
                    exchange.received += range.count
                    exchange.request?.body.append(span: bytes.extracting(range))
                case .end: finish(exchange)
                }
            }
            if case .upgraded = state { return handOver(bytes.extracting(offset..<bytes.count)) }
            switch state {
            case .lingering, .closed: return
            default: if offset < bytes.count { wait(bytes.extracting(offset..<bytes.count)) }
            }
        } catch { refuse(HTTPProblem(error)) }
    }

    /// What came behind the request for a WebSocket is the first of its frames.
    private func handOver(_ bytes: Span<UInt8>) {
        guard bytes.count > 0 else { return }
        var copy: [UInt8] = []
        copy.append(span: bytes)
        var span = copy.mutableSpan
        if let webSocket { webSocket.received(&span) }
    }

    // MARK: a request

    private func begin(_ head: HTTPRequestHead, _ expectsContinue: Bool, _ exchange: HTTPServerExchange) {
        let server = server
        guard let target = HTTPTarget(head.target) else {
            return refuse(
                HTTPProblem(.badRequest, "bad_target", "expected a path without `.`, `..` or hidden slashes, and whole escapes of UTF-8"))
        }
        let isSecure = socket.security != nil
        let client =
            server.options.trustedProxies.isEmpty
            ? ForwardedClient(address: peer, isSecure: isSecure)
            : ForwardedClient(head.fields, peer: peer, isSecure: isSecure, isTrusted: server.options.trusts)
        var made = HTTPRequest(head: head, target: target, client: client, id: server.requestID(head.fields, from: peer))
        exchange.keepsAlive = head.keepsAlive
        exchange.received = 0
        exchange.began = server.startTime()
        do throws(HTTPProblem) {
            let limit = try server.handler.admit(&made)
            exchange.request = made
            if let limit { exchange.parser.bodyLimit = limit }
        } catch {
            exchange.request = made
            // What has no body is answered like any other; a body that nobody wants is not waited for.
            guard !made.announcesBody else { return refuse(error) }
            exchange.early = error.response
        }
        // Whoever asked first learns of a body that is too long before it is sent, not after (RFC 9110 clause 10.1.1).
        if expectsContinue, !exchange.parser.isBodyRefused { exchange.output.append(contentsOf: "HTTP/1.1 100 Continue\r\n\r\n".utf8) }
        become(.body)
    }

    private func finish(_ exchange: HTTPServerExchange) {
        guard let request = exchange.request else { return }
        exchange.requestsInTurn += 1
        become(.handling)
        if let answer = exchange.early {
            exchange.early = nil
            return respond(answer)
        }
        server.handler.handle(request, HTTPResponder(self))
    }

    /// Answers and closes: after this nothing that comes can be understood.
    private func refuse(_ problem: HTTPProblem) {
        guard !isClosed else { return }
        var response = problem.response
        let exchange = current
        if let request = exchange.request { server.handler.decorate(&response.fields, request) }
        let isHead = exchange.request?.method == .head
        write(response, isHead: isHead, persistence: "close")
        if let request = exchange.request {
            answered(request, response.status, bytes: isHead ? 0 : response.length)
        } else {
            server.refusedUnread(peer, problem, connection: number)
        }
        linger()
    }

    // MARK: the response

    func respond(_ response: HTTPResponse) {
        guard case .handling = state, let exchange, let request = exchange.request else { return }
        let closes = !exchange.keepsAlive || server.isDraining
        let isHead = request.method == .head
        var response = response
        server.handler.decorate(&response.fields, request)
        write(response, isHead: isHead, persistence: closes ? "close" : request.head.version == .http10 ? "keep-alive" : nil)
        if let body = LongBody(response), !isHead, response.status.allowsBody {
            become(.file(body, next: body.range.lowerBound))
            return sendFile()
        }
        end(response.status, bytes: isHead || !response.status.allowsBody ? 0 : response.length)
    }

    /// `persistence`: what is said of the connection's future, where that must be.
    private func write(_ response: HTTPResponse, isHead: Bool, persistence: String?) {
        let length = response.status.allowsBody ? response.length : nil
        write(response.status, response.fields, length: length, persistence: persistence)
        if case .bytes(let bytes) = response.body, !isHead, length != nil, bytes.count <= LongBody.shortest {
            current.output.append(contentsOf: bytes)
        }
        flush()
    }

    private func write(_ status: HTTPStatus, _ fields: HTTPFields, length: Int? = nil, persistence: String? = nil) {
        var fields = fields
        let exchange = current
        // Taken out, so that the array is written in place.
        var out: [UInt8] = []
        swap(&out, &exchange.output)
        status.writeLine(to: &out)
        if let length {
            if fields.contains("Content-Length") { fields["Content-Length"] = nil }
            out.append(contentsOf: "Content-Length: ".utf8)
            out.append(contentsOf: String(length).utf8)
            out.append(contentsOf: "\r\n".utf8)
        }
        if let persistence {
            fields["Connection"] = persistence
        }
        fields.write(to: &out)
        if !fields.contains("Date") { out.append(contentsOf: server.dateLine) }
        out.append(contentsOf: "\r\n".utf8)
        swap(&out, &exchange.output)
    }

    private func end(_ status: HTTPStatus, bytes: Int, isOpenEnded: Bool = false) {
        guard let exchange, let request = exchange.request else { return }
        exchange.request = nil
        answered(request, status, bytes: bytes, isOpenEnded: isOpenEnded)
        guard exchange.keepsAlive, !server.isDraining else { return linger() }
        become(.idle)
        // In a turn of its own: whoever answers at once would come back here for each request that waits.
        if !isInRound { endRound() }
    }

    private func resume() {
        isInRound = true
        resumeWaiting()
        endRound()
    }

    private func linger() {
        exchange?.request = nil
        exchange?.waiting = []
        become(.lingering)
        flushNow()
        socket.endSending()
        socket.isPaused = false
    }

    /// A close frame must not be lost to a reset either.
    private func lingerAfterWebSocket() {
        if let webSocket, webSocket.isOver, case .upgraded = state { become(.lingering) }
    }

    // MARK: bodies in pieces

    func stream(_ head: HTTPResponseHead) -> ResponseStream? {
        guard case .handling = state, let exchange, let request = exchange.request else { return nil }
        var head = head
        let isChunked = request.head.version == .http11 && !head.fields.contains("Content-Length")
        if isChunked { head.fields["Transfer-Encoding"] = "chunked" }
        server.handler.decorate(&head.fields, request)
        write(head.status, head.fields, persistence: request.head.version == .http10 || !exchange.keepsAlive ? "close" : nil)
        flush()
        let stream = ResponseStream(self, head.status)
        become(.streaming(stream, isChunked: isChunked))
        guard request.method != .head else {
            endPieces()
            return nil
        }
        return stream
    }

    func writePiece(_ bytes: Span<UInt8>) {
        guard case .streaming(let stream, let isChunked) = state, let exchange, bytes.count > 0 else { return }
        stream.written += bytes.count
        if isChunked { exchange.output.append(contentsOf: (String(bytes.count, radix: 16) + "\r\n").utf8) }
        exchange.output.append(span: bytes)
        if isChunked { exchange.output.append(contentsOf: "\r\n".utf8) }
        flush()
    }

    func endPieces() {
        guard case .streaming(let stream, let isChunked) = state, let exchange, let request = exchange.request else { return }
        if isChunked, request.method != .head { exchange.output.append(contentsOf: "0\r\n\r\n".utf8) }
        stream.closed()
        flush()
        if request.head.version == .http10 {
            answered(request, stream.status, bytes: stream.written, isOpenEnded: true)
            return linger()
        }
        end(stream.status, bytes: stream.written, isOpenEnded: true)
    }

    /// A piece of the file whenever the kernel has taken the one before; a reader that is as fast as we are takes turns with others.
    private func sendFile() {
        var pieces = 0
        while !isInRound, case .file(let file, let next) = state, backlog == 0, !socket.isDeaf {
            guard pieces < Self.piecesOfTurn else { return socket.askForTurn() }
            pieces += 1
            let piece = file.read(at: next, count: min(Self.filePiece, file.range.upperBound - next))
            guard !piece.isEmpty || file.range.isEmpty else { return socket.close() }
            current.output.append(contentsOf: piece)
            flush()
            guard next + piece.count < file.range.upperBound else { return end(file.status, bytes: file.range.count) }
            state = .file(file, next: next + piece.count)
        }
    }

    private func drained() {
        switch state {
        case .file: sendFile()
        case .streaming(let stream, _): stream.onDrained?()
        case .upgraded:
            if let webSocket { webSocket.drained() }
            lingerAfterWebSocket()
        case .idle: resume()
        default: break
        }
    }

    // MARK: WebSocket

    func upgrade(_ options: WebSocketOptions) -> WebSocketSession? {
        guard case .handling = state, let exchange, let request = exchange.request else { return nil }
        do throws(WebSocketRefusal) {
            // A client waits for the answer before its first frame (RFC 6455 clause 4.1): what came meanwhile is not one of a client's.
            guard exchange.waiting.isEmpty else {
                throw WebSocketRefusal(.badRequest, "expected no bytes before the answer to a WebSocket handshake")
            }
            let agreement = try WebSocketHandshake.accept(
                request.head, protocols: options.protocols, allowsCompression: options.allowsCompression)
            write(agreement.response.status, agreement.response.fields)
            // The session sends by itself: what is before it must be out.
            flushNow()
            let session = WebSocketSession(
                socket, request: request.compacted(), agreement: agreement, options: options,
                compressor: agreement.deflate.map { server.compressor(windowBits: $0.serverWindowBits) }, room: server.webSocketRoom,
                at: server.now)
            answered(request, .switchingProtocols, bytes: 0, isOpenEnded: true)
            server.metrics?.webSockets.add(1)
            webSocket = session
            exchange.request = nil
            become(.upgraded)
            socket.isPaused = false
            return session
        } catch {
            var problem = HTTPProblem(error.status, "websocket_handshake", error.text)
            if error.status == .upgradeRequired {
                problem.fields = ["Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"]
            }
            respond(problem.response)
            return nil
        }
    }

    // MARK: what is told

    private func answered(_ request: HTTPRequest, _ status: HTTPStatus?, bytes: Int, isOpenEnded: Bool = false) {
        server.answered(request, status, bytes: bytes, began: exchange?.began ?? server.now, isOpenEnded: isOpenEnded, connection: number)
    }

    private func tellUnfinished(_ request: HTTPRequest) {
        switch state {
        case .streaming(let stream, _): answered(request, stream.status, bytes: stream.written, isOpenEnded: true)
        case .file(let file, let next): answered(request, file.status, bytes: next - file.range.lowerBound, isOpenEnded: true)
        case .body, .handling: answered(request, nil, bytes: 0)
        default: break
        }
    }

    private func tally() {
        guard let metrics = server.metrics else { return }
        metrics.sent.add(socket.taken - tallied.sent)
        tallied.sent = socket.taken
        guard let webSocket else { return }
        metrics.dropped.add(webSocket.dropped - tallied.dropped)
        tallied.dropped = webSocket.dropped
    }

    // MARK: ends

    private func peerEnded() {
        switch state {
        // Without an end of its own, it is read until its reader leaves.
        case .streaming(let stream, _) where stream.isEndless: socket.close()
        case .handling, .streaming, .file:
            // It may have sent all that it wanted and now waits for the answer; the server's answer is its last.
            break
        case .idle where hasWaiting: break
        case .idle, .head, .body: if socket.backlog > 0 { linger() } else { socket.close() }
        case .lingering where socket.backlog > 0: break
        case .upgraded:
            if let webSocket, webSocket.hasLastWords { break }
            if let webSocket { webSocket.ended() }
            // It has said more than it may at once, and gone: the session ends when all of it has had its turn.
            if let webSocket, webSocket.isHolding { break }
            socket.close()
        default: socket.close()
        }
    }

    private func closed() {
        // Whoever is told may let go of the server.
        let server = server
        tally()
        if webSocket != nil { server.metrics?.webSockets.add(-1) }
        if let request = exchange?.request { tellUnfinished(request) }
        if case .failed(let reason)? = socket.security?.state { server.failed(peer, "TLS: \(reason)") }
        letGo()
        server.ended(self)
    }

    private func letGo() {
        if case .streaming(let stream, _) = state { stream.closed() }
        if let webSocket { webSocket.ended() }
        webSocket = nil
        state = .closed
        exchange = nil
    }

    /// The server is gone: nothing of it may be touched any more.
    func abandon() {
        socket.onClose = nil
        letGo()
        socket.close()
    }

    private func become(_ next: State) {
        since = server.now
        state = next
    }

    /// Ends what takes too long. Called about once a second.
    func sweep(at now: Instant) {
        tally()
        let options = server.options
        // A reader that has ended its side is gone when it takes nothing, also when there is nothing: it would never be noticed.
        if socket.backlog == 0, !socket.isAtEnd { lastProgress = now }
        if socket.taken != lastTaken { (lastTaken, lastProgress) = (socket.taken, now) }
        if now - lastProgress >= options.stallTimeout { return socket.close() }
        switch state {
        case .idle:
            // What is still on its way to the reader is no idle time.
            if backlog > 0 { return since = now }
            if now - since >= options.idleTimeout || server.isDraining { socket.close() }
        case .securing: if now - since >= options.headTimeout { socket.close() }
        case .head, .proxyHeader:
            if now - since >= options.headTimeout {
                refuse(
                    HTTPProblem(
                        .requestTimeout, "timeout", "the head did not come within \(options.headTimeout.nanoseconds / 1_000_000_000) s"))
            }
        case .body:
            let allowed =
                Duration.seconds(10)
                + Duration.seconds(Double(exchange?.received ?? 0) / Double(max(options.slowestBody, 1)))
            if now - since >= allowed {
                refuse(HTTPProblem(.requestTimeout, "timeout", "the body came slower than \(options.slowestBody) bytes a second"))
            }
        case .lingering:
            // The two seconds begin when all is sent.
            if socket.backlog > 0 { since = now }
            if now - since >= .seconds(2) { socket.close() }
        case .upgraded:
            if let webSocket { webSocket.advance(to: now) }
            lingerAfterWebSocket()
        case .handling, .streaming, .file, .closed: break
        }
    }

    /// What is under way goes on; nothing new begins.
    func drain() {
        if isIdle { return backlog > 0 ? linger() : socket.close() }
        if case .streaming(let stream, _) = state, stream.isEndless { return endPieces() }
        if let webSocket { webSocket.close(.goingAway, "the server is shutting down") }
    }
}
