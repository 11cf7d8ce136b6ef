import Wire

/// Reads the frames of one direction of a WebSocket connection (RFC 6455 clause 5), however the bytes are cut.
///
///     while let event = try reader.next(&bytes, &offset) { … }     // nil: all bytes are taken, more are needed
///
/// A message that lies whole in the bytes is unmasked where it is and not copied; others are put together in `assembled`.
public struct WebSocketReader {
    public enum Event: Equatable {
        case message(WebSocketMessageKind, Place, isCompressed: Bool)
        case ping([UInt8])
        case pong([UInt8])
        /// `noStatus` when the frame said none.
        case close(WebSocketCloseCode, reason: String)
    }

    public enum Place: Equatable {
        /// In the bytes that were given.
        case given(Range<Int>)
        /// In `assembled`, until the next call.
        case assembled
    }

    private enum State {
        case head
        case payload(Frame, left: Int)
        case failed(WebSocketError)
    }

    private struct Frame {
        var opcode: WebSocketOpcode
        var isFinal: Bool
        var length: Int
        var mask: UInt32?
        var isCompressed: Bool
    }

    private let role: WebSocketRole
    private let allowsCompression: Bool
    /// Bytes of a message, as they come on the wire.
    public let limit: Int
    private var state = State.head
    private var head: [UInt8] = []
    /// The message whose fragments are coming.
    private var message: (kind: WebSocketMessageKind, isCompressed: Bool)?
    public private(set) var assembled: [UInt8] = []
    private var isAssembledGivenOut = false
    private var control: [UInt8] = []
    private var text = UTF8Validator()

    /// `role` is the reader's own: a server's frames come masked, a client's do not.
    public init(role: WebSocketRole, limit: Int, allowsCompression: Bool = false) {
        (self.role, self.limit, self.allowsCompression) = (role, limit, allowsCompression)
    }

    public mutating func next(_ bytes: inout MutableSpan<UInt8>, _ offset: inout Int) throws(WebSocketError) -> Event? {
        if isAssembledGivenOut {
            assembled.removeAll(keepingCapacity: assembled.capacity <= 4096)
            isAssembledGivenOut = false
        }
        do throws(WebSocketError) {
            while true {
                switch state {
                case .failed(let error): throw error
                case .head:
                    guard let frame = try nextHead(bytes.span, &offset) else { return nil }
                    state = .payload(frame, left: frame.length)
                case .payload(let frame, let left):
                    if let event = try takePayload(frame, left, &bytes, &offset) { return event }
                    if case .payload = state { return nil }
                }
            }
        } catch {
            state = .failed(error)
            throw error
        }
    }

    // MARK: heads

    private mutating func nextHead(_ bytes: Span<UInt8>, _ offset: inout Int) throws(WebSocketError) -> Frame? {
        if head.isEmpty, let frame = try parseHead(bytes.extracting(offset..<bytes.count)) {
            offset += frame.size
            return frame.frame
        }
        while offset < bytes.count {
            head.append(bytes[offset])
            offset += 1
            if let frame = try parseHead(head.span) {
                head.removeAll(keepingCapacity: true)
                return frame.frame
            }
        }
        return nil
    }

