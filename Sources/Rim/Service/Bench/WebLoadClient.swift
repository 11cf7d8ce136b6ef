import Crypto
import Glibc
import HTTP
import Reactor
import Wire

/// One connection of a load: opened with real parsers, then run with as little work as checking every byte allows.
final class WebLoadClient {
    /// The first answer is here and right.
    var onOpen: (() -> Void)?
    var onFailure: ((String) -> Void)?

    private let socket: TCPConnection
    private let number: Int
    private let options: WebLoad.Options
    private let target: WebLoadTarget
    private let tally: WebLoadTally
    private var state = State.opening
    private var parser = HTTPResponseParser()
    private var nonce: [UInt8] = []

    /// `depth` requests or masked messages, one after another, and the length of one.
    private var questions: [UInt8] = []
    private var questionLength = 0
    /// The body of every answer, or the frame of every echo.
    private var expected: [UInt8] = []
    /// An answer that is not whole yet.
    private var partial: [UInt8] = []
    /// How much of the echo at hand has come.
    private var matched = 0
    private var webSocket: WebSocketConnection?

    private enum State { case opening, open, closed }

    init(_ socket: TCPConnection, number: Int, options: WebLoad.Options, target: WebLoadTarget, tally: WebLoadTally) {
        (self.socket, self.number, self.options, self.target, self.tally) = (socket, number, options, target, tally)
        socket.onBytes = { [unowned self] bytes in received(&bytes) }
        socket.onClose = { [unowned self] in ended() }
    }

    private var isWebSocket: Bool {
        switch options.mode {
        case .json: false
        case .echo, .fanout: true
        case .idle: options.webSocket
        }
    }

    func begin() {
        var fields: HTTPFields = ["Host": target.address.description, "User-Agent": "waldo-load", "Accept": "*/*"]
        if isWebSocket {
            nonce = (0..<16).map { _ in UInt8.random(in: 0...255) }
            for (name, value) in WebSocketHandshake.request(nonce: nonce) { fields.append(name, value) }
        }
        HTTPRequestHead(.get, target.path, fields: fields).write(to: &questions)
        socket.send(questions)
    }

    /// Begins to ask, `depth` at once.
    func load() {
        switch options.mode {
        case .json:
            let one = questions
            questionLength = one.count
            for _ in 1..<max(options.depth, 1) { questions += one }
        case .echo: makeMessages()
        case .idle, .fanout: return
        }
        socket.send(questions)
    }

    /// Each connection has a text and a key of its own.
    private func makeMessages() {
        let name = "\(number) "
        let payload = Array((name + String(repeating: "x", count: max(options.size - name.utf8.count, 0))).utf8)
        var (client, server) = (WebSocketConnection(mask: { UInt32.random(in: 0...UInt32.max) }, at: .zero), WebSocketConnection(at: .zero))
        _ = server.send(.text, payload.span, overflow: .close, at: .zero)
        expected = server.output
        questions = []
        for _ in 0..<max(options.depth, 1) {
            _ = client.send(.text, payload.span, overflow: .close, at: .zero)
            questionLength = client.output.count
            questions += client.output
            client.sent(questionLength)
        }
    }

    func close() {
        (onOpen, onFailure) = (nil, nil)
        state = .closed
        socket.close()
    }

    private func ended() {
        guard state != .closed else { return }
        tally.figures.ended += 1
        if state == .opening { onFailure?("connection \(number) was closed by the server before it was open") }
        state = .closed
    }

    private func wrong() {
        tally.figures.wrong += 1
        state = .closed
        socket.close()
    }

    // MARK: receiving

    private func received(_ bytes: inout MutableSpan<UInt8>) {
        switch state {
        case .closed: break
        case .opening: receivedFirst(&bytes)
        case .open:
            if webSocket != nil { return receivedFrames(&bytes) }
            let answers = options.mode == .echo ? takeEchoes(bytes.span) : takeAnswers(bytes.span)
            guard let answers else { return wrong() }
            tally.figures.messages += answers
            guard answers > 0 else { return }
            let next = questions
            socket.send(next.span.extracting(0..<(min(answers, options.depth) * questionLength)))
        }
    }

