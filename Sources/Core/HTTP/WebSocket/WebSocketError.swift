/// Why a WebSocket connection cannot go on; `code` is what the close frame says (RFC 6455 clause 7.4).
public struct WebSocketError: Error, Sendable, Hashable, CustomStringConvertible {
    public let code: WebSocketCloseCode
    /// What was expected and what came.
    public let text: String

    public init(_ code: WebSocketCloseCode, _ text: String) { (self.code, self.text) = (code, text) }

    public var description: String { "\(code.rawValue): \(text)" }

    public static func == (a: WebSocketError, b: WebSocketError) -> Bool { a.code == b.code }
    public func hash(into hasher: inout Hasher) { hasher.combine(code) }
}

/// RFC 6455 clause 7.4 and its registry.
public struct WebSocketCloseCode: RawRepresentable, Sendable, Hashable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let normal = WebSocketCloseCode(rawValue: 1000)
    public static let goingAway = WebSocketCloseCode(rawValue: 1001)
    public static let protocolError = WebSocketCloseCode(rawValue: 1002)
    public static let unsupportedData = WebSocketCloseCode(rawValue: 1003)
    /// Never on the wire: the close frame had no code.
    public static let noStatus = WebSocketCloseCode(rawValue: 1005)
    /// Never on the wire: the connection ended without a close frame.
    public static let abnormal = WebSocketCloseCode(rawValue: 1006)
    public static let invalidPayload = WebSocketCloseCode(rawValue: 1007)
    public static let policyViolation = WebSocketCloseCode(rawValue: 1008)
    public static let messageTooBig = WebSocketCloseCode(rawValue: 1009)
    public static let internalError = WebSocketCloseCode(rawValue: 1011)
    /// The receiver is too far behind.
    public static let tryAgainLater = WebSocketCloseCode(rawValue: 1013)

    /// Whether it may stand in a close frame.
    public var isSendable: Bool {
        switch rawValue {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}
