import Wire

/// A form that was sent as a body, whole: `multipart/form-data`, or `application/x-www-form-urlencoded`.
public struct HTTPForm: Sendable {
    public struct Part: Sendable {
        public let head: MultipartHead
        /// A part of the body, not copied.
        public let content: ArraySlice<UInt8>

        public var name: String { head.name }
        /// Bytes that are no UTF-8 become U+FFFD.
        public var text: String { String(decoding: content, as: UTF8.self) }
    }

    /// In the order in which they came; a name may come several times.
    public let parts: [Part]

    /// The first part of that name.
    public subscript(name: String) -> Part? { parts.first { $0.name == name } }

    /// `contentType`: the request's field.
    public init(_ body: [UInt8], contentType: String, limits: MultipartLimits = MultipartLimits()) throws(MultipartError) {
        if HTTPParameters(contentType)?.value == "application/x-www-form-urlencoded" {
            parts = try Self.urlEncoded(body, limits)
        } else {
            parts = try Self.multipart(body, contentType, limits)
        }
    }

    private static func multipart(_ body: [UInt8], _ contentType: String, _ limits: MultipartLimits) throws(MultipartError) -> [Part] {
        var reader = try MultipartReader(contentType: contentType, limits: limits)
        var parts: [Part] = []
        var head: MultipartHead?
        var content = 0..<0
        var offset = 0
        while let event = try reader.next(body.span, &offset) {
            switch event {
            case .part(let begun): (head, content) = (begun, offset..<offset)
            // Fed in one piece, nothing is held back, and a part's pieces lie side by side.
            case .data(let piece): content = (content.isEmpty ? piece.lowerBound : content.lowerBound)..<piece.upperBound
            case .held: preconditionFailure("bytes were held back although all came at once")
            case .partEnd: if let head { parts.append(Part(head: head, content: body[content])) }
            case .end: break
            }
        }
        try reader.finish()
        return parts
    }

    private static func urlEncoded(_ body: [UInt8], _ limits: MultipartLimits) throws(MultipartError) -> [Part] {
        guard body.lazy.filter({ $0 == UInt8(ascii: "&") }).count < limits.parts else {
            throw MultipartError(.tooManyParts, "more than \(limits.parts) fields")
        }
        guard let pairs = HTTPTarget.parameters(String(decoding: body, as: UTF8.self)[...]) else {
            throw MultipartError(.escape, "expected fields that are percent-encoded")
        }
        var parts: [Part] = []
        for (name, value) in pairs {
            guard value.utf8.count <= limits.part else { throw MultipartError(.partTooLong, "a field is longer than \(limits.part) bytes") }
            parts.append(Part(head: MultipartHead(name: name), content: Array(value.utf8)[...]))
        }
        return parts
    }
}
