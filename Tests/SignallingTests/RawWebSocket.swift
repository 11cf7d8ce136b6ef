import Glibc
import TestSupport

/// A client by bare hands: it reads when it is told to, and answers nothing by itself. Every wait ends after ten seconds.
final class RawWebSocket {
    private var descriptor: Int32
    private var received: [UInt8] = []
    /// The head of the answer.
    let head: String

    struct Frame: Equatable {
        var first: UInt8
        var payload: [UInt8]

        static func text(_ text: String) -> Frame { Frame(first: 0x81, payload: Array(text.utf8)) }
        /// Of a close frame.
        var code: Int? { first == 0x88 && payload.count >= 2 ? Int(payload[0]) << 8 | Int(payload[1]) : nil }
    }

    /// `buffer`: what the kernel keeps unread at most, about.
    init(_ port: UInt16, path: String = "/", buffer: Int32? = nil) throws {
        descriptor = try RawClient.connect(
            to: port,
            sending: "GET \(path) HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        if var buffer { unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &buffer, 4) }
        var head: [UInt8] = []
        while !head.suffix(4).elementsEqual("\r\n\r\n".utf8) {
            guard let byte = Self.take(1, descriptor, &received)?.first else { break }
            head.append(byte)
        }
        self.head = String(decoding: head, as: UTF8.self)
    }

    deinit { close() }

    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Masked with zeros.
    static func frame(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] {
        let count = payload.count
        let length: [UInt8] =
            count < 126
            ? [0x80 | UInt8(count)]
            : count < 65_536
                ? [0xFE, UInt8(count >> 8), UInt8(count & 255)] : [0xFF] + (0..<8).map { UInt8(truncatingIfNeeded: count >> (56 - 8 * $0)) }
        return [first] + length + [0, 0, 0, 0] + payload
    }

    func send(_ text: String) { send(Self.frame(0x81, Array(text.utf8))) }

    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    /// The next frame; nil: the end, or nothing within ten seconds.
    func next() -> Frame? {
        guard let head = take(2) else { return nil }
        var length = Int(head[1])
        if length >= 126 {
            guard let more = take(length == 126 ? 2 : 8) else { return nil }
            length = more.reduce(0) { $0 << 8 | Int($1) }
        }
        guard let payload = take(length) else { return nil }
        return Frame(first: head[0], payload: payload)
    }

    private func take(_ count: Int) -> [UInt8]? { Self.take(count, descriptor, &received) }

    private static func take(_ count: Int, _ descriptor: Int32, _ received: inout [UInt8]) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while received.count < count {
            let got = unsafe read(descriptor, &buffer, buffer.count)
            guard got > 0 else { return nil }
            received += buffer.prefix(got)
        }
        defer { received.removeFirst(count) }
        return Array(received.prefix(count))
    }
}
