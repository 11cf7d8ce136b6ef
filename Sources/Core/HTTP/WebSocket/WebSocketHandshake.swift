import Wire

/// The request and answer that turn an HTTP connection into a WebSocket one (RFC 6455 clause 4).
public enum WebSocketHandshake {
    private static let suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    /// Whether a request asks for the change at all.
    public static func isUpgrade(_ head: HTTPRequestHead) -> Bool {
        head.method == .get && head.fields.lists("upgrade", "websocket") && head.fields.lists("connection", "upgrade")
    }

    /// What a server answers, or why it does not (clause 4.2.1). `protocols`: what the server speaks, best first.
    public static func accept(
        _ head: HTTPRequestHead, protocols: [String] = [], allowsCompression: Bool = false
    ) throws(WebSocketRefusal) -> WebSocketAgreement {
        guard isUpgrade(head), head.version == .http11 else {
            throw WebSocketRefusal(
                .upgradeRequired, "expected a WebSocket handshake: GET with `Upgrade: websocket` and `Connection: Upgrade`")
        }
        guard head.fields.all("sec-websocket-version") == ["13"] else {
            throw WebSocketRefusal(.upgradeRequired, "expected Sec-WebSocket-Version 13")
        }
        let keys = head.fields.all("sec-websocket-key")
        guard keys.count == 1, Base64.decode(keys[0])?.count == 16 else {
            throw WebSocketRefusal(.badRequest, "expected a Sec-WebSocket-Key of 16 bytes in base64")
        }
        let wanted = head.fields.list("sec-websocket-protocol")
        let chosen = protocols.first { wanted.contains($0) }
        let offers = head.fields.all("sec-websocket-extensions").flatMap(DeflateParameters.offers)
        let deflate = allowsCompression ? offers.lazy.compactMap { $0.answered() }.first : nil
        var fields: HTTPFields = ["Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": answer(to: keys[0])]
        if let chosen { fields.append("Sec-WebSocket-Protocol", chosen) }
        if let deflate { fields.append("Sec-WebSocket-Extensions", deflate.description) }
        return WebSocketAgreement(response: HTTPResponseHead(.switchingProtocols, fields: fields), protocol: chosen, deflate: deflate)
    }

    /// The fields that the handshake itself sets.
    public static let fieldNames: Set = [
        "upgrade", "connection", "sec-websocket-version", "sec-websocket-key", "sec-websocket-protocol", "sec-websocket-extensions",
    ]

    /// The fields of a client's request; `nonce`: 16 bytes of randomness.
    public static func request(nonce: [UInt8], protocols: [String] = [], offersCompression: Bool = false) -> HTTPFields {
        var fields: HTTPFields = [
            "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": Base64.encode(nonce),
        ]
        if !protocols.isEmpty { fields.append("Sec-WebSocket-Protocol", protocols.joined(separator: ", ")) }
        if offersCompression { fields.append("Sec-WebSocket-Extensions", DeflateParameters.offer) }
        return fields
    }

    /// Checks a server's answer (clause 4.1); what was not asked for is not taken.
    public static func check(
        _ response: HTTPResponseHead, nonce: [UInt8], protocols: [String] = [], offeredCompression: Bool = false
    ) throws(WebSocketRefusal) -> WebSocketAgreement {
        guard response.status == .switchingProtocols else {
            throw WebSocketRefusal(response.status, "expected 101 Switching Protocols, got \(response.status)")
        }
        guard response.fields.lists("upgrade", "websocket"), response.fields.lists("connection", "upgrade") else {
            throw WebSocketRefusal(.badGateway, "expected `Upgrade: websocket` and `Connection: Upgrade` in the answer")
        }
        guard response.fields.all("sec-websocket-accept") == [answer(to: Base64.encode(nonce))] else {
            throw WebSocketRefusal(.badGateway, "expected the answer to our Sec-WebSocket-Key, got another")
        }
        // Clause 11.3.4: once at most in an answer.
        let chosen = response.fields["sec-websocket-protocol"]
        guard response.fields.count("sec-websocket-protocol") <= 1, chosen.map(protocols.contains) ?? true else {
            throw WebSocketRefusal(.badGateway, "expected one of our sub-protocols, got another, or several")
        }
        let extensions = response.fields.all("sec-websocket-extensions").flatMap { $0.split(separator: ",") }
        guard !extensions.isEmpty else { return WebSocketAgreement(response: response, protocol: chosen, deflate: nil) }
        guard offeredCompression, extensions.count == 1, let deflate = DeflateParameters(answer: String(extensions[0])) else {
            throw WebSocketRefusal(.badGateway, "expected the extensions that were offered, got others")
        }
        // RFC 7692 clause 7.1.1.1: what was asked of the server is said again; a window of 256 bytes is more than zlib can keep to.
        guard !deflate.serverKeepsContext, deflate.clientWindowBits >= 9 else {
            throw WebSocketRefusal(.badGateway, "expected compression without context and with a window of at least 512 bytes, got another")
        }
        return WebSocketAgreement(response: response, protocol: chosen, deflate: deflate)
    }

