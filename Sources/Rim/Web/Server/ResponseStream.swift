import HTTP
import Wire

/// A body that is written piece by piece: events, pictures, downloads. What a slow reader does not take waits up to a bound.
public final class ResponseStream {
    /// Until the end.
    private var connection: HTTPServerConnection?
    let status: HTTPStatus
    /// Bytes of the body so far.
    var written = 0
    /// The reader has taken all that waited.
    public var onDrained: (() -> Void)?
    /// Whoever read is gone, or `end` was called: called once.
    public var onClose: (() -> Void)?
    /// It goes on for as long as the reader wants: a server that shuts down ends it at once.
    public var isEndless = false

    init(_ connection: HTTPServerConnection, _ status: HTTPStatus) { (self.connection, self.status) = (connection, status) }

    /// Bytes that the reader has not taken.
    public var backlog: Int { connection?.backlog ?? 0 }
    public var isOpen: Bool { connection?.isClosed == false }

    /// Sends a piece. A reader that is more than the connection's limit behind is cut off; for live data look at `backlog` first and
    /// leave a picture out instead.
    public func write(_ bytes: Span<UInt8>) { connection?.writePiece(bytes) }
    public func write(_ bytes: [UInt8]) { write(bytes.span) }

    /// Ends the body; the connection goes on with the next request where it can.
    public func end() { connection?.endPieces() }

    func closed() {
        connection = nil
        let tell = onClose
        onClose = nil
        onDrained = nil
        tell?()
    }
}
