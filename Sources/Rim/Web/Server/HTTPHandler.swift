import HTTP

/// What a server does with requests. Called on the reactor's thread.
public protocol HTTPHandler: AnyObject {
    /// Looks at a head before its body is read, and may note in the request what it finds out: how many bytes of body are taken (nil: the
    /// server's limit), or the answer that ends it here.
    func admit(_ request: inout HTTPRequest) throws(HTTPProblem) -> Int?
    /// Answers a whole request through `responder`, now or later.
    func handle(_ request: HTTPRequest, _ responder: HTTPResponder)
    /// Adds the fields that all answers to such a request have.
    func decorate(_ fields: inout HTTPFields, _ request: HTTPRequest)
    /// A response went out.
    func answered(_ request: HTTPRequest, _ status: HTTPStatus, bytes: Int)
}

extension HTTPHandler {
    public func decorate(_ fields: inout HTTPFields, _ request: HTTPRequest) {}
    public func answered(_ request: HTTPRequest, _ status: HTTPStatus, bytes: Int) {}
}

/// The way back to one request: used once. Without use by the time that it is let go, the answer is 500.
public final class HTTPResponder {
    private let connection: HTTPServerConnection
    private var isUsed = false

    init(_ connection: HTTPServerConnection) { self.connection = connection }

    deinit { if !isUsed { connection.respond(HTTPProblem(.internalServerError, "no_answer", "the handler gave no answer").response) } }

    /// False: whoever asked is gone.
    public var isWanted: Bool { !connection.isClosed }

    public func respond(_ response: HTTPResponse) {
        guard take() else { return }
        connection.respond(response)
    }

    public func respond(_ problem: HTTPProblem) { respond(problem.response) }

    /// Sends the head and answers the stream that the body goes into; nil when nobody wants one: whoever asked is gone, or asked for the head.
    public func stream(_ head: HTTPResponseHead) -> ResponseStream? {
        guard take() else { return nil }
        return connection.stream(head)
    }

    /// Turns the connection into a WebSocket; nil, and refused, when the request asks for none.
    public func upgrade(_ options: WebSocketOptions = WebSocketOptions()) -> WebSocketSession? {
        guard take() else { return nil }
        return connection.upgrade(options)
    }

    private func take() -> Bool {
        defer { isUsed = true }
        return !isUsed
    }
}
