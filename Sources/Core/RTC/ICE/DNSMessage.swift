import Wire

public enum DNSError: Error, Sendable, Hashable {
    case truncated
    /// More than 512 records or 255 bytes of name, or a compression pointer that does not point back (RFC 1035 clause 4.1.4).
    case limit(String)
    case pointer(Int)
    case label(UInt8)
}

/// A DNS message (RFC 1035 clause 4), as far as asking and answering for addresses goes.
public struct DNSMessage: Sendable, Hashable {
    public enum RecordType: UInt16, Sendable, Hashable {
        case a = 1
        case aaaa = 28
        case any = 255
    }

    public struct Question: Sendable, Hashable {
        /// Lower case, no dot at the end.
        public var name: String
        public var type: UInt16
        /// RFC 6762 clause 5.4: the answer may come to the asker alone.
        public var wantsUnicast: Bool

        public init(name: String, type: RecordType, wantsUnicast: Bool = false) {
            self.name = name
            self.type = type.rawValue
            self.wantsUnicast = wantsUnicast
        }

        fileprivate init(name: String, number: UInt16, wantsUnicast: Bool) {
            self.name = name
            type = number
            self.wantsUnicast = wantsUnicast
        }
    }

    /// An A or AAAA record of the internet class; others are passed over.
    public struct AddressRecord: Sendable, Hashable {
        public var name: String
        public var address: IPAddress
        /// Seconds. 0: the record is withdrawn (RFC 6762 clause 10.1).
        public var timeToLive: UInt32

        public init(name: String, address: IPAddress, timeToLive: UInt32 = 120) {
            self.name = name
            self.address = address
            self.timeToLive = timeToLive
        }
    }

    public static let recordLimit = 512

    public var id: UInt16
    public var isResponse: Bool
    public var questions: [Question]
    /// Of the answer, authority and additional sections.
    public var addresses: [AddressRecord]

    public init(id: UInt16 = 0, isResponse: Bool, questions: [Question] = [], addresses: [AddressRecord] = []) {
        self.id = id
        self.isResponse = isResponse
        self.questions = questions
        self.addresses = addresses
    }

    public init(parsing bytes: Span<UInt8>) throws(DNSError) {
        guard bytes.count >= 12 else { throw .truncated }
        self.init(id: bytes.u16(at: 0), isResponse: bytes[2] & 0x80 != 0)
        let questionCount = Int(bytes.u16(at: 4))
        let recordCount = Int(bytes.u16(at: 6)) + Int(bytes.u16(at: 8)) + Int(bytes.u16(at: 10))
        guard questionCount + recordCount <= Self.recordLimit else { throw .limit("records") }
        var offset = 12
        for _ in 0..<questionCount {
            let name = try Self.parseName(bytes, at: &offset)
            guard bytes.count - offset >= 4 else { throw .truncated }
            questions.append(
                Question(name: name, number: bytes.u16(at: offset), wantsUnicast: bytes.u16(at: offset + 2) & 0x8000 != 0))
            offset += 4
        }
        for _ in 0..<recordCount {
            let name = try Self.parseName(bytes, at: &offset)
            guard bytes.count - offset >= 10 else { throw .truncated }
            // RFC 6762 clause 10.2: the top bit of the class says that caches are to be flushed.
            let type = bytes.u16(at: offset), isInternet = bytes.u16(at: offset + 2) & 0x7FFF == 1
            let timeToLive = bytes.u32(at: offset + 4), length = Int(bytes.u16(at: offset + 8))
            offset += 10
            guard bytes.count - offset >= length else { throw .truncated }
            let isAddress = type == RecordType.a.rawValue && length == 4 || type == RecordType.aaaa.rawValue && length == 16
            if isAddress, isInternet, let address = IPAddress(bytes: bytes.extracting(offset..<(offset + length))) {
                addresses.append(AddressRecord(name: name, address: address, timeToLive: timeToLive))
            }
            offset += length
        }
    }