    private static func answer(to key: String) -> String { Base64.encode(SHA1.digest(Array((key + suffix).utf8))) }
}

/// What both sides agreed on.
public struct WebSocketAgreement: Sendable, Equatable {
    public var response: HTTPResponseHead
    public var `protocol`: String?
    public var deflate: DeflateParameters?
}

/// Why there is no WebSocket; the status is a server's answer.
public struct WebSocketRefusal: Error, Sendable, Hashable, CustomStringConvertible {
    public let status: HTTPStatus
    public let text: String

    public init(_ status: HTTPStatus, _ text: String) { (self.status, self.text) = (status, text) }
    public var description: String { text }
}

/// permessage-deflate as agreed (RFC 7692 clause 7).
public struct DeflateParameters: Sendable, Hashable, CustomStringConvertible {
    /// Each message is compressed by itself, which costs ratio and saves the 32 KiB of window between messages.
    public var serverKeepsContext = true
    public var clientKeepsContext = true
    /// 9 to 15: the window is 2^bits bytes.
    public var serverWindowBits = 15
    public var clientWindowBits = 15
    /// Whether the client said that it can be told its window.
    private var clientTakesWindow = false

    /// What a client of ours asks for: no context between messages, so that an idle connection holds no window.
    static let offer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"

    /// The offers that are understood, best first.
    static func offers(_ field: String) -> [DeflateParameters] {
        field.split(separator: ",").compactMap { DeflateParameters($0) }
    }

    /// A server's answer.
    init?(answer: String) { self.init(answer[...]) }

    private init?(_ text: Substring) {
        let parts = text.split(separator: ";").map { $0.trimmingBlanks() }
        guard parts.first == "permessage-deflate" else { return nil }
        var seen: Set<String> = []
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map { $0.trimmingBlanks() }
            guard let name = pair.first, seen.insert(name).inserted else { return nil }
            let value = pair.count == 2 ? pair[1].filter { $0 != "\"" } : nil
            // Clause 7.1.2: decimal, without a sign and without zeros before it.
            let bits = (8...15).first { String($0) == value }
            switch name {
            case "server_no_context_takeover" where value == nil: serverKeepsContext = false
            case "client_no_context_takeover" where value == nil: clientKeepsContext = false
            case "server_max_window_bits":
                guard let bits else { return nil }
                serverWindowBits = bits
            case "client_max_window_bits":
                clientTakesWindow = true
                guard value != nil else { continue }
                guard let bits else { return nil }
                clientWindowBits = bits
            default: return nil
            }
        }
    }

    /// What our server agrees to: nothing is kept between messages in either direction. Nil for a window of 256 bytes, which zlib cannot do.
    func answered() -> DeflateParameters? {
        guard serverWindowBits >= 9, clientWindowBits >= 9 else { return nil }
        var answer = self
        answer.serverKeepsContext = false
        answer.clientKeepsContext = false
        return answer
    }

    public var description: String {
        var text = "permessage-deflate"
        if !serverKeepsContext { text += "; server_no_context_takeover" }
        if !clientKeepsContext { text += "; client_no_context_takeover" }
        if serverWindowBits < 15 { text += "; server_max_window_bits=\(serverWindowBits)" }
        if clientTakesWindow, clientWindowBits < 15 { text += "; client_max_window_bits=\(clientWindowBits)" }
        return text
    }
}

/// Compresses and expands messages (RFC 7692); the rim does it with zlib.
public protocol WebSocketCompressor: AnyObject {
    /// Appends the message's compressed form, without the empty block at its end.
    func compress(_ message: Span<UInt8>, into out: inout [UInt8])
    /// Appends the message; false when it is damaged or longer than `limit`.
    func expand(_ message: Span<UInt8>, into out: inout [UInt8], limit: Int) -> Bool
}
