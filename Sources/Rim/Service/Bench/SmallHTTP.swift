import Reactor
import Wire

/// One request of the measuring tools' small HTTP server.
public struct SmallRequest: Sendable {
    public var method: String
    /// Without the query.
    public var path: String
    /// By lower-case name.
    public var headers: [String: String]
    public var body: [UInt8]
}

public struct SmallResponse: Sendable {
    public var status: Int
    public var headers: [(String, String)]
    public var body: [UInt8]

    public init(_ status: Int, _ contentType: String, _ body: String, headers: [(String, String)] = []) {
        self.status = status
        self.headers = [("Content-Type", contentType)] + headers
        self.body = Array(body.utf8)
    }

    public init(_ status: Int, headers: [(String, String)] = []) {
        self.status = status
        self.headers = headers
        body = []
    }

    var bytes: [UInt8] {
        let reasons = [
            200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
            413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable Content", 431: "Request Header Fields Too Large",
            503: "Service Unavailable",
        ]
        var head = "HTTP/1.1 \(status) \(reasons[status] ?? "Status")\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        head += "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: Location\r\n"
        if status != 204 { head += "Content-Length: \(body.count)\r\n" }
        return Array((head + "\r\n").utf8) + body
    }
}

/// Just enough HTTP/1.1 for the measuring tools on a loopback or test network: requests with Content-Length, keep-alive, hard limits.
public final class SmallHTTPServer {
    private var listener: TCPListener?
    private var connections: [ObjectIdentifier: Connection] = [:]
    private let handle: (SmallRequest) -> SmallResponse
    private static let maximumConnections = 1000

    private final class Connection {
        let socket: TCPConnection
        var buffer: [UInt8] = []
        /// With fewer bytes there is no use in looking again.
        var needed = 0
        /// What was refused last ends it: whatever follows is not read.
        var isRefused = false
        var lastHeard = MonotonicClock.now()
        init(_ socket: TCPConnection) { self.socket = socket }
    }

    public init(_ address: SocketAddress, reactor: Reactor, handle: @escaping (SmallRequest) -> SmallResponse) throws(SystemError) {
        self.handle = handle
        listener = try TCPListener(address, reactor: reactor) { [unowned self] socket in accept(socket) }
    }

    /// With the port that the kernel chose.
    public var address: SocketAddress? { listener?.address }

    private func accept(_ socket: TCPConnection) {
        // Whoever holds connections open and says nothing makes way.
        if connections.count >= Self.maximumConnections { connections.values.min { $0.lastHeard < $1.lastHeard }?.socket.close() }
        let connection = Connection(socket)
        let id = ObjectIdentifier(connection)
        connections[id] = connection
        socket.onBytes = { [unowned self] bytes in
            connection.lastHeard = MonotonicClock.now()
            guard !connection.isRefused else { return }
            connection.buffer.append(span: bytes.span)
            if connection.buffer.count >= connection.needed { answer(connection) }
        }
        socket.onClose = { [unowned self] in connections[id] = nil }
    }

    private func answer(_ connection: Connection) {
        while true {
            switch SmallRequest.parse(&connection.buffer) {
            case .incomplete(let needed):
                connection.needed = needed
                return
            case .refused(let status, let reason):
                connection.isRefused = true
                connection.buffer = []
                connection.socket.send(SmallResponse(status, "text/plain", reason + "\n").bytes)
                return connection.socket.closeAfterSending()
            case .request(let request):
                var response = handle(request)
                if request.method == "HEAD" { response.body = [] }
                connection.socket.send(response.bytes)
            }
        }
    }
}

extension SmallRequest {
    enum Outcome {
        /// Of `needed` bytes in all, as far as is known.
        case incomplete(needed: Int)
        case refused(Int, String)
        case request(SmallRequest)
    }

    private static let maximumHead = 16_384
    private static let maximumBody = 262_144

    /// Takes one whole request off the front of `buffer`.
    static func parse(_ buffer: inout [UInt8]) -> Outcome {
        guard let end = headEnd(buffer) else {
            return buffer.count > maximumHead ? .refused(431, "headers: expected at most \(maximumHead) bytes") : .incomplete(needed: 0)
        }
        let lines = String(decoding: buffer[..<end], as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count == 3, words[2].hasPrefix("HTTP/1.") else { return .refused(400, "request line: expected METHOD PATH HTTP/1.1") }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { return .refused(400, "header: expected NAME: VALUE") }
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            headers[line[..<colon].lowercased()] = String(value)
        }
        guard headers["transfer-encoding"] == nil else { return .refused(400, "expected Content-Length, got Transfer-Encoding") }
        guard let length = Int(headers["content-length"] ?? "0"), length >= 0 else {
            return .refused(400, "Content-Length: expected a number of bytes")
        }
        guard length <= maximumBody else { return .refused(413, "body: expected at most \(maximumBody) bytes") }
        guard buffer.count >= end + 4 + length else { return .incomplete(needed: end + 4 + length) }
        let body = Array(buffer[(end + 4)..<(end + 4 + length)])
        buffer.removeFirst(end + 4 + length)
        let path = words[1].split(separator: "?", omittingEmptySubsequences: false).first ?? ""
        return .request(SmallRequest(method: String(words[0]), path: String(path), headers: headers, body: body))
    }

    private static func headEnd(_ buffer: [UInt8]) -> Int? {
        guard buffer.count >= 4 else { return nil }
        for index in 0...(buffer.count - 4)
        where buffer[index] == 13 && buffer[index + 1] == 10 && buffer[index + 2] == 13 && buffer[index + 3] == 10 {
            return index
        }
        return nil
    }
}
