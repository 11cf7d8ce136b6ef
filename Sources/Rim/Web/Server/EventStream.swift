import HTTP
import Wire

/// Server-sent events (HTML Living Standard clause 9.2): text that goes on for as long as the reader wants it.
public struct EventStream {
    private let stream: ResponseStream
    /// A reader this far behind misses events, bytes.
    public var limit = 256 << 10

    /// Nil when whoever asked is gone.
    public init?(_ responder: HTTPResponder, fields: HTTPFields = HTTPFields()) {
        var fields = fields
        fields["Content-Type"] = "text/event-stream"
        fields["Cache-Control"] = "no-store"
        guard let stream = responder.stream(HTTPResponseHead(.ok, fields: fields)) else { return nil }
        self.stream = stream
    }

    public var body: ResponseStream { stream }

    /// False when the reader is too far behind: the event is left out. `id` is what a browser sends as `Last-Event-ID` when it comes back.
    @discardableResult
    public func send(_ data: String, event: String? = nil, id: String? = nil) -> Bool {
        guard stream.isOpen, stream.backlog < limit else { return false }
        var text = ""
        // A line end in a name would begin another field.
        if let event { text += "event: \(event.filter { !$0.isNewline })\n" }
        if let id { text += "id: \(id.filter { !$0.isNewline && $0 != "\0" })\n" }
        for line in data.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) { text += "data: \(line)\n" }
        stream.write(Array((text + "\n").utf8))
        return true
    }

    /// A line that readers ignore: it keeps proxies from giving up.
    public func keepAlive() { if stream.isOpen, stream.backlog < limit { stream.write(Array(":\n\n".utf8)) } }
}

/// Pictures one after another in one answer (`multipart/x-mixed-replace`), as browsers show them in an `<img>`.
public struct PictureStream {
    private let stream: ResponseStream
    private let boundary: String
    /// With a picture's worth of bytes still waiting, the next one is left out: what is shown is never old.
    public var limit = 64 << 10

    /// Nil when whoever asked is gone. `boundary`: without the dashes.
    public init?(_ responder: HTTPResponder, boundary: String = "frame", fields: HTTPFields = HTTPFields()) {
        var fields = fields
        fields["Content-Type"] = "multipart/x-mixed-replace; boundary=\(boundary)"
        fields["Cache-Control"] = "no-store"
        guard let stream = responder.stream(HTTPResponseHead(.ok, fields: fields)) else { return nil }
        (self.stream, self.boundary) = (stream, boundary)
    }

    public var body: ResponseStream { stream }

    /// False when it was left out.
    @discardableResult
    public func send(_ picture: Span<UInt8>, type: String = "image/jpeg") -> Bool {
        guard stream.isOpen, stream.backlog < limit else { return false }
        var part = Array("--\(boundary)\r\nContent-Type: \(type)\r\n\r\n".utf8)
        part.append(span: picture)
        part.append(contentsOf: "\r\n".utf8)
        stream.write(part)
        return true
    }
}