    /// Nil when the head is not whole. What can be seen to be wrong is refused at once.
    private func parseHead(_ bytes: Span<UInt8>) throws(WebSocketError) -> (frame: Frame, size: Int)? {
        guard bytes.count > 0 else { return nil }
        let first = bytes[0]
        guard let opcode = WebSocketOpcode(rawValue: first & 15) else { throw wrong("a known opcode", "opcode \(first & 15)") }
        let isFinal = first & 0x80 != 0, isCompressed = first & 0x40 != 0
        guard first & 0x30 == 0, !isCompressed || allowsCompression && (opcode == .text || opcode == .binary) else {
            throw wrong("reserved bits of zero", "0x" + Hex.encode([first & 0x70]))
        }
        guard !opcode.isControl || isFinal else { throw wrong("control frames in one piece", "a fragment of one") }
        switch opcode {
        case .continuation: guard message != nil else { throw wrong("a message's first frame", "a continuation of none") }
        case .text, .binary: guard message == nil else { throw wrong("the continuation of a message", "the begin of another") }
        default: break
        }
        guard bytes.count > 1 else { return nil }
        let isMasked = bytes[1] & 0x80 != 0
        guard isMasked == (role == .server) else {
            throw wrong(role == .server ? "a masked frame" : "a frame without mask", isMasked ? "a masked one" : "one without mask")
        }
        let short = Int(bytes[1] & 127), extended = short == 126 ? 2 : short == 127 ? 8 : 0
        guard !opcode.isControl || extended == 0 else { throw wrong("a control frame of at most 125 bytes", "a longer one") }
        guard bytes.count >= 2 + extended else { return nil }
        var length: UInt64 = extended == 0 ? UInt64(short) : 0
        for index in 0..<extended { length = length << 8 | UInt64(bytes[2 + index]) }
        guard extended == 0 || length > (extended == 2 ? 125 : 65_535), length >> 63 == 0 else {
            throw wrong("a length in its shortest form", "\(length) in \(extended) bytes")
        }
        let before = opcode == .continuation ? assembled.count : 0
        guard opcode.isControl || length <= UInt64(max(limit - before, 0)) else {
            throw WebSocketError(.messageTooBig, "expected messages of at most \(limit) bytes, got a longer one")
        }
        let size = 2 + extended + (isMasked ? 4 : 0)
        guard bytes.count >= size else { return nil }
        var mask: UInt32 = 0
        if isMasked { for index in (size - 4)..<size { mask = mask << 8 | UInt32(bytes[index]) } }
        let frame = Frame(
            opcode: opcode, isFinal: isFinal, length: Int(length), mask: isMasked ? mask : nil, isCompressed: isCompressed)
        return (frame, size)
    }

    private func wrong(_ expected: String, _ got: String) -> WebSocketError {
        WebSocketError(.protocolError, "expected \(expected), got \(got)")
    }

    // MARK: payloads

    /// Takes what is there of a frame's payload; nil when it does not end a message.
    private mutating func takePayload(
        _ frame: Frame, _ left: Int, _ bytes: inout MutableSpan<UInt8>, _ offset: inout Int
    ) throws(WebSocketError) -> Event? {
        let count = min(left, bytes.count - offset)
        let piece = offset..<(offset + count)
        if let mask = frame.mask { WebSocketFrame.apply(mask, to: &bytes, piece, phase: frame.length - left) }
        offset += count
        state = left == count ? .head : .payload(frame, left: left - count)
        if frame.opcode.isControl {
            control.append(span: bytes.span.extracting(piece))
            guard left == count else { return nil }
            var payload: [UInt8] = []
            swap(&payload, &control)
            return try endControl(frame.opcode, payload)
        }
        let isFirst = message == nil
        if isFirst, left == frame.length {
            message = (frame.opcode == .text ? .text : .binary, frame.isCompressed)
            text = UTF8Validator()
        }
        guard let message else { return nil }
        if message.kind == .text, !message.isCompressed {
            guard text.take(bytes.span.extracting(piece)), left > count || !frame.isFinal || text.isAtEnd else {
                throw WebSocketError(.invalidPayload, "expected UTF-8 in a text message")
            }
        }
        let isWhole = left == count && frame.isFinal
        if isWhole, isFirst, left == frame.length {
            self.message = nil
            return .message(message.kind, .given(piece), isCompressed: message.isCompressed)
        }
        assembled.append(span: bytes.span.extracting(piece))
        guard isWhole else { return nil }
        self.message = nil
        isAssembledGivenOut = true
        return .message(message.kind, .assembled, isCompressed: message.isCompressed)
    }

    private func endControl(_ opcode: WebSocketOpcode, _ payload: [UInt8]) throws(WebSocketError) -> Event {
        switch opcode {
        case .ping: return .ping(payload)
        case .pong: return .pong(payload)
        default: return try endClose(payload)
        }
    }

    /// RFC 6455 clause 5.5.1.
    private func endClose(_ payload: [UInt8]) throws(WebSocketError) -> Event {
        guard !payload.isEmpty else { return .close(.noStatus, reason: "") }
        guard payload.count >= 2 else { throw wrong("a close code of two bytes", "one byte") }
        let code = WebSocketCloseCode(rawValue: UInt16(payload[0]) << 8 | UInt16(payload[1]))
        guard code.isSendable else { throw wrong("a close code that may be sent", "\(code.rawValue)") }
        guard let reason = String(validating: payload[2...], as: UTF8.self) else {
            throw WebSocketError(.invalidPayload, "expected UTF-8 in a close reason")
        }
        return .close(code, reason: reason)
    }
}
