/// How records become lines.
///
/// No text from outside can begin a line, end one or change how a terminal shows it: C0 and C1 controls, DEL, line and paragraph
/// separators and marks that turn the direction of text are escaped. A text is cut after 1024 bytes.
public struct LogFormat: Sendable, Hashable {
    public enum Form: String, Sendable, CaseIterable {
        /// For people: `2026-11-20T16:04:14.123Z info web#17: request method=GET path="/a b"`.
        case text
        /// For machines: an object a line, `{"time":"2026-11-20T16:04:14.123Z","level":"info","subject":"web","connection":17,…}`.
        case json
    }

    public var form: Form
    /// Addresses lose what tells one host from its neighbours: of IPv4 the last octet (`192.0.2.0/24`), of IPv6 all behind the first 48 bits
    /// (`2001:db8:1::/48`); ports are left out. Only values that are addresses are changed, no text that may hold one.
    public var redactsAddresses: Bool

    public init(_ form: Form = .text, redactsAddresses: Bool = false) { (self.form, self.redactsAddresses) = (form, redactsAddresses) }

    /// Bytes of one text.
    public static let longestText = 1024

    /// Appends the record's line with its end.
    public func write(_ record: LogRecord, to out: inout [UInt8]) {
        switch form {
        case .text: writeText(record, to: &out)
        case .json: writeJSON(record, to: &out)
        }
        out.append(0x0A)
    }

    // MARK: for people

    private func writeText(_ record: LogRecord, to out: inout [UInt8]) {
        Self.write(time: record.time, to: &out)
        out.append(0x20)
        out.append(contentsOf: record.level.name.utf8)
        out.append(0x20)
        LogEscape.text.write(record.subject, to: &out)
        if let connection = record.connection { out.append(contentsOf: "#\(connection)".utf8) }
        out.append(contentsOf: ": ".utf8)
        LogEscape.text.write(record.message, to: &out)
        for (name, value) in record.fields.all {
            out.append(0x20)
            LogEscape.text.write(name, to: &out)
            out.append(UInt8(ascii: "="))
            switch value {
            case .text(let text): LogEscape.writeWord(text, to: &out)
            case .integer(let value): JSON.write(value, to: &out)
            case .double(let value): out.append(contentsOf: value.description.utf8)
            case .bool(let value): out.append(contentsOf: (value ? "true" : "false").utf8)
            case .address(let address): out.append(contentsOf: written(address).utf8)
            case .endpoint(let endpoint): out.append(contentsOf: written(endpoint).utf8)
            }
        }
    }

    // MARK: for machines

    private func writeJSON(_ record: LogRecord, to out: inout [UInt8]) {
        out.append(contentsOf: #"{"time":""#.utf8)
        Self.write(time: record.time, to: &out)
        out.append(contentsOf: #"","level":""#.utf8)
        out.append(contentsOf: record.level.name.utf8)
        out.append(contentsOf: #"","subject":"#.utf8)
        LogEscape.writeString(record.subject, to: &out)
        if let connection = record.connection {
            out.append(contentsOf: #","connection":"#.utf8)
            out.append(contentsOf: String(connection).utf8)
        }
        out.append(contentsOf: #","message":"#.utf8)
        LogEscape.writeString(record.message, to: &out)
        for (name, value) in record.fields.all {
            out.append(UInt8(ascii: ","))
            LogEscape.writeString(name, to: &out)
            out.append(UInt8(ascii: ":"))
            switch value {
            case .text(let text): LogEscape.writeString(text, to: &out)
            case .integer(let value): JSON.write(value, to: &out)
            case .double(let value): JSON.write(value, to: &out)
            case .bool(let value): out.append(contentsOf: (value ? "true" : "false").utf8)
            case .address(let address): LogEscape.writeString(written(address), to: &out)
            case .endpoint(let endpoint): LogEscape.writeString(written(endpoint), to: &out)
            }
        }
        out.append(UInt8(ascii: "}"))
    }

    // MARK: values

    private func written(_ address: IPAddress) -> String { redactsAddresses ? address.redacted : address.description }
    private func written(_ endpoint: SocketAddress) -> String { redactsAddresses ? endpoint.ip.redacted : endpoint.description }

    /// RFC 3339 in UTC with milliseconds, for 1970 to 9999.
    private static func write(time nanoseconds: Int64, to out: inout [UInt8]) {
        let milliseconds = min(max(nanoseconds, 0) / 1_000_000, 253_402_300_799_999)
        let (seconds, fraction) = (milliseconds / 1000, milliseconds % 1000)
        let date = CivilDate(daysSince1970: seconds / 86_400)
        let ofDay = seconds % 86_400
        func digits(_ value: Int64, _ count: Int, _ end: Unicode.Scalar) {
            var unit: Int64 = 1
            for _ in 1..<count { unit *= 10 }
            while unit > 0 {
                out.append(UInt8(ascii: "0") + UInt8(value / unit % 10))
                unit /= 10
            }
            out.append(UInt8(ascii: end))
        }
        digits(date.year, 4, "-")
        digits(date.month, 2, "-")
        digits(date.day, 2, "T")
        digits(ofDay / 3600, 2, ":")
        digits(ofDay / 60 % 60, 2, ":")
        digits(ofDay % 60, 2, ".")
        digits(fraction, 3, "Z")
    }
}

extension IPAddress {
    /// Its network: /24 of IPv4, /48 of IPv6.
    public var redacted: String {
        switch family {
        case .v4: "\(IPAddress(v4: UInt32(truncatingIfNeeded: low) & 0xFFFF_FF00))/24"
        case .v6: "\(IPAddress(high: high & 0xFFFF_FFFF_FFFF_0000, low: 0))/48"
        }
    }
}
