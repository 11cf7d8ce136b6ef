import HTTP
import Wire

/// Server-sent events (HTML Living Standard clause 9.2): text that goes on for as long as the reader wants it.
public struct EventStream {
    private let stream: ResponseStream
    /// A reader this far behind misses events, bytes.
    public var limit = 256 << 10

    /// Nil when nobody wants events: whoever asked is gone, or asked for the head.
    public init?(_ responder: HTTPResponder, fields: HTTPFields = HTTPFields()) {
        var fields = fields
        fields["Content-Type"] = "text/event-stream"
        fields["Cache-Control"] = "no-store"
        guard let stream = responder.stream(HTTPResponseHead(.ok, fields: fields)) else { return nil }
        self.stream = stream
        stream.isEndless = true
    }

    /// What it is written into, for its `onClose`.
    public var body: ResponseStream { stream }

    /// False when the reader is too far behind: the event is left out. `id` is what a browser sends as `Last-Event-ID` when it comes back.
    @discardableResult
    public func send(_ data: String, event: String? = nil, id: String? = nil) -> Bool {
        guard stream.isOpen, stream.backlog < limit else { return false }
        stream.write(Self.encode(data, event: event, id: id))
        return true
    }

    package static func encode(_ data: String, event: String? = nil, id: String? = nil) -> [UInt8] {
        var lines: [UInt8] = []
        // A line end in a name would begin another field.
        if let event { lines.append(field: "event", Array(event.utf8.filter { !$0.isLineEnd })[...]) }
        if let id { lines.append(field: "id", Array(id.utf8.filter { !$0.isLineEnd && $0 != 0 })[...]) }
        // The standard's three ends of a line, CR LF, CR and LF; all others are part of the text.
        var rest = Array(data.utf8)[...]
        while let end = rest.firstIndex(where: \.isLineEnd) {
            lines.append(field: "data", rest[..<end])
            let isPair = rest[end] == 13 && end + 1 < rest.endIndex && rest[end + 1] == 10
            rest = rest[(end + (isPair ? 2 : 1))...]
        }
        lines.append(field: "data", rest)
        lines.append(10)
        return lines
    }

    /// A line that readers ignore: it keeps proxies from giving up.
    public func keepAlive() { if stream.isOpen, stream.backlog < limit { stream.write(Array(":\n\n".utf8)) } }
}

extension UInt8 {
    fileprivate var isLineEnd: Bool { self == 10 || self == 13 }
}

extension [UInt8] {
    fileprivate mutating func append(field name: String, _ value: ArraySlice<UInt8>) {
        append(contentsOf: name.utf8)
        append(contentsOf: ": ".utf8)
        append(contentsOf: value)
        append(10)
    }
}

/// Pictures one after another in one answer (`multipart/x-mixed-replace`), as browsers show them in an `<img>`.
public struct PictureStream {
    private let stream: ResponseStream
    private let boundary: String
    /// With a picture's worth of bytes still waiting, the next one is left out: what is shown is never old.
    public var limit = 64 << 10

    /// Nil when nobody wants pictures: whoever asked is gone, or asked for the head. `boundary`: without the dashes.
    public init?(_ responder: HTTPResponder, boundary: String = "frame", fields: HTTPFields = HTTPFields()) {
        var fields = fields
        fields["Content-Type"] = "multipart/x-mixed-replace; boundary=\(boundary)"
        fields["Cache-Control"] = "no-store"
        guard let stream = responder.stream(HTTPResponseHead(.ok, fields: fields)) else { return nil }
        (self.stream, self.boundary) = (stream, boundary)
        stream.isEndless = true
    }

    /// What it is written into, for its `onClose`.
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