    private func receivedFirst(_ bytes: inout MutableSpan<UInt8>) {
        var offset = 0
        do {
            while let event = try parser.next(bytes.span, &offset) {
                switch event {
                case .informational: break
                case .head(let head):
                    if isWebSocket {
                        _ = try WebSocketHandshake.check(head, nonce: nonce)
                    } else if head.status != .ok {
                        return fail("\(head.status)")
                    }
                case .body(let range): expected.append(span: bytes.span.extracting(range))
                case .end: return opened(&bytes, offset)
                }
            }
        } catch { fail("\(error)") }
    }

    private func fail(_ text: String) {
        state = .closed
        socket.close()
        onFailure?("connection \(number): \(text)")
    }

    private func opened(_ bytes: inout MutableSpan<UInt8>, _ offset: Int) {
        state = .open
        if options.mode == .fanout || options.mode == .idle && isWebSocket {
            webSocket = WebSocketConnection(mask: { UInt32.random(in: 0...UInt32.max) }, at: MonotonicClock.now())
            receivedFrames(&bytes, from: offset)
        }
        onOpen?()
    }

    /// Pings are answered; messages are counted.
    private func receivedFrames(_ bytes: inout MutableSpan<UInt8>, from start: Int = 0) {
        var offset = start
        while let event = webSocket?.next(&bytes, &offset, at: .zero) {
            switch event {
            case .message(_, .given(let range)): if range.count < options.size { return wrong() }
            case .message: break
            case .closed: return socket.closeAfterSending()
            }
            tally.figures.messages += 1
        }
        guard let count = webSocket?.output.count, count > 0 else { return }
        socket.send(webSocket?.output ?? [])
        webSocket?.sent(count)
    }

    /// How many echoes ended; nil: something else came.
    private func takeEchoes(_ bytes: Span<UInt8>) -> Int? {
        var (offset, answers) = (0, 0)
        while offset < bytes.count {
            let count = min(expected.count - matched, bytes.count - offset)
            guard Self.areEqual(bytes.extracting(offset..<(offset + count)), expected.span.extracting(matched..<(matched + count))) else {
                return nil
            }
            offset += count
            matched += count
            if matched == expected.count {
                matched = 0
                answers += 1
            }
        }
        return answers
    }

    /// How many answers ended; nil: one was no 200 with the expected body.
    private func takeAnswers(_ bytes: Span<UInt8>) -> Int? {
        guard partial.isEmpty else {
            partial.append(span: bytes)
            var whole: [UInt8] = []
            swap(&whole, &partial)
            return takeWhole(whole.span)
        }
        return takeWhole(bytes)
    }

    private func takeWhole(_ bytes: Span<UInt8>) -> Int? {
        var (offset, answers) = (0, 0)
        while offset < bytes.count {
            let rest = bytes.extracting(offset..<bytes.count)
            guard let head = Self.headLength(rest), rest.count >= head + expected.count else {
                partial.append(span: rest)
                break
            }
            // `HTTP/1.1 200`
            guard rest[9] == UInt8(ascii: "2"), rest[10] == UInt8(ascii: "0"), rest[11] == UInt8(ascii: "0"),
                Self.areEqual(rest.extracting(head..<(head + expected.count)), expected.span)
            else { return nil }
            offset += head + expected.count
            answers += 1
        }
        return answers
    }

    /// Up to the end of the empty line; nil when it is not there.
    private static func headLength(_ bytes: Span<UInt8>) -> Int? {
        unsafe bytes.withUnsafeBufferPointer { bytes -> Int? in
            guard let start = bytes.baseAddress, bytes.count > 16 else { return nil }
            var offset = 0
            while let found = unsafe memchr(start + offset, 0x0A, bytes.count - offset) {
                let next = unsafe UnsafeRawPointer(found) - UnsafeRawPointer(start) + 1
                // The line was `\r`: the one before ended two bytes ago.
                if next == offset + 2 { return next }
                offset = next
            }
            return nil
        }
    }

    private static func areEqual(_ a: Span<UInt8>, _ b: Span<UInt8>) -> Bool {
        guard a.count == b.count, a.count > 0 else { return a.count == b.count }
        return unsafe a.withUnsafeBytes { a in
            unsafe b.withUnsafeBytes { b in unsafe memcmp(a.baseAddress!, b.baseAddress!, a.count) == 0 }
        }
    }
}
