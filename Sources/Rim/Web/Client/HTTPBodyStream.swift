import HTTP
import Reactor
import Wire

/// A response whose body is taken piece by piece by an actor on the reactor. While nobody takes them the server waits. Letting go of it gives the
/// rest up.
public final class HTTPBodyStream {
    public fileprivate(set) var head: HTTPClientHead
    private weak var exchange: HTTPExchange?
    private var pieces: [UInt8] = []
    private var outcome: Result<Void, HTTPClientError>?
    private var waiter: (() -> Void)?
    private var reader = EventStreamReader()
    /// Bytes that the reader of events has not taken yet.
    private var unread: [UInt8] = []
    private var readUpTo = 0
    private let canceller: @Sendable () -> Void

    /// Bytes that wait here before the server has to.
    private static let mark = 64 << 10

    fileprivate init(_ head: HTTPClientHead, canceller: @escaping @Sendable () -> Void) { (self.head, self.canceller) = (head, canceller) }

    deinit { if outcome == nil { canceller() } }

    fileprivate func attach(_ exchange: HTTPExchange) { self.exchange = exchange }

    fileprivate func received(_ bytes: Span<UInt8>) {
        pieces.append(span: bytes)
        if pieces.count >= Self.mark { exchange?.isPaused = true }
        wake()
    }

    fileprivate func ended(_ outcome: Result<Void, HTTPClientError>) {
        self.outcome = outcome
        wake()
    }

    private func wake() {
        let waiter = waiter
        self.waiter = nil
        waiter?()
    }

    /// What came since the last call, at least a byte; nil at the end. Cancelling the task gives the rest up.
    public func next(isolation: isolated (any Actor)? = #isolation) async throws(HTTPClientError) -> [UInt8]? {
        let canceller = canceller
        while pieces.isEmpty {
            if let outcome {
                try outcome.get()
                return nil
            }
            precondition(waiter == nil, "one reader at a time")
            await withTaskCancellationHandler {
                _ = isolation
                return await withCheckedContinuation { continuation in waiter = { continuation.resume() } }
            } onCancel: {
                canceller()
            }
        }
        var taken: [UInt8] = []
        swap(&taken, &pieces)
        exchange?.isPaused = false
        return taken
    }

    /// The next server-sent event; nil at the end. Not to be mixed with `next`.
    public func nextEvent(isolation: isolated (any Actor)? = #isolation) async throws -> EventStreamReader.Event? {
        while true {
            if let event = try readEvent() { return event }
            guard let bytes = try await next() else { return nil }
            (unread, readUpTo) = (bytes, 0)
        }
    }

    private func readEvent() throws(EventStreamError) -> EventStreamReader.Event? {
        var offset = readUpTo
        defer { readUpTo = offset }
        return try reader.next(unread.span, &offset)
    }

    /// For a next request with `Last-Event-ID`, and how long to wait before it.
    public var lastEventID: String { reader.lastEventID }
    public var retry: Duration? { reader.retry }
}

// The closures here name `isolation`: only then do they run where their caller does.
extension HTTPClient {
    /// Asks for a whole answer. The caller is an actor on this client's reactor; cancelling the task gives the request up.
    public func send(
        _ request: HTTPClientRequest, isolation: isolated (any Actor)? = #isolation
    ) async throws(HTTPClientError) -> HTTPClientResponse {
        let id = reserve(), canceller = canceller
        let outcome = await withTaskCancellationHandler {
            _ = isolation
            return await withCheckedContinuation { continuation in _ = send(request, id: id) { continuation.resume(returning: $0) } }
        } onCancel: {
            canceller(id)
        }
        return try outcome.get()
    }

    /// Asks, and answers when the head is here; the body is taken from the stream. The request's time (`requestTimeout`) goes on until its end.
    public func stream(
        _ request: HTTPClientRequest, isolation: isolated (any Actor)? = #isolation
    ) async throws(HTTPClientError) -> HTTPBodyStream {
        let id = reserve(), canceller = canceller
        let begin = StreamBegin()
        let outcome: Result<HTTPClientHead, HTTPClientError> = await withTaskCancellationHandler {
            _ = isolation
            return await withCheckedContinuation { continuation in
                begin.onOutcome = { continuation.resume(returning: $0) }
                begin.exchange = start(
                    request, id: id, onHead: { begin.received($0, canceller: { canceller(id) }) }, onBody: { begin.stream?.received($0) },
                    onEnd: { begin.ended($0) })
            }
        } onCancel: {
            canceller(id)
        }
        _ = try outcome.get()
        guard let stream = begin.stream else { throw .cancelled }
        begin.handOver()
        return stream
    }
}

/// A stream until somebody has it: from then on it is held by its reader alone.
private final class StreamBegin {
    var onOutcome: ((Result<HTTPClientHead, HTTPClientError>) -> Void)?
    weak var exchange: HTTPExchange?
    private var held: HTTPBodyStream?
    private(set) weak var stream: HTTPBodyStream?

    func received(_ head: HTTPClientHead, canceller: @escaping @Sendable () -> Void) {
        let stream = HTTPBodyStream(head, canceller: canceller)
        if let exchange { stream.attach(exchange) }
        (held, self.stream) = (stream, stream)
        tell(.success(head))
    }

    func ended(_ outcome: Result<Void, HTTPClientError>) {
        stream?.ended(outcome)
        if case .failure(let error) = outcome { tell(.failure(error)) }
    }

    func handOver() { held = nil }

    private func tell(_ outcome: Result<HTTPClientHead, HTTPClientError>) {
        let told = onOutcome
        onOutcome = nil
        told?(outcome)
    }
}
