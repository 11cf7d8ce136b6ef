import HTTP
import Reactor
import Wire

/// One request on its way through waiting, redirections and a second try, to its end. Lives on the reactor.
public final class HTTPExchange {
    let id: Int
    private weak var client: HTTPClient?
    private let options: HTTPClientOptions
    /// As it is sent now: redirections change it.
    private(set) var request: HTTPClientRequest
    private(set) var route: ServerRoute
    /// A kept connection failed it already.
    private(set) var needsNewConnection = false
    /// A server did not want to be asked first.
    private(set) var leavesOutExpect = false

    private var onHead: ((HTTPClientHead) -> Void)?
    private var onBody: ((Span<UInt8>) -> Void)?
    private var onEnd: ((Result<Void, HTTPClientError>) -> Void)?

    private var state = State.waiting
    private var redirects = 0
    /// What is done after the response at hand, whose body is for nobody.
    private var next: Next?
    private var skipped = 0
    private var gzip: GzipDecoder?

    private var isStarting = false
    private var outcome: Result<Void, HTTPClientError>?
    private var timer: ReactorTimer?
    /// Of the whole, of the way to a connection, and of silence on it.
    private let overAt: Instant
    private var phaseOverAt: Instant?

    private enum State {
        case waiting
        case dialing(Dialer)
        case running(HTTPClientConnection)
        case over
    }

    private enum Next {
        case redirect(HTTPRedirect)
        case againWithoutExpect
    }

    /// Bytes of a redirection's own body that are read to keep the connection.
    private static let longestSkip = 64 << 10

    init(
        id: Int, _ request: HTTPClientRequest, client: HTTPClient, onHead: ((HTTPClientHead) -> Void)?, onBody: ((Span<UInt8>) -> Void)?,
        onEnd: @escaping (Result<Void, HTTPClientError>) -> Void
    ) {
        (self.id, self.request, self.client) = (id, request, client)
        (self.onHead, self.onBody, self.onEnd) = (onHead, onBody, onEnd)
        options = client.options
        route = ServerRoute(request, client.options)
        overAt = MonotonicClock.now() + (request.requestTimeout ?? client.options.requestTimeout)
        timer = client.reactor.makeTimer { [weak self] now in self?.timePassed(now) }
        timer?.deadline = overAt
    }

    /// Gives the request up, and closes its connection. `onEnd` is called with `.cancelled`.
    public func cancel() { fail(.cancelled) }

    /// While set the response stays with the server, but for what was read already (at most some 64 KiB, more where gzip expands it): that may
    /// still come. Silence is not counted meanwhile.
    public var isPaused = false {
        didSet {
            guard isPaused != oldValue, case .running(let connection) = state else { return }
            connection.socket.isPaused = isPaused
            moved()
        }
    }

    var isWaiting: Bool { if case .waiting = state { true } else { false } }

    // MARK: on its way

    /// What ends it meanwhile is told later.
    func starting(_ body: () -> Void) {
        isStarting = true
        body()
        isStarting = false
    }

    func dial() {
        guard let client else { return }
        let dialer = Dialer(route, client.means) { [weak self] in self?.dialed($0) }
        state = .dialing(dialer)
        phaseOverAt = MonotonicClock.now() + options.connectTimeout
        setTimer()
        dialer.begin()
    }

    private func dialed(_ outcome: Result<TCPConnection, HTTPClientError>) {
        guard case .dialing = state, let client else { return }
        switch outcome {
        case .success(let socket): run(on: HTTPClientConnection(socket, route: route, client: client))
        case .failure(let error): fail(error)
        }
    }

    func run(on connection: HTTPClientConnection) {
        state = .running(connection)
        moved()
        connection.socket.isPaused = isPaused
        connection.begin(self)
    }

    /// A byte went or came.
    func moved() {
        guard case .running = state else { return }
        phaseOverAt = isPaused ? nil : MonotonicClock.now() + (request.silenceTimeout ?? options.silenceTimeout)
        setTimer()
    }

    private func setTimer() { timer?.deadline = earlier(overAt, phaseOverAt) }

    private func timePassed(_ now: Instant) {
        if let outcome { return tell(outcome) }
        let isWhole = now >= overAt
        let stage: HTTPClientError.Stage
        let after: Duration
        switch state {
        case .waiting: (stage, after) = (.connection, options.requestTimeout)
        case .dialing(let dialer): (stage, after) = (dialer.stage, options.connectTimeout)
        case .running(let connection): (stage, after) = (connection.stage, request.silenceTimeout ?? options.silenceTimeout)
        case .over: return
        }
        fail(.timeout(host: route.name, stage, after: isWhole ? request.requestTimeout ?? options.requestTimeout : after))
    }

    // MARK: the response

