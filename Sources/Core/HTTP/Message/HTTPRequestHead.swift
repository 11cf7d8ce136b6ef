/// What a request says before its body.
public struct HTTPRequestHead: Sendable, Equatable {
    public var method: HTTPMethod
    /// As it came: `/path?query`, `*`, or for a proxy `http://host/path`.
    public var target: String
    public var version: HTTPVersion
    public var fields: HTTPFields

    public init(_ method: HTTPMethod, _ target: String, version: HTTPVersion = .http11, fields: HTTPFields = HTTPFields()) {
        (self.method, self.target, self.version, self.fields) = (method, target, version, fields)
    }

    /// Whether the connection stays open after the answer (RFC 9112 clause 9.3).
    public var keepsAlive: Bool { HTTPVersion.keepsAlive(version, fields) }

    /// The head as it is sent.
    public func write(to out: inout [UInt8]) {
        out.append(contentsOf: method.rawValue.utf8)
        out.append(UInt8(ascii: " "))
        out.append(contentsOf: target.utf8)
        out.append(contentsOf: " HTTP/1.1\r\n".utf8)
        fields.write(to: &out)
        out.append(contentsOf: "\r\n".utf8)
    }
}

/// What a response says before its body.
public struct HTTPResponseHead: Sendable, Equatable {
    public var status: HTTPStatus
    public var version: HTTPVersion
    public var fields: HTTPFields

    public init(_ status: HTTPStatus, version: HTTPVersion = .http11, fields: HTTPFields = HTTPFields()) {
        (self.status, self.version, self.fields) = (status, version, fields)
    }

    public var keepsAlive: Bool { HTTPVersion.keepsAlive(version, fields) }

    /// The head as it is sent.
    public func write(to out: inout [UInt8]) {
        status.writeLine(to: &out)
        fields.write(to: &out)
        out.append(contentsOf: "\r\n".utf8)
    }
}

public enum HTTPVersion: Sendable, Hashable {
    case http10, http11

    static func keepsAlive(_ version: HTTPVersion, _ fields: HTTPFields) -> Bool {
        if fields.lists("connection", "close") { return false }
        return version == .http11 || fields.lists("connection", "keep-alive")
    }
}