    /// Each pointer must lead further back than the one before, so that no chain of them can turn in a circle.
    private static func parseName(_ bytes: Span<UInt8>, at offset: inout Int) throws(DNSError) -> String {
        var name: [UInt8] = []
        var position = offset, lowest = offset
        var end: Int?
        while true {
            guard position < bytes.count else { throw .truncated }
            let length = bytes[position]
            switch length {
            case 0:
                offset = end ?? position + 1
                return String(decoding: name, as: UTF8.self).lowercased()
            case 1...63:
                guard bytes.count - position - 1 >= Int(length) else { throw .truncated }
                guard name.count + Int(length) + 1 <= 255 else { throw .limit("name") }
                if !name.isEmpty { name.append(UInt8(ascii: ".")) }
                name.append(span: bytes.extracting((position + 1)..<(position + 1 + Int(length))))
                position += 1 + Int(length)
            case 192...255:
                guard position + 1 < bytes.count else { throw .truncated }
                let target = Int(bytes.u16(at: position) & 0x3FFF)
                guard target < lowest else { throw .pointer(target) }
                if end == nil { end = position + 2 }
                lowest = target
                position = target
            default: throw .label(length)
            }
        }
    }

    /// Without compression. Names with labels that no DNS message can hold are cut.
    public func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(u16: id)
        // RFC 6762 clause 18.4: an answer is authoritative.
        bytes.append(u16: isResponse ? 0x8400 : 0)
        bytes.append(u16: UInt16(min(questions.count, 64)))
        bytes.append(u16: UInt16(min(addresses.count, 64)))
        bytes.append(u32: 0)
        for question in questions.prefix(64) {
            Self.append(name: question.name, to: &bytes)
            bytes.append(u16: question.type)
            bytes.append(u16: question.wantsUnicast ? 0x8001 : 1)
        }
        for record in addresses.prefix(64) {
            let address = record.address.bytes
            Self.append(name: record.name, to: &bytes)
            bytes.append(u16: (record.address.family == .v4 ? RecordType.a : .aaaa).rawValue)
            bytes.append(u16: 0x8001)
            bytes.append(u32: record.timeToLive)
            bytes.append(u16: UInt16(address.count))
            bytes.append(contentsOf: address)
        }
        return bytes
    }

    private static func append(name: String, to bytes: inout [UInt8]) {
        for label in name.utf8.prefix(253).split(separator: UInt8(ascii: ".")) {
            let label = label.prefix(63)
            bytes.append(UInt8(label.count))
            bytes.append(contentsOf: label)
        }
        bytes.append(0)
    }
}

/// Multicast DNS for the names of candidates (RFC 6762).
public enum MulticastDNS {
    public static let port: UInt16 = 5353
    public static let v4 = SocketAddress(IPAddress(224, 0, 0, 251), port)
    public static let v6 = SocketAddress(IPAddress(high: 0xFF02_0000_0000_0000, low: 0xFB), port)

    /// Asks for both kinds of addresses of `name`.
    public static func query(for name: String) -> [UInt8] {
        DNSMessage(
            isResponse: false,
            questions: [
                DNSMessage.Question(name: name, type: .a, wantsUnicast: true),
                DNSMessage.Question(name: name, type: .aaaa, wantsUnicast: true),
            ]
        ).encoded()
    }

    /// The addresses that a response gives for `name`; empty when it is about something else, or is none.
    public static func addresses(of name: String, in bytes: Span<UInt8>) -> [IPAddress] {
        guard let message = try? DNSMessage(parsing: bytes), message.isResponse else { return [] }
        let name = name.lowercased()
        return message.addresses.filter { $0.name == name && $0.timeToLive > 0 }.map(\.address)
    }

    /// The answer to a query for any of our own names; `nil` when it asks for none. `names` are lower case.
    public static func answer(to bytes: Span<UInt8>, names: [String: [IPAddress]]) -> [UInt8]? {
        guard let query = try? DNSMessage(parsing: bytes), !query.isResponse else { return nil }
        var records: [DNSMessage.AddressRecord] = []
        for question in query.questions.prefix(16) {
            for address in names[question.name] ?? [] {
                let type: DNSMessage.RecordType = address.family == .v4 ? .a : .aaaa
                guard question.type == type.rawValue || question.type == DNSMessage.RecordType.any.rawValue else { continue }
                let record = DNSMessage.AddressRecord(name: question.name, address: address)
                if !records.contains(record) { records.append(record) }
            }
        }
        guard !records.isEmpty else { return nil }
        return DNSMessage(id: query.id, isResponse: true, addresses: records).encoded()
    }
}