    func received(_ head: HTTPResponseHead) {
        if head.status == .expectationFailed, request.body.count > options.continueAbove, !leavesOutExpect {
            next = .againWithoutExpect
            return
        }
        do throws(HTTPClientError) {
            if let redirect = try redirect(head) {
                next = .redirect(redirect)
                return
            }
        } catch { return fail(error) }
        var fields = head.fields
        if request.acceptsGzip, request.method != .head, head.status.allowsBody, Self.isGzip(fields) {
            gzip = GzipDecoder(limit: request.bodyLimit ?? options.limits.body)
            fields["content-encoding"] = nil
            fields["content-length"] = nil
        }
        onHead?(HTTPClientHead(url: request.url, status: head.status, fields: fields))
    }

    private static func isGzip(_ fields: HTTPFields) -> Bool {
        let codings = fields.list("content-encoding").map { $0.lowercased() }
        return codings == ["gzip"] || codings == ["x-gzip"]
    }

    private func redirect(_ head: HTTPResponseHead) throws(HTTPClientError) -> HTTPRedirect? {
        let limit = request.redirects ?? options.redirects
        guard limit > 0 else { return nil }
        func refuse(_ reason: String) -> HTTPClientError { .redirect(from: request.url.description, reason: reason) }
        let redirect: HTTPRedirect?
        do throws(WebURLError) { redirect = try HTTPRedirect(head, to: request.method, at: request.url) } catch { throw refuse(error.text) }
        guard let redirect else { return nil }
        guard redirects < limit else { throw .tooManyRedirects(limit: limit, last: redirect.url.description) }
        guard !redirect.isDowngrade || options.allowsDowngrade else { throw refuse("from https to \(redirect.url)") }
        guard request.socketPath == nil || redirect.keepsCredentials else { throw refuse("from a Unix-domain socket to \(redirect.url)") }
        return redirect
    }

    func received(_ bytes: Span<UInt8>) {
        guard next == nil else {
            skipped += bytes.count
            if skipped > Self.longestSkip, case .running(let connection) = state {
                connection.abandon()
                finished(connection, isReusable: false)
            }
            return
        }
        guard let gzip else { return onBody?(bytes) ?? () }
        switch gzip.expand(bytes, { onBody?($0) }) {
        case .done: break
        case .damaged: fail(.badEncoding(host: route.name))
        case .tooLong: fail(.bodyTooLong(host: route.name, limit: request.bodyLimit ?? options.limits.body))
        }
    }

    /// The response is whole.
    func finished(_ connection: HTTPClientConnection, isReusable: Bool) {
        guard case .running = state else { return }
        state = .waiting
        phaseOverAt = nil
        guard let next else {
            client?.release(connection, isReusable: isReusable)
            let isWhole = gzip?.isAtEnd ?? true
            return end(isWhole ? .success(()) : .failure(.badEncoding(host: route.name)))
        }
        self.next = nil
        skipped = 0
        follow(next)
        client?.release(connection, isReusable: isReusable)
        setTimer()
        client?.enqueue(self, first: true)
    }

    private func follow(_ next: Next) {
        switch next {
        case .againWithoutExpect: leavesOutExpect = true
        case .redirect(let redirect):
            redirects += 1
            request.fields = redirect.fields(of: request.fields)
            if !redirect.keepsBody { request.body = [] }
            request.method = redirect.method
            request.url = redirect.url
            route = ServerRoute(request, options)
            needsNewConnection = false
        }
    }

    /// The connection ended or cannot be read on.
    func lost(_ connection: HTTPClientConnection, _ error: HTTPClientError, couldBeSentAgain: Bool) {
        guard case .running = state else { return }
        state = .waiting
        let isSecondTry = couldBeSentAgain && !needsNewConnection
        needsNewConnection = isSecondTry
        phaseOverAt = nil
        setTimer()
        client?.release(connection, isReusable: false)
        if isSecondTry { client?.enqueue(self, first: true) ?? fail(error) } else { end(.failure(error)) }
    }

    // MARK: the end

    func fail(_ error: HTTPClientError) {
        switch state {
        case .over: return
        case .waiting: client?.leave(self)
        case .dialing(let dialer):
            state = .waiting
            dialer.cancel()
            client?.freeSlot(of: route)
        case .running(let connection):
            state = .waiting
            connection.abandon()
            client?.release(connection, isReusable: false)
        }
        end(.failure(error))
    }

    private func end(_ outcome: Result<Void, HTTPClientError>) {
        if case .over = state { return }
        state = .over
        gzip = nil
        guard !isStarting else {
            self.outcome = outcome
            timer?.deadline = MonotonicClock.now()
            return
        }
        tell(outcome)
    }

    private func tell(_ outcome: Result<Void, HTTPClientError>) {
        let told = onEnd
        (onHead, onBody, onEnd, timer) = (nil, nil, nil, nil)
        self.outcome = nil
        client?.ended(self)
        told?(outcome)
    }
}
