import Glibc
import Wire

/// One blocking HTTP request for the measuring tools: `http://ADDRESS:PORT/PATH`, an IP address or `localhost`, a connection each.
struct SmallHTTPClient {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    let address: SocketAddress
    let path: String

    init(_ url: String) throws(Failure) {
        guard url.hasPrefix("http://") else { throw Failure(description: "url: expected http://ADDRESS:PORT/PATH, got `\(url)`") }
        let rest = url.dropFirst(7)
        let authority = rest.prefix { $0 != "/" }
        let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
        let host = parts.first == "localhost" ? "127.0.0.1" : String(parts.first ?? "")
        guard parts.count <= 2, let ip = IPAddress(host), ip.family == .v4, let port = UInt16(parts.count == 2 ? String(parts[1]) : "80")
        else {
            throw Failure(description: "url: expected an IPv4 address or localhost, and a port, got `\(authority)`")
        }
        address = SocketAddress(ip, port)
        path = rest.count > authority.count ? String(rest.dropFirst(authority.count)) : "/"
    }

    /// Status, lower-case headers and body.
    func request(_ method: String, contentType: String? = nil, _ body: [UInt8] = []) throws(Failure) -> (
        status: Int, headers: [String: String], body: [UInt8]
    ) {
        let descriptor = try connect()
        defer { close(descriptor) }
        var head = "\(method) \(path) HTTP/1.1\r\nHost: \(address)\r\nConnection: close\r\nContent-Length: \(body.count)\r\n"
        if let contentType { head += "Content-Type: \(contentType)\r\n" }
        try sendAll(Array((head + "\r\n").utf8) + body, to: descriptor)
        return try parse(try receiveAnswer(from: descriptor))
    }

    private func connect() throws(Failure) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = address.port.bigEndian
        name.sin_addr.s_addr = UInt32(truncatingIfNeeded: address.ip.low).bigEndian
        let code = unsafe withUnsafePointer(to: &name) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else {
            let reason = unsafe String(cString: strerror(errno))
            close(descriptor)
            throw Failure(description: "cannot connect to \(address): \(reason)")
        }
        return descriptor
    }

    private func sendAll(_ bytes: [UInt8], to descriptor: Int32) throws(Failure) {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(description: "\(address) closed the connection while the request was sent") }
            sent += count
        }
    }

    /// As far as Content-Length says, or to the end of the stream.
    private func receiveAnswer(from descriptor: Int32) throws(Failure) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while bytes.count < 1 << 20 {
            let count = unsafe recv(descriptor, &chunk, chunk.count, 0)
            if count < 0 { throw Failure(description: "\(address): no answer within 10 s") }
            if count == 0 { break }
            bytes.append(contentsOf: chunk[..<count])
            if let answer = try? parse(bytes), let length = answer.headers["content-length"].flatMap({ Int($0) }),
                answer.body.count >= length
            {
                break
            }
        }
        return bytes
    }

    private func parse(_ bytes: [UInt8]) throws(Failure) -> (status: Int, headers: [String: String], body: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        var lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)[...]
        let words = (lines.popFirst() ?? "").split(separator: " ")
        guard words.count >= 2, let status = Int(words[1]) else { throw Failure(description: "\(address): expected an HTTP answer") }
        var headers: [String: String] = [:]
        var length = 0
        for line in [Substring(text.prefix { $0 != "\r\n" })] { length += line.utf8.count + 2 }
        while let line = lines.popFirst() {
            length += line.utf8.count + 2
            if line.isEmpty { break }
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        return (status, headers, Array(bytes.dropFirst(length)))
    }
}
