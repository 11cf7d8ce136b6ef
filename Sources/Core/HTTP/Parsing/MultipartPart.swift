import Wire

/// What a part of a form says before its content (RFC 7578 clause 4).
public struct MultipartHead: Sendable, Equatable {
    /// The form's field.
    public let name: String
    /// As the sender gave it, to be shown: no path, and never to be used as one; see `safeFileName`.
    public let fileName: String?
    /// `text/plain` where the sender says nothing (RFC 7578 clause 4.4).
    public let contentType: String
    public let fields: HTTPFields

    init(_ fields: HTTPFields) throws(MultipartError) {
        guard fields.all("Content-Disposition").count == 1, let disposition = HTTPParameters(fields["Content-Disposition"] ?? ""),
            disposition.value == "form-data", let name = disposition["name"]
        else { throw MultipartError(.disposition, "expected one `Content-Disposition: form-data; name=\"…\"` in each part") }
        if let encoding = fields["Content-Transfer-Encoding"], !["binary", "8bit", "7bit"].contains(encoding.lowercased()) {
            throw MultipartError(.transferEncoding, "expected a part without Content-Transfer-Encoding, or with binary")
        }
        self.name = Self.unescape(name)
        // `filename*` must not be sent (RFC 7578 clause 4.2) and is not looked at.
        fileName = disposition["filename"].map(Self.unescape)
        contentType = fields["Content-Type"] ?? "text/plain"
        self.fields = fields
    }

    /// A field without file and type.
    init(name: String) { (self.name, fileName, contentType, fields) = (name, nil, "text/plain", HTTPFields()) }

    /// The last part of the file's name, without what a file system or a shell could take for more than a letter: at most 200 bytes, no
    /// separators of any system, no controls, no dot or blank at its ends; nil when nothing is left.
    public var safeFileName: String? {
        guard let fileName else { return nil }
        let last = fileName.unicodeScalars.split { $0 == "/" || $0 == "\\" || $0 == ":" }.last ?? []
        var safe = ""
        for scalar in last where !Self.isUnsafe(scalar) {
            guard safe.utf8.count + UTF8.width(scalar) <= 200 else { break }
            safe.unicodeScalars.append(scalar)
        }
        let ends: Set<Unicode.Scalar> = [".", " ", "~", "-"]
        var rest = safe.unicodeScalars[...]
        while let first = rest.first, ends.contains(first) { rest = rest.dropFirst() }
        while let end = rest.last, ends.contains(end) { rest = rest.dropLast() }
        return rest.isEmpty ? nil : String(rest)
    }

    private static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "*", "?", "\"", "<", ">", "|", "`", "$", "'", "&", ";": true
        default:
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: true
            default: false
            }
        }
    }

    /// Browsers write a quotation mark and line ends in names as `%22`, `%0D` and `%0A`, and nothing else so (WHATWG HTML, "multipart form data").
    private static func unescape(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
        var out: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let code = byte == UInt8(ascii: "%") && rest.count >= 2 ? String(decoding: rest.prefix(2), as: UTF8.self).uppercased() : ""
            switch code {
            case "22": out.append(0x22)
            case "0D": out.append(0x0D)
            case "0A": out.append(0x0A)
            default:
                out.append(byte)
                continue
            }
            rest = rest.dropFirst(2)
        }
        return String(decoding: out, as: UTF8.self)
    }
}
