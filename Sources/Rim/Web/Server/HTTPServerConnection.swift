import HTTP
import Reactor
import Wire

/// One connection of a server: requests in their order, one at a time; what comes meanwhile waits, bounded.
final class HTTPServerConnection {
    let socket: TCPConnection
    private unowned let server: HTTPServer
    private var parser: HTTPRequestParser
    private var state = State.idle
    /// Pipelined bytes behind a request that is being answered.
    private var waiting: [UInt8] = []
    private var request: HTTPRequest?
    /// The answer of a request that was refused by its head.
    private var early: HTTPResponse?
    private var webSocket: WebSocketSession?
    /// Responses of one round, sent together.
    private var output: [UInt8] = []
    private var isInRound = false
    /// Since when the connection is in its state; the sweep looks at it.
    private var since: Instant
    private var received = 0
    private var lastTaken = 0
    private var lastProgress: Instant
    private(set) var peer: IPAddress
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
        case file(FileBody, next: Int)
        case upgraded
        /// All is sent, or will be; what still comes is thrown away, so that the answer is not lost to a reset (RFC 9112 clause 9.6).
        case lingering
        case closed
    }

    /// What is kept of requests behind the one at hand.
    private static let longestWait = 64 << 10
    private static let filePiece = 64 << 10

    init(_ socket: TCPConnection, security: HTTPServer.Security?, server: HTTPServer, at now: Instant) {
        (self.socket, self.security, self.server, since, lastProgress) = (socket, security, server, now, now)
        peer = socket.remote.ip
        parser = HTTPRequestParser(limits: server.options.limits)
        if server.options.expectsProxyHeader, server.options.trusts(peer) {
            state = .proxyHeader
        } else if security != nil {
            state = .securing
        }
        socket.onBytes = { [unowned self] bytes in received(&bytes) }
        socket.onDrained = { [unowned self] in drained() }
        socket.onEnd = { [unowned self] in peerEnded() }
        socket.onClose = { [unowned self] in closed() }
    }

    /// The socket closes with its owner, and then there is nobody to tell.
    deinit { socket.onClose = nil }

    var isClosed: Bool { if case .closed = state { true } else { socket.isClosed } }
    var backlog: Int { socket.backlog + output.count }
    /// Nothing is under way: it may be closed without loss.
    var isIdle: Bool {
        switch state {
        case .idle: waiting.isEmpty
        case .proxyHeader, .securing: true
        default: false
        }
    }

    // MARK: bytes in

    private func received(_ bytes: inout MutableSpan<UInt8>) {
        isInRound = true
        switch state {
        case .upgraded: webSocket?.received(&bytes)
        case .lingering, .closed: break
        case .handling, .streaming, .file: wait(bytes.span)
        case .proxyHeader: receivedProxyHeader(bytes.span)
        case .securing: secure(bytes.span)
        case .idle, .head, .body: parse(bytes.span)
        }
        endRound()
    }

    private func endRound() {
        isInRound = false
        flush()
        sendFile()
    }

    private func flush() { if !isInRound { flushNow() } }

    private func flushNow() {
        guard !output.isEmpty else { return }
        socket.send(output.span)
        output.removeAll(keepingCapacity: output.capacity <= 4096)
    }

    /// Behind an answer that is not out yet the client has to wait: what it sends stays in the kernel.
    private func wait(_ bytes: Span<UInt8>) {
        waiting.append(span: bytes)
        if waiting.count >= Self.longestWait { socket.isPaused = true }
    }

    private func resumeWaiting() {
        while !waiting.isEmpty, isReading {
            var bytes: [UInt8] = []
            swap(&bytes, &waiting)
            parse(bytes.span)
        }
        if isReading, socket.isPaused { socket.isPaused = false }
    }

    private var isReading: Bool {
        switch state {
        case .idle, .head, .body: true
        default: false
        }
    }

    private func receivedProxyHeader(_ bytes: Span<UInt8>) {
        waiting.append(span: bytes)
        do throws(HTTPError) {
            guard case .header(let source, let length) = try ProxyProtocol.parse(waiting.span) else { return }
            if let source { peer = source.ip }
            waiting.removeFirst(length)
            guard security != nil else {
                become(.idle)
                return resumeWaiting()
            }
            become(.securing)
            var rest: [UInt8] = []
            swap(&rest, &waiting)
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
            server.onFailedConnection?(peer, "cannot begin TLS: \(error)")
            socket.close()
        }
    }

    private func parse(_ bytes: Span<UInt8>) {
        var offset = 0
        do throws(HTTPError) {
            while isReading {
                if case .idle = state, offset < bytes.count { become(.head) }
                guard let event = try parser.next(bytes, &offset) else { return }
                switch event {
                case .head(let head, let expectsContinue): begin(head, expectsContinue)
                case .body(let range):
                    received += range.count
                    request?.body.append(span: bytes.extracting(range))
                case .end: finish()
                }
            }
            if case .upgraded = state { return handOver(bytes.extracting(offset..<bytes.count)) }
            if offset < bytes.count { wait(bytes.extracting(offset..<bytes.count)) }
        } catch { refuse(HTTPProblem(error)) }
    }

    /// What came behind the request for a WebSocket is the first of its frames.
    private func handOver(_ bytes: Span<UInt8>) {
        guard bytes.count > 0 else { return }
        var copy: [UInt8] = []
        copy.append(span: bytes)
        var span = copy.mutableSpan
        webSocket?.received(&span)
    }

    // MARK: a request

    private func begin(_ head: HTTPRequestHead, _ expectsContinue: Bool) {
        guard let target = HTTPTarget(head.target) else {
            return refuse(HTTPProblem(.badRequest, "bad_target", "expected a path without `.`, `..` or hidden slashes"))
        }
        let trusts = server.options.trusts
        let isSecure = socket.security != nil
        let client =
            server.options.trustedProxies.isEmpty
            ? ForwardedClient(address: peer, isSecure: isSecure)
            : ForwardedClient(head.fields, peer: peer, isSecure: isSecure, isTrusted: trusts)
        let made = HTTPRequest(head: head, target: target, client: client, id: server.nextRequestID())
        request = made
        received = 0
        do throws(HTTPProblem) {
            if let limit = try server.handler.admit(made) { parser.bodyLimit = limit }
        } catch {
            // What has no body is answered like any other; a body that nobody wants is not waited for.
            guard !made.announcesBody else { return refuse(error) }
            early = error.response
        }
        if expectsContinue { output.append(contentsOf: "HTTP/1.1 100 Continue\r\n\r\n".utf8) }
        become(.body)
    }

    private func finish() {
        guard let request else { return }
        become(.handling)
        if let answer = early {
            early = nil
            return respond(answer)
        }
        server.handler.handle(request, HTTPResponder(self))
    }

    /// Answers and closes: after this nothing that comes can be understood.
    private func refuse(_ problem: HTTPProblem) {
        guard !isClosed else { return }
        var response = problem.response
        response.fields["Connection"] = "close"
        write(response, isHead: request?.method == .head)
        if let request { server.handler.answered(request, response.status, bytes: response.length) }
        linger()
    }

    // MARK: the response

    func respond(_ response: HTTPResponse) {
        guard case .handling = state, let request else { return }
        var response = response
        let closes = !request.head.keepsAlive || server.isDraining
        if closes {
            response.fields["Connection"] = "close"
        } else if request.head.version == .http10 {
            response.fields["Connection"] = "keep-alive"
        }
        write(response, isHead: request.method == .head)
        if case .file(let file) = response.body, request.method != .head, response.status.allowsBody {
            become(.file(file, next: file.range.lowerBound))
            return sendFile()
        }
        end(response.status, bytes: response.length)
    }

    private func write(_ response: HTTPResponse, isHead: Bool) {
        var head = HTTPResponseHead(response.status, fields: response.fields)
        if response.status.allowsBody { head.fields["Content-Length"] = String(response.length) }
        write(head)
        if case .bytes(let bytes) = response.body, !isHead, response.status.allowsBody { output.append(contentsOf: bytes) }
        flush()
    }

    private func write(_ head: HTTPResponseHead) {
        var head = head
        if !head.fields.contains("Date") { head.fields.append("Date", server.date) }
        // Taken out, so that the array is written in place.
        var out: [UInt8] = []
        swap(&out, &output)
        head.write(to: &out)
        swap(&out, &output)
    }

    private func end(_ status: HTTPStatus, bytes: Int) {
        guard let request else { return }
        self.request = nil
        server.handler.answered(request, status, bytes: bytes)
        guard request.head.keepsAlive, !server.isDraining else { return linger() }
        become(.idle)
        if !isInRound {
            isInRound = true
            resumeWaiting()
            endRound()
        } else {
            resumeWaiting()
        }
    }

    private func linger() {
        request = nil
        waiting = []
        become(.lingering)
        flushNow()
        socket.endSending()
        socket.isPaused = false
    }

    // MARK: bodies in pieces

    func stream(_ head: HTTPResponseHead) -> ResponseStream? {
        guard case .handling = state, let request else { return nil }
        var head = head
        let isChunked = request.head.version == .http11 && !head.fields.contains("Content-Length")
        if isChunked { head.fields["Transfer-Encoding"] = "chunked" }
        if request.head.version == .http10 || !request.head.keepsAlive { head.fields["Connection"] = "close" }
        write(head)
        flush()
        let stream = ResponseStream(self)
        become(.streaming(stream, isChunked: isChunked))
        if request.method == .head { endPieces() }
        return stream
    }

    func writePiece(_ bytes: Span<UInt8>) {
        guard case .streaming(_, let isChunked) = state, bytes.count > 0 else { return }
        if isChunked { output.append(contentsOf: (String(bytes.count, radix: 16) + "\r\n").utf8) }
        output.append(span: bytes)
        if isChunked { output.append(contentsOf: "\r\n".utf8) }
        flush()
    }

    func endPieces() {
        guard case .streaming(let stream, let isChunked) = state, let request else { return }
        if isChunked, request.method != .head { output.append(contentsOf: "0\r\n\r\n".utf8) }
        stream.closed()
        flush()
        if request.head.version == .http10 { return linger() }
        end(.ok, bytes: 0)
    }

    /// A piece of the file whenever the kernel has taken the one before.
    private func sendFile() {
        while !isInRound, case .file(let file, let next) = state, backlog == 0 {
            let piece = file.read(at: next, count: min(Self.filePiece, file.range.upperBound - next))
            guard !piece.isEmpty || file.range.isEmpty else { return socket.close() }
            output.append(contentsOf: piece)
            flush()
            guard next + piece.count < file.range.upperBound else { return end(.ok, bytes: file.range.count) }
            state = .file(file, next: next + piece.count)
        }
    }

    private func drained() {
        switch state {
        case .file: sendFile()
        case .streaming(let stream, _): stream.onDrained?()
        case .upgraded: webSocket?.drained()
        default: break
        }
    }

    // MARK: WebSocket

    func upgrade(_ options: WebSocketOptions) -> WebSocketSession? {
        guard case .handling = state, let request else { return nil }
        do throws(WebSocketRefusal) {
            let agreement = try WebSocketHandshake.accept(
                request.head, protocols: options.protocols, allowsCompression: options.allowsCompression, sha1: server.sha1)
            write(agreement.response)
            // The session sends by itself: what is before it must be out.
            flushNow()
            let session = WebSocketSession(
                socket, request: request, agreement: agreement, options: options,
                compressor: agreement.deflate.map { server.compressor(windowBits: $0.serverWindowBits) }, at: server.now)
            server.handler.answered(request, .switchingProtocols, bytes: 0)
            webSocket = session
            self.request = nil
            become(.upgraded)
            return session
        } catch {
            var problem = HTTPProblem(error.status, "websocket_handshake", error.text)
            if error.status == .upgradeRequired { problem.fields = ["Upgrade": "websocket", "Sec-WebSocket-Version": "13"] }
            respond(problem.response)
            return nil
        }
    }

    // MARK: ends

    private func peerEnded() {
        switch state {
        case .handling, .streaming, .file:
            // It may have sent all that it wanted and now waits for the answer; the server's answer is its last.
            break
        case .upgraded:
            webSocket?.ended()
            socket.close()
        default: socket.close()
        }
    }

    private func closed() {
        if case .streaming(let stream, _) = state { stream.closed() }
        if case .failed(let reason)? = socket.security?.state { server.onFailedConnection?(peer, "TLS: \(reason)") }
        webSocket?.ended()
        webSocket = nil
        state = .closed
        request = nil
        waiting = []
        server.ended(self)
    }

    private func become(_ next: State) {
        since = server.now
        state = next
    }

    /// Ends what takes too long. Called about once a second.
    func sweep(at now: Instant) {
        let options = server.options
        if socket.backlog == 0 || socket.taken != lastTaken { (lastTaken, lastProgress) = (socket.taken, now) }
        if now - lastProgress >= options.stallTimeout { return socket.close() }
        switch state {
        case .idle: if now - since >= options.idleTimeout || server.isDraining { socket.close() }
        case .securing: if now - since >= options.headTimeout { socket.close() }
        case .head, .proxyHeader:
            if now - since >= options.headTimeout {
                refuse(
                    HTTPProblem(
                        .requestTimeout, "timeout", "the head did not come within \(options.headTimeout.nanoseconds / 1_000_000_000) s"))
            }
        case .body:
            let allowed = Duration.seconds(10) + Duration(nanoseconds: Int64(received) * 1_000_000_000 / Int64(max(options.slowestBody, 1)))
            if now - since >= allowed {
                refuse(HTTPProblem(.requestTimeout, "timeout", "the body came slower than \(options.slowestBody) bytes a second"))
            }
        case .lingering:
            // The two seconds begin when all is sent.
            if socket.backlog > 0 { since = now }
            if now - since >= .seconds(2) { socket.close() }
        case .upgraded: webSocket?.advance(to: now)
        case .handling, .streaming, .file, .closed: break
        }
    }

    /// What is under way goes on; nothing new begins.
    func drain() {
        if isIdle { socket.close() }
        webSocket?.close(.goingAway, "the server is shutting down")
    }
}
